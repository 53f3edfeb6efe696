#!/usr/bin/env python3
"""Writes tests/golden/roi_classifiers_torch.safetensors: long-tailed losses of the RoI classifier by PyTorch's own ops.

    python scripts/golden/roi_classifiers_torch.py tests/golden/roi_classifiers_torch.safetensors

A case is one batch of RoIs, or several in turn: logits, labels (5 is the background, the last rows are unused: -1),
what a row can be relied on, row weights; then the loss, its gradient, and scores. tests/golden/test_ssl_roi_classifiers.c
reads the file. Inputs are rounded to fp32, results computed in fp64, gradients by autograd. Needs torch, torchvision and
safetensors.
"""
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torchvision.ops import sigmoid_focal_loss

BOXES = torch.tensor([1000, 300, 40, 5, 0])  # of 1000 images; the last class has none: it counts as one
CLASSES, ROWS, USED = len(BOXES), 20, 17
tensors = {"boxes": BOXES.int()}


def put(name, value, dtype=torch.float64):
    tensors[name] = torch.as_tensor(value).detach().to(dtype).contiguous().clone()


class Batch:
    """Rows as the losses see them; unlabelled rows can be relied on in part."""

    def __init__(self, outputs, labelled=True, spread=2.0):
        self.logits = (torch.randn(ROWS, outputs) * spread).float()
        self.label = torch.randint(0, CLASSES + 1, (ROWS,)).int()
        self.label[USED:] = -1
        self.reliable = torch.ones(ROWS) if labelled else torch.rand(ROWS)
        self.reliable[USED:] = 0
        self.factor = torch.rand(ROWS) + 0.5  # class weights
        self.labelled = labelled
        self.weight = (self.reliable * self.factor / self.normaliser(self.label >= 0)).float()
        self.reliable = self.reliable.float()
        self.used = self.label >= 0

    def normaliser(self, rows):
        """Rows that count: their number, or of unlabelled images their sum; at least 1."""
        kept = self.reliable[rows]
        return float(((kept > 0).sum() if self.labelled else kept.double().sum()).clamp(min=1))

    def one_hot(self):
        return F.one_hot(self.label.clamp(min=0).long(), CLASSES + 1).double()


def case(name, batch, loss_of, scores_of=None):
    z = batch.logits.double().requires_grad_(True)
    loss = loss_of(z)
    (gradient,) = torch.autograd.grad(loss, z)
    put(f"{name}.logits", batch.logits, torch.float32)
    put(f"{name}.label", batch.label, torch.int32)
    put(f"{name}.weight", batch.weight, torch.float32)
    put(f"{name}.reliable", batch.reliable, torch.float32)
    put(f"{name}.loss", loss.reshape(1))
    put(f"{name}.gradient", gradient)
    if scores_of:
        put(f"{name}.scores", scores_of(z))


# ---- class-balanced weights ----


def effective_number(n, beta):
    """1 + beta + beta^2 + ... of n terms: the sum that the closed form stands for."""
    return sum(beta**i for i in range(n))


def class_balanced():
    for beta in (0.9999, 0.9, 0.0):
        e = torch.tensor([effective_number(max(int(n), 1), beta) for n in BOXES], dtype=torch.float64)
        put(f"class_balanced.{beta}", (1 / e) * CLASSES / (1 / e).sum())


# ---- sigmoids without a background output: EQL, focal loss ----


def sigmoid_scores(z):
    p = torch.sigmoid(z)
    return torch.cat([p, 1 - p.max(1, keepdim=True).values], 1)


def eql_v1(name, batch, frequency, rare):
    """Negatives of rare classes are left out on foreground rows."""
    target = batch.one_hot()[:, :-1]
    foreground = (batch.used & (batch.label < CLASSES)).double()[:, None]
    w = 1 - foreground * (frequency < rare).double() * (1 - target)

    def loss(z):
        bce = F.binary_cross_entropy_with_logits(z, target, reduction="none")
        return ((w * bce).sum(1) * batch.used * batch.weight.double()).sum()

    case(name, batch, loss, sigmoid_scores)


def sigmoid_focal(name, batch, gamma, alpha):
    target = batch.one_hot()[:, :-1]

    def loss(z):
        each = sigmoid_focal_loss(z, target, alpha=alpha, gamma=gamma, reduction="none")
        return (each.sum(1) * batch.used * batch.weight.double()).sum()

    case(name, batch, loss, sigmoid_scores)


# ---- Seesaw ----


def seesaw_scores(z):
    objectness = F.softmax(z[:, CLASSES:], 1)
    return torch.cat([F.softmax(z[:, :CLASSES], 1) * objectness[:, :1], objectness[:, 1:]], 1)


def seesaw(name, batch, counts, p=0.8, q=2.0, eps=1e-2):
    """counts: labels so far, added to here."""
    foreground = batch.used & (batch.label < CLASSES)
    counts += batch.one_hot()[foreground, :CLASSES].sum(0)

    def loss(z):
        zc, label = z[foreground, :CLASSES], batch.label[foreground].long()
        n = counts.clamp(min=1)
        m = (n[None, :] / n[label][:, None]).clamp(max=1) ** p
        s = F.softmax(zc.detach(), 1)
        own = s.gather(1, label[:, None]).clamp(min=eps)
        c = (s / own).clamp(min=1) ** q
        other = 1 - F.one_hot(label, CLASSES).double()
        ce = F.cross_entropy(zc + torch.log(m * c) * other, label, reduction="none")
        background = (batch.label == CLASSES).long()
        objectness = F.cross_entropy(z[:, CLASSES:], background, reduction="none")
        weight = batch.weight.double()
        return (ce * weight[foreground]).sum() + (objectness * batch.used * weight).sum()

    case(name, batch, loss, seesaw_scores)
    put(f"{name}.counts", counts)


def seesaw_steps():
    counts = torch.zeros(CLASSES).double()
    for step in range(3):
        seesaw(f"seesaw.{step}", Batch(CLASSES + 2, labelled=step != 1), counts)
    put("seesaw_sharp.before", torch.tensor([900, 200, 30, 4, 0]))
    seesaw("seesaw_sharp", Batch(CLASSES + 2, spread=6), tensors["seesaw_sharp.before"].clone(), p=1.2, q=0.5, eps=0.1)


# ---- balanced group softmax ----

EDGES = [10, 100, 1000]


def group_columns():
    """Of the background's group and of each bin: columns, and the column of "others"."""
    bins = [sum(int(n) >= e for e in EDGES) for n in BOXES.clamp(min=1)]
    groups = [([CLASSES], CLASSES + 1)]
    for b in range(len(EDGES) + 1):
        groups.append(([j for j in range(CLASSES) if bins[j] == b], CLASSES + 2 + b))
    return groups


def group_scores(z):
    p0 = F.softmax(z[:, [CLASSES, CLASSES + 1]], 1)
    out = torch.zeros(len(z), CLASSES + 1).double()
    out[:, CLASSES] = p0[:, 0]
    for own, others in group_columns()[1:]:
        p = F.softmax(z[:, own + [others]], 1)
        for at, j in enumerate(own):
            out[:, j] = p[:, at] * p0[:, 1]
    return out


def bags(name, batch):
    """Every row is kept in the background's group and in those of which a row of the batch is."""

    def loss(z):
        total = 0
        for own, others in group_columns():
            columns = own + [others]
            target = torch.tensor([columns.index(int(y)) if int(y) in own else len(own) for y in batch.label])
            kept = batch.used.clone()
            if own != [CLASSES] and not any(int(y) in own for y in batch.label):
                kept[:] = False
            u = batch.reliable.double() * batch.factor.double()
            ce = F.cross_entropy(z[:, columns], target, reduction="none")
            total = total + (ce * u * kept).sum() / batch.normaliser(kept)
        return total

    case(name, batch, loss, group_scores)


def bags_cases():
    batch = Batch(CLASSES + 6)
    bags("bags", batch)
    batch = Batch(CLASSES + 6, labelled=False)
    batch.label[batch.label == 3] = 0  # nobody of the bin that classes 3 and 4 are in
    batch.label[batch.label == 4] = 5
    bags("bags_unlabelled", batch)


# ---- angular margins ----


def c2am(name, batch, norms, scale=20.0, a=0.1, most=0.5):
    put(f"{name}.norms", norms, torch.float32)
    norms = norms.float().double()

    def loss(z):
        label = batch.label.clamp(min=0).long()
        margin = (a * torch.log(norms[label][:, None] / norms[None, :])).clamp(-most, most)
        theta = torch.acos(z / scale)
        own = F.one_hot(label, CLASSES + 1).double()
        moved = scale * torch.cos((theta - margin * (1 - own)).clamp(0, torch.pi))
        ce = F.cross_entropy(own * z + (1 - own) * moved, label, reduction="none")
        return (ce * batch.used * batch.weight.double()).sum()

    case(name, batch, loss, lambda z: F.softmax(z, 1))


def c2am_cases():
    for name, a in (("c2am", 0.1), ("c2am_strong", 2.0)):
        batch = Batch(CLASSES + 1)
        batch.logits = (20 * torch.tanh(torch.randn(ROWS, CLASSES + 1))).float()
        batch.logits[0, 1] = 19.99  # closer than the margin: clipped at angle 0
        c2am(name, batch, torch.tensor([3.0, 1.5, 0.8, 0.3, 0.25, 5.0]), a=a)


torch.manual_seed(11)
class_balanced()
frequency = BOXES / BOXES.max()
eql_v1("eql_v1", Batch(CLASSES), frequency, 0.01)
eql_v1("eql_v1_unlabelled", Batch(CLASSES, labelled=False), frequency, 0.1)
sigmoid_focal("sigmoid_focal", Batch(CLASSES), 2.0, 0.25)
sigmoid_focal("sigmoid_focal_plain", Batch(CLASSES, labelled=False, spread=8.0), 1.5, -1)
seesaw_steps()
bags_cases()
c2am_cases()
save_file(tensors, sys.argv[1], {"torch": torch.__version__})
