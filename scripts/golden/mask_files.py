#!/usr/bin/env python3
"""What pycocotools makes of the masks of real annotation and result files, for
tests/golden/test_eval_mask_files.c.

    python3 scripts/golden/mask_files.py SHARED_DATA

Prints per file: number of masks, sum of their areas, SHA-256 of "h w string\\n" over all masks in
file order (ground truth: sorted by image in order of "images", then by place in the file)."""
import hashlib
import json
import sys

from pycocotools import mask
from pycocotools.coco import COCO


def report(name, rles):
    digest, area = hashlib.sha256(), 0
    for r in rles:
        text = r["counts"] if isinstance(r["counts"], str) else r["counts"].decode()
        digest.update(f"{r['size'][0]} {r['size'][1]} {text}\n".encode())
        area += int(mask.area([dict(r, counts=text)])[0])
    print(name, len(rles), area, digest.hexdigest())


def main(root):
    for name in ("coco-eval-golden/instances_val2014_100.json", "coco128/instances_train2017.json",
                 "taco-annotations/annotations.json"):
        gt = COCO(f"{root}/{name}")
        anns = [a for i in gt.dataset["images"] for a in gt.imgToAnns[i["id"]]]
        report(name, [gt.annToRLE(a) for a in anns])
    name = "coco-eval-golden/instances_val2014_fakesegm100_results.json"
    report(name, [d["segmentation"] for d in json.load(open(f"{root}/{name}"))])


main(sys.argv[1])
