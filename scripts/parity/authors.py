"""What the comparisons with authors' programs share: their functions, taken from the user's own clone, and the golden
steps of tests/golden/cissl_torch.safetensors, which the C code is tested with. Nothing of theirs is kept."""

import ast
import os
import subprocess
import sys

from safetensors.torch import load_file

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "scripts", "golden"))


def golden():
    return load_file(os.path.join(ROOT, "tests", "golden", "cissl_torch.safetensors"))


def check_revision(clone, revision):
    """The comparison is with one revision; another may be another method."""
    head = subprocess.run(["git", "-C", clone, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    if not head.startswith(revision):
        sys.exit(f"{clone} is at {head or 'no revision'}; check out {revision}")


def take(clone, file, names, world):
    """Puts the named functions and classes of a file into `world`, which holds what they refer to, without running the
    rest of the file or importing what it imports."""
    path = os.path.join(clone, file)
    with open(path) as f:
        tree = ast.parse(f.read())
    found = [n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name in names]
    if len(found) != len(names):
        sys.exit(f"{path}: found {[n.name for n in found]} of {names}")
    exec(compile(ast.Module(found, []), path, "exec"), world)


def report(what, rows, limit):
    """rows: (step, greatest difference). Ends the program with 1 when one is beyond the limit."""
    for step, difference in rows:
        print(f"{what} step {step}: {difference:.2e}")
    worst = max(d for _, d in rows)
    print(f"{what}: greatest difference {worst:.2e}, limit {limit:g}")
    if not worst <= limit:
        sys.exit(1)
