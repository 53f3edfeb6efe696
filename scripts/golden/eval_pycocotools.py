#!/usr/bin/env python3
"""Random COCO evaluation cases with the answers of pycocotools, for tests/golden/test_eval_random.c.

    python scripts/golden/eval_pycocotools.py [--seeds A:B] [--out FILE]

needs numpy and pycocotools (written with pycocotools 2.0.11 and numpy 2.4). The committed file is
tests/golden/eval_random.txt with seeds 0:40. The format is text, one case after another:

    case NAME
    categories N ids...
    images N ids...
    annotations N, then a line each: id image category x y w h area iscrowd ignore
    detections N, then a line each: image category x y w h score
    stats: the twelve summary numbers, as C hexadecimal floats
    sha256 of the arrays precision, recall and scores (little-endian doubles in C order)

image and category are ids, numbers are exact (repr of the double).
"""
import argparse
import contextlib
import hashlib
import io
import random

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def box(rng, grid, size):
    """Boxes on a coarse grid, so that many overlaps hit thresholds such as 1/2 and 3/4 exactly."""
    if grid:
        step = rng.choice([4, 8, 16, 32])
        w, h = (step * rng.randint(1, 8) for _ in range(2))
        return [step * rng.randint(0, 6), step * rng.randint(0, 6), w, h]
    return [round(rng.uniform(0, size), 2), round(rng.uniform(0, size), 2),
            round(rng.uniform(1, size), 2), round(rng.uniform(1, size), 2)]


EDGES = [1024, 9216, 1023.9999, 1024.0001, 9215.5, 9216.5, 0, 1e10]


def near(rng, b, grid):
    """A detection of box b: the same, cut to a simple fraction, or jittered."""
    kind = rng.random()
    if kind < 0.2:
        return list(b)
    if kind < 0.5:
        f = rng.choice([0.5, 0.55, 0.6, 0.75, 0.8, 0.9, 0.95])
        return [b[0], b[1], b[2] * f, b[3]] if rng.random() < 0.5 else [b[0], b[1], b[2], b[3] * f]
    if grid and kind < 0.7:
        return [b[0] + rng.choice([-8, -4, 0, 4, 8]), b[1], b[2], b[3] + rng.choice([0, 4, 8])]
    return [round(b[0] + rng.gauss(0, b[2] / 8), 3), round(b[1] + rng.gauss(0, b[3] / 8), 3),
            round(b[2] * rng.uniform(0.8, 1.25), 3), round(b[3] * rng.uniform(0.8, 1.25), 3)]


def make(seed):
    rng = random.Random(seed)
    grid = rng.random() < 0.6
    n_cat, n_img = rng.randint(1, 5), rng.randint(1, 8)
    cats = rng.sample(range(0, 90), n_cat)
    images = rng.sample(range(0, 5000), n_img)  # ids in no order
    crowd_rate, ignore_rate = rng.choice([0, 0.1, 0.4]), rng.choice([0, 0.2])
    score_digits = rng.choice([1, 2, 16])  # one digit: nearly everything is tied
    empty_cat = rng.choice(cats) if n_cat > 1 else None
    ids = list(range(0 if rng.random() < 0.1 else 1, 4000))
    rng.shuffle(ids)
    if rng.random() < 0.1:
        ids[rng.randrange(10)] = 0
    anns, dets = [], []
    for im in images:
        boxes = []
        for _ in range(rng.choice([0, 1, 2, 3, 6, 12])):
            b, c = box(rng, grid, 200), rng.choice(cats)
            if c == empty_cat:
                continue
            area = b[2] * b[3]
            if rng.random() < 0.3:
                area = rng.choice(EDGES) if rng.random() < 0.5 else area * rng.uniform(0.3, 1)
            anns.append(dict(id=ids.pop(), image_id=im, category_id=c, bbox=b, area=area,
                             iscrowd=int(rng.random() < crowd_rate),
                             ignore=int(rng.random() < ignore_rate)))
            boxes.append((b, c))
        for b, c in boxes:
            for _ in range(rng.choice([0, 1, 1, 2, 3])):
                d = near(rng, b, grid)
                dets.append((im, c if rng.random() < 0.9 else rng.choice(cats), d))
        for _ in range(rng.choice([0, 0, 2, 5])):
            dets.append((im, rng.choice(cats), box(rng, grid, 200)))
    if seed % 10 == 3 and anns:  # more than 10 and more than 100 detections of one class in an image
        target = rng.choice(anns)
        for _ in range(rng.choice([15, 130])):
            dets.append((target["image_id"], target["category_id"],
                         near(rng, target["bbox"], grid) if rng.random() < 0.3
                         else box(rng, grid, 200)))
    if rng.random() < 0.7:
        rng.shuffle(dets)
        rng.shuffle(anns)
    if not dets:
        dets.append((images[0], cats[0], [1, 1, 40, 40]))
    dets = [dict(image_id=i, category_id=c, bbox=b, score=round(rng.random(), score_digits))
            for i, c, b in dets]
    return cats, images, anns, dets


def evaluate(cats, images, anns, dets):
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = dict(info={}, images=[dict(id=i, width=500, height=500) for i in images],
                          categories=[dict(id=c, name=str(c)) for c in cats],
                          annotations=[dict(a) for a in anns])
        gt.createIndex()
        ev = COCOeval(gt, gt.loadRes([dict(d) for d in dets]), "bbox")
        ev.evaluate()
        ev.accumulate()
        ev.summarize()
    return ev


def write(f, name, case):
    cats, images, anns, dets = case
    ev = evaluate(*case)
    print("case", name, file=f)
    print("categories", len(cats), *cats, file=f)
    print("images", len(images), *images, file=f)
    print("annotations", len(anns), file=f)
    for a in anns:
        print(a["id"], a["image_id"], a["category_id"], *map(repr, a["bbox"]), repr(a["area"]),
              a["iscrowd"], a["ignore"], file=f)
    print("detections", len(dets), file=f)
    for d in dets:
        print(d["image_id"], d["category_id"], *map(repr, d["bbox"]), repr(d["score"]), file=f)
    print("stats", *(float(x).hex() for x in ev.stats), file=f)
    for key in ("precision", "recall", "scores"):
        data = np.ascontiguousarray(ev.eval[key], dtype="<f8").tobytes()
        print(key, hashlib.sha256(data).hexdigest(), file=f)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seeds", default="0:40")
    p.add_argument("--out", default="tests/golden/eval_random.txt")
    args = p.parse_args()
    first, end = map(int, args.seeds.split(":"))
    with open(args.out, "w") as f:
        for seed in range(first, end):
            write(f, f"seed{seed}", make(seed))


if __name__ == "__main__":
    main()
