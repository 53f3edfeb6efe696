"""Trains what a classification run of ballast trained, in PyTorch with Pillow's augmentation: does it end alike?

    classifier_run.py RUN CIFAR10_FOLDER [--iterations N] [--seed S] [--every N]

RUN is the folder of a finished run on CIFAR-10, supervised (cross-entropy or LDAM, reweighted from some iteration
or not) or FixMatch, with or without train-time logit adjustment ("la"); its config.json and images.json say what to
train and on which images. Only the random numbers differ. Prints the balanced accuracy on the test images of what
the run evaluates (the averaged model if there is one), one line an evaluation.
"""
import argparse
import json
import lzma
import os
import random
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from classifier_step import Wide, strong, weak
from networks_torch import Cifar

CLASSES = 10


def read_cifar(folder, names):
    rows = []
    for name in names:
        path = os.path.join(folder, name + ".bin")
        data = open(path, "rb").read() if os.path.exists(path) else lzma.open(path + ".xz").read()
        rows.append(np.frombuffer(data, np.uint8).reshape(-1, 3073))
    rows = np.concatenate(rows)
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0].astype(np.int64)


def endless(indices, n, rng):
    """Batches of n from one shuffled pass after another."""
    order = []
    while True:
        while len(order) < n:
            order += rng.sample(indices, len(indices))
        yield order[:n]
        order = order[n:]


class Batch:
    """Pictures to the network's input."""

    def __init__(self, cfg):
        self.side = cfg["views"]["size"] or 32
        self.mean = torch.tensor(cfg["images"]["mean"] or (0.4914, 0.4822, 0.4465)).view(1, 3, 1, 1)
        self.std = torch.tensor(cfg["images"]["std"] or (0.2471, 0.2435, 0.2616)).view(1, 3, 1, 1)

    def __call__(self, views):
        side = self.side
        views = [v if v.width == side else v.resize((side, side), Image.Resampling.BILINEAR) for v in views]
        x = torch.from_numpy(np.stack([np.asarray(v) for v in views])).permute(0, 3, 1, 2).float() / 255
        return ((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


class CosineHead(torch.nn.Module):
    def __init__(self, features):
        super().__init__()
        self.weight = torch.nn.Parameter(F.normalize(torch.rand(CLASSES, features) * 2 - 1))

    def forward(self, z):
        return F.normalize(z) @ F.normalize(self.weight).t()


def weak_black(image):
    """LDAM's: flip, and a crop of the image with a black border."""
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    x, y = random.randint(-4, 4), random.randint(-4, 4)
    return image.crop((x, y, x + 32, y + 32))


def network(cfg):
    m, kind = cfg["model"], cfg["method"]["supervised"]["loss"]
    wide = m["backbone"] == "wrn"
    net = Wide(m["depth"], m["width"], m["variant"]) if wide else Cifar(m["depth"])
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = m["bn_momentum"]
        if isinstance(module, torch.nn.Conv2d):
            mode = "fan_out" if wide else "fan_in"
            torch.nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
    features = 64 * (m["width"] if wide else 1)
    head = CosineHead(features) if kind == "ldam" else torch.nn.Linear(features, CLASSES)
    if kind != "ldam":
        torch.nn.init.xavier_normal_(head.weight) if wide else torch.nn.init.kaiming_normal_(head.weight)
        torch.nn.init.zeros_(head.bias)
    return torch.nn.Sequential(net, head).to(memory_format=torch.channels_last)


def rate(cfg, t):
    s, lr = cfg["schedule"], cfg["optim"]["lr"]
    t -= t % s["every"]
    if s["kind"] == "step":
        lr *= s["gamma"] ** sum(t >= at for at in s["steps"])
    elif s["kind"] != "constant":
        sys.exit(f"schedule.kind {s['kind']} is not known here")
    if t < s["warmup"]:
        lr *= s["warmup_ratio"] + (1 - s["warmup_ratio"]) * t / s["warmup"]
    return lr


class LabelledLoss:
    """Cross-entropy, its class weights from an iteration on, margins, logit adjustment."""

    def __init__(self, cfg, counts):
        self.s = cfg["method"]["supervised"]
        n = torch.tensor(counts, dtype=torch.float64)
        self.shift = torch.zeros(CLASSES)
        if "la" in cfg["method"]["plugins"]:
            self.shift = (cfg["method"]["la"]["tau"] * torch.log(n / n.sum())).float()
        beta = self.s["beta"]
        weight = (1 - beta) / (1 - beta ** n)
        self.weight = (weight / weight.sum() * CLASSES).float()
        margin = n ** -0.25
        self.margin = (margin * self.s["margin"] / margin.max()).float()

    def __call__(self, logits, label, t):
        if self.s["loss"] == "ldam":
            logits = self.s["scale"] * (logits - F.one_hot(label, CLASSES) * self.margin)
        weighted = self.s["reweight_from"] >= 0 and t >= self.s["reweight_from"]
        return F.cross_entropy(logits + self.shift, label, weight=self.weight if weighted else None)


def recalls(model, images, labels, batch):
    model.eval()
    found = []
    with torch.no_grad():
        for i in range(0, len(images), 500):
            found.append(model(batch([Image.fromarray(v) for v in images[i:i + 500]])).argmax(1).numpy())
    found = np.concatenate(found)
    return np.array([np.mean(found[labels == k] == k) for k in range(CLASSES)])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("run")
    p.add_argument("cifar")
    p.add_argument("--iterations", type=int)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--every", type=int, default=1000)
    a = p.parse_args()
    cfg = json.load(open(os.path.join(a.run, "config.json")))
    split = json.load(open(os.path.join(a.run, "images.json")))
    method, optim = cfg["method"], cfg["optim"]
    if method["name"] not in ("supervised", "fixmatch") or set(method["plugins"]) - {"la"}:
        sys.exit(f"{a.run}: only supervised and fixmatch, with or without la")
    if method["supervised"]["loss"] not in ("ce", "ldam"):
        sys.exit(f"{a.run}: only the losses ce and ldam")
    known = {"optim.kind": "sgd", "run.init_from": "", "model.decay_norm": True, "views.strong": "ra_mc",
             "method.fixmatch.strong": 1, "method.fixmatch.forward": "joint", "method.la.form": "loss",
             "method.ema.buffers": "average", "method.supervised.resample_from": -1,
             "method.supervised.class_aware": False, "method.supervised.weighted_mean": True}
    for key, value in known.items():
        found = cfg
        for part in key.split("."):
            found = found[part]
        if found != value:
            sys.exit(f"{a.run}: {key} = {found} is not known here, only {value}")
    fixmatch, keep = method["name"] == "fixmatch", method["ema"]["keep"]
    torch.manual_seed(a.seed)
    random.seed(a.seed)
    rng = random.Random(a.seed)
    torch.set_num_threads(cfg["run"]["threads"])
    train, train_label = read_cifar(a.cifar, [f"data_batch_{k}" for k in range(1, 6)])
    test, test_label = read_cifar(a.cifar, ["test_batch"])
    counts = np.bincount(train_label[split["labelled"]], minlength=CLASSES)
    if counts.tolist() != split["labelled_counts"]:
        sys.exit(f"{a.run}: images.json is of another data set")
    batch, labelled_loss = Batch(cfg), LabelledLoss(cfg, counts)
    n, u = cfg["batch"]["labelled"], cfg["batch"]["unlabelled"]
    simple = weak_black if cfg["views"]["pad_mode"] == "zero" else weak
    model, average = network(cfg), network(cfg)
    average.load_state_dict(model.state_dict())
    sgd = torch.optim.SGD(model.parameters(), optim["lr"], optim["momentum"], weight_decay=optim["weight_decay"],
                          nesterov=optim["nesterov"])
    labelled, unlabelled = endless(split["labelled"], n, rng), endless(split["unlabelled"], u, rng)
    picture = lambda i: Image.fromarray(train[i])  # noqa: E731
    begin, iterations = time.time(), a.iterations or cfg["run"]["iterations"]
    for t in range(iterations):
        model.train()
        ids = next(labelled)
        views = [simple(picture(i)) for i in ids]
        label = torch.from_numpy(train_label[ids])
        if fixmatch:
            more = [picture(i) for i in next(unlabelled)]
            views += [simple(i) for i in more] + [strong(i) for i in more]
        logits = model(batch(views))
        loss = labelled_loss(logits[:n], label, t)
        if fixmatch:
            confidence, pseudo = logits[n:n + u].detach().softmax(1).max(1)
            mask = (confidence >= method["fixmatch"]["tau"]).float()
            unsup = (mask * F.cross_entropy(logits[n + u:], pseudo, reduction="none")).mean()
            loss = loss + method["fixmatch"]["weight"] * unsup
        for group in sgd.param_groups:
            group["lr"] = rate(cfg, t)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        kept = min(keep, 1 - 1 / (t + 1)) if method["ema"]["warmup"] else keep
        with torch.no_grad():
            for mine, its in zip(average.state_dict().values(), model.state_dict().values()):
                if mine.is_floating_point():
                    mine.lerp_(its, 1 - kept)
        if (t + 1) % a.every == 0 or t + 1 == iterations:
            r = recalls(average if keep > 0 else model, test, test_label, batch)
            groups = " / ".join(f"{100 * r[s].mean():.1f}" for s in (slice(0, 3), slice(3, 7), slice(7, 10)))
            print(f"{t + 1}: balanced accuracy {100 * r.mean():.1f}, many / medium / few {groups}, "
                  f"{(t + 1) / (time.time() - begin):.1f} it/s", flush=True)


if __name__ == "__main__":
    main()
