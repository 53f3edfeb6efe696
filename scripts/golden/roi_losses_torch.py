#!/usr/bin/env python3
"""Writes tests/golden/roi_losses_torch.safetensors: losses of the RoI classifier by PyTorch's own ops, in fp64.

    python scripts/golden/roi_losses_torch.py tests/golden/roi_losses_torch.safetensors

Each case has one batch of RoIs (logits, labels, row weights; the last rows unused, label -1), the labelled boxes of
each class, the loss and its gradient by autograd; post-hoc forms have scores instead. "watch": sums by class of the
gradients and means of scores and logits. tests/golden/test_ssl_roi_losses.c and test_ssl_class_watch.c read the file. Needs torch and safetensors.
"""
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

CLASSES, ROWS, USED = 5, 20, 17
BOXES = torch.tensor([120, 40, 9, 2, 0])  # the last class has none: it counts as one
tensors = {"boxes": BOXES.int()}


def batch():
    logits = (torch.randn(ROWS, CLASSES + 1) * 2).float()
    label = torch.randint(0, CLASSES + 1, (ROWS,)).int()
    label[USED:] = -1
    weight = torch.rand(ROWS).float()
    tensors.update({"logits": logits, "label": label, "weight": weight})
    return logits.double(), label.long(), weight.double()


def log_prior():
    """ln(n_k / n_max) of the classes, 0 for the background."""
    n = BOXES.double().clamp(min=1)
    return torch.cat([torch.log(n / n.max()), torch.zeros(1).double()])


def put(name, loss_of, logits):
    z = logits.clone().requires_grad_(True)
    loss = loss_of(z)
    (gradient,) = torch.autograd.grad(loss, z)
    tensors[f"{name}.loss"] = loss.detach().reshape(1)
    tensors[f"{name}.gradient"] = gradient


def watch(name, logits, label, weight, gamma):
    """Sums by class of the gradients of a weighted focal loss, and means of the rows' own scores and logits."""
    z = logits.clone().requires_grad_(True)
    used = label >= 0
    q = F.softmax(z[used], dim=1).gather(1, label[used][:, None])[:, 0]
    ((1 - q) ** gamma * -torch.log(q) * weight[used]).sum().backward()
    own = F.one_hot(label[used], CLASSES + 1)[:, :CLASSES].double()
    g = z.grad[used][:, :CLASSES]
    p = F.softmax(logits[used], dim=1)[:, :CLASSES]
    n = own.sum(0)
    tensors[f"{name}.positive"] = -(g * own).sum(0)
    tensors[f"{name}.negative"] = (g * (1 - own)).sum(0)
    tensors[f"{name}.score"] = (p * own).sum(0) / n
    tensors[f"{name}.logit"] = (logits[used][:, :CLASSES] * own).sum(0) / n


def main():
    torch.manual_seed(7)
    logits, label, weight = batch()

    def adjusted(tau):
        return lambda z: (F.cross_entropy(z + tau * log_prior(), label, reduction="none", ignore_index=-1) * weight).sum()

    put("la", adjusted(1.0), logits)
    put("la_half", adjusted(0.5), logits)
    watch("watch", logits, label, weight, 0.0)
    watch("watch_focal", logits, label, weight, 1.5)
    tensors["la_post.scores"] = F.softmax(logits - log_prior(), dim=1)
    save_file({k: v.contiguous() for k, v in tensors.items()}, sys.argv[1], {"torch": torch.__version__})


main()
