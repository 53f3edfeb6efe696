#!/usr/bin/env python3
"""DARP's own refinement of pseudo-labels on the golden steps.

    git clone https://github.com/bbuing9/DARP
    python scripts/parity/darp.py DARP

common.estimate_pseudo and common.opt_solver run unchanged, the latter to a tight tolerance; how far its usual one (0.1)
leaves the labels from that is printed, too: the known difference of an implementation that solves exactly. Images not
seen yet have equal predictions; which of them count as the largest is chance in the authors' sort, and here those that
come first, so that sort is made stable.
"""

import math
import sys

import numpy as np
import torch
from scipy import optimize

import authors
from cissl_torch import K, N_UNLABELLED, STEPS, DARP, prior

REVISION, CASE, LIMIT = "64a94b4", "darp", 1e-4


def refine(world, raw, target, tolerance, most_steps):
    chosen, scale = world["estimate_pseudo"](target, raw, K, DARP.ALPHA)
    p = raw * chosen * scale.reshape(1, -1) + 1e-6
    return world["opt_solver"](p / p.sum(1, keepdim=True), target, DARP.ROUNDS, tolerance, most_steps).double()


def main():
    clone, world = sys.argv[1], {"torch": torch, "np": np, "math": math, "optimize": optimize}
    authors.check_revision(clone, REVISION)
    authors.take(clone, "common.py", ["estimate_pseudo", "opt_solver", "f"], world)
    torch.set_default_dtype(torch.float64)
    sort = torch.Tensor.sort
    torch.Tensor.sort = lambda x, dim, descending: sort(x, dim=dim, descending=descending, stable=True)
    tensors, start = authors.golden(), DARP().start
    raw = torch.full((N_UNLABELLED, K), 1 / K)
    rows, loose = [], 0.0
    for t in range(STEPS):
        logits = tensors[f"{CASE}.{t}.f"].double()
        labelled, n = len(tensors[f"{CASE}.{t}.y"]), len(tensors[f"{CASE}.{t}.unlabelled_index"])
        q = torch.softmax(logits[labelled:labelled + n], 1)
        for j, image in enumerate(tensors[f"{CASE}.{t}.unlabelled_index"].tolist()):
            raw[image] = q[j]
        if t < start or (t - start) % DARP.EVERY:
            continue
        want = tensors[f"{CASE}.{t}.state.refined"]
        target = prior() * N_UNLABELLED
        rows.append((t, (refine(world, raw, target, 1e-12, 500) - want).abs().max().item()))
        loose = max(loose, (refine(world, raw, target, 0.1, 30) - want).abs().max().item())
    print(f"with the usual tolerance of 0.1: {loose:.2e}")
    authors.report("DARP", rows, LIMIT)


main()
