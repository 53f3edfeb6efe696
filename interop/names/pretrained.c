/* Self-supervised and semi-supervised checkpoints: MoCo v2 (the query encoder), and wide residual
 * networks of USB and of DASO. */
#include "interop/names/tables.h"

static const bl_name_rule moco[] = {{"encoder_q.*", "backbone.*", BL_NAME_SAME}};

static const bl_name_rule usb[] = {
    {"block#.layer.#.convShortcut.*", "backbone.layer{1}.{2}.shortcut.*", BL_NAME_SAME},
    {"block#.layer.#.*", "backbone.layer{1}.{2}.*", BL_NAME_SAME},
    {"conv1.*", "backbone.conv1.*", BL_NAME_SAME},
    {"bn1.*", "backbone.bn1.*", BL_NAME_SAME},
    {"fc.*", "head.f.*", BL_NAME_SAME},
};

/* The first block activates before it branches, so its layers are counted from the convolution. */
static const bl_name_rule daso[] = {
    {"encoder.init_conv.*", "backbone.conv1.*", BL_NAME_SAME},
    {"encoder.unit#.#.pre_act.0.*", "backbone.layer{1}.{2}.bn1.*", BL_NAME_SAME},
    {"encoder.unit#.#.identity.*", "backbone.layer{1}.{2}.shortcut.*", BL_NAME_SAME},
    {"encoder.unit1.0.layer.0.*", "backbone.layer1.0.conv1.*", BL_NAME_SAME},
    {"encoder.unit1.0.layer.1.*", "backbone.layer1.0.bn2.*", BL_NAME_SAME},
    {"encoder.unit1.0.layer.3.*", "backbone.layer1.0.conv2.*", BL_NAME_SAME},
    {"encoder.unit#.#.layer.0.*", "backbone.layer{1}.{2}.bn1.*", BL_NAME_SAME},
    {"encoder.unit#.#.layer.2.*", "backbone.layer{1}.{2}.conv1.*", BL_NAME_SAME},
    {"encoder.unit#.#.layer.3.*", "backbone.layer{1}.{2}.bn2.*", BL_NAME_SAME},
    {"encoder.unit#.#.layer.5.*", "backbone.layer{1}.{2}.conv2.*", BL_NAME_SAME},
    {"encoder.unit4.0.*", "backbone.bn1.*", BL_NAME_SAME},
};

const bl_name_table bl_names_moco = {
    .framework = "MoCo",
    .needs = "encoder_q.conv1.weight",
    .rule = moco,
    .n = BL_NAME_COUNT(moco),
    .settings = "bgr=false mean=[123.675, 116.28, 103.53] std=[58.395, 57.12, 57.375] "
                "stride_in_1x1=false",
};
const bl_name_table bl_names_usb_wrn = {
    .framework = "USB wide residual network",
    .needs = "block1.layer.0.conv1.weight",
    .rule = usb,
    .n = BL_NAME_COUNT(usb),
    .settings = "",
};
const bl_name_table bl_names_daso_wrn = {
    .framework = "DASO wide residual network",
    .needs = "encoder.init_conv.weight",
    .rule = daso,
    .n = BL_NAME_COUNT(daso),
    .settings = "",
};
