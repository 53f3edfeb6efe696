/* A method as the training loop sees it: one learner that calls its plug-ins in order. */
#include <stdlib.h>
#include <string.h>

#include "balance/class_prior.h"
#include "ssl/classification/method.h"
#include "ssl/classification/watch.h"

typedef struct {
    bl_learner base;
    bl_classify_world world;
    const bl_classify_method_config *cfg;
    bl_classify_needs needs;
    bl_classify_watch *watch;
    const bl_classifier_config *model;
    uint64_t seed;  /* of the run */
    int32_t *label; /* [labelled.n] of this generation; NULL where there is but one */
} class_learner;

/* The iteration as plug-ins count it: within the generation. */
static int64_t within(const class_learner *l, int64_t t) {
    return l->world.generations > 1 ? t % l->world.iterations : t;
}

static bl_status prepare(bl_learner *base, bl_ctx *ctx, int64_t t, bool changed[2]) {
    class_learner *l = (class_learner *)base;
    return bl_plugins_prepare(&l->world.plugins, ctx, within(l, t), changed);
}

/* The first plug-in that has a list decides; then the generation, which leaves out what it has no
 * label for. */
static bool copies(bl_learner *base, int64_t t, bool labelled, int32_t *out) {
    class_learner *l = (class_learner *)base;
    if (bl_plugins_copies(&l->world.plugins, within(l, t), labelled, out)) return true;
    if (!labelled || !l->label) return false;
    for (int32_t i = 0; i < l->world.labelled.n; i++) out[i] = l->label[i] != BL_CLASSIFY_UNKNOWN;
    return true;
}

static bool labels(bl_learner *base, int32_t *out) {
    const class_learner *l = (const class_learner *)base;
    if (l->label) memcpy(out, l->label, sizeof *out * (size_t)l->world.labelled.n);
    return l->label != NULL;
}

static bl_status before_step(bl_learner *base, bl_ctx *ctx, int64_t t) {
    class_learner *l = (class_learner *)base;
    return bl_plugins_before_step(&l->world.plugins, ctx, within(l, t));
}

static bl_status losses(bl_learner *base, bl_ctx *ctx, const bl_step_input *in, int64_t iteration,
                        bl_step_losses *out) {
    class_learner *l = (class_learner *)base;
    int64_t t = within(l, iteration);
    const bl_classify_batch *b = in->batch;
    int32_t k = l->world.classes;
    bl_classify_step s = {.world = &l->world,
                          .ctx = ctx,
                          .in = in,
                          .batch = b,
                          .t = t,
                          .epoch = t / l->world.epoch,
                          .in_epoch = t % l->world.epoch,
                          .n_strong = l->needs.unlabelled ? l->needs.strong : 0,
                          .out = out};
    s.labelled = &b->part[BL_CLASSIFY_LABELLED];
    s.x.n = s.labelled->n;
    s.x_strong.n = l->needs.labelled_strong ? s.x.n : 0;
    if (b->n_groups > BL_CLASSIFY_UNLABELLED) {
        s.unlabelled = &b->part[BL_CLASSIFY_UNLABELLED];
        s.weak.n = s.unlabelled->n;
        for (int v = 0; v < s.n_strong; v++) s.strong[v].n = s.weak.n;
    }
    float *bias = BL_NEW_ARRAY(ctx->arena, float, (size_t)k * 3);
    s.label_weight = BL_NEW_ARRAY(ctx->arena, float, s.x.n);
    if (!bias || !s.label_weight) return BL_ENOMEM;
    s.bias.labelled = bias;
    s.bias.weak = bias + k;
    s.bias.strong = bias + 2 * k;
    for (int32_t i = 0; i < s.x.n; i++) s.label_weight[i] = 1;

    bl_plugin *learner = l->world.plugins.v[0];
    BL_CLASSIFY_EACH(&l->world, adjust, &s);
    BL_TRY(bl_classify_type(learner)->learn(learner, &s));
    BL_CLASSIFY_EACH(&l->world, losses, &s);
    if (s.pseudo) bl_classify_watch_add(l->watch, s.pseudo, s.unlabelled->label);
    return BL_OK;
}

static bl_status after_step(bl_learner *base, bl_ctx *ctx, int64_t iteration) {
    class_learner *l = (class_learner *)base;
    int64_t t = within(l, iteration);
    const bl_classify_ema_config *e = &l->cfg->ema;
    if (base->model[1].store) {
        double warm = e->warmup ? 1.0 - 1.0 / (double)(t + 1) : 1.0;
        double keep = warm < e->keep ? warm : e->keep;
        BL_TRY(bl_store_ema(l->world.store[1], l->world.store[0], ctx, (float)keep,
                            e->buffers == BL_EMA_COPY));
    }
    return bl_plugins_after_step(&l->world.plugins, ctx, t);
}

/* Unlabelled images that this generation learns from as labelled: how many, of which classes, and
 * how many of the labels are right where that is known (NaN elsewhere). */
static void report_generation(const class_learner *l, bl_metrics *line) {
    const bl_classify_world *w = &l->world;
    const int32_t *chosen = l->label + (w->labelled.n - w->joined), *truth = w->unlabelled.label;
    double added = 0, known = 0, right = 0;
    for (int32_t i = 0; i < w->joined; i++) {
        if (chosen[i] == BL_CLASSIFY_UNKNOWN) continue;
        bool has_truth = truth && truth[i] >= 0;
        added++;
        known += has_truth;
        right += has_truth && truth[i] == chosen[i];
    }
    bl_metrics_number(line, "generation", (double)w->generation);
    bl_metrics_number(line, "added", added);
    if (known > 0) bl_metrics_number(line, "added_accuracy", right / known);
}

static bl_status report(bl_learner *base, int64_t t, bl_metrics *lines, double *pseudo) {
    class_learner *l = (class_learner *)base;
    bool reports = !bl_classify_watch_empty(l->watch);
    *pseudo = reports ? bl_classify_watch_rate(l->watch) : -1;
    reports |= bl_plugins_report_something(&l->world.plugins);
    if (!reports && !l->label) return BL_OK;
    bl_metrics_begin(lines);
    bl_metrics_number(lines, "iter", (double)t);
    bl_metrics_string(lines, "kind", "class");
    if (!bl_classify_watch_empty(l->watch)) bl_classify_watch_report(l->watch, lines);
    BL_TRY(bl_plugins_report(&l->world.plugins, t, lines));
    if (l->label) report_generation(l, lines);
    return bl_metrics_end(lines);
}

/* ---- generations ---- */

static bl_status make_models(class_learner *l, bl_ctx *ctx) {
    bl_classify_world *w = &l->world;
    for (int m = 0; m < (l->cfg->ema.keep > 0 ? 2 : 1); m++) {
        BL_TRY(bl_store_create(&w->store[m]));
        BL_TRY(bl_classifier_create(l->model, l->needs.head, l->needs.n_heads, w->store[m],
                                    &w->model[m]));
        BL_TRY(bl_store_finish(w->store[m], ctx, w->seed, m == 0));
        const char *name = m ? bl_learner_average_name(l->needs.unlabelled) : "student";
        l->base.model[m] = (bl_learner_model){name, w->store[m], w->model[m]};
    }
    w->dim = (int32_t)bl_classifier_features(w->model[0]);
    return BL_OK;
}

static void destroy_models(class_learner *l) {
    bl_classify_world *w = &l->world;
    for (int m = 0; m < 2; m++) {
        bl_classifier_destroy(w->model[m]);
        bl_store_destroy(w->store[m]);
        w->model[m] = NULL;
        w->store[m] = NULL;
        l->base.model[m] = (bl_learner_model){0};
    }
}

static void destroy_plugins(bl_classify_world *w) {
    bl_plugins_destroy(&w->plugins);
    w->predict_head = 0;
    if (w->predict_bias) memset(w->predict_bias, 0, sizeof(double) * (size_t)w->classes);
}

static bl_status count_labels(bl_classify_world *w) {
    const bl_classify_items *items = &w->labelled;
    memset(w->counts, 0, sizeof *w->counts * (size_t)w->classes);
    for (int32_t i = 0; i < items->n; i++) {
        int32_t c = items->label[i];
        if (c == BL_CLASSIFY_UNKNOWN && i >= items->n - w->joined) continue;
        if (c < 0 || c >= w->classes)
            return bl_fail(BL_EINVAL, "labelled image %d has label %d, expected 0..%d", (int)i,
                           (int)c, (int)w->classes - 1);
        w->counts[c]++;
    }
    return bl_class_prior(w->counts, w->classes, w->prior);
}

/* Seed, class counts and plug-ins of generation g, whose labels stand in the list. */
static bl_status enter(class_learner *l, int64_t g) {
    bl_classify_world *w = &l->world;
    destroy_plugins(w);
    w->generation = g;
    w->seed = g ? bl_mix64(l->seed + (uint64_t)g) : l->seed;
    return count_labels(w);
}

static bl_status generation(bl_learner *base, bl_ctx *ctx) {
    class_learner *l = (class_learner *)base;
    bl_classify_world *w = &l->world;
    int32_t *chosen = l->label + (w->labelled.n - w->joined);
    for (int32_t i = 0; i < w->joined; i++) chosen[i] = BL_CLASSIFY_UNKNOWN;
    BL_CLASSIFY_EACH(w, generation, ctx, chosen);
    BL_TRY(enter(l, w->generation + 1));
    destroy_models(l);
    BL_TRY(make_models(l, ctx));
    BL_TRY(bl_classify_plugins_create(l->cfg, w));
    int64_t n = 0;
    for (int32_t i = 0; i < w->joined; i++) n += chosen[i] != BL_CLASSIFY_UNKNOWN;
    BL_INFO("generation %d of %d: %lld of %d unlabelled images join the labelled ones",
            (int)w->generation + 1, (int)w->generations, (long long)n, (int)w->joined);
    return BL_OK;
}

bl_status bl_classify_learner_set_counts(bl_learner *base, const double *counts, int64_t n) {
    class_learner *l = (class_learner *)base;
    bl_classify_world *w = &l->world;
    bool good = n == w->classes;
    for (int64_t c = 0; good && c < n; c++) good = counts[c] >= 0 && counts[c] <= INT32_MAX;
    if (!good)
        return bl_fail(BL_EFORMAT, "generation.counts: expected %d counts of images",
                       (int)w->classes);
    destroy_plugins(w);
    for (int32_t c = 0; c < w->classes; c++) w->counts[c] = (int64_t)counts[c];
    BL_TRY(bl_class_prior(w->counts, w->classes, w->prior));
    return bl_classify_plugins_create(l->cfg, w);
}

/* ---- checkpoints ---- */

/* Loading makes the plug-ins anew, with what the generation's labels say; their
 * state comes after. */
static bl_status generation_state(class_learner *l, bl_state_io *io) {
    bl_classify_world *w = &l->world;
    double index = (double)w->generation, *label, *counts;
    int64_t n = w->labelled.n, k = w->classes;
    BL_TRY(bl_state_numbers(io, "generation.index", &index, 1));
    BL_TRY(bl_state_packed(io, "generation.labels", &label, &n));
    if (!io->loading) {
        BL_TRY(bl_state_packed(io, "generation.counts", &counts, &k));
        for (int64_t i = 0; i < n; i++) label[i] = l->label[i];
        for (int64_t c = 0; c < k; c++) counts[c] = (double)w->counts[c];
        return BL_OK;
    }
    if (!(index >= 0 && index < (double)w->generations) || n != w->labelled.n)
        return bl_fail(BL_EFORMAT,
                       "state.generation.*: not of this run's %lld generations and %d "
                       "images",
                       (long long)w->generations, (int)w->labelled.n);
    for (int64_t i = 0; i < n; i++)
        l->label[i] =
            label[i] >= 0 && label[i] < w->classes ? (int32_t)label[i] : BL_CLASSIFY_UNKNOWN;
    BL_TRY(enter(l, (int64_t)index));
    return bl_classify_plugins_create(l->cfg, w);
}

static bl_status state(bl_learner *base, bl_state_io *io) {
    class_learner *l = (class_learner *)base;
    BL_TRY(bl_classify_watch_state(l->watch, io));
    if (l->label) BL_TRY(generation_state(l, io));
    return bl_plugins_state(&l->world.plugins, io);
}

static void destroy(bl_learner *base) {
    class_learner *l = (class_learner *)base;
    bl_classify_world *w = &l->world;
    destroy_plugins(w);
    destroy_models(l);
    bl_classify_watch_destroy(l->watch);
    free(w->given);
    free(w->counts);
    free(w->prior);
    free(w->predict_bias);
    free(l->label);
    free(l);
}

static const bl_learner_ops ops = {.prepare = prepare,
                                   .copies = copies,
                                   .generation = generation,
                                   .labels = labels,
                                   .before_step = before_step,
                                   .losses = losses,
                                   .after_step = after_step,
                                   .report = report,
                                   .state = state,
                                   .destroy = destroy};

/* Memory for what is counted, and the labels of a list that generations change. */
static bl_status take_lists(class_learner *l) {
    bl_classify_world *w = &l->world;
    size_t k = (size_t)w->classes, n = (size_t)w->labelled.n;
    w->given = calloc(k, sizeof *w->given);
    w->counts = calloc(k, sizeof *w->counts);
    w->prior = calloc(k, sizeof *w->prior);
    w->predict_bias = calloc(k, sizeof *w->predict_bias);
    if (!w->given || !w->counts || !w->prior || !w->predict_bias)
        return bl_no_memory("for class counts");
    if (w->joined > 0) {
        l->label = malloc(n * sizeof *l->label);
        if (!l->label) return bl_no_memory("for %zu labels", n);
        memcpy(l->label, w->labelled.label, n * sizeof *l->label);
        w->labelled.label = l->label;
    }
    BL_TRY(count_labels(w));
    memcpy(w->given, w->counts, k * sizeof *w->given);
    return BL_OK;
}

bl_status bl_classify_learner_create(const bl_classify_method_config *cfg,
                                     const bl_classify_env *env, bl_learner **out) {
    class_learner *l = calloc(1, sizeof *l);
    if (!l) return bl_no_memory("for the learner");
    bl_classify_world *w = &l->world;
    int64_t generations = bl_classify_method_generations(cfg);
    l->base.ops = &ops;
    l->base.name = "classification";
    l->cfg = cfg;
    l->model = env->model;
    l->seed = env->seed;
    *w = (bl_classify_world){.method = cfg,
                             .classes = env->labelled.set->n_classes,
                             .labelled = env->labelled,
                             .unlabelled = env->unlabelled,
                             .validation = env->validation,
                             .is_labelled = env->is_labelled,
                             .joined = env->joined,
                             .generations = generations,
                             .batch_labelled = env->batch_labelled,
                             .batch_unlabelled = env->batch_unlabelled,
                             .seed = env->seed,
                             .iterations = env->iterations / generations,
                             .epoch = cfg->epoch,
                             .lr_at = env->lr_at,
                             .lr_arg = env->lr_arg,
                             .views = env->views,
                             .ctx = env->ctx};
    bl_status status;
    BL_TRY_DONE(bl_classify_method_needs(cfg, w->classes, &l->needs));
    if (l->needs.unlabelled && env->unlabelled.n == 0) {
        status = bl_fail(BL_ECONFIG,
                         "method.name %s learns from unlabelled images, but there are none: set "
                         "longtail.unlabelled_head",
                         cfg->name);
        goto done;
    }
    BL_TRY_DONE(bl_classify_method_check_length(cfg, env->iterations));
    BL_TRY_DONE(take_lists(l));
    BL_TRY_DONE(make_models(l, env->ctx));
    BL_TRY_DONE(bl_classify_watch_create(w->classes, &l->watch));
    l->base.n_classes = w->classes;
    l->base.uses_unlabelled = l->needs.unlabelled;
    BL_TRY_DONE(bl_classify_plugins_create(cfg, w));
    *out = &l->base;
done:
    if (status != BL_OK) destroy(&l->base);
    return status;
}

const bl_classify_world *bl_classify_learner_world(const bl_learner *l) {
    return &((const class_learner *)l)->world;
}
