#!/usr/bin/env python3
"""Golden vectors for the mask library: random cases through pycocotools' mask API.

    python3 scripts/golden/mask_pycocotools.py > tests/golden/mask_pycocotools.txt
    python3 scripts/golden/mask_pycocotools.py --seed 7 --cases 5000 > /tmp/more.txt   # a wider check:
    build/release/tests/test_datasets_mask_golden /tmp/more.txt

One case a line, words separated by blanks; a mask is "h w string":
    poly  n x y ...  mask  area  box          encode  mask  pixels (column by column)
    box   x y w h    mask                     counts  n count ...  mask
    merge intersect n  mask ...  mask         iou  m n  mask ...  crowd ...  iou ... (object by object)
"""
import argparse

import numpy as np
from pycocotools import _mask


def words(*values):
    out = []
    for v in values:
        if isinstance(v, dict):
            out += [str(v["size"][0]), str(v["size"][1]), v["counts"].decode()]
        elif isinstance(v, (list, tuple, np.ndarray)):
            out.append(words(*v))
        elif isinstance(v, (float, np.floating)):
            out.append(repr(float(v)))
        else:
            out.append(str(int(v)) if not isinstance(v, str) else v)
    return " ".join(w for w in out if w)


def size(rng):
    return int(rng.integers(1, 90)), int(rng.integers(1, 90))


def corners(rng, h, w):
    """Outlines, stars, boxes, lines, repeated corners, corners outside the image and on the grid."""
    kind = rng.integers(0, 9)
    n = int(rng.integers(3, 16))
    if kind == 0:  # any corners, self-crossing
        xy = rng.uniform(-0.2, 1.2, (n, 2)) * (w, h)
    elif kind == 1:  # an outline
        turn = np.sort(rng.uniform(0, 2 * np.pi, 3 * n))
        radius = rng.uniform(0.2, 0.7, 3 * n) * min(h, w)
        xy = np.stack([w / 2 + radius * np.cos(turn), h / 2 + radius * np.sin(turn)], 1)
    elif kind == 2:  # whole pixels
        xy = np.floor(rng.uniform(-0.1, 1.1, (n, 2)) * (w, h))
    elif kind == 3:  # half pixels and fifths
        xy = np.floor(rng.uniform(-0.1, 1.1, (n, 2)) * (w, h) * 10) / 10
    elif kind == 4:  # a line, there and back
        xy = np.linspace(rng.uniform(0, 1, 2) * (w, h), rng.uniform(0, 1, 2) * (w, h), n)
        xy = np.concatenate([xy, xy[::-1]])
    elif kind == 5:  # every corner twice
        xy = np.repeat(rng.uniform(0, 1, (n, 2)) * (w, h), 2, axis=0)
    elif kind == 6:  # the whole image, or more of it
        xy = np.array([[0, 0], [w, 0], [w, h], [0, h]]) * rng.choice([1.0, 1.5, -1.0])
    elif kind == 7:  # one or two corners
        xy = rng.uniform(0, 1, (int(rng.integers(1, 3)), 2)) * (w, h)
    else:  # far outside
        xy = rng.uniform(-1000, 1000, (n, 2))
    return np.round(xy, 2) if rng.random() < 0.5 else xy


def mask(rng, h, w, empty_runs=True):
    """Of one shape or noise; sometimes with empty runs, which the API's own encoder never writes (and
    which can keep its merge from returning)."""
    if rng.random() < 0.4:
        pixels = rng.random((h, w)) < rng.choice([0.02, 0.5, 0.98, 0, 1])
        out = _mask.encode(np.asfortranarray(pixels[:, :, None].astype(np.uint8)))[0]
    else:
        out = _mask.frPoly([list(corners(rng, h, w).ravel())], h, w)[0]
    if empty_runs and rng.random() < 0.2:
        counts, left = [], h * w
        while left:
            c = int(min(left, rng.choice([0, 1, rng.integers(0, h * w + 1)])))
            counts.append(c)
            left -= c
        counts += [0] * int(rng.integers(0, 2))
        out = _mask.frUncompressedRLE([{"counts": counts, "size": [h, w]}], h, w)[0]
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--cases", type=int, default=400)
    a = p.parse_args()
    rng = np.random.default_rng(a.seed)
    for i in range(a.cases):
        h, w = size(rng)
        kind = i % 8
        if kind < 3:
            xy = corners(rng, h, w).ravel()
            m = _mask.frPoly([list(xy)], h, w)[0]
            print(words("poly", len(xy) // 2, xy, m, _mask.area([m])[0], _mask.toBbox([m])[0]))
        elif kind == 3:
            h, w = max(1, h // 6), max(1, w // 6)
            m = mask(rng, h, w)
            pixels = _mask.decode([m])[:, :, 0]
            again = _mask.encode(np.asfortranarray(pixels[:, :, None]))[0]
            print(words("encode", again, "".join(map(str, pixels.T.ravel()))))
        elif kind == 4:
            b = np.round(rng.uniform(-0.3, 1.1, 4) * (w, h, w, h), int(rng.integers(0, 3)))
            print(words("box", b, _mask.frBbox(b[None], h, w)[0]))
        elif kind == 5:
            cuts = np.sort(rng.integers(0, h * w + 1, int(rng.integers(0, 12))))
            counts = np.diff(np.concatenate([[0], cuts, [h * w]]))
            m = _mask.frUncompressedRLE([{"counts": counts, "size": [h, w]}], h, w)[0]
            print(words("counts", len(counts), counts, m))
        elif kind == 6:
            n, cut = int(rng.integers(1, 5)), int(rng.integers(0, 2))
            ms = [mask(rng, h, w, False) for _ in range(n)]
            print(words("merge", cut, n, ms, _mask.merge(ms, cut)))
        else:
            m, n = int(rng.integers(1, 5)), int(rng.integers(1, 5))
            sizes = [(h, w) if rng.random() < 0.95 else size(rng) for _ in range(m + n)]
            ms = [mask(rng, *s) for s in sizes]
            crowd = rng.integers(0, 2, n)
            iou = np.asarray(_mask.iou(ms[:m], ms[m:], list(crowd))).reshape(m, n)
            print(words("iou", m, n, ms, crowd, iou.T.ravel()))


main()
