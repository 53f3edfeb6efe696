"""torchvision's RoIAlign, NMS and RandAugment on a GPU, timed on the shapes of tests/bench/bench_kernels.c
(group "detection") and of bench_augment.

    kernels_torch.py [--device D] [--ms BUDGET]

Prints "NAME MILLISECONDS" a line, the best of as many runs as fit the budget.
"""
import argparse
import time

import torch
import torchvision
from torchvision.ops import batched_nms, roi_align
from torchvision.transforms import v2

import torch_device

ROIS, BOXES, VIEWS = 512, 4800, 1024


def best(a, work):
    for _ in range(3):
        work()
    torch_device.wait(a)
    result, begin, runs = float("inf"), time.perf_counter(), 0
    while runs < 3 or (time.perf_counter() - begin) * 1e3 < a.ms:
        t = time.perf_counter()
        work()
        torch_device.wait(a)
        result = min(result, time.perf_counter() - t)
        runs += 1
    return result * 1e3


def make_boxes(a):
    g = torch.Generator().manual_seed(1)
    size = 8 * 40 ** torch.rand(BOXES, generator=g)
    ratio = 0.7 + 0.7 * torch.rand(BOXES, generator=g)
    x, y = 320 * torch.rand(2, BOXES, generator=g)
    w, h = size * ratio, size / ratio
    box = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1).clamp(0, 320)
    level = (torch.log2(size / 56).floor() + 1).clamp(0, 3).long()
    score = torch.rand(BOXES, generator=g)
    return box.to(a.device), level, score.to(a.device)


def main():
    p = argparse.ArgumentParser()
    torch_device.add_options(p)
    p.add_argument("--ms", type=float, default=200)
    a = p.parse_args()
    torch_device.set_up(a)
    box, level, score = make_boxes(a)
    maps = [torch.rand(2, 256, 80 >> i, 80 >> i, device=a.device, requires_grad=True) for i in range(4)]
    rois = []  # by level, as MultiScaleRoIAlign calls it
    for i in range(4):
        index = (level[:ROIS] == i).nonzero().flatten()
        rois.append(torch.cat([(index % 2).float()[:, None].to(a.device), box[index.to(a.device)]], 1))

    def align():
        return [roi_align(m, r, 7, 0.25 / (1 << i), 2, True) for i, (m, r) in enumerate(zip(maps, rois))]

    with torch.no_grad():
        print("roi_align_fwd", best(a, align))
    out = align()
    ones = [torch.ones_like(o) for o in out]
    print("roi_align_bwd", best(a, lambda: torch.autograd.grad(out, maps, ones, retain_graph=True)))
    group = torch.arange(BOXES, device=a.device) % 5
    print("nms", best(a, lambda: batched_nms(box, score, group, 0.7)[:1000]))
    images = torch.randint(0, 256, (VIEWS, 3, 32, 32), dtype=torch.uint8, device=a.device)
    # One draw for the whole batch, which is less than a view of its own for every image.
    strong = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(32, 4, padding_mode="reflect"),
                         v2.RandAugment(2, 10), v2.ToDtype(torch.float32, scale=True),
                         v2.Normalize([0.5] * 3, [0.25] * 3)])
    print("views_ra_mc", best(a, lambda: strong(images)))


if __name__ == "__main__":
    print("versions", torch.__version__, torchvision.__version__)
    main()
