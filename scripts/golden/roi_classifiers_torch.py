#!/usr/bin/env python3
"""Writes tests/golden/roi_classifiers_torch.safetensors: long-tailed losses of the RoI classifier by PyTorch's own ops.

    python scripts/golden/roi_classifiers_torch.py tests/golden/roi_classifiers_torch.safetensors

tests/golden/test_ssl_roi_classifiers.c reads the file and says what each case is. Inputs are rounded to fp32, results
computed in fp64, gradients by autograd. Needs torch and safetensors.
"""
import sys

import torch
from safetensors.torch import save_file

BOXES = torch.tensor([1000, 300, 40, 5, 0])  # the last class has none: it counts as one
CLASSES = len(BOXES)
tensors = {"boxes": BOXES.int()}


def put(name, value, dtype=torch.float64):
    tensors[name] = torch.as_tensor(value).detach().to(dtype).contiguous()


def effective_number(n, beta):
    """1 + beta + beta^2 + ... of n terms: the sum that the closed form stands for."""
    return sum(beta**i for i in range(n))


def class_balanced():
    for beta in (0.9999, 0.9, 0.0):
        e = torch.tensor([effective_number(max(int(n), 1), beta) for n in BOXES], dtype=torch.float64)
        put(f"class_balanced.{beta}", (1 / e) * CLASSES / (1 / e).sum())


class_balanced()
save_file(tensors, sys.argv[1], {"torch": torch.__version__})
