#include "detector/style.h"

#include "detector/faster_rcnn.h"

const char *const bl_style_names[] = {"mmdet", NULL};

static const bl_style styles[] = {
    [BL_STYLE_MMDET] =
        {
            .name = "mmdet",
            .anchor_offset = 0,
            .round_anchors = false,
            .rpn_low_quality = BL_LOWQ_RELABEL,
            .rpn_low_quality_min = true,
            .ignore_iof = 0.5f,
            .rpn_fixed_normaliser = false,
            .max_log_ratio = 4.135166556742356f, /* log(1000/16) */
            .clamp_symmetric = true,
            .roi_aligned = true,
            .level_eps_in = 1e-6f,
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
