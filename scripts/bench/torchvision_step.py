"""One training step of torchvision's Faster R-CNN with the settings of a Ballast detector, timed.

    torchvision_step.py RESOLVED_CONFIG BATCH SIZE CLASSES STEPS THREADS MEMORY_FORMAT
                        [--device D] [--precision fp32|tf32|bf16]

SIZE is N (square) or HxW. The model, the images, the boxes, the sampling counts and the frozen layers are those of
tests/bench/bench_detector.c. Prints one JSON object.
"""
import argparse
import json
import resource
import statistics
import sys
import time

import torch
import torchvision
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN, resnet_fpn_backbone
from torchvision.models.detection.rpn import AnchorGenerator, RPNHead
from torchvision.models.resnet import BasicBlock
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

import torch_device

BOXES, WARMUP = 8, 3


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class SmallResNet(nn.Module):
    """Ballast's small backbone: a 3x3 stride-2 stem and four stages of basic blocks, strides 2,2,2,2."""

    def __init__(self, width, blocks):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        channels = width
        for stage in range(4):
            out = width << stage
            layers = []
            for block in range(blocks):
                stride = 2 if block == 0 else 1
                down = None
                if stride != 1 or channels != out:
                    down = nn.Sequential(
                        nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
                layers.append(BasicBlock(channels, out, stride, down))
                channels = out
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        for stage in range(4):
            x = getattr(self, f"layer{stage + 1}")(x)
        return x


def make_backbone(d):
    norms = {"frozen_bn": FrozenBatchNorm2d, "bn": nn.BatchNorm2d}
    if d["depth"] == "small":
        if d["norm"] != "bn" or d["frozen_stages"] >= 0:
            sys.exit("torchvision_step: the small backbone is only written with trained batch norm")
        body = SmallResNet(d["width"], d["blocks"])
        channels = [d["width"] << i for i in range(4)]
        layers = {f"layer{i + 1}": str(i) for i in range(4)}
        return BackboneWithFPN(body, layers, channels, d["fpn_channels"], LastLevelMaxPool())
    name = {"r18": "resnet18", "r34": "resnet34", "r50": "resnet50", "r101": "resnet101"}[d["depth"]]
    return resnet_fpn_backbone(
        backbone_name=name, weights=None, norm_layer=norms[d["norm"]],
        trainable_layers=4 - d["frozen_stages"] if d["frozen_stages"] >= 0 else 5)


def make_model(d, classes, size):
    backbone = make_backbone(d)
    sizes = tuple((d["anchor_scale"] * 4 * 2**i,) for i in range(5))
    anchors = AnchorGenerator(sizes, (tuple(d["anchor_ratios"]),) * 5)
    model = FasterRCNN(
        backbone, min_size=min(size), max_size=max(size),
        image_mean=[0.0] * 3, image_std=[1.0] * 3,
        rpn_anchor_generator=anchors,
        rpn_head=RPNHead(backbone.out_channels, len(d["anchor_ratios"])),
        rpn_pre_nms_top_n_train=d["rpn_pre_nms_train"],
        rpn_post_nms_top_n_train=d["rpn_post_nms_train"] or 1000,
        rpn_nms_thresh=d["rpn_nms"], rpn_batch_size_per_image=d["rpn_batch"],
        rpn_positive_fraction=d["rpn_pos_fraction"],
        box_roi_pool=MultiScaleRoIAlign(["0", "1", "2", "3"], d["roi_size"],
                                        d["roi_sampling"] or -1,
                                        canonical_scale=int(4 * d["finest_scale"])),
        box_head=torchvision.models.detection.faster_rcnn.TwoMLPHead(
            backbone.out_channels * d["roi_size"] ** 2, d["fc_channels"]),
        box_predictor=torchvision.models.detection.faster_rcnn.FastRCNNPredictor(
            d["fc_channels"], classes + 1),
        box_batch_size_per_image=d["roi_batch"], box_positive_fraction=d["roi_pos_fraction"])
    model.train()
    return model


def make_data(batch, size, classes, device):
    generator = torch.Generator().manual_seed(1)
    height, width = size
    images, targets = [], []
    for i in range(batch):
        images.append(((torch.rand(3, height, width, generator=generator) * 2 - 1) / 64).to(device))
        boxes = []
        for k in range(BOXES):
            w, h = width * (k + 1) / 16, height * (k + 1) / 16
            x = (k * 37 + i * 11) % 48 / 100 * width
            y = (k * 53 + i * 29) % 48 / 100 * height
            boxes.append([x, y, x + w, y + h])
        labels = [(k * 7 + i) % classes + 1 for k in range(BOXES)]
        targets.append({"boxes": torch.tensor(boxes, device=device),
                        "labels": torch.tensor(labels, device=device)})
    return images, targets


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("config")
    p.add_argument("batch", type=int)
    p.add_argument("size", type=lambda text: [int(t) for t in text.split("x")])
    p.add_argument("classes", type=int)
    p.add_argument("steps", type=int)
    p.add_argument("threads", type=int)
    p.add_argument("memory_format", choices=["contiguous", "channels_last"])
    torch_device.add_options(p)
    a = p.parse_args()
    a.size = a.size * 2 if len(a.size) == 1 else a.size
    return a


def main():
    a = arguments()
    torch_device.set_up(a)
    torch.set_num_threads(a.threads)
    with open(a.config) as f:
        d = json.load(f)["detector"]
    start = peak_mb()
    model = make_model(d, a.classes, a.size).to(a.device)
    if a.memory_format == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(parameters, lr=1e-12, momentum=0.9, weight_decay=1e-4)
    images, targets = make_data(a.batch, a.size, a.classes, a.device)

    times, forward, backward, update = [], 0.0, 0.0, 0.0
    for t in range(WARMUP + a.steps):
        t0 = time.perf_counter()
        with torch_device.autocast(a):
            losses = model(images, targets)
            total = sum(losses.values())
        t1 = time.perf_counter()
        total.backward()
        t2 = time.perf_counter()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        torch_device.wait(a)
        t3 = time.perf_counter()
        if not torch.isfinite(total):
            sys.exit("torchvision_step: the loss is not finite")
        if t >= WARMUP:
            times.append((t3 - t0) * 1e3)
            forward += (t1 - t0) * 1e3 / a.steps
            backward += (t2 - t1) * 1e3 / a.steps
            update += (t3 - t2) * 1e3 / a.steps
    print(json.dumps({
        "torch": torch.__version__, "torchvision": torchvision.__version__,
        "parameters": sum(p.numel() for p in parameters), "median_ms": statistics.median(times),
        "min_ms": min(times), "peak_mb": peak_mb(), "start_mb": start,
        "phases": {"forward": forward, "backward": backward, "update": update}}))


if __name__ == "__main__":
    main()
