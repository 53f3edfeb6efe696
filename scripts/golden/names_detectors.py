#!/usr/bin/env python3
"""Names and shapes of the tensors of other frameworks' detectors, for test_train_weight_names.

    python3 scripts/golden/names_detectors.py torchvision tests/golden/names
    python3 scripts/golden/names_detectors.py detectron2 tests/golden/names DETECTRON2_CHECKOUT

The models are built with 7 classes and without weights. detectron2's compiled operators are not needed.
"""
import os
import sys


def write(path, model):
    with open(path, "w") as f:
        for name, tensor in model.state_dict().items():
            f.write(f"{name} {'x'.join(map(str, tensor.shape))}\n")


def torchvision_models(folder):
    from torchvision.models.detection import fasterrcnn_resnet50_fpn
    model = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=8)
    write(os.path.join(folder, "torchvision_fasterrcnn_resnet50_fpn.txt"), model)


def detectron2_models(folder, checkout):
    from unittest import mock
    sys.path.insert(0, checkout)
    sys.modules["detectron2._C"] = mock.MagicMock()
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model
    for name in ("faster_rcnn_R_50_FPN", "faster_rcnn_R_50_C4"):
        cfg = get_cfg()
        cfg.merge_from_file(os.path.join(checkout, "configs", "COCO-Detection", name + "_3x.yaml"))
        cfg.MODEL.DEVICE = "cpu"
        cfg.MODEL.ROI_HEADS.NUM_CLASSES = 7
        write(os.path.join(folder, f"detectron2_{name}.txt"), build_model(cfg))


{"torchvision": torchvision_models, "detectron2": detectron2_models}[sys.argv[1]](*sys.argv[2:])
