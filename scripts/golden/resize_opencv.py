#!/usr/bin/env python3
"""Writes tests/golden/resize_opencv.bin: what OpenCV's INTER_LINEAR makes of small 8-bit RGB images.

Needs: pip install opencv-python-headless numpy (made with 5.0.0).
Format, little-endian: per case four int32 (width, height, new width, new height), one uint32 seed, then the
resized bytes. The source bytes are the top bytes of the generator x <- 1664525 x + 1013904223 mod 2^32 from
x = seed; seed 0 stands for an all-white image.
"""
import pathlib
import struct

import cv2
import numpy as np

CASES = [
    (8, 6, 8, 6), (8, 6, 16, 12), (8, 6, 4, 3), (16, 12, 5, 7), (5, 7, 33, 20), (1, 1, 9, 4), (1, 7, 3, 3),
    (7, 1, 20, 1), (2, 2, 70, 3), (40, 30, 67, 50), (61, 47, 20, 15), (64, 48, 100, 75), (37, 23, 36, 24),
    (90, 3, 64, 2), (3, 90, 2, 101),
]


def source(width, height, seed):
    if seed == 0:
        return np.full((height, width, 3), 255, np.uint8)
    x, out = seed, bytearray()
    for _ in range(width * height * 3):
        x = (1664525 * x + 1013904223) & 0xFFFFFFFF
        out.append(x >> 24)
    return np.frombuffer(bytes(out), np.uint8).reshape(height, width, 3)


def main():
    out = bytearray()
    for k, (w, h, nw, nh) in enumerate(CASES + [(13, 11, 29, 17)]):
        seed = 0 if k == len(CASES) else 1000 + k
        image = cv2.resize(source(w, h, seed), (nw, nh), interpolation=cv2.INTER_LINEAR)
        out += struct.pack("<iiiiI", w, h, nw, nh, seed) + image.tobytes()
    path = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/resize_opencv.bin"
    path.write_bytes(out)
    print(path, len(out), "bytes, OpenCV", cv2.__version__)


if __name__ == "__main__":
    main()
