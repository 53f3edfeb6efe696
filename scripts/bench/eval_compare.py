"""Runs the evaluators in turn and prints tables; see scripts/bench-eval."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def run(command, **settings):
    env = dict(os.environ, OMP_WAIT_POLICY="passive", **settings)
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"bench-eval: failed: {' '.join(command)}")
    return json.loads(done.stdout.splitlines()[-1])


def data(a, kind, name, *arguments):
    out = os.path.join(a.data, name)
    if not os.path.exists(os.path.join(out, "done")):
        print(f"  making {out}", file=sys.stderr)
        subprocess.run([sys.executable, os.path.join(HERE, "eval_data.py"), kind, out, *arguments],
                       check=True)
        open(os.path.join(out, "done"), "w").close()
    return [os.path.join(out, f) for f in ("gt.json", "dt.json") if kind != "train" or f == "gt.json"]


def ours(a, files, protocol="coco", threads=None):
    settings = {"OMP_NUM_THREADS": str(threads)} if threads else {}
    command = [os.path.join(a.build, "tests/bench/bench_eval"), *files]
    return run(command + ([protocol] if len(files) > 1 else []), **settings)


def score(a, files, protocol="coco"):
    """The command, with its error analysis and files; end to end."""
    with tempfile.TemporaryDirectory() as out:
        command = [os.path.join(a.build, "ballast"), "score", "--gt", files[0], "--dt", files[1],
                   "--protocol", protocol, "--out", out]
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, use = os.wait4(child.pid, 0)
        total = time.perf_counter() - start
        if status:
            sys.exit(f"bench-eval: failed: {' '.join(command)}")
        with open(os.path.join(out, "metrics.json")) as f:
            metrics = json.load(f)
    return dict(metrics, total=total, cpu=use.ru_utime + use.ru_stime, peak_mb=use.ru_maxrss / 1024)


def theirs(tool, files):
    return run([sys.executable, os.path.join(HERE, "eval_tool.py"), tool, *files])


def fastest(rounds, f):
    return min((f() for _ in range(rounds)), key=lambda r: r["total"])


def table(title, rows):
    print(f"\n{title}\n  {'':34}{'ground truth':>13}{'results':>9}{'evaluate':>10}{'total s':>9}"
          f"{'CPU s':>8}{'peak MB':>9}  AP")
    for name, r in rows:
        stages = "".join(f"{r[k]:{w}.2f}" if k in r else " " * w
                         for k, w in (("read_gt", 13), ("read_dt", 9), ("evaluate", 10)))
        print(f"  {name:34}{stages}"
              f"{r['total']:9.2f}{r['cpu']:8.2f}{r['peak_mb']:9.0f}  {r.get('AP', '')}")


def compare(rows):
    """Ratios of the others to the first row."""
    (_, us), others = rows[0], rows[1:]
    for name, r in others:
        print(f"  {name}: {r['total'] / us['total']:.1f} times our time, {r['cpu'] / us['cpu']:.1f} times "
              f"our CPU time, {r['peak_mb'] / us['peak_mb']:.1f} times our peak memory")
        for key in ("AP", "AP50", "APs", "APr", "AR100", "AR"):
            if key in r and key in us and abs(r[key] - us[key]) > 1e-12:
                sys.exit(f"bench-eval: {name} disagrees: {key} {r[key]!r}, ours {us[key]!r}")


def coco(a):
    files = data(a, "coco", "coco")
    rows = [("ballast", fastest(a.rounds, lambda: ours(a, files))),
            ("ballast, 1 thread", fastest(a.rounds, lambda: ours(a, files, threads=1))),
            ("ballast score", fastest(a.rounds, lambda: score(a, files))),
            ("faster-coco-eval", fastest(a.rounds, lambda: theirs("faster-coco-eval", files)))]
    if not a.skip_slow:
        rows.append(("pycocotools", theirs("pycocotools", files)))
    table("COCO: 5,000 images, 500,000 detections, 80 classes", rows)
    compare(rows)
    return rows


def lvis(a):
    n = a.lvis_images
    part, full = data(a, "lvis", f"lvis-{n}", "--images", str(n)), data(a, "lvis", "lvis")
    rows = [("ballast", fastest(a.rounds, lambda: ours(a, part, "lvis")))]
    if not a.skip_slow:
        rows.append(("lvis-api", theirs("lvis", part)))
    table(f"LVIS: {n:,} images, {300 * n:,} detections, 1,203 classes", rows)
    compare(rows)
    whole = [("ballast", fastest(a.rounds, lambda: ours(a, full, "lvis"))),
             ("ballast, 1 thread", fastest(1, lambda: ours(a, full, "lvis", threads=1))),
             ("ballast score", fastest(1, lambda: score(a, full, "lvis"))),
             ("ballast, lvis-fixed", fastest(1, lambda: ours(a, full, "lvis-fixed")))]
    table("LVIS: 20,000 images, 6,000,000 detections, 1,203 classes", whole)
    if not a.skip_slow:
        scaled = rows[1][1]["total"] * 20000 / n
        print(f"  lvis-api's time grows with images x classes: {scaled:.0f} s by that scale, "
              f"{scaled / whole[0][1]['total']:.0f}x ours")
    return rows + whole


def disk_speed(path):
    """Bytes a second of reading the file, cold where the system lets us drop it from its cache."""
    with open(path, "rb", buffering=0) as f:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        start, size = time.perf_counter(), 0
        while block := f.read(1 << 22):
            size += len(block)
    return size / (time.perf_counter() - start)


def load(a):
    files = data(a, "train", "train")
    cold, size = disk_speed(files[0]), os.path.getsize(files[0])
    rows = [("ballast", fastest(a.rounds, lambda: ours(a, files)))]
    if not a.skip_slow:
        rows.append(("pycocotools (json + index)", theirs("pycocotools-load", files)))
    table(f"Loading annotations with polygons, {size / 1e6:.0f} MB", rows)
    compare(rows)
    print(f"  ballast reads {size / rows[0][1]['total'] / 1e6:.0f} MB/s; the disk gives {cold / 1e6:.0f} "
          "MB/s")
    return rows


def main():
    p = argparse.ArgumentParser(prog="bench-eval")
    p.add_argument("parts", nargs="*", help="coco, lvis, load (default: all)")
    p.add_argument("--build", required=True)
    p.add_argument("--data", default="build/bench-eval")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--lvis-images", type=int, default=500)
    p.add_argument("--skip-slow", action="store_true")
    p.add_argument("--json")
    a = p.parse_args()
    parts = {"coco": coco, "lvis": lvis, "load": load}
    for name in a.parts:
        if name not in parts:
            p.error(f"unknown part {name}; there are {', '.join(parts)}")
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} (other work disturbs these "
          "numbers)")
    results = {name: parts[name](a) for name in a.parts or parts}
    if a.json:
        with open(a.json, "w") as f:
            json.dump(results, f, indent=1)


if __name__ == "__main__":
    main()
