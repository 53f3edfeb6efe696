/* Supervised Faster R-CNN on the labelled images only; the baseline, and with method.rfs and
 * method.gbr the supervised form of the balancing. An EMA copy of the weights is kept and evaluated
 * as the teacher. */
#include <stdlib.h>

#include "ssl/detection/soft_teacher.h"
#include "ssl/detection/student_branch.h"

static bl_status learn(bl_plugin *p, bl_detection_step *s) {
    (void)p;
    return bl_labelled_losses(s);
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status needs(const bl_method_config *cfg, const bl_learner_env *env,
                       bl_detection_needs *n) {
    (void)env;
    const bl_teacher_section *teacher = bl_method_settings(cfg, "teacher");
    *n = (bl_detection_needs){.labelled_views = {BL_VIEW_LABELLED},
                              .n_labelled_views = 1,
                              .ema = teacher->ema,
                              .copied_until = -1,
                              .unsup_weight = teacher->unsup_weight,
                              .threshold = teacher->cls_score};
    return BL_OK;
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    (void)cfg;
    (void)w;
    *out = calloc(1, sizeof **out);
    return *out ? BL_OK : bl_no_memory("for the learner");
}

const bl_detection_plugin_type bl_supervised_plugin = {
    .plugin = {.name = "supervised", .base = true, .destroy = destroy},
    .needs = needs,
    .create = create,
    .learn = learn};
