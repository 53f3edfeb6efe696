#include "ssl/detection/teacher_ema.h"

#include "ssl/detection/learner.h"

static bl_status make(const bl_method_config *cfg, const bl_learner_env *env, bl_store **store,
                      bl_detector **d) {
    BL_TRY(bl_store_create(store));
    return bl_method_detector(cfg, env->detector, env->labelled->n_categories, *store, d);
}

bl_status bl_detector_pair_create(const bl_method_config *cfg, const bl_learner_env *env,
                                  bl_detector_pair *out) {
    *out = (bl_detector_pair){0};
    bl_status status;
    BL_TRY_DONE(make(cfg, env, &out->student_store, &out->student));
    BL_TRY_DONE(make(cfg, env, &out->teacher_store, &out->teacher));
    BL_TRY_DONE(bl_store_finish(out->student_store, env->ctx, env->seed, true));
    BL_TRY_DONE(bl_store_finish(out->teacher_store, env->ctx, env->seed, false));
done:
    if (status != BL_OK) bl_detector_pair_destroy(out);
    return status;
}

void bl_detector_pair_destroy(bl_detector_pair *p) {
    bl_detector_destroy(p->student);
    bl_detector_destroy(p->teacher);
    bl_store_destroy(p->student_store);
    bl_store_destroy(p->teacher_store);
    *p = (bl_detector_pair){0};
}

double bl_ema_keep(double ema, int64_t copied_until, int64_t t) {
    if (copied_until >= 0) return t <= copied_until ? 0 : ema;
    double warm = 1.0 - 1.0 / (double)(t + 1);
    return warm < ema ? warm : ema;
}

bl_status bl_detector_pair_ema(bl_detector_pair *p, bl_ctx *ctx, double keep) {
    return bl_store_ema(p->teacher_store, p->student_store, ctx, (float)keep, false);
}
