/* The prior cap: raises thresholds, also above GbT's upper bound, under which a class would get more
 * pseudo boxes than the labelled images let expect (balance/prior_cap.h; its counts are kept with
 * GbT's statistics). */
#include <stdlib.h>

#include "ssl/detection/learner.h"

typedef struct {
    bl_plugin base;
    bl_gradient_balance *balance;
} label_cap;

static bl_status thresholds(bl_plugin *p, int64_t t, double *theta) {
    bl_gradient_balance_cap(((label_cap *)p)->balance, t, theta);
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    int64_t n;
    double *v = bl_gradient_balance_state(((label_cap *)p)->balance, BL_BALANCE_CAP, &n);
    return bl_state_numbers(io, "prior_cap", v, n);
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    (void)cfg;
    label_cap *c = calloc(1, sizeof *c);
    if (!c) return bl_no_memory("for the prior cap");
    c->balance = w->balance;
    *out = &c->base;
    return BL_OK;
}

static bool wanted(const bl_method_config *cfg) {
    return ((const bl_gbt_section *)bl_method_settings(cfg, "gbt"))->prior_cap > 0;
}

const bl_detection_plugin_type bl_label_cap_plugin = {
    .plugin = {.name = "prior_cap", .after = "gbt", .state = state, .destroy = destroy},
    .switched_by = "gbt.prior_cap",
    .wanted = wanted,
    .create = create,
    .thresholds = thresholds};
