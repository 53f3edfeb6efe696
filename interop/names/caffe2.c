/* Caffe2's ResNets (detectron's MSRA, which detectron2's zoo carries on). Batch
 * normalisation is folded into a scale and a shift: its statistics are 0 and 1, as a model
 * initialises them. */
#include "interop/names/tables.h"

static const bl_name_rule rules[] = {
    {"conv1_w", "backbone.conv1.weight", BL_NAME_SAME},
    {"res_conv1_bn_s", "backbone.bn1.weight", BL_NAME_SAME},
    {"res_conv1_bn_b", "backbone.bn1.bias", BL_NAME_SAME},
    {"res#_#_branch2a_w", "backbone.layer{1-1}.{2}.conv1.weight", BL_NAME_SAME},
    {"res#_#_branch2b_w", "backbone.layer{1-1}.{2}.conv2.weight", BL_NAME_SAME},
    {"res#_#_branch2c_w", "backbone.layer{1-1}.{2}.conv3.weight", BL_NAME_SAME},
    {"res#_#_branch1_w", "backbone.layer{1-1}.{2}.downsample.0.weight", BL_NAME_SAME},
    {"res#_#_branch2a_bn_s", "backbone.layer{1-1}.{2}.bn1.weight", BL_NAME_SAME},
    {"res#_#_branch2a_bn_b", "backbone.layer{1-1}.{2}.bn1.bias", BL_NAME_SAME},
    {"res#_#_branch2b_bn_s", "backbone.layer{1-1}.{2}.bn2.weight", BL_NAME_SAME},
    {"res#_#_branch2b_bn_b", "backbone.layer{1-1}.{2}.bn2.bias", BL_NAME_SAME},
    {"res#_#_branch2c_bn_s", "backbone.layer{1-1}.{2}.bn3.weight", BL_NAME_SAME},
    {"res#_#_branch2c_bn_b", "backbone.layer{1-1}.{2}.bn3.bias", BL_NAME_SAME},
    {"res#_#_branch1_bn_s", "backbone.layer{1-1}.{2}.downsample.1.weight", BL_NAME_SAME},
    {"res#_#_branch1_bn_b", "backbone.layer{1-1}.{2}.downsample.1.bias", BL_NAME_SAME},
};

const bl_name_table bl_names_caffe2 = {
    .framework = "Caffe2 backbone (MSRA)",
    .needs = "res2_0_branch2a_w",
    .rule = rules,
    .n = BL_NAME_COUNT(rules),
    .settings = "bgr=true mean=[103.53, 116.28, 123.675] std=[1, 1, 1] stride_in_1x1=true",
};
