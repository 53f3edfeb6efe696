#!/usr/bin/env python3
"""ABC's own training function on the golden steps, losses and gradients.

    git clone https://github.com/LeeHyuck/ABC
    python scripts/parity/abc_train.py ABC

ABCfix.train runs unchanged, once a golden step: "images" are row numbers, the network looks their logits up, and
torch.bernoulli takes the draws of the golden case instead of its own.
"""

import sys
import types

import numpy as np
import torch
import torch.nn.functional as F

import authors
from cissl_torch import B_U, COUNTS, K, STEPS, TOTAL, uniform

REVISION, CASE, LIMIT = "f70e926", "abc_authors", 1e-6


class Meter:
    avg = 0

    def update(self, value, n=1):
        self.avg = value


class Quiet:
    """A progress bar, an optimiser, an average: nothing here moves."""

    def __init__(self, *_, **__):
        self.elapsed_td = self.eta_td = 0

    def next(self):
        pass

    finish = step = zero_grad = next


class Once(list):
    """A loader of one batch, with the method `next` that iterators had."""

    def __iter__(self):
        return self

    def __next__(self):
        return self[0]

    next = __next__


def one_step(train, tensors, t):
    leaves = {k: tensors[f"{CASE}.{t}.{k}"].double().requires_grad_() for k in "fg"}
    y, b_l = tensors[f"{CASE}.{t}.y"].long(), len(tensors[f"{CASE}.{t}.y"])
    rows = [torch.arange(b_l)] + [torch.arange(b_l + v * B_U, b_l + (v + 1) * B_U) for v in range(3)]
    network = type("Network", (), {"__call__": lambda _, x: x, "train": lambda _: None,
                                   "classify": lambda _, x: leaves["f"][x],
                                   "classify2": lambda _, x: leaves["g"][x]})
    streams = iter((1, 2))

    def bernoulli(p):
        stream = next(streams)
        return torch.tensor([float(uniform(stream, t, i) < v) for i, v in enumerate(p.tolist())])

    torch.bernoulli = bernoulli
    rate = COUNTS[-1] / np.array(COUNTS)
    total, sup, unsup, labelled = train(Once([(rows[0], y, None)]), Once([(rows[1:], None, None)]), network(), Quiet(),
                                        Quiet(), WORLD["SemiLoss"](), 500 * t / TOTAL, rate)
    want = {k: tensors[f"{CASE}.{t}.loss.{k}"].item() for k in ("sup", "unsup", "abc_sup", "abc_unsup")}
    pairs = [(total, sum(want.values())), (sup, want["sup"]), (unsup, want["unsup"]), (labelled, want["abc_sup"])]
    worst = max(abs(a - b) for a, b in pairs)
    return max([worst] + [(leaves[k].grad - tensors[f"{CASE}.{t}.d{k}"]).abs().max().item() for k in "fg"])


WORLD = {"torch": torch, "F": F, "np": np, "num_class": K, "AverageMeter": Meter, "Bar": Quiet,
         "time": types.SimpleNamespace(time=lambda: 0.0), "args": types.SimpleNamespace(val_iteration=1)}


def main():
    clone = sys.argv[1]
    authors.check_revision(clone, REVISION)
    authors.take(clone, "ABCcode0920/ABCfix.py", ["train", "SemiLoss"], WORLD)
    torch.set_default_dtype(torch.float64)
    torch.Tensor.cuda = lambda self, *_, **__: self
    tensors = authors.golden()
    authors.report("ABC", [(t, one_step(WORLD["train"], tensors, t)) for t in range(STEPS)], LIMIT)


main()
