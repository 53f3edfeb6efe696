#!/usr/bin/env python3
"""Random evaluation cases with the answers of pycocotools and lvis, for
tests/golden/test_eval_random.c.

    python scripts/golden/eval_pycocotools.py [--seeds A:B] [--out FILE]
    python scripts/golden/eval_pycocotools.py --seeds A:B --check build/release/tests/test_eval_random

needs numpy, pycocotools and lvis (written with pycocotools 2.0.11, lvis 0.5.3 and numpy 2.4). The
committed file is tests/golden/eval_random.txt with seeds 0:252. --check writes nothing, but feeds each
hundred cases to the test program, which compares all bits. The format is text, words in order:

    case NAME PROTOCOL
    set KEY values...                    zero or more: ious, areas, limits, recalls (a count first),
                                         agnostic 1, cap N (the protocol's limit of detections)
    categories N (id frequency)...
    images N (id height width)...
    negative IMAGE N ids..., not_exhaustive IMAGE N ids...     LVIS
    annotations N, then a line each: id image category x y w h area iscrowd ignore mask
    detections N, then a line each: image category x y w h score mask; w -1: no box
    stats N (key value)...               as C hexadecimal floats
    precision, recall, scores            sha256 of the arrays (little-endian doubles in C order),
                                         the first 16 digits

image and category are ids, numbers are exact (repr of the double), masks are the compressed counts, "-"
where there is none. LVIS has no scores array, "-" there.
"""
import argparse
import contextlib
import hashlib
import io
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

sys.path.insert(0, str(Path(__file__).parent))
from eval_cases import make  # noqa: E402

np.float = float  # lvis 0.5 still spells it so
from lvis import LVIS, LVISEval, LVISResults  # noqa: E402

logging.disable(logging.WARNING)


def mean(values):
    values = values[values > -1]
    return float(np.mean(values)) if len(values) else -1.0


def dataset(case):
    images = [dict(id=i, height=h, width=w, neg_category_ids=case["negative"].get(i, []),
                   not_exhaustive_category_ids=case["not_exhaustive"].get(i, []))
              for i, h, w in case["images"]]
    return dict(info={}, images=images, annotations=[dict(a) for a in case["annotations"]],
                categories=[dict(id=c, name=str(c), frequency=f) for c, f in case["categories"]])


def area_key(prefix, name):
    return prefix + (name[0] if name in ("small", "medium", "large") else "_" + name)


def coco_stats(ev):
    """The formula of COCOeval.summarize, for any parameters; AP at the last limit."""
    p, precision, recall = ev.params, ev.eval["precision"], ev.eval["recall"]
    out = {"AP": mean(precision[:, :, :, 0, -1])}
    for name, t in (("AP50", .5), ("AP75", .75)):
        where = np.where(t == np.asarray(p.iouThrs))[0][:1]
        out[name] = mean(precision[where][:, :, :, 0, -1])
    for a in range(1, len(p.areaRng)):
        out[area_key("AP", p.areaRngLbl[a])] = mean(precision[:, :, :, a, -1])
    for m, limit in enumerate(p.maxDets):
        out[f"AR{limit}"] = mean(recall[:, :, 0, m])
    for a in range(1, len(p.areaRng)):
        out[area_key("AR", p.areaRngLbl[a])] = mean(recall[:, :, a, -1])
    return out


def run_coco(case):
    gt = COCO()
    gt.dataset = dataset(case)
    gt.createIndex()
    dets = [dict(d) for d in case["detections"]]
    ev = COCOeval(gt, gt.loadRes(dets), "segm" if "segm" in case["mode"] else "bbox")
    p, s = ev.params, case["set"]
    if "ious" in s:
        p.iouThrs = np.array(s["ious"])
    if "areas" in s:
        p.areaRng = [[lo, hi] for _, lo, hi in s["areas"]]
        p.areaRngLbl = [name for name, _, _ in s["areas"]]
    if "limits" in s:
        p.maxDets = list(s["limits"])
    if "recalls" in s:
        p.recThrs = np.array(s["recalls"])
    if "agnostic" in s:
        p.useCats = 0
    ev.evaluate()
    ev.accumulate()
    stats = coco_stats(ev)
    if not s:
        ev.summarize()
        assert list(stats.values()) == list(ev.stats)
    return stats, ev.eval["precision"], ev.eval["recall"], ev.eval["scores"]


def fixed_ap_detections(dets, limit):
    """The best of each class over the whole set: the rule of lvis-api pull request 25."""
    by_class = {}
    for d in dets:
        by_class.setdefault(d["category_id"], []).append(d)
    return [d for group in by_class.values()
            for d in sorted(group, key=lambda d: d["score"], reverse=True)[:limit]]


def run_lvis(case):
    gt = LVIS.__new__(LVIS)
    gt.logger = logging.getLogger("lvis")
    gt.dataset = dataset(case)
    gt._create_index()
    dets = [dict(d) for d in case["detections"]]
    cap = case["set"].get("cap", 300)
    if case["mode"] == "lvis-fixed":
        dets, cap = fixed_ap_detections(dets, case["set"].get("cap", 10000)), -1
    ev = LVISEval(gt, LVISResults(gt, dets, max_dets=cap), "segm" if "segm" in case["mode"] else "bbox")
    ev.params.max_dets = cap
    ev.run()
    stats = {k.split("@")[0]: float(v) for k, v in ev.get_results().items()}
    return stats, ev.eval["precision"], ev.eval["recall"], None


def sha(a):
    if a is None:
        return "-"
    return hashlib.sha256(np.ascontiguousarray(a, dtype="<f8").tobytes()).hexdigest()[:16]


def mask(o):
    return o["segmentation"]["counts"] if "segmentation" in o else "-"


def write(f, case):
    with contextlib.redirect_stdout(io.StringIO()):
        stats, precision, recall, scores = (run_lvis if case["mode"].startswith("lvis")
                                            else run_coco)(case)
    protocol = case["mode"].replace("custom", "").replace("agnostic", "").replace("-cap", "")
    protocol = protocol.strip("-") or "coco"
    print("case", case["name"], "coco-segm" if protocol == "segm" else protocol, file=f)
    for key, v in case["set"].items():
        flat = [v] if isinstance(v, int) else [len(v)] + [w for x in v for w in
                                                        (x if isinstance(x, tuple) else (x,))]
        print("set", key, *flat, file=f)
    print("categories", len(case["categories"]), *(w for c in case["categories"] for w in c), file=f)
    print("images", len(case["images"]), *(w for i in case["images"] for w in i), file=f)
    for key in ("negative", "not_exhaustive"):
        for image, v in case[key].items():
            if v:
                print(key, image, len(v), *v, file=f)
    print("annotations", len(case["annotations"]), file=f)
    for a in case["annotations"]:
        print(a["id"], a["image_id"], a["category_id"], *map(repr, a["bbox"]), repr(a["area"]),
              a["iscrowd"], a["ignore"], mask(a), file=f)
    print("detections", len(case["detections"]), file=f)
    for d in case["detections"]:
        print(d["image_id"], d["category_id"], *map(repr, d.get("bbox", [0, 0, -1, 0])),
              repr(d["score"]), mask(d), file=f)
    print("stats", len(stats), *(w for k, v in stats.items() for w in (k, float(v).hex())), file=f)
    print("precision", sha(precision), file=f)
    print("recall", sha(recall), file=f)
    print("scores", sha(scores), file=f)


def check(program, first, end):
    for start in range(first, end, 100):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
            for seed in range(start, min(start + 100, end)):
                write(f, make(seed))
            f.flush()
            subprocess.run([program, f.name], check=True, stdout=subprocess.DEVNULL)
    print(f"seeds {first} to {end - 1} agree in all bits")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seeds", default="0:252")
    p.add_argument("--out", default="tests/golden/eval_random.txt")
    p.add_argument("--check", metavar="PROGRAM")
    args = p.parse_args()
    first, end = map(int, args.seeds.split(":"))
    if args.check:
        check(args.check, first, end)
        return
    with open(args.out, "w") as f:
        for seed in range(first, end):
            write(f, make(seed))


if __name__ == "__main__":
    main()
