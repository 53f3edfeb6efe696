#!/usr/bin/env python3
"""Writes tests/golden/classifier_torch.safetensors: whole classifiers, forward and backward, in PyTorch.

    python scripts/golden/classifier_torch.py tests/golden/classifier_torch.safetensors

Weights and images are not stored: both sides make them from a hash of the tensor's name and the position.
Results are computed in fp64. The images are such that no activation lies within rounding of a ReLU's
kink, where fp32 and fp64 would take different slopes. Of every gradient and every running statistic the file has two numbers, its
norm and its product with a random vector; rows are in the order of the sorted names.
tests/golden/test_nn_classifier_torch.c reads the file.
"""

import json
import struct
import sys

import networks_torch
import numpy as np
import torch
import torch.nn.functional as F
from networks_torch import Cifar, Wide
from torch import nn

BATCH, SIDE, CLASSES = 4, 12, 10
IMAGES = "images 2"  # the first of "images 0", "images 1", ... that KINK accepts for every network
KINK = 4e-6  # no input of a ReLU may be closer to zero than this
MASK = (1 << 64) - 1


closest = [1.0]  # smallest |input| of a ReLU seen so far


def watched_act(x, slope=0.0):
    closest[0] = min(closest[0], x.detach().abs().min().item())
    return F.leaky_relu(x, slope)


networks_torch.act = watched_act


def hash_name(name):
    h = 0xCBF29CE484222325
    for c in name.encode():
        h = ((h ^ c) * 0x100000001B3) & MASK
    return h


def mix(x):
    """SplitMix64's finaliser."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def uniform(name, count):
    """fp64 in [-1,1) that fp32 holds exactly."""
    with np.errstate(over="ignore"):
        u = mix(np.uint64(hash_name(name)) + np.arange(count, dtype=np.uint64))
    return (u >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def fill(name, t):
    v = uniform(name, t.numel())
    if name.endswith("running_mean"):
        v = v * 0.1
    elif name.endswith("running_var"):
        v = 1 + 0.5 * v
    elif t.dim() == 1 and name.endswith("weight"):
        v = 1 + 0.25 * v
    elif t.dim() == 1:
        v = v * 0.25
    else:  # fan-in scaling keeps activations of order 1
        v = v * float(np.float32(np.sqrt(6 / (t.numel() // t.shape[0]))))
    v = v.astype(np.float32).astype(np.float64)
    t.data.copy_(torch.from_numpy(v).reshape(t.shape))


class Classifier(nn.Module):
    def __init__(self, backbone, features):
        super().__init__()
        self.backbone = backbone
        self.head = nn.ModuleDict({"f": nn.Linear(features, CLASSES)})

    def forward(self, x):
        return self.head["f"](self.backbone(x))


def summary(name, t):
    v = t.detach().double().flatten().numpy()
    return [np.sqrt((v * v).sum()), (v * uniform(name + "/probe", v.size)).sum()]


def run(model):
    model.double()
    tensors = {n: t for n, t in model.state_dict(keep_vars=True).items() if "num_batches" not in n}
    for name, t in tensors.items():
        fill(name, t)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 0.05
    x = torch.from_numpy(uniform(IMAGES, BATCH * 3 * SIDE * SIDE)).reshape(BATCH, 3, SIDE, SIDE) * 2
    model.eval()
    with torch.no_grad():
        evaluated = model(x)
    closest[0] = 1.0
    model.train()
    logits = model(x)
    loss = F.cross_entropy(logits, torch.arange(BATCH) % CLASSES)
    loss.backward()
    if closest[0] < KINK:
        sys.exit(f"{IMAGES}: an activation of {closest[0]:g} is too close to the kink")
    rows = []
    for name in sorted(tensors):
        t = tensors[name]
        if "running" in name:
            rows.append(summary(name, t))
        else:
            rows.append(summary(name, t.grad) if t.grad is not None else [0.0, 0.0])
    return {"eval": evaluated, "train": logits, "loss": loss.reshape(1), "rows": torch.tensor(rows)}


def write(path, tensors):
    header, offset = {}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [offset, offset + 4 * t.numel()]}
        offset += 4 * t.numel()
    header["__metadata__"] = {"torch": torch.__version__}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(t.detach().float().contiguous().numpy().tobytes())


out = {}
for key, backbone, features in [("wrn_a", Wide(28, 2, "a"), 128), ("wrn_b", Wide(28, 2, "b"), 128),
                                ("wrn_c", Wide(28, 2, "c"), 128), ("resnet32", Cifar(32), 64)]:
    for name, t in run(Classifier(backbone, features)).items():
        out[f"{key}.{name}"] = t
write(sys.argv[1], out)
