"""What the comparisons of training steps share: running a benchmark that prints one line of JSON, keeping the
faster of two rounds, and the words for its phases."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def warn_of_load():
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"warning: load average {load:.1f}: other work disturbs these numbers", file=sys.stderr)


def run(command, threads, **settings):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), **settings)
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"failed: {' '.join(command)}")
    return json.loads(done.stdout.splitlines()[-1])


def better(a, b):
    return b if a is None or b["median_ms"] < a["median_ms"] else a


def phases(result):
    total = sum(result["phases"].values())
    return ", ".join(f"{k} {v:.1f} ms ({100 * v / total:.0f} %)" for k, v in result["phases"].items())
