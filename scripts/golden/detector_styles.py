#!/usr/bin/env python3
"""Reference values for tests/golden/test_detector_styles.c: torchvision's own fasterrcnn_resnet50_fpn.

Weights and images are drawn as in detector_torchvision.py and not stored. The model is torchvision's from images
that are normalised and padded to detections, and from the same images to losses and gradients: every anchor and
every RoI is sampled, so that nothing depends on a random choice. The input is 96 px high, an odd multiple of 32:
torchvision's anchors of the last level then are 48 px apart.

Usage: detector_styles.py OUT.safetensors
"""
import sys

import torch
from detector_torchvision import CLASSES, GT, LABELS, SIZES, image, neck_name, put, put_map, save, weight
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.models.detection.image_list import ImageList

ALL = 100000


def ours(name):
    for theirs, mine in (("backbone.body.", "backbone."), ("rpn.head.conv.0.0.", "rpn_head.rpn_conv."),
                         ("rpn.head.cls_logits.", "rpn_head.rpn_cls."), ("rpn.head.bbox_pred.", "rpn_head.rpn_reg."),
                         ("roi_heads.box_head.fc6.", "roi_head.bbox_head.shared_fcs.0."),
                         ("roi_heads.box_head.fc7.", "roi_head.bbox_head.shared_fcs.1."),
                         ("roi_heads.box_predictor.cls_score.", "roi_head.bbox_head.fc_cls."),
                         ("roi_heads.box_predictor.bbox_pred.", "roi_head.bbox_head.fc_reg.")):
        if name.startswith(theirs):
            return mine + name[len(theirs):]
    kind, i, _, leaf = name.removeprefix("backbone.fpn.").split(".")
    return neck_name(f"{kind}.{i}.0.{leaf}")


def to_ours(name, t):
    """A value or gradient in the order of classes without the background first."""
    if "cls_score" in name:
        return t.roll(-1, 0)
    return t[4:] if "box_predictor.bbox_pred" in name else t


def fill(model):
    for name, t in list(model.named_parameters()) + list(model.named_buffers()):
        if name.endswith("num_batches_tracked"):
            continue
        v = weight(ours(name), tuple(to_ours(name, t).shape))
        if "cls_score" in name:
            v = v.roll(1, 0)
        elif "box_predictor.bbox_pred" in name:
            v = torch.cat([torch.zeros_like(v[:4]), v])
        t.data.copy_(v)


def build(**kw):
    model = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=CLASSES + 1, **kw)
    fill(model)
    return model.eval()


def inputs():
    return ImageList(image("detector", 2, 3, 96, 128), [(h, w) for w, h in SIZES])


@torch.no_grad()
def inference():
    model, x = build(rpn_pre_nms_top_n_test=150, rpn_post_nms_top_n_test=80, rpn_nms_thresh=0.7), inputs()
    maps = model.backbone(x.tensors)
    for i, t in enumerate(maps.values()):
        put_map(f"tv.p{i}", t)
    prop, _ = model.rpn(x, maps)
    det, _ = model.roi_heads(maps, prop, x.image_sizes)
    for i, (p, d) in enumerate(zip(prop, det)):
        put(f"tv.prop{i}", p)
        put(f"tv.det{i}", torch.cat([d["boxes"], d["scores"][:, None], d["labels"][:, None].float() - 1], 1))
        print("image", i, len(p), "proposals", len(d["boxes"]), "detections")


def training():
    model = build(rpn_pre_nms_top_n_train=150, rpn_post_nms_top_n_train=80, rpn_batch_size_per_image=ALL,
                  rpn_positive_fraction=1.0, box_batch_size_per_image=ALL, box_positive_fraction=1.0)
    model.train()
    model.backbone.eval()  # running statistics, as with FrozenBatchNorm2d; its scale and shift have gradients here
    for p in model.parameters():
        p.requires_grad_(True)
    x = inputs()
    target = [{"boxes": b, "labels": l + 1} for b, l in zip(GT, LABELS)]
    maps = model.backbone(x.tensors)
    prop, rpn = model.rpn(x, maps, target)
    _, roi = model.roi_heads(maps, prop, x.image_sizes, target)
    loss = [rpn["loss_objectness"], rpn["loss_rpn_box_reg"], roi["loss_classifier"], roi["loss_box_reg"]]
    put("tv.losses", torch.stack(loss))
    print("losses", [float(v.detach()) for v in loss])
    (loss[0] + 0.7 * loss[1] + 1.3 * loss[2] + 0.9 * loss[3]).backward()
    for name, t in model.named_parameters():
        g = to_ours(name, t.grad).reshape(-1)
        put(f"tv.grad.{ours(name)}", torch.cat([g.double().norm().float()[None], g[:: max(1, len(g) // 6)][:7]]))


def main():
    torch.set_num_threads(1)
    inference()
    training()
    save(sys.argv[1])


main()
