/* A detection method as the training loop sees it: one learner that calls its plug-ins in order. */
#include "ssl/detection/learner.h"

#include <stdlib.h>

typedef struct {
    bl_learner base;
    bl_method_config cfg;
    bl_detection_world world;
} detection_learner;

static bl_status prepare(bl_learner *l, bl_ctx *ctx, int64_t t, bool changed[2]) {
    changed[0] = changed[1] = false;
    return bl_plugins_prepare(&((detection_learner *)l)->world.plugins, ctx, t, changed);
}

static bool copies(bl_learner *l, int64_t t, bool labelled, int32_t *out) {
    return bl_plugins_copies(&((detection_learner *)l)->world.plugins, t, labelled, out);
}

static bl_status before_step(bl_learner *l, bl_ctx *ctx, int64_t t) {
    bl_detection_world *w = &((detection_learner *)l)->world;
    BL_TRY(bl_plugins_before_step(&w->plugins, ctx, t));
    BL_TRY(bl_detection_thresholds(w, t));
    double keep = bl_ema_keep(w->needs.ema, w->needs.copied_until, t);
    return bl_detector_pair_ema(&w->pair, ctx, keep);
}

static bl_status losses(bl_learner *l, bl_ctx *ctx, const bl_step_input *in, int64_t t,
                        bl_step_losses *out) {
    bl_detection_world *w = &((detection_learner *)l)->world;
    bl_plugin *learner = w->plugins.v[0];
    bl_detection_step s = {
        .world = w, .ctx = ctx, .in = in, .batch = in->batch, .t = t, .out = out};
    BL_TRY(bl_detection_type(learner)->learn(learner, &s));
    BL_DETECTION_EACH(w, losses, &s);
    return BL_OK;
}

static bl_status after_step(bl_learner *l, bl_ctx *ctx, int64_t t) {
    return bl_plugins_after_step(&((detection_learner *)l)->world.plugins, ctx, t);
}

/* A "class" line is written when pseudo boxes were seen, or, without a teacher's, when classes are
 * weighed; and when a plug-in has something to say. */
static bl_status report(bl_learner *l, int64_t t, bl_metrics *lines, double *pseudo_per_image) {
    bl_detection_world *w = &((detection_learner *)l)->world;
    const bl_plugin *learner = w->plugins.v[0];
    bool (*watched)(const bl_plugin *, double *) = bl_detection_type(learner)->watched;
    *pseudo_per_image = -1;
    bool seen = watched && watched(learner, pseudo_per_image);
    bool says = seen || (!watched && w->weighs);
    for (int i = 1; i < w->plugins.n; i++) {
        const bl_plugin_type *type = w->plugins.v[i]->type;
        says |= type->report && (!type->says || type->says(w->plugins.v[i]));
    }
    BL_DETECTION_EACH(w, lines, lines);
    if (!says) return BL_OK;
    bl_metrics_begin(lines);
    bl_metrics_number(lines, "iter", (double)t);
    bl_metrics_string(lines, "kind", "class");
    if (seen || w->weighs) bl_metrics_array(lines, "weight", w->class_weight, w->classes + 1);
    if (seen) bl_metrics_array(lines, "threshold", w->theta, w->classes);
    BL_TRY(bl_plugins_report(&w->plugins, t, lines));
    return bl_metrics_end(lines);
}

static bl_status state(bl_learner *l, bl_state_io *io) {
    return bl_plugins_state(&((detection_learner *)l)->world.plugins, io);
}

void bl_detection_world_destroy(bl_detection_world *w) {
    bl_plugins_destroy(&w->plugins);
    free(w->theta);
    w->theta = NULL;
}

static void destroy(bl_learner *l) {
    detection_learner *d = (detection_learner *)l;
    bl_detection_world_destroy(&d->world);
    bl_detector_pair_destroy(&d->world.pair);
    free(d);
}

static const bl_learner_ops ops = {.prepare = prepare,
                                   .copies = copies,
                                   .before_step = before_step,
                                   .losses = losses,
                                   .after_step = after_step,
                                   .report = report,
                                   .state = state,
                                   .destroy = destroy};

bl_status bl_detection_world_create(const bl_method_config *cfg, const bl_learner_env *env,
                                    bl_detection_world *w) {
    bl_type_list list;
    BL_TRY(bl_method_types(cfg, &list));
    BL_TRY(bl_detection_type_of(list.v[0])->needs(cfg, env, &w->needs));
    w->method = cfg;
    w->classes = env->labelled->n_categories;
    w->labelled = env->labelled;
    w->unlabelled = env->unlabelled;
    w->seed = env->seed;
    w->iterations = env->iterations;
    w->parts = env->parts > 1 ? env->parts : 1;
    w->lr_at = env->lr_at;
    w->lr_arg = env->lr_arg;
    w->ctx = env->ctx;
    size_t k = (size_t)w->classes;
    w->theta = calloc(2 * k + 1, sizeof *w->theta);
    if (!w->theta) return bl_no_memory("for %zu classes", k);
    for (size_t c = 0; c < k; c++) w->theta[c] = w->needs.threshold;
    for (size_t c = 0; c <= k; c++) w->theta[k + c] = 1;
    w->class_weight = w->theta + k;
    for (int i = 0; i < list.n; i++) {
        bl_plugin *p;
        BL_TRY(bl_detection_type_of(list.v[i])->create(cfg, w, &p));
        bl_plugins_add(&w->plugins, list.v[i], p);
    }
    return BL_OK;
}

bl_status bl_learner_create(const bl_method_config *cfg, const bl_learner_env *env,
                            bl_learner **out) {
    detection_learner *d = calloc(1, sizeof *d);
    if (!d) return bl_no_memory("for the learner");
    bl_detection_world *w = &d->world;
    bl_learner *l = &d->base;
    l->ops = &ops;
    d->cfg = *cfg;
    l->name = d->cfg.name;
    bl_status status;
    BL_TRY_DONE(bl_detector_pair_create(&d->cfg, env, &w->pair));
    BL_TRY_DONE(bl_detection_world_create(&d->cfg, env, w));
    l->model[0] = (bl_learner_model){"student", w->pair.student_store, w->pair.student};
    l->n_classes = w->classes;
    l->uses_unlabelled = w->needs.n_unlabelled_views > 0;
    l->model[1] = (bl_learner_model){bl_learner_average_name(l->uses_unlabelled),
                                     w->pair.teacher_store, w->pair.teacher};
    *out = l;
done:
    if (status != BL_OK) destroy(l);
    return status;
}

const bl_detection_world *bl_detection_learner_world(const bl_learner *l) {
    return &((const detection_learner *)l)->world;
}
