"""Tells what a classifier has learnt from which classes it leans to.

    class_bias.py BALLAST RUN [RUN ...]

For each run folder: balanced accuracy on the test images with tau ln(prior of the labelled images) taken off the
logits for tau = 0, 0.5, ..., 3 (0 is the plain prediction), and with the best bias of each class: the one that makes
the mean prediction of each class equal to its share, found on half of the test images and scored on the other half,
both ways. The last number is the same whichever classes a training loss favours.
"""
import csv
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

TAUS = [0, 0.5, 1, 1.5, 2, 2.5, 3]


def predictions(ballast, run):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "p.csv")
        subprocess.run([ballast, "predict", run, "--set", "test", "--probabilities", "--out", path], check=True,
                       capture_output=True)
        with open(path, newline="") as f:
            rows = list(csv.DictReader(f))
    names = [k[2:] for k in rows[0] if k.startswith("p:")]
    logits = np.log(np.array([[float(r["p:" + k]) for k in names] for r in rows]) + 1e-12)
    return logits, np.array([names.index(r["label"]) for r in rows])


def balanced(logits, label):
    found = logits.argmax(1)
    return 100 * np.mean([np.mean(found[label == k] == k) for k in np.unique(label)])


def best_bias(logits, label, steps=400, rate=2):
    """Gradient ascent on the likelihood: at its end the mean prediction equals the share of the labels."""
    share = np.bincount(label, minlength=logits.shape[1]) / len(label)
    bias = np.zeros(logits.shape[1])
    for _ in range(steps):
        p = np.exp(logits + bias - (logits + bias).max(1, keepdims=True))
        bias += rate * (share - (p / p.sum(1, keepdims=True)).mean(0))
    return bias


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    print("| run | " + " | ".join(f"tau {t:g}" for t in TAUS) + " | best bias |")
    print("|---" * (len(TAUS) + 2) + "|")
    for run in sys.argv[2:]:
        logits, label = predictions(sys.argv[1], run)
        with open(os.path.join(run, "images.json")) as f:
            count = np.array(json.load(f)["labelled_counts"], float)
        prior = np.log(count / count.sum())
        half = np.array_split(np.random.default_rng(0).permutation(len(label)), 2)
        best = np.mean([balanced(logits[b] + best_bias(logits[a], label[a]), label[b]) for a, b in (half, half[::-1])])
        cells = [balanced(logits - t * prior, label) for t in TAUS] + [best]
        print(f"| {run} | " + " | ".join(f"{v:.1f}" for v in cells) + " |", flush=True)


main()
