#!/usr/bin/env python3
"""The views of small images as FixMatch-style code makes them with Pillow and torchvision; called by
scripts/bench-augment. Prints "name nanoseconds" lines: processor time an image, the fastest of several rounds."""
import random
import sys
import time

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps
from torchvision import transforms

torch.set_num_threads(1)
AFFINE = Image.Transform.AFFINE


def level(v, most):
    return v * most / 10


def signed(v):
    return -v if random.random() < 0.5 else v


OPS = [
    lambda im, v: ImageOps.autocontrast(im),
    lambda im, v: ImageEnhance.Brightness(im).enhance(level(v, 0.9) + 0.05),
    lambda im, v: ImageEnhance.Color(im).enhance(level(v, 0.9) + 0.05),
    lambda im, v: ImageEnhance.Contrast(im).enhance(level(v, 0.9) + 0.05),
    lambda im, v: ImageOps.equalize(im),
    lambda im, v: im,
    lambda im, v: ImageOps.posterize(im, int(level(v, 4)) + 4),
    lambda im, v: im.rotate(signed(int(level(v, 30)))),
    lambda im, v: ImageEnhance.Sharpness(im).enhance(level(v, 0.9) + 0.05),
    lambda im, v: im.transform(im.size, AFFINE, (1, signed(level(v, 0.3)), 0, 0, 1, 0)),
    lambda im, v: im.transform(im.size, AFFINE, (1, 0, 0, signed(level(v, 0.3)), 1, 0)),
    lambda im, v: ImageOps.solarize(im, 256 - int(level(v, 256))),
    lambda im, v: im.transform(im.size, AFFINE, (1, 0, signed(int(level(v, 0.3) * im.size[0])), 0, 1, 0)),
    lambda im, v: im.transform(im.size, AFFINE, (1, 0, 0, 0, 1, signed(int(level(v, 0.3) * im.size[1])))),
]


def cutout(im, side):
    w, h = im.size
    x0, y0 = int(max(0, np.random.uniform(0, w) - side / 2)), int(max(0, np.random.uniform(0, h) - side / 2))
    im = im.copy()
    ImageDraw.Draw(im).rectangle((x0, y0, min(w, x0 + side), min(h, y0 + side)), (127, 127, 127))
    return im


class RandAugmentMC:
    def __call__(self, im):
        for op in random.choices(OPS, k=2):
            v = np.random.randint(1, 10)
            if random.random() < 0.5:
                im = op(im, v)
        return cutout(im, 16)


class Blur:
    def __call__(self, im):
        return im.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))


MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)
TENSOR = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
WEAK = [transforms.RandomHorizontalFlip(), transforms.RandomCrop(32, padding=4, padding_mode="reflect")]
CONTRAST = [
    transforms.RandomResizedCrop(32, scale=(0.2, 1.0)),
    transforms.RandomHorizontalFlip(),
    transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
    transforms.RandomGrayscale(p=0.2),
    transforms.RandomApply([Blur()], p=0.5),
]


def measure(name, steps, images, seconds):
    view = transforms.Compose(steps)
    best = 1e9
    for _ in range(5):
        start, done = time.process_time(), 0
        while time.process_time() - start < seconds / 5:
            for a in images:  # as a data set's __getitem__ does
                view(Image.fromarray(a))
            done += len(images)
        best = min(best, (time.process_time() - start) / done)
    print(name, round(best * 1e9), flush=True)


def main():
    seconds = float(sys.argv[1]) / 1000 if len(sys.argv) > 1 else 0.5
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (64, 8, 8, 3), dtype=np.uint8)  # smooth images, not pure noise
    images = [np.asarray(Image.fromarray(a).resize((32, 32), Image.Resampling.BICUBIC)) for a in small]
    measure("plain", TENSOR, images, seconds)
    measure("weak", WEAK + TENSOR, images, seconds)
    measure("ra_mc", WEAK + [RandAugmentMC()] + TENSOR, images, seconds)
    measure("ra_mc_without_tensor", WEAK + [RandAugmentMC()], images, seconds)
    measure("contrast", CONTRAST + TENSOR, images, seconds)


main()
