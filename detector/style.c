#include "detector/style.h"

#include "detector/faster_rcnn.h"

const char *const bl_style_names[] = {"mmdet", "torchvision", "detectron2", NULL};

/* Bound of dw and dh, the same in all: log(1000/16). */
#define LOG_1000_16 4.135166556742356f

static const bl_style styles[] = {
    [BL_STYLE_MMDET] =
        {
            .name = "mmdet",
            .anchor_offset = 0,
            .round_anchors = false,
            .anchors_share_input = false,
            .anchors_in_padding = false,
            .rpn_low_quality = BL_LOWQ_RELABEL,
            .rpn_low_quality_min = true,
            .ignore_iof = 2,
            .rpn_fixed_normaliser = false,
            .box_beta = 0,
            .rpn_post_nms_train = 1000,
            .max_log_ratio = LOG_1000_16,
            .clamp_symmetric = true,
            .roi_aligned = true,
            .roi_sampling = 0,
            .level_eps_in = 1e-6f,
            .level_eps_out = 0,
            .min_proposal = 0,
            .min_detection = 0,
            .rpn_std = 0.01f,
            .cls_std = 0.01f,
            .box_std = 0.001f,
        },
    /* torchvision 0.13 and later, models/detection. Its sides must reach 1e-3 and 1e-2 px, so the
     * bounds here are the floats below. Its linear layers start uniform; these have their spread. */
    [BL_STYLE_TORCHVISION] =
        {
            .name = "torchvision",
            .anchor_offset = 0,
            .round_anchors = true,
            .anchors_share_input = true,
            .anchors_in_padding = true,
            .rpn_low_quality = BL_LOWQ_KEEP,
            .rpn_low_quality_min = false,
            .ignore_iof = 2,
            .rpn_fixed_normaliser = false,
            .box_beta = 1.0 / 9,
            .rpn_post_nms_train = 2000,
            .max_log_ratio = LOG_1000_16,
            .clamp_symmetric = false,
            .roi_aligned = false,
            .roi_sampling = 2,
            .level_eps_in = 0,
            .level_eps_out = 1e-6f,
            .min_proposal = 0x1.0624dcp-10f,
            .min_detection = 0x1.47ae12p-7f,
            .rpn_std = 0.01f,
            .cls_std = 0.018f,
            .box_std = 0.018f,
        },
    /* detectron2's R_50_FPN configurations; its 1e-8 stands beside side/224, here beside side/56. */
    [BL_STYLE_DETECTRON2] =
        {
            .name = "detectron2",
            .anchor_offset = 0,
            .round_anchors = false,
            .anchors_share_input = false,
            .anchors_in_padding = true,
            .rpn_low_quality = BL_LOWQ_KEEP,
            .rpn_low_quality_min = false,
            .ignore_iof = 2,
            .rpn_fixed_normaliser = true,
            .box_beta = 0,
            .rpn_post_nms_train = 1000,
            .max_log_ratio = LOG_1000_16,
            .clamp_symmetric = false,
            .roi_aligned = true,
            .roi_sampling = 0,
            .level_eps_in = 4e-8f,
            .level_eps_out = 0,
            .min_proposal = 0,
            .min_detection = 0,
            .rpn_std = 0.01f,
            .cls_std = 0.01f,
            .box_std = 0.001f,
        },
};

const bl_style *bl_style_get(int style) {
    return &styles[style];
}
