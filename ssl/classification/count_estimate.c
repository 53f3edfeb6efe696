/* Estimating the unlabelled class counts while a classifier trains on the labelled images
 * (plug-in "counts"; Kim et al., DARP, NeurIPS 2020; balance/count_estimate.h), for methods that
 * want to be told them: method.darp.estimate in the same run, method.darp.counts in a later one.
 *
 * Every so often the averaged model (the student where there is none) predicts the images set aside
 * (longtail.validation; every class needs some) and all unlabelled ones, without augmentation. An
 * estimate counts when no class comes out below 0 and the matrix is well conditioned; the mean of
 * those is the result, in the "class" lines and at the end in the log. */

#include <stdlib.h>
#include <string.h>

#include "balance/count_estimate.h"
#include "balance/simplex.h"
#include "core/rows.h"
#include "ssl/classification/method.h"
#include "ssl/classification/pass.h"

typedef struct bl_count_estimate_config {
    int64_t every;
    double condition;
} bl_count_estimate_config;

static const bl_field fields[] = {
    BL_ROW_PERIOD(bl_count_estimate_config, every, "200", 1, 1e9, "How often to estimate."),
    BL_ROW_REAL(bl_count_estimate_config, condition, "100", 1, 1e12, NULL,
                "Estimates from matrices of a greater condition number are dropped."),
    BL_ROWS_END};
static const bl_schema section = {"method.counts",
                                  "Estimate of the unlabelled class counts (plug-in \"counts\").",
                                  sizeof(bl_count_estimate_config), fields};

enum { PASS_BATCH = 200 };
enum { USED, TRIED };

typedef struct {
    bl_plugin base;
    const bl_count_estimate_config *cfg;
    bl_classify_world *world;
    double *total;                       /* [K] sum of the estimates that count */
    double *result;                      /* [K] their mean: the world's */
    double n[2];                         /* estimates that count; all */
    double *mean;                        /* [K][K] of held-out images, by their class */
    double *sum, *estimate, *p, *offset; /* [K], [K], a batch's rows, [K] */
} counter;

typedef struct {
    const counter *c;
    const int32_t *label; /* NULL: all to one row */
    double *to;
} adding;

static bl_status add_rows(void *arg, int32_t first, int32_t n, const float *logits,
                          const float *features) {
    (void)features;
    const adding *a = arg;
    const bl_classify_world *w = a->c->world;
    int32_t k = w->classes;
    /* The pass adds the post-hoc adjustment, which is for test time. */
    for (int32_t j = 0; j < k; j++) a->c->offset[j] = -w->predict_bias[j];
    bl_softmax_rows(logits, n, k, a->c->offset, 1, a->c->p);
    for (int32_t i = 0; i < n; i++) {
        double *row = a->to + (a->label ? (int64_t)a->label[first + i] * k : 0);
        for (int32_t j = 0; j < k; j++) row[j] += a->c->p[(int64_t)i * k + j];
    }
    return BL_OK;
}

static bl_status add_set(const counter *c, bl_ctx *ctx, const bl_classify_items *items,
                         bool by_class, double *to) {
    adding a = {c, by_class ? items->label : NULL, to};
    return bl_classify_pass(c->world, ctx, c->world->model[1] ? 1 : 0, items, PASS_BATCH, add_rows,
                            &a);
}

static void publish(counter *c) {
    for (int32_t j = 0; j < c->world->classes; j++)
        c->result[j] = c->n[USED] > 0 ? c->total[j] / c->n[USED] : 0;
}

static void report_end(const counter *c) {
    char list[512] = "";
    size_t at = 0;
    for (int32_t j = 0; c->n[USED] > 0 && j < c->world->classes && at < sizeof list; j++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%.1f", j ? "," : "", c->result[j]);
    BL_INFO("unlabelled images by class, mean of %d of %d estimates: %s", (int)c->n[USED],
            (int)c->n[TRIED], c->n[USED] > 0 ? list : "none");
}

static bl_status after_step(bl_plugin *p, bl_ctx *ctx, int64_t t) {
    counter *c = (counter *)p;
    const bl_classify_world *w = c->world;
    int32_t k = w->classes;
    if ((t + 1) % c->cfg->every == 0) {
        memset(c->mean, 0, sizeof *c->mean * (size_t)k * (size_t)k);
        memset(c->sum, 0, sizeof *c->sum * (size_t)k);
        BL_TRY(add_set(c, ctx, &w->validation, true, c->mean));
        BL_TRY(add_set(c, ctx, &w->unlabelled, false, c->sum));
        for (int32_t j = 0; j < k; j++) bl_normalize(c->mean + (int64_t)j * k, k);
        double condition;
        BL_TRY(bl_count_estimate(c->mean, c->sum, k, c->estimate, &condition));
        bool good = condition < c->cfg->condition;
        for (int32_t j = 0; good && j < k; j++) good = c->estimate[j] >= 0;
        for (int32_t j = 0; good && j < k; j++) c->total[j] += c->estimate[j];
        c->n[USED] += good;
        c->n[TRIED]++;
        publish(c);
    }
    if (t + 1 == w->iterations) report_end(c);
    return BL_OK;
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    const counter *c = (const counter *)p;
    bl_metrics_number(line, "estimates", c->n[USED]);
    bl_metrics_number(line, "estimates_tried", c->n[TRIED]);
    if (c->n[USED] > 0) bl_metrics_array(line, "unlabelled_estimate", c->result, c->world->classes);
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    counter *c = (counter *)p;
    BL_TRY(bl_state_numbers(io, "counts.total", c->total, c->world->classes));
    BL_TRY(bl_state_numbers(io, "counts.n", c->n, 2));
    publish(c);
    return BL_OK;
}

static void destroy(bl_plugin *p) {
    counter *c = (counter *)p;
    c->world->estimate = NULL;
    free(c->total);
    free(c->result);
    free(c->mean);
    free(c->sum);
    free(c->estimate);
    free(c->p);
    free(c->offset);
    free(c);
}

/* Every class must be among the images set aside; predictions elsewhere have no such list. */
static bl_status check_sets(const bl_classify_world *w, int32_t *seen) {
    if (!w->validation.set) return BL_OK;
    for (int32_t i = 0; i < w->validation.n; i++) seen[w->validation.label[i]]++;
    for (int32_t j = 0; j < w->classes; j++)
        if (seen[j] == 0)
            return bl_fail(BL_ECONFIG,
                           "method.plugins: counts: class %d has no image set aside; raise "
                           "longtail.validation",
                           (int)j);
    return w->unlabelled.n > 0 ? BL_OK
                               : bl_fail(BL_ECONFIG, "method.plugins: counts: there are no "
                                                     "unlabelled images to count");
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    size_t k = (size_t)w->classes;
    counter *c = calloc(1, sizeof *c);
    if (!c) return bl_no_memory("for estimates of counts");
    c->cfg = bl_classify_settings(cfg, "counts");
    c->world = w;
    c->total = calloc(k, sizeof *c->total);
    c->result = calloc(k, sizeof *c->result);
    c->mean = calloc(k * k, sizeof *c->mean);
    c->sum = calloc(k, sizeof *c->sum);
    c->estimate = calloc(k, sizeof *c->estimate);
    c->p = calloc(PASS_BATCH * k, sizeof *c->p);
    c->offset = calloc(k, sizeof *c->offset);
    int32_t *seen = calloc(k, sizeof *seen);
    bool made =
        c->total && c->result && c->mean && c->sum && c->estimate && c->p && c->offset && seen;
    bl_status status =
        made ? check_sets(w, seen) : bl_no_memory("for estimates of %d counts", (int)w->classes);
    free(seen);
    if (status != BL_OK) {
        destroy(&c->base);
        return status;
    }
    w->estimate = c->result;
    *out = &c->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_count_estimate_plugin = {.plugin = {.name = "counts",
                                                                     .section = &section,
                                                                     .after_step = after_step,
                                                                     .report = report,
                                                                     .state = state,
                                                                     .destroy = destroy},
                                                          .create = create};
