"""Random evaluation cases: one seed, one case. Used by eval_pycocotools.py.

Small scenes that sit on the edges of the rules: boxes on a coarse grid whose overlaps hit thresholds
exactly, areas at the ends of ranges, tied scores, ids in no order, annotation id 0, crowds, classes
without objects, more detections than the limits, masks, and for LVIS: negative and not exhaustively
annotated classes, boxes without area, caps.
"""
import random

import numpy as np
import pycocotools.mask as mask_utils

MODES = ["coco", "custom", "agnostic", "segm", "segm-custom", "lvis", "lvis-cap", "lvis-fixed",
         "lvis-segm"]
EDGES = [1024, 9216, 1023.9999, 1024.0001, 9215.5, 9216.5, 0, 1e10]


def random_box(rng, grid, size):
    if grid:
        step = rng.choice([4, 8, 16, 32])
        w, h = (step * rng.randint(1, 8) for _ in range(2))
        return [step * rng.randint(0, 6), step * rng.randint(0, 6), w, h]
    return [round(rng.uniform(0, size), 2), round(rng.uniform(0, size), 2),
            round(rng.uniform(1, size), 2), round(rng.uniform(1, size), 2)]


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


def random_mask(rng, h, w, like=None):
    """A compressed RLE of a few rectangles; like: a mask that resembles this one."""
    if like is not None and rng.random() < 0.8:
        m = like.copy()
        if rng.random() < 0.3:
            return m
    else:
        m = np.zeros((h, w), np.uint8)
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        y, x = rng.randrange(h), rng.randrange(w)
        m[y:y + rng.randint(1, h), x:x + rng.randint(1, w)] = rng.random() < 0.7
    if rng.random() < 0.2:  # speckle: many runs
        for _ in range(20):
            m[rng.randrange(h), rng.randrange(w)] ^= 1
    return m


def encode(m):
    r = mask_utils.encode(np.asfortranarray(m))
    return dict(size=[int(v) for v in r["size"]], counts=r["counts"].decode())


def settings(rng, mode):
    """What differs from the protocol's preset."""
    s = {}
    if mode in ("custom", "segm-custom") or (mode == "agnostic" and rng.random() < 0.5):
        if rng.random() < 0.7:
            n = rng.choice([1, 2, 5, 17, 40])
            pool = [0.0, 1 / 3, 0.5, 0.55, 0.6, 0.75, 0.9, 1.0]
            s["ious"] = [rng.choice(pool) if rng.random() < 0.5 else round(rng.random(), 3)
                         for _ in range(n)]
        if rng.random() < 0.7:
            areas = [("all", 0, 1e10)]
            for name in rng.sample(["tiny", "small", "medium", "large", "huge", "b1", "b2"],
                                   rng.randint(0, 7)):
                lo = rng.choice([0, 64, 256, 1024, 4096, 9216])
                areas.append((name, lo, rng.choice([lo, lo * 4 + 64, 9216 + lo, 1e10])))
            s["areas"] = areas
        if rng.random() < 0.7:
            s["limits"] = sorted(rng.sample([1, 2, 3, 5, 10, 100, 300, 1000], rng.randint(1, 5)))
        if rng.random() < 0.4:
            s["recalls"] = sorted({round(rng.random(), 2) for _ in range(rng.choice([1, 5, 30]))}
                                  | ({0.0} if rng.random() < 0.5 else set())
                                  | ({1.0} if rng.random() < 0.5 else set()))
    if mode == "agnostic":
        s["agnostic"] = 1
    if mode == "lvis-cap":
        s["cap"] = rng.choice([1, 2, 5, 10])
    if mode == "lvis-fixed":
        s["cap"] = rng.choice([1, 3, 8, 20, 10000])
    return s


def make(seed):
    rng = random.Random(seed)
    mode = MODES[seed % len(MODES)]
    segm, lvis = "segm" in mode, mode.startswith("lvis")
    grid = rng.random() < 0.6
    n_cat, n_img = rng.randint(1, 6), rng.randint(1, 5 if segm else 8)
    cats = rng.sample(range(0, 90), n_cat)
    sizes = [(rng.choice([8, 24, 60]), rng.choice([8, 24, 60])) for _ in range(n_img)]
    images = [(i, *(sizes[k] if segm else (500, 500)))
              for k, i in enumerate(rng.sample(range(0, 5000), n_img))]  # ids in no order
    case = dict(name=f"seed{seed}", mode=mode, set=settings(rng, mode), images=images,
                categories=[(c, rng.choice("rcf") if lvis else "-") for c in cats])
    crowd_rate, ignore_rate = rng.choice([0, 0.1, 0.4]), rng.choice([0, 0.2])
    digits = rng.choice([1, 2, 16])  # one digit: nearly everything is tied
    empty_cat = rng.choice(cats) if n_cat > 1 else None
    ids = list(range(1, 4000))
    rng.shuffle(ids)
    if rng.random() < 0.1:
        ids[-1 - rng.randrange(10)] = 0
    anns, dets = [], []
    for im, h, w in images:
        truth = []
        for _ in range(rng.choice([0, 1, 2, 3, 6, 12]) // (2 if segm else 1)):
            b, c = random_box(rng, grid, 200), rng.choice(cats)
            if c == empty_cat:
                continue
            m = random_mask(rng, h, w) if segm else None
            area = float(m.sum()) * rng.choice([1, 1, 40]) if segm else b[2] * b[3]
            if rng.random() < 0.3:
                area = rng.choice(EDGES) if rng.random() < 0.5 else area * rng.uniform(0.3, 1)
            anns.append(dict(id=ids.pop(), image_id=im, category_id=c, bbox=b, area=area,
                             iscrowd=int(rng.random() < crowd_rate),
                             ignore=int(rng.random() < ignore_rate)))
            if segm:
                anns[-1]["segmentation"] = encode(m)
            truth.append((b, c, m))
        for b, c, m in truth:
            for _ in range(rng.choice([0, 1, 1, 2, 3])):
                d = near(rng, b, grid)
                dets.append((im, c if rng.random() < 0.9 else rng.choice(cats), d,
                             encode(random_mask(rng, h, w, m)) if segm else None))
        for _ in range(rng.choice([0, 0, 2, 5])):
            b = random_box(rng, grid, 200)
            if lvis and rng.random() < 0.2:
                b[rng.choice([2, 3])] = 0
            dets.append((im, rng.choice(cats), b, encode(random_mask(rng, h, w)) if segm else None))
    if seed % 10 == 3 and anns and not segm:  # more detections of a class in an image than the limits
        target = rng.choice(anns)
        for _ in range(rng.choice([15, 15, 15, 130])):
            dets.append((target["image_id"], target["category_id"],
                         near(rng, target["bbox"], grid) if rng.random() < 0.3
                         else random_box(rng, grid, 200), None))
    if rng.random() < 0.7:
        rng.shuffle(dets)
        rng.shuffle(anns)
    if not dets:
        m = random_mask(rng, *images[0][1:]) if segm else None
        dets.append((images[0][0], cats[0], [1, 1, 40, 40], encode(m) if segm else None))
    boxes = not segm or rng.random() < 0.3  # masks with boxes are measured by the box
    case["annotations"], case["detections"] = anns, []
    for im, c, b, m in dets:
        d = dict(image_id=im, category_id=c, score=round(rng.random(), digits))
        if boxes:
            d["bbox"] = b
        if segm:
            d["segmentation"] = m
        case["detections"].append(d)
    case["negative"], case["not_exhaustive"] = {}, {}
    if lvis:
        for im, _, _ in images:
            present = {a["category_id"] for a in anns if a["image_id"] == im}
            case["negative"][im] = [c for c in cats if c not in present and rng.random() < 0.5]
            case["not_exhaustive"][im] = [c for c in cats if rng.random() < 0.2]
    return case
