/* torchvision's fasterrcnn_resnet50_fpn and its kin (models/detection/faster_rcnn.py; the pyramid's
 * and the RPN's convolutions moved one level down in 0.13). Class 0 is the background. */
#include "interop/names/tables.h"

static const bl_name_rule rules[] = {
    {"backbone.body.*", "backbone.*", BL_NAME_SAME},
    {"backbone.fpn.inner_blocks.#.0.*", "neck.lateral_convs.{1}.conv.*", BL_NAME_SAME},
    {"backbone.fpn.inner_blocks.#.1.*", "neck.lateral_convs.{1}.bn.*", BL_NAME_SAME},
    {"backbone.fpn.inner_blocks.#.*", "neck.lateral_convs.{1}.conv.*", BL_NAME_SAME},
    {"backbone.fpn.layer_blocks.#.0.*", "neck.fpn_convs.{1}.conv.*", BL_NAME_SAME},
    {"backbone.fpn.layer_blocks.#.1.*", "neck.fpn_convs.{1}.bn.*", BL_NAME_SAME},
    {"backbone.fpn.layer_blocks.#.*", "neck.fpn_convs.{1}.conv.*", BL_NAME_SAME},
    {"rpn.head.conv.0.0.*", "rpn_head.rpn_conv.*", BL_NAME_SAME},
    {"rpn.head.conv.*", "rpn_head.rpn_conv.*", BL_NAME_SAME},
    {"rpn.head.cls_logits.*", "rpn_head.rpn_cls.*", BL_NAME_SAME},
    {"rpn.head.bbox_pred.*", "rpn_head.rpn_reg.*", BL_NAME_SAME},
    {"roi_heads.box_head.fc6.*", "roi_head.bbox_head.shared_fcs.0.*", BL_NAME_SAME},
    {"roi_heads.box_head.fc7.*", "roi_head.bbox_head.shared_fcs.1.*", BL_NAME_SAME},
    {"roi_heads.box_predictor.cls_score.*", "roi_head.bbox_head.fc_cls.*",
     BL_NAME_BACKGROUND_FIRST},
    {"roi_heads.box_predictor.bbox_pred.*", "roi_head.bbox_head.fc_reg.*",
     BL_NAME_BACKGROUND_BOXES},
};

const bl_name_table bl_names_torchvision = {
    .framework = "torchvision detector",
    .needs = "backbone.body.conv1.weight",
    .rule = rules,
    .n = BL_NAME_COUNT(rules),
    .settings = "bgr=false mean=[123.675, 116.28, 103.53] std=[58.395, 57.12, 57.375] "
                "stride_in_1x1=false",
};
