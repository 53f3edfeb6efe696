"""One FixMatch step of a WRN-28-2 classifier in PyTorch with Pillow's augmentation, timed.

    classifier_step.py LABELLED UNLABELLED STEPS THREADS MEMORY_FORMAT
                       [--device D] [--precision fp32|tf32|bf16]

The step is that of tests/bench/bench_classifier.c. Views are made by Pillow in THREADS loader processes that
run ahead of the training step, which is how PyTorch programs do it. Prints one JSON object.
"""
import argparse
import json
import os
import random
import resource
import statistics
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

import torch_device

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
from networks_torch import Wide  # noqa: E402

SIDE, CLASSES, SET, WARMUP = 32, 10, 1000, 2


def affine(image, matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix)


def signed(v):
    return v if random.random() < 0.5 else -v


def enhance(kind):
    return lambda image, v: kind(image).enhance(0.9 * v / 10 + 0.05)


OPS = [
    lambda image, v: ImageOps.autocontrast(image), lambda image, v: ImageOps.equalize(image),
    lambda image, v: image, enhance(ImageEnhance.Brightness), enhance(ImageEnhance.Color),
    enhance(ImageEnhance.Contrast), enhance(ImageEnhance.Sharpness),
    lambda image, v: ImageOps.posterize(image, int(4 * v / 10) + 4),
    lambda image, v: image.rotate(signed(int(30 * v / 10))),
    lambda image, v: affine(image, (1, signed(0.3 * v / 10), 0, 0, 1, 0)),
    lambda image, v: affine(image, (1, 0, 0, signed(0.3 * v / 10), 1, 0)),
    lambda image, v: ImageOps.solarize(image, 256 - int(256 * v / 10)),
    lambda image, v: affine(image, (1, 0, signed(int(0.3 * v / 10 * SIDE)), 0, 1, 0)),
    lambda image, v: affine(image, (1, 0, 0, 0, 1, signed(int(0.3 * v / 10 * SIDE)))),
]


def weak(image):
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    padded = Image.fromarray(np.pad(np.asarray(image), ((4, 4), (4, 4), (0, 0)), mode="reflect"))
    x, y = random.randint(0, 8), random.randint(0, 8)
    return padded.crop((x, y, x + SIDE, y + SIDE))


def strong(image):
    image = weak(image)
    for op in random.choices(OPS, k=2):
        v = random.randint(1, 9)
        if random.random() < 0.5:
            image = op(image, v)
    cx, cy = random.uniform(0, SIDE), random.uniform(0, SIDE)
    x0, y0 = int(max(0, cx - 8)), int(max(0, cy - 8))
    image = image.copy()
    # Pillow's rectangle includes both ends, so the reference's "16 px" Cutout is 17 wide.
    ImageDraw.Draw(image).rectangle((x0, y0, min(SIDE, x0 + 16), min(SIDE, y0 + 16)), (127, 127, 127))
    return image


def tensor(image):
    return (torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 - 0.5) / 0.25


class Batches(torch.utils.data.Dataset):
    """Item i is the whole batch of step i."""

    def __init__(self, labelled, unlabelled, steps):
        self.sizes, self.steps = (labelled, unlabelled), steps
        self.images = np.random.default_rng(2).integers(0, 256, (SET, SIDE, SIDE, 3), dtype=np.uint8)

    def __len__(self):
        return self.steps

    def __getitem__(self, step):
        n, u = self.sizes
        random.seed(step)
        images = [Image.fromarray(self.images[(step * (n + u) + i) % SET]) for i in range(n + u)]
        views = [weak(i) for i in images] + [strong(i) for i in images[n:]]
        return torch.stack([tensor(v) for v in views])


def main():
    p = argparse.ArgumentParser()
    for name in ["labelled", "unlabelled", "steps", "threads"]:
        p.add_argument(name, type=int)
    p.add_argument("layout", choices=["contiguous", "channels_last"])
    torch_device.add_options(p)
    a = p.parse_args()
    labelled, unlabelled, steps, threads, layout = a.labelled, a.unlabelled, a.steps, a.threads, a.layout
    torch_device.set_up(a)
    torch.set_num_threads(threads)
    model = torch.nn.Sequential(Wide(28, 2, "a"), torch.nn.Linear(128, CLASSES))
    average = torch.nn.Sequential(Wide(28, 2, "a"), torch.nn.Linear(128, CLASSES))
    average.load_state_dict(model.state_dict())
    fmt = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    model = model.to(a.device, memory_format=fmt)
    average = average.to(a.device, memory_format=fmt)
    model.train()
    sgd = torch.optim.SGD(model.parameters(), 0.03, 0.9, weight_decay=5e-4, nesterov=True)
    loader = iter(torch.utils.data.DataLoader(
        Batches(labelled, unlabelled, WARMUP + steps), batch_size=None, num_workers=threads,
        pin_memory=a.device != "cpu"))
    label = (torch.arange(labelled) % CLASSES).to(a.device)
    times, phases = [], {"views": 0.0, "forward": 0.0, "losses": 0.0, "backward": 0.0, "update": 0.0}
    cpu = 0.0
    for step in range(WARMUP + steps):
        if step == WARMUP:
            cpu = time.process_time()
        t = [time.perf_counter()]
        x = next(loader).to(a.device, memory_format=fmt, non_blocking=True)
        t.append(time.perf_counter())
        with torch_device.autocast(a):
            y = model(x).float()
        t.append(time.perf_counter())
        y_x, y_w, y_s = y.split([labelled, unlabelled, unlabelled])
        confidence, pseudo = y_w.detach().softmax(1).max(1)
        mask = (confidence >= 0.2).float()
        loss = F.cross_entropy(y_x, label) + (mask * F.cross_entropy(y_s, pseudo, reduction="none")).mean()
        t.append(time.perf_counter())
        sgd.zero_grad()
        loss.backward()
        t.append(time.perf_counter())
        sgd.step()
        with torch.no_grad():
            pairs = [(u, v) for u, v in zip(average.state_dict().values(), model.state_dict().values())
                     if u.is_floating_point()]
            torch._foreach_lerp_([u for u, _ in pairs], [v for _, v in pairs], 0.001)
        torch_device.wait(a)
        t.append(time.perf_counter())
        if step >= WARMUP:
            times.append((t[-1] - t[0]) * 1e3)
            for i, key in enumerate(phases):
                phases[key] += (t[i + 1] - t[i]) * 1e3 / steps
    print(json.dumps({
        "torch": torch.__version__, "layout": layout,
        "parameters": sum(p.numel() for p in model.parameters()),
        "cpu_ms": (time.process_time() - cpu) * 1e3 / steps,  # without the loader's processes
        "min_ms": min(times), "median_ms": statistics.median(times), "phases": phases,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
