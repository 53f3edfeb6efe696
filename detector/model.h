/* The detector's inside, shared by its stages: layers, settings in the types the stages compute
 * with. */
#ifndef BALLAST_DETECTOR_MODEL_H
#define BALLAST_DETECTOR_MODEL_H

#include "detector/anchors.h"
#include "detector/faster_rcnn.h"
#include "detector/style.h"
#include "nn/fpn.h"

struct bl_detector {
    bl_arena *arena; /* copies of the configuration's arrays */
    bl_detector_config cfg;
    const bl_style *style;
    int32_t classes;
    bl_roi_classifier classifier; /* outputs are set */
    bl_tensor *memory;            /* [classifier.memory], for its scores; NULL: none */

    bl_resnet *backbone;
    bl_fpn *neck;
    struct {
        bl_conv_layer conv, cls, reg;
        bl_box base[BL_PYRAMID_LEVELS][BL_ANCHORS_MAX];
        int32_t per_cell;
        bl_box_coder coder;
        bl_match_rule rule;
    } rpn;
    struct {
        bl_linear_layer fc1, fc2, cls, reg;
        bl_box_coder coder;
        bl_match_rule rule;
        bl_level_rule level;
    } roi;
    struct {
        int64_t backbone, neck, rpn, roi; /* parameter elements, frozen ones too */
    } count;
};

/* Declares the stage's layers and derives its settings from d->cfg and d->style. */
bl_status bl_rpn_declare(bl_detector *d, bl_store *s);
bl_status bl_roi_head_declare(bl_detector *d, bl_store *s);

bl_status bl_sizes_upload(bl_ctx *ctx, const bl_size *size, int32_t n, bl_tensor **out);

/* The anchors of the maps of r. */
void bl_rpn_grid(const bl_detector *d, const bl_rpn_out *r, bl_anchor_grid *g);

#endif
