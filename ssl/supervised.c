#include "ssl/supervised.h"

#include <stdlib.h>

#include "ssl/detection_learner.h"
#include "ssl/student_branch.h"
#include "ssl/teacher_ema.h"

typedef struct {
    bl_detection_learner base;
    bl_method_config cfg;
    bl_detector_pair pair;
    bl_balancer *balancer;
    bl_student student;
    double (*lr_at)(const void *, int64_t);
    const void *lr_arg;
    double *weights; /* [K+1] scratch for the log */
    int32_t classes;
} supervised;

static bl_status before_step(bl_learner *l, bl_ctx *ctx, int64_t t) {
    supervised *s = (supervised *)l;
    BL_TRY(bl_balancer_begin(s->balancer, t));
    return bl_detector_pair_ema(&s->pair, ctx, s->cfg.teacher.ema, t);
}

static bl_status losses(bl_learner *l, bl_ctx *ctx, const bl_step_input *in, int64_t t,
                        bl_step_losses *out) {
    supervised *s = (supervised *)l;
    bl_view_batch vb;
    BL_TRY(bl_view_batch_make(ctx, bl_detector_get_config(s->pair.student), in, 0,
                              in->detection->n_labelled, 0, &vb));
    return bl_labelled_losses(ctx, &s->student, &vb, t, out);
}

static bl_status after_step(bl_learner *l, bl_ctx *ctx, int64_t t) {
    (void)ctx;
    supervised *s = (supervised *)l;
    return bl_balancer_step(s->balancer, s->lr_at(s->lr_arg, t));
}

static bl_status report(bl_learner *l, int64_t t, bl_metrics *lines, double *pseudo_per_image) {
    supervised *s = (supervised *)l;
    *pseudo_per_image = -1;
    if (!s->cfg.gbr.enabled) return BL_OK;
    bl_balancer_weights(s->balancer, s->weights);
    bl_metrics_begin(lines);
    bl_metrics_number(lines, "iter", (double)t);
    bl_metrics_string(lines, "kind", "class");
    bl_metrics_array(lines, "weight", s->weights, s->classes + 1);
    return bl_metrics_end(lines);
}

static bl_status prepare(bl_learner *l, bl_ctx *ctx, int64_t t, bool changed[2]) {
    (void)ctx;
    changed[0] = bl_balancer_labelled_due(((supervised *)l)->balancer, t);
    changed[1] = false;
    return BL_OK;
}

static bool copies(bl_learner *l, int64_t t, bool labelled, int32_t *out) {
    return labelled && bl_balancer_copies(((supervised *)l)->balancer, t, true, out);
}

static void thresholds(const bl_learner *l, double *theta) {
    const supervised *s = (const supervised *)l;
    for (int32_t c = 0; c < s->classes; c++) theta[c] = bl_balancer_threshold(s->balancer, c);
}

static bl_status state(bl_learner *l, bl_state_io *io) {
    return bl_balancer_state(((supervised *)l)->balancer, io);
}

static void destroy(bl_learner *l) {
    supervised *s = (supervised *)l;
    bl_detector_pair_destroy(&s->pair);
    bl_balancer_destroy(s->balancer);
    free(s->weights);
    free(s);
}

static const bl_learner_ops ops = {.prepare = prepare,
                                   .copies = copies,
                                   .before_step = before_step,
                                   .losses = losses,
                                   .after_step = after_step,
                                   .report = report,
                                   .state = state,
                                   .destroy = destroy};

bl_status bl_supervised_create(const bl_method_config *cfg, const bl_learner_env *env,
                               bl_learner **out) {
    supervised *s = calloc(1, sizeof *s);
    if (!s) return bl_fail(BL_ENOMEM, "out of memory for the learner");
    bl_learner *l = &s->base.base;
    l->ops = &ops;
    l->name = "supervised";
    s->base.thresholds = thresholds;
    s->cfg = *cfg;
    s->lr_at = env->lr_at, s->lr_arg = env->lr_arg;
    bl_status status;
    BL_TRY_DONE(bl_detector_pair_create(env, &s->pair));
    s->classes = bl_detector_classes(s->pair.student);
    s->weights = calloc((size_t)s->classes + 1, sizeof *s->weights);
    if (!s->weights) {
        status = bl_fail(BL_ENOMEM, "out of memory for the learner");
        goto done;
    }
    BL_TRY_DONE(bl_balancer_create(cfg, s->classes, env, &s->balancer));
    s->student = (bl_student){s->pair.student, s->balancer, cfg->focal, env->seed};
    l->model[0] = (bl_learner_model){"student", s->pair.student_store, s->pair.student};
    l->model[1] =
        (bl_learner_model){bl_learner_average_name(false), s->pair.teacher_store, s->pair.teacher};
    s->base.labelled_views[0] = BL_VIEW_LABELLED;
    s->base.n_labelled_views = 1;
    l->n_classes = s->classes;
    *out = l;
done:
    if (status != BL_OK) destroy(l);
    return status;
}
