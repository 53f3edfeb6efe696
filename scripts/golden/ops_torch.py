#!/usr/bin/env python3
"""Writes tests/golden/ops_torch.safetensors: inputs, outputs and gradients of PyTorch's and torchvision's ops.

    python scripts/golden/ops_torch.py tests/golden/ops_torch.safetensors

Inputs are rounded to fp32; results are computed in fp64 and rounded once. tests/golden/test_kernels_torch.c
reads the file. Needs torch, torchvision; made with the versions recorded in the file's metadata.
"""

import json
import struct
import sys

import torch
import torch.nn.functional as F
import torchvision
from torchvision.ops import boxes as box_ops
from torchvision.ops import roi_align

torch.manual_seed(20240611)
tensors = {}


def put(name, value, dtype=torch.float32):
    tensors[name] = torch.as_tensor(value).detach().to(dtype).contiguous()


def rand(*shape, lo=-1.0, hi=1.0):
    """fp64 values that fp32 holds exactly."""
    return (torch.rand(*shape) * (hi - lo) + lo).float().double()


def leaf(name, value):
    put(name, value)
    return value.clone().requires_grad_(True)


def finish(prefix, y, leaves):
    """Stores y, a random dy, and the gradient d<name> of every leaf."""
    dy = rand(*y.shape)
    y.backward(dy)
    put(f"{prefix}.y", y)
    put(f"{prefix}.dy", dy)
    for name, t in leaves.items():
        put(f"{prefix}.d{name}", t.grad)


def write(path):
    header, offset = {}, 0
    names = {torch.float32: "F32", torch.int32: "I32"}
    for name, t in tensors.items():
        size = t.numel() * t.element_size()
        header[name] = {"dtype": names[t.dtype], "shape": list(t.shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    header["__metadata__"] = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(t.numpy().tobytes())


def conv():
    #        n  c  h  w  o  k  s  p  d  bias relu
    cases = [(2, 5, 9, 8, 7, 3, 1, 1, 1, 1, 1), (1, 3, 15, 13, 6, 7, 2, 3, 1, 0, 0),
             (2, 9, 8, 9, 5, 3, 1, 2, 2, 1, 0), (2, 17, 7, 7, 10, 1, 2, 0, 1, 0, 1),
             (1, 18, 8, 7, 20, 3, 2, 1, 1, 1, 0)]
    for i, (n, c, h, w, o, k, s, p, d, bias, relu) in enumerate(cases):
        name = f"conv.{i}"
        x, wt = leaf(f"{name}.x", rand(n, c, h, w)), leaf(f"{name}.w", rand(o, c, k, k))
        b = leaf(f"{name}.b", rand(o)) if bias else None
        y = F.conv2d(x, wt, b, s, p, d)
        y = F.relu(y) if relu else y
        put(f"{name}.attr", [s, p, d, bias, relu], torch.int32)
        finish(name, y, {"x": x, "w": wt, **({"b": b} if bias else {})})


def norm():
    #       kind (0 batch, 1 batch eval, 2 group), groups, act (0, relu, leaky), skip, n, c, h, w
    cases = [(0, 0, 0, 0, 3, 5, 4, 3), (0, 0, 1, 1, 2, 18, 5, 4), (0, 0, 2, 0, 2, 9, 3, 3),
             (1, 0, 0, 0, 3, 5, 4, 3), (1, 0, 1, 1, 2, 18, 5, 4), (2, 2, 0, 0, 2, 6, 4, 3),
             (2, 3, 1, 1, 2, 21, 4, 4)]
    eps, momentum, slope = 1e-5, 0.1, 0.1
    for i, (kind, groups, act, has_skip, n, c, h, w) in enumerate(cases):
        name = f"norm.{i}"
        x = leaf(f"{name}.x", rand(n, c, h, w, lo=-2, hi=3))
        gamma, beta = leaf(f"{name}.gamma", rand(c, lo=0.5, hi=1.5)), leaf(f"{name}.beta", rand(c))
        mean, var = rand(c), rand(c, lo=0.5, hi=2)
        put(f"{name}.mean", mean)
        put(f"{name}.var", var)
        if kind == 2:
            y = F.group_norm(x, groups, gamma, beta, eps)
        else:
            y = F.batch_norm(x, mean, var, gamma, beta, kind == 0, momentum, eps)
        leaves = {"x": x, "gamma": gamma, "beta": beta}
        if has_skip:
            leaves["skip"] = leaf(f"{name}.skip", rand(n, c, h, w))
            y = y + leaves["skip"]
        y = F.relu(y) if act == 1 else F.leaky_relu(y, slope) if act == 2 else y
        put(f"{name}.attr", [kind, groups, act, has_skip], torch.int32)
        put(f"{name}.real", [eps, momentum, slope])
        put(f"{name}.mean_after", mean)
        put(f"{name}.var_after", var)
        finish(name, y, leaves)


def pools():
    for i, (k, s, p, quantised) in enumerate([(3, 2, 1, 0), (2, 2, 0, 0), (3, 1, 1, 1)]):
        name = f"max_pool.{i}"
        x = rand(2, 9, 7, 8)
        x = leaf(f"{name}.x", (x * 2).round() if quantised else x)  # quantised: many ties
        put(f"{name}.attr", [k, s, p], torch.int32)
        finish(name, F.max_pool2d(x, k, s, p), {"x": x})
    name = "avg_pool.0"
    x = leaf(f"{name}.x", rand(2, 9, 7, 8))
    finish(name, F.adaptive_avg_pool2d(x, 1), {"x": x})
    for i, (fine, coarse) in enumerate([((8, 10), (4, 5)), ((7, 9), (4, 5)), ((5, 5), (5, 5))]):
        name = f"upsample.{i}"
        a, b = leaf(f"{name}.a", rand(2, 9, *fine)), leaf(f"{name}.b", rand(2, 9, *coarse))
        finish(name, a + F.interpolate(b, size=fine, mode="nearest"), {"a": a, "b": b})


def linear():
    for i, (n, shape, m, bias, relu) in enumerate([(5, (33, 1, 1), 11, 1, 1), (4, (9, 3, 3), 7, 0, 0)]):
        name = f"linear.{i}"
        x = leaf(f"{name}.x", rand(n, *shape))
        w = leaf(f"{name}.w", rand(m, shape[0] * shape[1] * shape[2]))
        b = leaf(f"{name}.b", rand(m)) if bias else None
        y = F.linear(x.flatten(1), w, b)
        y = F.relu(y) if relu else y
        put(f"{name}.attr", [bias, relu], torch.int32)
        finish(name, y, {"x": x, "w": w, **({"b": b} if bias else {})})


def roi():
    boxes = torch.tensor([[0, 3, 5, 31, 40], [1, 0, 0, 8, 8], [1, -20, -9, 15, 12], [0, 10, 4, 60, 55],
                          [1, 20, 20, 20, 20], [0, 1.5, 2.25, 3, 38], [0, 30, 30, 90, 100],
                          [1, 44, 2, 61, 5.5]], dtype=torch.float64)
    cases = [(7, 0, 1, 0.25), (7, 2, 0, 0.25), (3, 0, 0, 0.25), (4, 2, 1, 0.125)]
    for i, (size, sampling, aligned, scale) in enumerate(cases):
        name = f"roi_align.{i}"
        x = leaf(f"{name}.x", rand(2, 9, 14, 16))
        put(f"{name}.boxes", boxes)
        put(f"{name}.attr", [size, sampling, aligned], torch.int32)
        put(f"{name}.scale", [scale])
        y = roi_align(x, boxes, size, scale, sampling, bool(aligned))
        finish(name, y, {"x": x})


def losses():
    for i, (gamma, scale, weighted) in enumerate([(0.0, 1.0, 0), (0.0, 0.25, 1), (2.0, 0.5, 1), (1.5, 1.0, 0)]):
        name = f"softmax.{i}"
        x = leaf(f"{name}.x", rand(7, 13, lo=-5, hi=5))
        label = torch.tensor([0, 12, 3, -1, 7, 7, 2])
        weight = rand(7, lo=0, hi=2) if weighted else torch.ones(7).double()
        nll = F.cross_entropy(x, label, reduction="none", ignore_index=-1)
        loss = (weight * (1 - torch.exp(-nll)) ** gamma * nll)[label >= 0].sum() * scale
        put(f"{name}.label", label, torch.int32)
        put(f"{name}.weight", weight)
        put(f"{name}.real", [gamma, scale])
        loss.backward()
        put(f"{name}.y", loss)
        put(f"{name}.dx", x.grad)
    name = "bce.0"
    x, target, weight = leaf(f"{name}.x", rand(9, lo=-6, hi=6)), rand(9, lo=0), rand(9, lo=0, hi=2)
    target[0], target[1] = 0, 1
    loss = F.binary_cross_entropy_with_logits(x, target, weight, reduction="sum") * 0.5
    put(f"{name}.target", target)
    put(f"{name}.weight", weight)
    put(f"{name}.real", [0.5])
    loss.backward()
    put(f"{name}.y", loss)
    put(f"{name}.dx", x.grad)
    for i, beta in enumerate([0.0, 1 / 9, 1.0]):
        name = f"smooth_l1.{i}"
        x, target, weight = leaf(f"{name}.x", rand(6, 12, lo=-2, hi=2)), rand(6, 4), rand(6, lo=0, hi=2)
        first = torch.tensor([0, 8, -1, 4, 3, 0])
        beta = float(torch.tensor(beta).float())
        loss = 0
        for row in range(6):
            if first[row] >= 0:
                part = x[row, first[row]:first[row] + 4]
                loss = loss + weight[row] * F.smooth_l1_loss(part, target[row], reduction="sum", beta=beta)
        loss = loss * 0.125
        put(f"{name}.first", first, torch.int32)
        put(f"{name}.target", target)
        put(f"{name}.weight", weight)
        put(f"{name}.real", [beta, 0.125])
        loss.backward()
        put(f"{name}.y", loss)
        put(f"{name}.dx", x.grad)


def nms():
    for i, thr in enumerate([0.3, 0.5, 0.7]):
        name = f"nms.{i}"
        centre, size = rand(200, 2, lo=0, hi=60).float(), rand(200, 2, lo=4, hi=30).float()
        boxes = torch.cat([centre - size / 2, centre + size / 2], 1)
        score = torch.randperm(200).float() / 200  # no ties: torchvision's order of ties is not defined
        group = torch.randint(0, 3, (200,))
        put(f"{name}.boxes", boxes)
        put(f"{name}.score", score)
        put(f"{name}.group", group, torch.int32)
        put(f"{name}.real", [thr])
        put(f"{name}.keep_all", torchvision.ops.nms(boxes, score, thr), torch.int32)
        put(f"{name}.keep_grouped", box_ops._batched_nms_vanilla(boxes, score, group, thr), torch.int32)


def scalar(name, loss, **leaves):
    loss.backward()
    put(f"{name}.y", loss)
    for key, t in leaves.items():
        put(f"{name}.d{key}", t.grad)


def class_losses():
    # gain, bias, margin, focal, weight inside the focal factor
    for i, (gain, has_bias, has_margin, gamma, inside) in enumerate(
            [(1.0, 1, 0, 0.0, 0), (30.0, 0, 1, 0.0, 0), (2.0, 1, 1, 2.0, 0), (1.0, 0, 0, 1.0, 1)]):
        name = f"adjusted.{i}"
        x = leaf(f"{name}.x", rand(6, 9))
        label, weight = torch.tensor([0, 8, 3, -1, 5, 3]), rand(6, lo=0.1, hi=2)
        bias, margin = rand(9, lo=-3, hi=0) * has_bias, rand(9, lo=0, hi=0.5) * has_margin
        hit = F.one_hot(label.clamp(min=0), 9).double()
        z = gain * (x - margin * hit) + bias
        nll = F.cross_entropy(z, label, reduction="none", ignore_index=-1)
        if inside:
            nll = weight * nll
            terms = (1 - torch.exp(-nll)) ** gamma * nll
        else:
            terms = weight * (1 - torch.exp(-nll)) ** gamma * nll
        for key, value in (("weight", weight), ("bias", bias), ("margin", margin)):
            put(f"{name}.{key}", value)
        put(f"{name}.label", label, torch.int32)
        put(f"{name}.real", [gain, gamma, inside, 0.2])
        scalar(name, terms[label >= 0].sum() * 0.2, x=x)
    name = "soft_target.0"
    x, weight, bias = leaf(f"{name}.x", rand(6, 9, lo=-3, hi=3)), rand(6, lo=0, hi=2), rand(9)
    target = rand(6, 9, lo=0)
    for key, value in (("target", target), ("weight", weight), ("bias", bias)):
        put(f"{name}.{key}", value)
    put(f"{name}.real", [2.5, 0.2])
    scalar(name, -(weight * (target * F.log_softmax(2.5 * x + bias, 1)).sum(1)).sum() * 0.2, x=x)
    name = "entropy.0"
    x, weight = leaf(f"{name}.x", rand(6, 9, lo=-3, hi=3)), rand(6, lo=0, hi=2)
    put(f"{name}.weight", weight)
    put(f"{name}.real", [0.2])
    log_p = F.log_softmax(x, 1)
    scalar(name, -(weight * (log_p.exp() * log_p).sum(1)).sum() * 0.2, x=x)
    name = "info_nce.0"
    x, keys, queue = leaf(f"{name}.x", rand(5, 8)), rand(5, 8), rand(12, 8)
    put(f"{name}.keys", keys)
    put(f"{name}.queue", queue)
    put(f"{name}.real", [0.2, 0.25])
    logits = torch.cat([(x * keys).sum(1, keepdim=True), x @ queue.T], 1) / 0.2
    scalar(name, F.cross_entropy(logits, torch.zeros(5, dtype=torch.long), reduction="sum") * 0.25, x=x)
    name = "cosine.0"
    x, w = leaf(f"{name}.x", rand(5, 8)), leaf(f"{name}.w", rand(3, 8))
    finish(name, F.normalize(x) @ F.normalize(w).T, {"x": x, "w": w})
    name = "shortcut.0"
    x = leaf(f"{name}.x", rand(2, 6, 5, 4))
    finish(name, F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 3, 3)), {"x": x})


conv()
norm()
pools()
linear()
roi()
losses()
nms()
class_losses()
write(sys.argv[1])
