#!/usr/bin/env python3
"""Writes tests/golden/eql_torch.safetensors: EQL v2 by PyTorch's own ops, losses by autograd.

    python scripts/golden/eql_torch.py tests/golden/eql_torch.safetensors

Case "toy": one batch three times, whose losses and ratios are also known from the authors' program. Case "rows":
four random batches with row weights, fewer labels of later classes, and unused rows (label -1). Inputs are rounded to
fp32, results computed in fp64. tests/golden/test_ssl_eql.c reads the file. Needs torch.
"""
import json
import struct
import sys

import torch
import torch.nn.functional as F

GAMMA, MU, ALPHA = 12.0, 0.8, 4.0
tensors = {}


def put(name, value, dtype=torch.float64):
    tensors[name] = torch.as_tensor(value).detach().to(dtype).contiguous()


class Balance:
    """Accumulated gradients of positives and negatives of each foreground class."""

    def __init__(self, classes):
        self.pos, self.neg = torch.zeros(classes).double(), torch.zeros(classes).double()
        self.ratio = torch.full((classes,), 100.0).double()

    def loss(self, logits, label, weight, reliable):
        used = label >= 0
        target = F.one_hot(label.clamp(min=0).long(), logits.shape[1]).double()
        one = torch.ones(1).double()
        negative = torch.cat([torch.sigmoid(GAMMA * (self.ratio - MU)), one])
        positive = torch.cat([1 + ALPHA * (1 - negative[:-1]), one])
        w = positive * target + negative * (1 - target)
        bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        loss = (w * bce).sum(1)[used] @ weight[used]
        size = (torch.sigmoid(logits.detach()) - target).abs() * w * (reliable * used)[:, None]
        self.pos += (size * target).sum(0)[:-1]
        self.neg += (size * (1 - target)).sum(0)[:-1]
        self.ratio = self.pos / (self.neg + 1e-10)
        return loss


def case(name, batches):
    balance = None
    put(f"{name}.steps", len(batches), torch.int32)
    for step, (logits, label, weight, reliable) in enumerate(batches):
        balance = balance or Balance(logits.shape[1] - 1)
        z = logits.double().requires_grad_(True)
        loss = balance.loss(z, label, weight.double(), reliable.double())
        (gradient,) = torch.autograd.grad(loss, z)
        at = f"{name}.{step}"
        put(f"{at}.logits", logits, torch.float32)
        put(f"{at}.label", label, torch.int32)
        put(f"{at}.weight", weight, torch.float32)
        put(f"{at}.reliable", reliable, torch.float32)
        put(f"{at}.loss", loss)
        put(f"{at}.gradient", gradient)
        put(f"{at}.ratio", balance.ratio)


def write(path):
    names = {torch.float32: "F32", torch.float64: "F64", torch.int32: "I32"}
    header, offset = {}, 0
    for name, t in tensors.items():
        size = t.numel() * t.element_size()
        header[name] = {"dtype": names[t.dtype], "shape": list(t.shape), "data_offsets": [offset, offset + size]}
        offset += size
    header["__metadata__"] = {"torch": torch.__version__}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(t.numpy().tobytes())


def toy():
    logits = torch.tensor([[2, -1, 0.5, 0, -1], [0.1, 0.2, -0.3, 1.5, 0.5], [-0.5, 1, 0.25, -2, 2]])
    third = torch.full((3,), 1 / 3)
    case("toy", [(logits, torch.tensor([2, 3, 4]), third, torch.ones(3))] * 3)


def rows():
    torch.manual_seed(5)
    batches = []
    for _ in range(4):
        label = (torch.rand(20) ** 2 * 6).int().clamp(max=5)
        label[17:] = -1
        reliable = torch.rand(20)
        batches.append((torch.randn(20, 6) * 2, label, reliable / reliable[:17].sum(), reliable))
    case("rows", batches)


toy()
rows()
write(sys.argv[1])
