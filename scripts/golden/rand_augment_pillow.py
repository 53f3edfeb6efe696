#!/usr/bin/env python3
"""Writes tests/golden/rand_augment_pillow.txt: the operations of the classification views as Pillow computes them.

Usage: python3 -m pip install pillow numpy
       scripts/golden/rand_augment_pillow.py > tests/golden/rand_augment_pillow.txt

Every line ends with the CRC-32 of the RGB bytes of all results, over the images named first on the line; the test
makes the same images from the same congruential generator. Numbers with a point are in hexadecimal floating point.
"""
import zlib

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

AFFINE = Image.Transform.AFFINE


def make_image(w, h, seed, kind):
    state, out = seed, bytearray()
    for i in range(w * h * 3):
        state = (state * 1664525 + 1013904223) % 2**32
        noise = state >> 24
        if kind == 0:  # noise
            out.append(noise)
        elif kind == 1:  # smooth, little contrast
            x, y, c = i // 3 % w, i // 3 // w, i % 3
            out.append(60 + (x * (3 + c) + y * (5 - c) + noise // 16) % 120)
        else:  # few values
            out.append(noise // 64 * 64 + 17)
    return Image.frombytes("RGB", (w, h), bytes(out))


SETS = {
    "small": [make_image(32, 32, 11 + k, k % 3) for k in range(6)],
    "odd": [make_image(21, 33, 31, 0), make_image(33, 21, 32, 1), make_image(2, 5, 33, 0), make_image(96, 96, 34, 1)],
}


def crc(images):
    total = 0
    for im in images:
        total = zlib.crc32(im.tobytes(), total)
    return "%08x" % total


def apply(im, op, v):
    w, h = im.size
    if op == "autocontrast": return ImageOps.autocontrast(im)
    if op == "brightness": return ImageEnhance.Brightness(im).enhance(v)
    if op == "color": return ImageEnhance.Color(im).enhance(v)
    if op == "contrast": return ImageEnhance.Contrast(im).enhance(v)
    if op == "equalize": return ImageOps.equalize(im)
    if op == "identity": return im
    if op == "posterize": return ImageOps.posterize(im, int(v))
    if op == "rotate": return im.rotate(v)
    if op == "sharpness": return ImageEnhance.Sharpness(im).enhance(v)
    if op == "shear_x": return im.transform(im.size, AFFINE, (1, v, 0, 0, 1, 0))
    if op == "shear_y": return im.transform(im.size, AFFINE, (1, 0, 0, v, 1, 0))
    if op == "solarize": return ImageOps.solarize(im, v)
    if op == "translate_x": return im.transform(im.size, AFFINE, (1, 0, v, 0, 1, 0))
    if op == "translate_y": return im.transform(im.size, AFFINE, (1, 0, 0, 0, 1, v))
    if op == "invert": return ImageOps.invert(im)
    if op == "solarize_add":
        a = np.clip(np.asarray(im).astype(int) + v, 0, 255).astype(np.uint8)
        return ImageOps.solarize(Image.fromarray(a), 128)
    raise KeyError(op)


SMALL_POOL = ["autocontrast", "brightness", "color", "contrast", "equalize", "identity", "posterize", "rotate",
              "sharpness", "shear_x", "shear_y", "solarize", "translate_x", "translate_y"]
BLENDS = ["brightness", "color", "contrast", "sharpness"]
SIGNED = ["rotate", "shear_x", "shear_y", "translate_x", "translate_y", "solarize_add"]


def amount(recipe, op, v, size):
    """Of level v = 1..9: int(v * most / 10) or v * most / 10, plus an offset."""
    if op in BLENDS: return v * 0.9 / 10 + 0.05 if recipe == "mc" else v * 1.8 / 10 + 0.1
    if op == "posterize": return int(v * 4 / 10) + 4
    if op == "rotate": return int(v * 30 / 10)
    if op in ("shear_x", "shear_y"): return v * 0.3 / 10
    if op == "solarize": return 256 - int(v * 256 / 10)
    if op in ("translate_x", "translate_y"):
        return int(v * (0.3 if recipe == "mc" else 0.45) / 10 * size[op[-1] == "y"])
    if op == "solarize_add": return int(v * 110 / 10)
    return 0


FIXED_RANGE = {"posterize": (0, 4), "rotate": (0, 30), "shear_x": (0, 0.3), "shear_y": (0, 0.3), "solarize": (0, 256),
               "solarize_add": (0, 110), "translate_x": (0, 100), "translate_y": (0, 100), "cutout": (0, 40)}


def fixed_amount(op, m):
    """Of level m = 0..30, in the arithmetic of the PyTorch port that DARP, ABC and CoSSL use."""
    lo, hi = (0.1, 1.9) if op in BLENDS else FIXED_RANGE.get(op, (0, 1))
    v = (float(m) / 30) * float(hi - lo) + lo
    return max(1, int(v)) if op == "posterize" else v


def usb_range(op):
    if op in BLENDS: return 0.05, 0.95
    if op == "posterize": return 4, 8
    if op == "rotate": return -30, 30
    if op in ("shear_x", "shear_y", "translate_x", "translate_y"): return -0.3, 0.3
    if op == "solarize": return 0, 256
    return 0, 0


def cutout(im, cx, cy, side, fill):
    w, h = im.size
    x0, y0 = int(max(0, cx - side / 2)), int(max(0, cy - side / 2))
    x1, y1 = min(w, x0 + side), min(h, y0 + side)
    im = im.copy()
    ImageDraw.Draw(im).rectangle((x0, y0, x1, y1), fill)
    return im


print(f"# Pillow {PIL.__version__}; made by scripts/golden/rand_augment_pillow.py")
for name, images in SETS.items():
    for recipe, pool in (("mc", SMALL_POOL), ("large", [o for o in SMALL_POOL if o != "identity"] + ["invert", "solarize_add"])):
        for op in pool:
            for level in range(1, 10):
                for sign in (1, -1) if op in SIGNED else (1,):
                    out = [apply(im, op, sign * amount(recipe, op, level, im.size)) for im in images]
                    print("level", name, recipe, op, level, sign, crc(out))
    for op in [o for o in SMALL_POOL if o != "identity"] + ["invert", "solarize_add"]:
        for m in range(0, 31, 2):
            for sign in (1, -1) if op in SIGNED and op != "solarize_add" else (1,):
                out = [apply(im, op, sign * fixed_amount(op, m)) for im in images]
                print("level", name, "fixed", op, m, sign, crc(out))
    for m in range(0, 31, 2):
        side = fixed_amount("cutout", m)
        cx, cy = (m * 0.377) % 1, (m * 0.617) % 1
        out = [cutout(im, cx * im.size[0], cy * im.size[1], side, (125, 123, 114)) for im in images]
        print("fixed_cutout", name, cx.hex(), cy.hex(), m, crc(out))
    for op in SMALL_POOL:
        lo, hi = usb_range(op)
        for k in range(17 if lo < hi else 1):
            v = lo + (hi - lo) * (k / 16.1)  # never quite the upper end, as random() is below 1
            scale = [im.size[op[-1] == "y"] if op.startswith("translate") else 1 for im in images]
            print("amount", name, op, float(v).hex(), crc([apply(im, op, v * s) for im, s in zip(images, scale)]))
    for k in range(40):
        cx, cy, side = (k * 0.377) % 1, (k * 0.617) % 1, 16.0 if k % 2 else (k * 0.239) % 0.5 * 32
        fill = (127, 127, 127) if k % 2 else (125, 123, 114)
        out = [cutout(im, cx * im.size[0], cy * im.size[1], int(side) if k % 2 else side, fill) for im in images]
        print("cutout", name, cx.hex(), cy.hex(), side.hex(), k % 2, crc(out))
    for k in range(1, 25):
        sigma = float(np.float32(0.1 * k))
        print("blur", name, sigma.hex(), crc([im.filter(ImageFilter.GaussianBlur(sigma)) for im in images]))
    for shift in [0, 1, 5, 25, 60, 127, 128, 200, 250, 255]:
        out = []
        for im in images:
            h, s, v = im.convert("HSV").split()
            h = Image.fromarray(np.asarray(h) + np.uint8(shift))
            out.append(Image.merge("HSV", (h, s, v)).convert("RGB"))
        print("hue", name, shift, crc(out))
    print("grey", name, crc([im.convert("L").convert("RGB") for im in images]))
    for turns, how in ((1, Image.Transpose.ROTATE_90), (2, Image.Transpose.ROTATE_180), (3, Image.Transpose.ROTATE_270)):
        print("turn", name, turns, crc([im.transpose(how) for im in images]))
    for filt in ("box", "bilinear", "bicubic"):
        how = getattr(Image.Resampling, filt.upper())
        for w, h in ((32, 32), (16, 16), (48, 20), (7, 64), (1, 1), (33, 21), (100, 3)):
            print("resize", name, filt, w, h, crc([im.resize((w, h), how) for im in images]))
    for filt in ("bilinear", "bicubic"):  # of a crop: x, y, w, h in 1/16 of the sides
        how = getattr(Image.Resampling, filt.upper())
        for x, y, w, h in ((0, 0, 8, 8), (3, 5, 9, 4), (8, 2, 8, 14), (15, 15, 1, 1)):
            out = []
            for im in images:
                x0, y0 = im.size[0] * x // 16, im.size[1] * y // 16
                x1, y1 = max(x0 + 1, im.size[0] * (x + w) // 16), max(y0 + 1, im.size[1] * (y + h) // 16)
                out.append(im.crop((x0, y0, x1, y1)).resize((32, 32), how))
            print("crop", name, filt, x, y, w, h, crc(out))
