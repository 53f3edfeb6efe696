#!/usr/bin/env python3
"""Random cases with the error breakdown of TIDE's authors, for tests/golden/test_eval_tide.c.

    python scripts/golden/eval_tide.py [--seeds A:B] [--out FILE]

needs tidecv (written with tidecv 1.0.1, pycocotools 2.0.11 and numpy 2.4). The committed file is
tests/golden/eval_tide.json with seeds 0:25: a list of {"name", "gt": COCO ground truth, "dt": COCO
results, "all": costs, "classes": [costs per category]}, where costs are {"ap", "gain": {...},
"count": {...}}; -1 is undefined.

Two things of tidecv are replaced by COCO's definition, because Ballast keeps to it everywhere: the
recall points (i * 0.01 for i / 100, which differ in the last bit) and the mean over classes (classes
without objects do not count). The cases have no crowd and at most 100 detections an image, where
tidecv has rules of its own, no equal scores, whose order it leaves open, and no equal boxes (of
equal overlaps COCO takes the last, tidecv the first).
"""
import argparse
import json
import random

import numpy as np
from tidecv import TIDE, Data
from tidecv.ap import APDataObject, ClassedAPDataObject
from tidecv.errors.main_errors import (BackgroundError, BoxError, ClassError, DuplicateError,
                                       FalseNegativeError, FalsePositiveError, MissedError,
                                       OtherError)

KINDS = {"cls": ClassError, "loc": BoxError, "both": OtherError, "dupe": DuplicateError,
         "bkg": BackgroundError, "miss": MissedError}


def coco_ap(self):
    if self.num_gt_positives == 0:
        return -1
    points = sorted(self.data_points.values(), key=lambda x: -x[0])
    right = np.cumsum([p[1] for p in points]) if points else np.zeros(0)
    precision = right / np.arange(1, len(points) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(right / self.num_gt_positives, np.linspace(0, 1, 101), side="left")
    return sum(precision[i] for i in at if i < len(points)) / 101


def coco_mean(self):
    aps = [o.get_ap() for o in self.objs.values() if o.num_gt_positives > 0]
    return sum(aps) / len(aps) if aps else -1


APDataObject.get_ap = coco_ap
ClassedAPDataObject.get_mAP = coco_mean


def box(rng):
    return [round(rng.uniform(0, 300), 2), round(rng.uniform(0, 300), 2),
            round(rng.uniform(10, 150), 2), round(rng.uniform(10, 150), 2)]


def near(rng, b):
    kind = rng.random()
    if kind < 0.1:
        return list(b)
    if kind < 0.25:  # IoU exactly or nearly a threshold
        return [b[0], b[1], b[2] * rng.choice([0.5, 0.1, 0.25, 0.75]), b[3]]
    s = rng.choice([0.08, 0.25, 0.5])
    return [round(v, 3) for v in (
            b[0] + rng.gauss(0, b[2] * s), b[1] + rng.gauss(0, b[3] * s),
            b[2] * rng.uniform(1 - s, 1 + s), b[3] * rng.uniform(1 - s, 1 + s))]


def make(seed):
    rng = random.Random(seed)
    cats = sorted(rng.sample(range(1, 90), rng.randint(1, 5)))
    images = sorted(rng.sample(range(1, 5000), rng.randint(1, 6)))
    empty = cats[0] if len(cats) > 2 and rng.random() < 0.5 else None
    anns, dets = [], []
    for im in images:
        boxes = []
        for _ in range(rng.choice([0, 1, 2, 4, 8])):
            c, b = rng.choice(cats), box(rng)
            if boxes and rng.random() < 0.3:
                b = near(rng, rng.choice(boxes)[1])
            if c != empty and all(b != other for _, other in boxes):
                anns.append(dict(id=len(anns) + 1, image_id=im, category_id=c, bbox=b,
                                 area=b[2] * b[3], iscrowd=0))
                boxes.append((c, b))
        for c, b in boxes:
            for _ in range(rng.choice([0, 1, 1, 2, 3])):
                dets.append((im, c if rng.random() < 0.55 else rng.choice(cats), near(rng, b)))
        for _ in range(rng.choice([0, 1, 4])):
            dets.append((im, rng.choice(cats), box(rng)))
    rng.shuffle(dets)
    scores = rng.sample(range(1, 10000), len(dets))
    dets = [dict(image_id=i, category_id=c, bbox=b, score=s / 10000)
            for (i, c, b), s in zip(dets, scores)]
    return dict(info={}, images=[dict(id=i, width=500, height=500, file_name=f"{i}.jpg")
                                 for i in images],
                categories=[dict(id=c, name=f"class {c}") for c in cats], annotations=anns), dets


def gain(after, before):
    return -1 if after < 0 or before < 0 else max(after - before, 0)


def costs(gt, dets):
    truth, found = Data("gt"), Data("dt")
    for c in gt["categories"]:
        truth.add_class(c["id"], c["name"])
    for i in gt["images"]:
        truth.add_image(i["id"], i["file_name"])
        found.add_image(i["id"], i["file_name"])
    for a in gt["annotations"]:
        truth.add_ground_truth(a["image_id"], a["category_id"], a["bbox"])
    for d in dets:
        found.add_detection(d["image_id"], d["category_id"], d["score"], d["bbox"])
    run = TIDE().evaluate(truth, found, mode=TIDE.BOX)
    fixed = {k: run.fix_errors(lambda e, t=t: isinstance(e, t)) for k, t in KINDS.items()}
    fixed["fp"] = run.fix_errors(transform=FalsePositiveError.fix)
    fixed["fn"] = run.fix_errors(false_neg_dict=run.false_negatives)

    def of_class(e, c):
        return (e.gt if isinstance(e, MissedError) else e.pred)["class"] == c

    ids = [c["id"] for c in gt["categories"]]
    classes = []
    for c in ids:
        before = run.ap_data.objs[c].get_ap()
        count = {k: sum(of_class(e, c) for e in run.error_dict[t]) for k, t in KINDS.items()}
        count["fp"] = sum(v for k, v in count.items() if k != "miss")
        count["fn"] = len(run.false_negatives[c])
        classes.append(dict(ap=before, count=count,
                            gain={k: gain(f.objs[c].get_ap(), before) for k, f in fixed.items()}))
    total = {k: sum(c["count"][k] for c in classes) for k in fixed}
    every = dict(ap=run.ap, count=total,
                 gain={k: gain(f.get_mAP(), run.ap) for k, f in fixed.items()})
    return every, classes


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seeds", default="0:25")
    p.add_argument("--out", default="tests/golden/eval_tide.json")
    args = p.parse_args()
    first, last = map(int, args.seeds.split(":"))
    cases = []
    for seed in range(first, last):
        gt, dets = make(seed)
        every, classes = costs(gt, dets)
        cases.append(dict(name=f"seed{seed}", gt=gt, dt=dets, all=every, classes=classes))
    with open(args.out, "w") as f:
        f.write('{"cases": [\n' + ",\n".join(json.dumps(c, default=float) for c in cases) + "\n]}\n")


if __name__ == "__main__":
    main()
