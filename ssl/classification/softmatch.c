#include "ssl/classification/softmatch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "balance/alignment.h"
#include "balance/simplex.h"
#include "core/rows.h"
#include "ssl/classification/method.h"

static const bl_field fields[] = {
    BL_ROW_REAL(bl_softmatch_config, decay, "0.999", 0, 1, NULL,
                "Keep rate of the running moments."),
    BL_ROW_REAL(bl_softmatch_config, n_sigma, "2", 1e-3, 1000, NULL,
                "How fast weights fall below the mean confidence: standard deviation / n_sigma."),
    BL_ROWS_END};
static const bl_schema section = {"method.softmatch",
                                  "Weights by confidence (plug-in \"softmatch\").",
                                  sizeof(bl_softmatch_config), fields};

enum { MEAN, VARIANCE, MOMENTS };

typedef struct {
    bl_plugin base;
    const bl_softmatch_config *cfg;
    bl_alignment *alignment;
    double moments[MOMENTS];
} softmatch;

double bl_softmatch_weight(double confidence, double mean, double variance, double n_sigma) {
    double below = confidence < mean ? confidence - mean : 0;
    return below < 0 ? exp(-below * below * n_sigma * n_sigma / (2 * variance)) : 1;
}

static void update(softmatch *m, const double *top, int32_t n) {
    double mean = 0, square = 0, decay = m->cfg->decay;
    for (int32_t i = 0; i < n; i++) mean += top[i] / n;
    for (int32_t i = 0; i < n; i++) square += (top[i] - mean) * (top[i] - mean);
    m->moments[MEAN] = decay * m->moments[MEAN] + (1 - decay) * mean;
    if (n > 1) m->moments[VARIANCE] = decay * m->moments[VARIANCE] + (1 - decay) * square / (n - 1);
}

static bl_status choose(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q) {
    softmatch *m = (softmatch *)p;
    size_t n = (size_t)q->n * (size_t)q->classes;
    double *aligned = BL_NEW_ARRAY(s->ctx->arena, double, n);
    double *top = BL_NEW_ARRAY(s->ctx->arena, double, q->n);
    if (!aligned || !top) return BL_ENOMEM;
    memcpy(aligned, q->p, sizeof *aligned * n);
    bl_alignment_observe(m->alignment, aligned, q->n);
    bl_alignment_apply(m->alignment, aligned, q->n);
    bl_argmax_rows(aligned, q->n, (int)q->classes, NULL, top);
    update(m, top, q->n);
    for (int32_t i = 0; i < q->n; i++)
        q->weight[i] = (float)bl_softmatch_weight(top[i], m->moments[MEAN], m->moments[VARIANCE],
                                                  m->cfg->n_sigma);
    return BL_OK;
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    const softmatch *m = (const softmatch *)p;
    bl_metrics_number(line, "softmatch_mean", m->moments[MEAN]);
    bl_metrics_number(line, "softmatch_std", sqrt(m->moments[VARIANCE]));
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    softmatch *m = (softmatch *)p;
    int64_t len;
    double *v = bl_alignment_state(m->alignment, &len);
    BL_TRY(bl_state_numbers(io, "softmatch.alignment", v, len));
    return bl_state_numbers(io, "softmatch.moments", m->moments, MOMENTS);
}

static void destroy(bl_plugin *p) {
    bl_alignment_destroy(((softmatch *)p)->alignment);
    free(p);
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    softmatch *m = calloc(1, sizeof *m);
    if (!m) return bl_no_memory("for SoftMatch");
    m->cfg = bl_classify_settings(cfg, "softmatch");
    m->moments[MEAN] = 1.0 / w->classes;
    m->moments[VARIANCE] = 1;
    bl_alignment_config a = {.n_classes = (int)w->classes,
                             .mean = BL_ALIGN_AVERAGE,
                             .window = 1,
                             .decay = m->cfg->decay};
    bl_status status = bl_alignment_create(&a, &m->alignment);
    if (status != BL_OK) {
        destroy(&m->base);
        return status;
    }
    *out = &m->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_softmatch_plugin = {.plugin = {.name = "softmatch",
                                                                .claims = BL_CLAIM_THRESHOLD,
                                                                .section = &section,
                                                                .report = report,
                                                                .state = state,
                                                                .destroy = destroy},
                                                     .unlabelled = true,
                                                     .create = create,
                                                     .select = choose};
