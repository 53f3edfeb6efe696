"""Inputs of scripts/bench-eval: a COCO-size and an LVIS-size evaluation, and an annotation file of the
size of instances_train2017 with polygons. Deterministic; writes gt.json and dt.json (or gt.json only).

    eval_data.py coco|lvis|train DIR [--images N] [--detections PER_IMAGE]
"""
import argparse
import json
import os

import numpy as np

WIDTH, HEIGHT = 640, 480


def ranked(rng, classes, n):
    """Classes with frequency 1 / rank."""
    p = 1 / np.arange(1, classes + 1)
    return rng.choice(classes, n, p=p / p.sum()) + 1


def boxes(rng, n):
    """Log-uniform scale 8 to 350, log-normal aspect, inside the image; x, y, w, h."""
    side = np.exp(rng.uniform(np.log(8), np.log(350), n))
    aspect = np.exp(rng.normal(0, 0.4, n) / 2)
    w, h = np.minimum(side * aspect, WIDTH), np.minimum(side / aspect, HEIGHT)
    return np.stack([rng.uniform(0, WIDTH - w), rng.uniform(0, HEIGHT - h), w, h], 1)


def ground_truth(rng, images, classes):
    """Image, class and box of each object; 1 to 3 classes an image."""
    counts = np.floor(rng.gamma(1.2, 6.1, images)).astype(int)
    image = np.repeat(np.arange(images), counts)
    menu = ranked(rng, classes, images * 3).reshape(images, 3)
    size = rng.integers(1, 4, images)
    return image, menu[image, (rng.random(len(image)) * size[image]).astype(int)], boxes(rng, len(image))


def detections(rng, images, classes, per_image, image, cls, box):
    """35 % jittered copies of the image's objects (15 % of them of a random class), the rest random."""
    n = images * per_image
    im = np.repeat(np.arange(images), per_image)
    first, count = np.searchsorted(image, np.arange(images)), np.bincount(image, minlength=images)
    copy = (rng.random(n) < 0.35) & (count[im] > 0)
    source = np.where(copy, first[im] + (rng.random(n) * count[im]).astype(int), 0)
    c, b = ranked(rng, classes, n), boxes(rng, n)
    jitter = rng.normal(0, 0.08, (n, 4))
    near = box[source].copy()
    near[:, :2] += jitter[:, :2] * near[:, 2:]
    near[:, 2:] *= np.exp(jitter[:, 2:])
    b = np.where(copy[:, None], near, b)
    keep = copy & (rng.random(n) >= 0.15)
    c = np.where(keep, cls[source], c)
    score = np.where(copy, rng.beta(3, 2, n), rng.beta(1, 8, n))
    return im, c, b, np.round(score, 4)


def write_lines(f, lines):
    first = True
    for line in lines:
        f.write("\n" if first else ",\n")
        f.write(line)
        first = False


def write_detections(path, im, c, b, s):
    with open(path, "w") as f:
        f.write("[")
        write_lines(f, ('{"image_id":%d,"category_id":%d,"bbox":[%.2f,%.2f,%.2f,%.2f],"score":%.4f}'
                        % (i + 1, k, x, y, w, h, v)
                        for i, k, (x, y, w, h), v in zip(im, c, b, s)))
        f.write("\n]\n")


def write_gt(path, images, categories, annotations, extra=lambda i: {}):
    with open(path, "w") as f:
        f.write('{"info":{},"images":[')
        write_lines(f, (json.dumps(dict(id=i + 1, width=WIDTH, height=HEIGHT,
                                        file_name="%012d.jpg" % (i + 1), **extra(i)))
                        for i in range(images)))
        f.write('],\n"categories":%s,\n"annotations":[' % json.dumps(categories))
        write_lines(f, annotations)
        f.write("\n]}\n")


def coco(out, images, per_image):
    rng = np.random.default_rng(0)
    image, cls, box = ground_truth(rng, images, 80)
    crowd = rng.random(len(image)) < 0.012
    write_gt(os.path.join(out, "gt.json"), images,
             [dict(id=k, name=f"class {k}", supercategory="thing") for k in range(1, 81)],
             ('{"id":%d,"image_id":%d,"category_id":%d,"bbox":[%.2f,%.2f,%.2f,%.2f],"area":%.4f,'
              '"iscrowd":%d}' % (n + 1, i + 1, k, x, y, w, h, 0.7 * w * h, g)
              for n, (i, k, (x, y, w, h), g) in enumerate(zip(image, cls, box, crowd))))
    write_detections(os.path.join(out, "dt.json"),
                     *detections(rng, images, 80, per_image, image, cls, box))


def lvis(out, images, per_image):
    rng = np.random.default_rng(0)
    image, cls, box = ground_truth(rng, images, 1203)
    seen = [set() for _ in range(images)]
    for i, k in zip(image, cls):
        seen[i].add(int(k))
    negative = rng.integers(1, 1204, (images, 8))
    partial = rng.integers(0, 8, images)
    counts = np.zeros(1204, int)
    for classes in seen:
        for k in classes:
            counts[k] += 1

    def lists(i):
        return dict(neg_category_ids=sorted({int(k) for k in negative[i]} - seen[i]),
                    not_exhaustive_category_ids=sorted(seen[i])[:1] if partial[i] == 0 else [])
    categories = [dict(id=k, name=f"class {k}", synset=f"c.n.{k}", image_count=int(counts[k]),
                       frequency="r" if counts[k] < 10 else "c" if counts[k] < 100 else "f")
                  for k in range(1, 1204)]
    write_gt(os.path.join(out, "gt.json"), images, categories,
             ('{"id":%d,"image_id":%d,"category_id":%d,"bbox":[%.2f,%.2f,%.2f,%.2f],"area":%.4f,'
              '"segmentation":[[%.2f,%.2f,%.2f,%.2f,%.2f,%.2f]]}'
              % (n + 1, i + 1, k, x, y, w, h, 0.7 * w * h, x, y, x + w, y, x, y + h)
              for n, (i, k, (x, y, w, h)) in enumerate(zip(image, cls, box))), lists)
    write_detections(os.path.join(out, "dt.json"),
                     *detections(rng, images, 1203, per_image, image, cls, box))


def train(out, images, _):
    """About 7.3 objects an image, each a polygon of 10 to 44 corners: 450 MB for 118,287 images."""
    rng = np.random.default_rng(0)
    n = int(images * 7.27)
    image = np.sort(rng.integers(0, images, n))
    cls, box = ranked(rng, 80, n), boxes(rng, n)

    def annotation(k):
        x, y, w, h = box[k]
        corners = rng.integers(10, 45)
        angle = np.sort(rng.random(corners)) * 2 * np.pi
        px, py = x + w / 2 * (1 + np.cos(angle)), y + h / 2 * (1 + np.sin(angle))
        polygon = ",".join("%.2f,%.2f" % p for p in zip(px.tolist(), py.tolist()))
        return ('{"segmentation":[[%s]],"area":%.4f,"iscrowd":0,"image_id":%d,'
                '"bbox":[%.2f,%.2f,%.2f,%.2f],"category_id":%d,"id":%d}'
                % (polygon, 0.7 * w * h, image[k] + 1, x, y, w, h, cls[k], k + 1))
    write_gt(os.path.join(out, "gt.json"), images,
             [dict(id=k, name=f"class {k}", supercategory="thing") for k in range(1, 81)],
             map(annotation, range(n)))


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("kind", choices=["coco", "lvis", "train"])
    p.add_argument("out")
    p.add_argument("--images", type=int)
    p.add_argument("--detections", type=int)
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    default = {"coco": (5000, 100), "lvis": (20000, 300), "train": (118287, 0)}[a.kind]
    {"coco": coco, "lvis": lvis, "train": train}[a.kind](
        a.out, a.images or default[0], a.detections or default[1])
