/* detectron2: Faster R-CNN with FPN (faster_rcnn_R_50_FPN_*), with a C4 backbone (whose last stage
 * stands in the RoI heads), and bare backbones in its names. Stages are counted from the stem,
 * res2 to res5. The background is the last class. */
#include "interop/names/tables.h"

#define BACKBONE(prefix)                                                                           \
    {prefix "stem.conv1.norm.*", "backbone.bn1.*", BL_NAME_SAME},                                  \
        {prefix "stem.conv1.*", "backbone.conv1.*", BL_NAME_SAME},                                 \
        {prefix "res#.#.conv#.norm.*", "backbone.layer{1-1}.{2}.bn{3}.*", BL_NAME_SAME},           \
        {prefix "res#.#.conv#.*", "backbone.layer{1-1}.{2}.conv{3}.*", BL_NAME_SAME},              \
        {prefix "res#.#.shortcut.norm.*", "backbone.layer{1-1}.{2}.downsample.1.*", BL_NAME_SAME}, \
    {                                                                                              \
        prefix "res#.#.shortcut.*", "backbone.layer{1-1}.{2}.downsample.0.*", BL_NAME_SAME         \
    }

#define RPN                                                                                        \
    {"proposal_generator.rpn_head.conv.*", "rpn_head.rpn_conv.*", BL_NAME_SAME},                   \
        {"proposal_generator.rpn_head.objectness_logits.*", "rpn_head.rpn_cls.*", BL_NAME_SAME}, { \
        "proposal_generator.rpn_head.anchor_deltas.*", "rpn_head.rpn_reg.*", BL_NAME_SAME          \
    }

#define SETTINGS "bgr=true mean=[103.53, 116.28, 123.675] std=[1, 1, 1] stride_in_1x1=true"

static const bl_name_rule fpn[] = {
    BACKBONE("backbone.bottom_up."),
    {"backbone.fpn_lateral#.norm.*", "neck.lateral_convs.{1-2}.bn.*", BL_NAME_SAME},
    {"backbone.fpn_lateral#.*", "neck.lateral_convs.{1-2}.conv.*", BL_NAME_SAME},
    {"backbone.fpn_output#.norm.*", "neck.fpn_convs.{1-2}.bn.*", BL_NAME_SAME},
    {"backbone.fpn_output#.*", "neck.fpn_convs.{1-2}.conv.*", BL_NAME_SAME},
    RPN,
    {"roi_heads.box_head.fc1.*", "roi_head.bbox_head.shared_fcs.0.*", BL_NAME_SAME},
    {"roi_heads.box_head.fc2.*", "roi_head.bbox_head.shared_fcs.1.*", BL_NAME_SAME},
    {"roi_heads.box_predictor.cls_score.*", "roi_head.bbox_head.fc_cls.*", BL_NAME_SAME},
    {"roi_heads.box_predictor.bbox_pred.*", "roi_head.bbox_head.fc_reg.*", BL_NAME_SAME},
};

/* Only the backbone has a place in our model. */
static const bl_name_rule c4[] = {BACKBONE("backbone."), BACKBONE("roi_heads.")};
static const bl_name_rule bare[] = {BACKBONE("")};

const bl_name_table bl_names_detectron2 = {
    .framework = "detectron2 detector",
    .needs = "backbone.bottom_up.res2.0.conv1.weight",
    .rule = fpn,
    .n = BL_NAME_COUNT(fpn),
    .settings = SETTINGS,
};
const bl_name_table bl_names_detectron2_c4 = {
    .framework = "detectron2 C4 detector",
    .needs = "backbone.res2.0.conv1.weight",
    .rule = c4,
    .n = BL_NAME_COUNT(c4),
    .settings = SETTINGS,
};
const bl_name_table bl_names_detectron2_backbone = {
    .framework = "detectron2 backbone",
    .needs = "res2.0.conv1.weight",
    .rule = bare,
    .n = BL_NAME_COUNT(bare),
    .settings = "",
};
