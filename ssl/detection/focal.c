/* Softmax focal loss of the RoI classifier: the exponent method.focal instead of 0. */
#include <stdlib.h>

#include "ssl/detection/learner.h"

static bl_status roi_loss(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *r,
                          bl_tensor **loss) {
    (void)p;
    return bl_roi_cls_loss(s->ctx, s->world->pair.student, r->rois, r->weight, r->out,
                           s->world->method->focal, loss);
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    (void)cfg;
    (void)w;
    *out = calloc(1, sizeof **out);
    return *out ? BL_OK : bl_no_memory("for the focal loss");
}

static bool wanted(const bl_method_config *cfg) {
    return cfg->focal > 0;
}

const bl_detection_plugin_type bl_focal_plugin = {
    .plugin = {.name = "focal", .claims = BL_CLAIM_LOSS, .destroy = destroy},
    .switched_by = "focal",
    .wanted = wanted,
    .create = create,
    .roi_loss = roi_loss};
