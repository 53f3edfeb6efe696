"""Runs the two classifier benchmarks in turn and prints a table; see scripts/bench-classifier."""
import argparse
import os
import sys

from rounds import HERE, better, phases, run, warn_of_load


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", required=True)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=6)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--labelled", type=int, default=64)
    p.add_argument("--unlabelled", type=int, default=128)
    a = p.parse_args()
    warn_of_load()
    sizes = [str(a.labelled), str(a.unlabelled), str(a.steps), str(a.threads)]
    ours, theirs = None, {}
    for round_ in range(a.rounds):  # in turn, so that both meet the same weather
        ours = better(ours, run([os.path.join(a.build, "tests/bench/bench_classifier"), *sizes], a.threads,
                                GOMP_SPINCOUNT="20000"))  # as ballast sets it for itself
        for layout in ["contiguous", "channels_last"]:
            result = run([sys.executable, os.path.join(HERE, "classifier_step.py"), *sizes, layout], a.threads)
            theirs[layout] = better(theirs.get(layout), result)
        print(f"  round {round_ + 1} of {a.rounds} done", file=sys.stderr)
    last = theirs["channels_last"]
    print(f"FixMatch step, WRN-28-2, {a.labelled} + 2 x {a.unlabelled} images of 32x32, {a.threads} threads, "
          "views + forward + backward + update + EMA")
    print(f"  {'':48} {'ms/step':>9} {'fastest':>9} {'CPU ms':>9} {'peak MB':>9} {'trained':>11}")
    rows = [(f"ballast ({ours['kernels']})", ours)]
    rows += [(f"torch {r['torch']} + Pillow, {k}", r) for k, r in theirs.items()]
    for name, r in rows:
        print(f"  {name:<48} {r['median_ms']:9.1f} {r['min_ms']:9.1f} {r['cpu_ms']:9.1f} {r['peak_mb']:9.0f} "
              f"{r['parameters']:11d}")
    print(f"  speed: {last['median_ms'] / ours['median_ms']:.2f}x channels_last, "
          f"{theirs['contiguous']['median_ms'] / ours['median_ms']:.2f}x contiguous")
    print(f"  ballast: {phases(ours)}")
    print(f"  torch (channels_last; views wait for the loader): {phases(last)}")


main()
