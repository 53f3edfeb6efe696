#!/usr/bin/env python3
"""Random cases of Pascal VOC average precision, computed by the development kit's rule, for
tests/golden/test_eval_voc.c.

    python3 scripts/golden/voc_rule.py [--seed N] [--cases N] > tests/golden/voc_rule.txt

The rule (VOCevaldet.m and VOCap.m of the kit) is written out here one step at a time, over corners
of inclusive pixels. A case is a line "case ELEVEN IOU CLASSES IMAGES OBJECTS DETECTIONS", a line
"image class x y w h difficult" per object, "image class x y w h score" per detection, "AP objects
hits false" per class, and "mean AP"; AP -1: no objects.
"""
import argparse
import random


def area(b):
    return (b[2] - b[0] + 1) * (b[3] - b[1] + 1)


def overlap(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0]) + 1
    h = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if w <= 0 or h <= 0:
        return None
    return w * h / (area(a) + area(b) - w * h)


def average_precision(recall, precision, eleven):
    if eleven:
        total = 0.0
        for i in range(11):
            reached = [p for r, p in zip(recall, precision) if r >= i * 0.1]
            total += max(reached, default=0.0) / 11
        return total
    recall, precision = [0.0] + recall + [1.0], [0.0] + precision + [0.0]
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    return sum((recall[i + 1] - recall[i]) * precision[i + 1]
               for i in range(len(recall) - 1) if recall[i + 1] != recall[i])


def evaluate(objects, detections, threshold, eleven):
    """objects: image -> list of (corners, difficult); detections: (image, corners, score)."""
    found = {image: [False] * len(v) for image, v in objects.items()}
    positives = sum(not difficult for v in objects.values() for _, difficult in v)
    hits = false = 0
    recall, precision = [], []
    for image, corners, _ in sorted(detections, key=lambda d: -d[2]):  # stable
        best, which = None, None
        for k, (other, _) in enumerate(objects.get(image, [])):
            v = overlap(corners, other)
            if v is not None and (best is None or v > best):
                best, which = v, k
        if best is not None and best >= threshold:
            if not objects[image][which][1]:
                if found[image][which]:
                    false += 1
                else:
                    hits += 1
                    found[image][which] = True
        else:
            false += 1
        if positives:
            recall.append(hits / positives)
            precision.append(hits / (hits + false) if hits + false else 0.0)
    ap = average_precision(recall, precision, eleven) if positives else -1
    return ap, positives, hits, false


def box(rng):
    step = rng.choice([1, 10])
    return [step * rng.randint(0, 8), step * rng.randint(0, 8),
            step * rng.randint(1, 9) - rng.randint(0, 1), step * rng.randint(1, 9) - rng.randint(0, 1)]


def near(rng, b):
    return [v + rng.choice([0, 0, 0, 1, -1, 2, 0.5, 5]) for v in b[:2]] + \
           [max(0, v + rng.choice([0, 0, 0, 1, -1, 3, -3, 0.25])) for v in b[2:]]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--cases", type=int, default=60)
    a = p.parse_args()
    rng = random.Random(a.seed)
    for _ in range(a.cases):
        eleven, threshold = rng.randint(0, 1), rng.choice([0.5, 0.5, 0.5, 0.3, 0.7])
        classes, images = rng.randint(1, 3), rng.randint(1, 6)
        gt = [(rng.randrange(images), rng.randrange(classes), box(rng), int(rng.random() < 0.2))
              for _ in range(rng.randint(0, 14))]
        dt = []
        for image, c, b, _ in gt:
            for _ in range(rng.choice([0, 1, 1, 2])):
                dt.append((image, c, near(rng, b), round(rng.random(), rng.choice([1, 3]))))
        for _ in range(rng.randint(0, 5)):
            dt.append((rng.randrange(images), rng.randrange(classes), box(rng),
                       round(rng.random(), 1)))
        rng.shuffle(dt)
        print("case", eleven, threshold, classes, images, len(gt), len(dt))
        for image, c, b, difficult in gt:
            print(image, c, *b, difficult)
        for image, c, b, score in dt:
            print(image, c, *b, score)
        defined = []
        for c in range(classes):
            objects = {}
            for image, k, b, difficult in gt:
                if k == c:
                    corners = (b[0], b[1], b[0] + b[2], b[1] + b[3])
                    objects.setdefault(image, []).append((corners, difficult))
            ap, *numbers = evaluate(objects, [(i, (b[0], b[1], b[0] + b[2], b[1] + b[3]), s)
                                              for i, k, b, s in dt if k == c], threshold, eleven)
            print(repr(ap), *numbers)
            defined += [ap] if ap >= 0 else []
        print(repr(sum(defined) / len(defined) if defined else -1))


main()
