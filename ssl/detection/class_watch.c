/* What happens to each class in the RoI classifier, for the log of any method: gradients that pull
 * its logit up and push it down, scores and logits of its own rows. Changes nothing; it reads one
 * iteration in so many, so that a device need not be waited for in the others.
 *
 * Of a row with label y, probabilities p and weight w (reliability and class weight by the branch's
 * normaliser, times the branch's factor), the softmax loss with focal exponent g sends to logit j the
 * gradient w F (p_j - [j = y]), F = (1 - p_y)^g - g p_y (1 - p_y)^(g-1) ln p_y. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "balance/simplex.h"
#include "core/rows.h"
#include "ssl/detection/learner.h"

typedef struct bl_watch_config {
    int64_t every;
} bl_watch_config;

static const bl_field fields[] = {
    BL_ROW_INT(bl_watch_config, every, "10", 0, 1000000000, "iterations",
               "How often the RoI classifier's rows are looked at; 0 = never."),
    BL_ROWS_END};
static const bl_schema section = {"method.watch",
                                  "Gradients, scores and logits by class for the log; no part of "
                                  "any method.",
                                  sizeof(bl_watch_config), fields};

enum { ARRAYS = 5 };

typedef struct {
    bl_plugin base;
    const bl_watch_config *cfg;
    const bl_detection_world *world;
    double *positive, *negative; /* [K] sums over the window */
    double *score, *logit, *n;   /* [K] of rows labelled k, and how many there were */
    double *scratch, *p;         /* [K], [K+1] */
    double steps;                /* iterations looked at in the window */
    double numbers[];            /* all of these */
} watch;

static double focal_factor(double p, double g) {
    if (g == 0 || p >= 1) return g == 0 ? 1 : 0;
    p = fmax(p, 1e-12);
    return pow(1 - p, g) - g * p * pow(1 - p, g - 1) * log(p);
}

static void add_row(watch *w, const float *z, int32_t label, double weight) {
    int32_t k = w->world->classes;
    bl_softmax_rows(z, 1, k + 1, NULL, 1, w->p);
    /* Such a row is the loop's to judge, by its loss; here it must not poison the window. */
    if (!isfinite(w->p[label]) || !isfinite(z[label])) return;
    double pull = weight * focal_factor(w->p[label], w->world->method->focal);
    for (int32_t j = 0; j < k; j++)
        if (j != label) w->negative[j] += pull * w->p[j];
    if (label == k) return;
    w->positive[label] += pull * (1 - w->p[label]);
    w->score[label] += w->p[label];
    w->logit[label] += z[label];
    w->n[label] += 1;
}

static bl_status rows(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *r) {
    watch *w = (watch *)p;
    const bl_tensor *logits = r->out->logits;
    int64_t n = logits->n, k = logits->c;
    /* A classifier of another kind has no logit for each class and the background. */
    if (s->t % w->cfg->every != 0 || k != w->world->classes + 1) return BL_OK;
    float *z = BL_NEW_ARRAY(s->ctx->arena, float, n *k);
    float *weight = BL_NEW_ARRAY(s->ctx->arena, float, n);
    int32_t *label = BL_NEW_ARRAY(s->ctx->arena, int32_t, n);
    if (!z || !weight || !label) return BL_ENOMEM;
    BL_TRY(bl_tensor_to_host(s->ctx, logits, z));
    BL_TRY(bl_download(s->ctx, r->weight, weight));
    BL_TRY(bl_download(s->ctx, r->rois->target.label, label));
    bool labelled = r->branch == BL_BRANCH_LABELLED;
    double factor = labelled ? 1 : w->world->needs.unsup_weight;
    for (int64_t i = 0; i < n; i++)
        if (label[i] >= 0) add_row(w, z + i * k, label[i], factor * weight[i]);
    w->steps += labelled;
    return BL_OK;
}

static void put_mean(const watch *w, bl_metrics *line, const char *key, const double *sum,
                     const double *n, double steps) {
    int32_t k = w->world->classes;
    for (int32_t j = 0; j < k; j++) {
        double by = n ? n[j] : steps;
        w->scratch[j] = by > 0 ? sum[j] / by : NAN; /* NaN is written as null */
    }
    bl_metrics_array(line, key, w->scratch, k);
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    watch *w = (watch *)p;
    if (w->steps == 0) return BL_OK;
    put_mean(w, line, "watch_positive", w->positive, NULL, w->steps);
    put_mean(w, line, "watch_negative", w->negative, NULL, w->steps);
    put_mean(w, line, "watch_score", w->score, w->n, 0);
    put_mean(w, line, "watch_logit", w->logit, w->n, 0);
    w->steps = 0;
    memset(w->numbers, 0, sizeof *w->numbers * ARRAYS * (size_t)w->world->classes);
    return BL_OK;
}

static bool says(const bl_plugin *p) {
    return ((const watch *)p)->steps > 0;
}

/* A resumed run writes the lines of an uninterrupted one. */
static bl_status state(bl_plugin *p, bl_state_io *io) {
    watch *w = (watch *)p;
    BL_TRY(bl_state_numbers(io, "watch.sums", w->numbers, (int64_t)ARRAYS * w->world->classes));
    return bl_state_numbers(io, "watch.steps", &w->steps, 1);
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bool wanted(const bl_method_config *cfg) {
    return ((const bl_watch_config *)bl_method_settings(cfg, "watch"))->every > 0;
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *world, bl_plugin **out) {
    size_t k = (size_t)world->classes;
    watch *w = calloc(1, sizeof *w + sizeof(double) * ((ARRAYS + 2) * k + 1));
    if (!w) return bl_no_memory("for statistics of classes");
    w->cfg = bl_method_settings(cfg, "watch");
    w->world = world;
    w->positive = w->numbers;
    w->negative = w->numbers + k;
    w->score = w->numbers + 2 * k;
    w->logit = w->numbers + 3 * k;
    w->n = w->numbers + 4 * k;
    w->scratch = w->numbers + ARRAYS * k;
    w->p = w->scratch + k;
    *out = &w->base;
    return BL_OK;
}

const bl_detection_plugin_type bl_class_watch_plugin = {.plugin = {.name = "watch",
                                                                   .section = &section,
                                                                   .says = says,
                                                                   .report = report,
                                                                   .state = state,
                                                                   .destroy = destroy},
                                                        .switched_by = "watch.every",
                                                        .wanted = wanted,
                                                        .create = create,
                                                        .rows = rows};
