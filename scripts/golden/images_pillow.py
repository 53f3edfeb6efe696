#!/usr/bin/env python3
"""Writes tests/golden/images_pillow.txt: small image files, and their pixels as Pillow reads them.

Usage: python3 -m pip install pillow
       scripts/golden/images_pillow.py > tests/golden/images_pillow.txt

A line is: name, worst difference allowed (0 but for lossy formats), width and height and RGB bytes of the upright image
(ImageOps.exif_transpose), width and height and bytes of the stored one, the file. Bytes are in hexadecimal.
"""
import io
import struct

import PIL
from PIL import Image, ImageOps

TAG = 0x0112


def picture(w, h, mode="RGB", seed=1):
    state, out = seed, bytearray()
    for _ in range(w * h * len(Image.new(mode, (1, 1)).getbands())):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(state >> 24)
    return Image.frombytes(mode, (w, h), bytes(out))


def show(im):
    im = im.convert("RGB")
    return "%d %d %s" % (*im.size, im.tobytes().hex())


def emit(name, data, worst=0):
    stored, upright = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(data))
    print(name, worst, show(ImageOps.exif_transpose(upright)), show(stored), data.hex())


def saved(im, form, **how):
    f = io.BytesIO()
    im.save(f, form, **how)
    return f.getvalue()


def exif(orientation, order="<", kind=3):
    """A block with one tag, behind another one."""
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *((orientation, 0) if kind == 3 else (orientation,)))
    return ((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", 2)
            + struct.pack(order + "HHI4s", 0x0100, 4, 1, b"\0\0\0\0") + struct.pack(order + "HHI", TAG, kind, 1) + value
            + struct.pack(order + "I", 0))


def orientations():
    im = picture(5, 3)
    for o in range(1, 9):
        order = "<>"[o % 2]
        emit("exif%d.png" % o, saved(im, "PNG", exif=exif(o, order)))
        emit("exif%d.jpg" % o, saved(im, "JPEG", quality=100, subsampling=0, exif=b"Exif\0\0" + exif(o, order)), 3)
    emit("long.png", saved(im, "PNG", exif=exif(6, ">", 4)))
    for value in (0, 9, 65535):  # as if absent
        emit("value%d.png" % value, saved(im, "PNG", exif=exif(value)))
    emit("none.jpg", saved(im, "JPEG", quality=100, subsampling=0), 3)


print("# Pillow", PIL.__version__)
orientations()
