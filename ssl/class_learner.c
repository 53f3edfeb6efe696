/* A method as the training loop sees it: one learner that calls its plug-ins in order. */
#include <stdlib.h>
#include <string.h>

#include "balance/class_prior.h"
#include "ssl/class_method.h"
#include "ssl/class_watch.h"

typedef struct {
    bl_learner base;
    bl_class_world world;
    const bl_class_method_config *cfg;
    bl_class_needs needs;
    bl_class_watch *watch;
} class_learner;

/* Calls a hook of every plug-in that has it, in order. */
#define EACH(l, hook, ...)                                                                         \
    for (int i_ = 0; i_ < (l)->world.n_plugins; i_++)                                              \
        if ((l)->world.plugin[i_]->hooks->hook)                                                    \
    BL_TRY((l)->world.plugin[i_]->hooks->hook((l)->world.plugin[i_], __VA_ARGS__))

static bl_status prepare(bl_learner *base, bl_ctx *ctx, int64_t t, bool changed[2]) {
    class_learner *l = (class_learner *)base;
    EACH(l, prepare, ctx, t, changed);
    return BL_OK;
}

/* The first plug-in that has a list decides. */
static bool copies(bl_learner *base, int64_t t, bool labelled, int32_t *out) {
    class_learner *l = (class_learner *)base;
    for (int i = 0; i < l->world.n_plugins; i++) {
        bl_class_plugin *p = l->world.plugin[i];
        if (p->hooks->copies && p->hooks->copies(p, t, labelled, out)) return true;
    }
    return false;
}

static bl_status before_step(bl_learner *base, bl_ctx *ctx, int64_t t) {
    class_learner *l = (class_learner *)base;
    EACH(l, before_step, ctx, t);
    return BL_OK;
}

static bl_status losses(bl_learner *base, bl_ctx *ctx, const bl_step_input *in, int64_t t,
                        bl_step_losses *out) {
    class_learner *l = (class_learner *)base;
    const bl_class_batch *b = in->classification;
    int32_t k = l->world.classes;
    bl_class_step s = {.world = &l->world,
                       .ctx = ctx,
                       .in = in,
                       .batch = b,
                       .t = t,
                       .epoch = t / l->world.epoch,
                       .in_epoch = t % l->world.epoch,
                       .n_strong = l->needs.unlabelled ? l->needs.strong : 0,
                       .out = out};
    s.labelled = &b->part[BL_CLASS_LABELLED], s.x.n = s.labelled->n;
    s.x_strong.n = l->needs.labelled_strong ? s.x.n : 0;
    if (b->n_groups > BL_CLASS_UNLABELLED) {
        s.unlabelled = &b->part[BL_CLASS_UNLABELLED];
        s.weak.n = s.unlabelled->n;
        for (int v = 0; v < s.n_strong; v++) s.strong[v].n = s.weak.n;
    }
    float *bias = BL_NEW_ARRAY(ctx->arena, float, (size_t)k * 3);
    s.label_weight = BL_NEW_ARRAY(ctx->arena, float, s.x.n);
    if (!bias || !s.label_weight) return BL_ENOMEM;
    s.bias.labelled = bias, s.bias.weak = bias + k, s.bias.strong = bias + 2 * k;
    for (int32_t i = 0; i < s.x.n; i++) s.label_weight[i] = 1;

    EACH(l, adjust, &s);
    BL_TRY(l->world.plugin[0]->hooks->learn(l->world.plugin[0], &s));
    EACH(l, losses, &s);
    if (s.pseudo) bl_class_watch_add(l->watch, s.pseudo, s.unlabelled->label);
    return BL_OK;
}

static bl_status after_step(bl_learner *base, bl_ctx *ctx, int64_t t) {
    class_learner *l = (class_learner *)base;
    const bl_class_ema_config *e = &l->cfg->ema;
    if (base->model[1].store) {
        double warm = e->warmup ? 1.0 - 1.0 / (double)(t + 1) : 1.0;
        double keep = warm < e->keep ? warm : e->keep;
        BL_TRY(bl_store_ema(l->world.store[1], l->world.store[0], ctx, (float)keep,
                            e->buffers == BL_EMA_COPY));
    }
    EACH(l, after_step, ctx, t);
    return BL_OK;
}

static bl_status report(bl_learner *base, int64_t t, bl_metrics *lines, double *pseudo) {
    class_learner *l = (class_learner *)base;
    bool reports = !bl_class_watch_empty(l->watch);
    *pseudo = reports ? bl_class_watch_rate(l->watch) : -1;
    for (int i = 0; i < l->world.n_plugins; i++)
        reports |= l->world.plugin[i]->hooks->report != NULL;
    if (!reports) return BL_OK;
    bl_metrics_begin(lines);
    bl_metrics_number(lines, "iter", (double)t);
    bl_metrics_string(lines, "kind", "class");
    if (!bl_class_watch_empty(l->watch)) bl_class_watch_report(l->watch, lines);
    EACH(l, report, t, lines);
    return bl_metrics_end(lines);
}

static bl_status save(bl_learner *base, bl_arena *arena, bl_state_array *out, int cap, int *n) {
    class_learner *l = (class_learner *)base;
    BL_TRY(bl_class_watch_save(l->watch, arena, out, cap, n));
    EACH(l, save, arena, out, cap, n);
    return BL_OK;
}

static bl_status load(bl_learner *base, const bl_state_array *in, int n) {
    class_learner *l = (class_learner *)base;
    BL_TRY(bl_class_watch_load(l->watch, in, n));
    EACH(l, load, in, n);
    return BL_OK;
}

static void destroy(bl_learner *base) {
    class_learner *l = (class_learner *)base;
    bl_class_world *w = &l->world;
    for (int i = w->n_plugins - 1; i >= 0; i--) w->plugin[i]->hooks->destroy(w->plugin[i]);
    for (int m = 0; m < 2; m++) bl_classifier_destroy(w->model[m]), bl_store_destroy(w->store[m]);
    bl_class_watch_destroy(l->watch);
    free(w->counts), free(w->prior), free(w->predict_bias);
    free(l);
}

static const bl_learner_ops ops = {.name = "classification",
                                   .prepare = prepare,
                                   .copies = copies,
                                   .before_step = before_step,
                                   .losses = losses,
                                   .after_step = after_step,
                                   .report = report,
                                   .save = save,
                                   .load = load,
                                   .destroy = destroy};

static bl_status make_models(class_learner *l, const bl_class_env *env) {
    bl_class_world *w = &l->world;
    for (int m = 0; m < (l->cfg->ema.keep > 0 ? 2 : 1); m++) {
        BL_TRY(bl_store_create(&w->store[m]));
        BL_TRY(bl_classifier_create(env->model, l->needs.head, l->needs.n_heads, w->store[m],
                                    &w->model[m]));
        BL_TRY(bl_store_finish(w->store[m], env->ctx, env->seed, m == 0));
        l->base.model[m] = (bl_learner_model){m ? "teacher" : "student", w->store[m], w->model[m]};
    }
    w->dim = (int32_t)bl_classifier_features(w->model[0]);
    return BL_OK;
}

static bl_status count_labels(bl_class_world *w) {
    const bl_class_items *items = &w->labelled;
    w->counts = calloc((size_t)w->classes, sizeof *w->counts);
    w->prior = calloc((size_t)w->classes, sizeof *w->prior);
    w->predict_bias = calloc((size_t)w->classes, sizeof *w->predict_bias);
    if (!w->counts || !w->prior || !w->predict_bias) return bl_fail(BL_ENOMEM, "out of memory");
    for (int32_t i = 0; i < items->n; i++) {
        int32_t c = items->label[i];
        if (c < 0 || c >= w->classes)
            return bl_fail(BL_EINVAL, "labelled image %d has label %d, expected 0..%d", (int)i,
                           (int)c, (int)w->classes - 1);
        w->counts[c]++;
    }
    return bl_class_prior(w->counts, w->classes, w->prior);
}

bl_status bl_class_learner_create(const bl_class_method_config *cfg, const bl_class_env *env,
                                  bl_learner **out) {
    class_learner *l = calloc(1, sizeof *l);
    if (!l) return bl_fail(BL_ENOMEM, "out of memory for the learner");
    bl_class_world *w = &l->world;
    l->base.ops = &ops, l->cfg = cfg;
    *w = (bl_class_world){.method = cfg,
                          .classes = env->labelled.set->n_classes,
                          .labelled = env->labelled,
                          .unlabelled = env->unlabelled,
                          .is_labelled = env->is_labelled,
                          .batch_labelled = env->batch_labelled,
                          .batch_unlabelled = env->batch_unlabelled,
                          .seed = env->seed,
                          .iterations = env->iterations,
                          .epoch = cfg->epoch,
                          .lr_at = env->lr_at,
                          .lr_arg = env->lr_arg,
                          .views = env->views};
    bl_status status;
    BL_TRY_DONE(bl_class_method_needs(cfg, w->classes, &l->needs));
    if (l->needs.unlabelled && env->unlabelled.n == 0) {
        status = bl_fail(BL_ECONFIG,
                         "method.name %s learns from unlabelled images, but there are none: set "
                         "longtail.unlabelled_head",
                         cfg->name);
        goto done;
    }
    BL_TRY_DONE(count_labels(w));
    BL_TRY_DONE(make_models(l, env));
    BL_TRY_DONE(bl_class_watch_create(w->classes, &l->watch));
    l->base.n_classes = w->classes, l->base.uses_unlabelled = l->needs.unlabelled;
    BL_TRY_DONE(bl_class_plugins_create(cfg, w));
    *out = &l->base;
done:
    if (status != BL_OK) destroy(&l->base);
    return status;
}

const bl_class_world *bl_class_learner_world(const bl_learner *l) {
    return &((const class_learner *)l)->world;
}
