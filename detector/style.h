/* Where implementations of Faster R-CNN differ, as data. Each reference implementation is one row
 * of constants; the stages read the row and know no names. Mixing rows costs up to an AP point and
 * breaks imported weights. */
#ifndef BALLAST_DETECTOR_STYLE_H
#define BALLAST_DETECTOR_STYLE_H

#include <stdbool.h>

#include "kernels/shared/match.h"

typedef struct bl_style {
    const char *name;
    /* anchors */
    float anchor_offset; /* of the centre, in strides */
    bool round_anchors;  /* base anchors rounded to integers, ties to even */
    /* Their distance is input side / map side, whole px, instead of the level's stride: they differ
     * at P6 where a side is an odd multiple of 32. */
    bool anchors_share_input;
    bool anchors_in_padding; /* those of batch padding are trained, too */
    /* matching */
    bl_low_quality rpn_low_quality;
    bool rpn_low_quality_min; /* only above the configured rpn_min_pos_iou, else at any overlap */
    float ignore_iof;         /* see bl_match_rule; above 1: ignore regions have no effect */
    /* losses */
    bool rpn_fixed_normaliser; /* rpn_batch x images instead of the sampled anchors */
    double box_beta;           /* of detector.box_beta where that is left to the style */
    int64_t rpn_post_nms_train;
    /* box decoding: bound of dw and dh */
    float max_log_ratio;
    bool clamp_symmetric; /* below too */
    /* RoI pooling: level = floor(log2(sqrt(area)/finest_scale + eps_in) + eps_out) */
    bool roi_aligned;
    int64_t roi_sampling;
    float level_eps_in, level_eps_out;
    /* boxes with a side <= these, after clipping, are dropped, px */
    float min_proposal, min_detection;
    /* standard deviations of the normal initialisations */
    float rpn_std, cls_std, box_std;
} bl_style;

/* style: bl_detector_style; must be valid. */
const bl_style *bl_style_get(int style);
/* NULL-terminated names in the order of bl_detector_style. */
extern const char *const bl_style_names[];

#endif
