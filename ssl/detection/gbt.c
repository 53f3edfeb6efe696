/* GbT in detection: thresholds of pseudo boxes by class, from class weights and the teacher's mean
 * scores (balance/gradient_balance.h, which gbr holds). In every list; mode "fixed" changes
 * nothing. */
#include <stdlib.h>

#include "balance/thresholds.h"
#include "ssl/detection/learner.h"

typedef struct {
    bl_plugin base;
    bl_gradient_balance *balance;
} gbt;

static bl_status thresholds(bl_plugin *p, int64_t t, double *theta) {
    return bl_gradient_balance_thresholds(((gbt *)p)->balance, t, theta);
}

static bl_status detections(bl_plugin *p, const bl_detection_step *s, int32_t image,
                            const bl_boxes *d) {
    (void)s;
    (void)image;
    return bl_gradient_balance_observe(((gbt *)p)->balance, d->label, d->score, d->n, true);
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    int64_t n;
    double *v = bl_gradient_balance_state(((gbt *)p)->balance, BL_BALANCE_THRESHOLDS, &n);
    return bl_state_numbers(io, "thresholds", v, n);
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    (void)cfg;
    gbt *g = calloc(1, sizeof *g);
    if (!g) return bl_no_memory("for class thresholds");
    g->balance = w->balance;
    *out = &g->base;
    return BL_OK;
}

static bool wanted(const bl_method_config *cfg) {
    (void)cfg;
    return true;
}

static bool active(const void *settings) {
    return ((const bl_gbt_section *)settings)->mode != BL_THRESHOLD_FIXED;
}

const bl_detection_plugin_type bl_gbt_plugin = {.plugin = {.name = "gbt",
                                                           .after = "gbr",
                                                           .claims = BL_CLAIM_THRESHOLD,
                                                           .refuses = BL_CLAIM_PREDICTION,
                                                           .active = active,
                                                           .section = &bl_gbt_schema,
                                                           .state = state,
                                                           .destroy = destroy},
                                                .switched_by = "gbt.mode",
                                                .wanted = wanted,
                                                .create = create,
                                                .thresholds = thresholds,
                                                .detections = detections};
