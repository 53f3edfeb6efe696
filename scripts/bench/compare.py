"""Runs the two step benchmarks in turn and prints a table; see scripts/bench-detector."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

from rounds import HERE, better, phases, run, warn_of_load

ROOT = os.path.dirname(os.path.dirname(HERE))

# name, configuration, settings, batch, image side, classes
CASES = {
    "r50": ("R50-FPN, 2 x 512x512", "configs/coco/supervised_r50_10pct.json",
            ["detector.roi_sampling=2"], 2, 512, 80),
    "demo": ("small model of the demo, 8 x 128x128", "configs/demo/supervised.json",
             ["detector.roi_sampling=2"], 8, 128, 12),
}


def compare(key, a):
    title, config, settings, batch, size, classes = CASES[key]
    print(f"\n{title}, {a.threads} threads, forward + backward + update")
    with tempfile.TemporaryDirectory() as tmp:
        resolved = os.path.join(tmp, "config.json")
        subprocess.run([os.path.join(a.build, "ballast"), "config", config, *settings, "--out", resolved],
                       check=True, cwd=ROOT)
        numbers = [str(batch), str(size), str(classes), str(a.steps)]
        ours, theirs, formats = None, None, {}
        for round_ in range(a.rounds):  # in turn, so that both meet the same weather
            ours = better(ours, run([os.path.join(a.build, "tests/bench/bench_detector"), resolved,
                                     *numbers, f"run.threads={a.threads}"], a.threads,
                                    GOMP_SPINCOUNT="20000"))  # as ballast sets it for itself
            for layout in ["contiguous", "channels_last"]:
                result = run([sys.executable, os.path.join(HERE, "torchvision_step.py"), resolved,
                              *numbers, str(a.threads), layout], a.threads)
                formats[layout] = better(formats.get(layout), result)
            print(f"  round {round_ + 1} of {a.rounds} done", file=sys.stderr)
        best = min(formats, key=lambda k: formats[k]["median_ms"])
        theirs = formats[best]
    print(f"  {'':48} {'ms/step':>9} {'fastest':>9} {'peak MB':>9} {'trained':>11}")
    rows = [(f"ballast ({ours['kernels']})", ours)]
    rows += [(f"torchvision {r['torchvision']}, torch {r['torch']}, {k}"[:60], r)
             for k, r in formats.items()]
    for name, r in rows:
        print(f"  {name:<48} {r['median_ms']:9.1f} {r['min_ms']:9.1f} {r['peak_mb']:9.0f} "
              f"{r['parameters']:11d}")
    print(f"  speed: {theirs['median_ms'] / ours['median_ms']:.2f}x torchvision ({best}); "
          f"peak memory: {ours['peak_mb'] / theirs['peak_mb']:.2f} of it; before the model was built "
          f"{ours['start_mb']:.0f} and {theirs['start_mb']:.0f} MB")
    print(f"  ballast: {phases(ours)}")
    print(f"  torchvision: {phases(theirs)}")
    return {"case": key, "ballast": ours, "torchvision": formats, "best": best}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", required=True)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=8)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--case", choices=list(CASES), action="append")
    p.add_argument("--json", help="also write all numbers to this file")
    a = p.parse_args()
    a.build = os.path.abspath(a.build)
    warn_of_load()
    results = [compare(key, a) for key in a.case or CASES]
    if a.json:
        with open(a.json, "w") as f:
            json.dump(results, f, indent=2)
            f.write("\n")


if __name__ == "__main__":
    main()
