#!/usr/bin/env python3
"""Writes tests/golden/augment_pillow.txt: the nine colour operations as Pillow computes them.

Usage: python3 -m pip install pillow; scripts/golden/augment_pillow.py > tests/golden/augment_pillow.txt

A line is: image width height operation magnitude crc32-of-the-RGB-bytes first-six-bytes. The test makes the same
input images from the same congruential generator.
"""
import math
import zlib

import PIL
from PIL import Image, ImageEnhance, ImageOps


def lcg(seed):
    state = seed
    while True:
        state = (state * 1664525 + 1013904223) % 2**32
        yield state >> 24


def noise(w, h, seed, lo, hi):
    g = lcg(seed)
    return bytes(lo + next(g) * (hi - lo) // 255 for _ in range(w * h * 3))


def ramp(w, h):
    return bytes((x * (3 + 2 * c) + y * (7 - c) + 20 * c) % 200 + 10 for y in range(h) for x in range(w) for c in range(3))


IMAGES = [
    ("noise", 37, 29, noise(37, 29, 1, 0, 255)),
    ("narrow", 64, 48, noise(64, 48, 2, 60, 180)),  # room for contrast operations
    ("dark", 23, 17, noise(23, 17, 3, 0, 40)),
    ("ramp", 50, 31, ramp(50, 31)),
    ("constant", 9, 7, bytes([90, 200, 17] * 63)),
    ("tiny", 2, 5, noise(2, 5, 4, 0, 255)),  # smaller than the 3x3 filter
    ("photo", 320, 240, noise(320, 240, 5, 20, 235)),
]


def enhance(kind):
    return lambda im, m: kind(im).enhance(0.18 * m + 0.1)


OPS = [
    ("identity", lambda im, m: im),
    ("autocontrast", lambda im, m: ImageOps.autocontrast(im)),
    ("equalize", lambda im, m: ImageOps.equalize(im)),
    ("solarize", lambda im, m: ImageOps.solarize(im, math.floor(25.6 * m))),
    ("color", enhance(ImageEnhance.Color)),
    ("contrast", enhance(ImageEnhance.Contrast)),
    ("brightness", enhance(ImageEnhance.Brightness)),
    ("sharpness", enhance(ImageEnhance.Sharpness)),
    ("posterize", lambda im, m: ImageOps.posterize(im, 4 - math.floor(0.4 * m))),
]

print(f"# Pillow {PIL.__version__}; made by scripts/golden/augment_pillow.py")
for name, w, h, data in IMAGES:
    for op, run in OPS:
        for m in [1] if op in ("identity", "autocontrast", "equalize") else range(1, 10):
            out = run(Image.frombytes("RGB", (w, h), data), m).tobytes()
            print(name, w, h, op, m, "%08x" % zlib.crc32(out), *out[:6])
