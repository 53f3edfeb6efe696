#include "ssl/gradient_balance.h"

#include <stdlib.h>
#include <string.h>

#include "balance/class_weights.h"
#include "balance/gradient_matrix.h"
#include "balance/prior_cap.h"
#include "balance/thresholds.h"
#include "core/rows.h"
#include "ssl/class_method.h"

static const bl_field fields[] = {
    BL_ROW_REAL(
        bl_gradient_balance_config, focal, "0", 0, 5, NULL,
        "Exponent of the softmax focal loss that the gradient matrix assumes; 0 = cross-entropy."),
    BL_ROW_REAL(bl_gradient_balance_config, base, "0.95", 0, 1, NULL,
                "Threshold of pseudo-labels that GbT starts from (its mode other than fixed)."),
    BL_ROW_SECTION(bl_gradient_balance_config, gbr, &bl_gbr_schema),
    BL_ROW_SECTION(bl_gradient_balance_config, gbt, &bl_gbt_schema), BL_ROWS_END};
static const bl_schema section = {"method.gb",
                                  "Gradient-based reweighting and thresholds (plug-in \"gb\").",
                                  sizeof(bl_gradient_balance_config), fields};

typedef struct {
    bl_plugin base;
    const bl_gradient_balance_config *cfg;
    bl_class_world *world;
    bl_gradient_matrix *matrix;
    bl_class_weights *weights;
    bl_thresholds *thresholds;
    bl_prior_cap *cap;       /* NULL: none */
    double *theta, *scratch; /* [K], [K*K] */
    float *factor;           /* [largest branch of a step] */
} gradient_balance;

static bl_status before_step(bl_plugin *p, bl_ctx *ctx, int64_t t) {
    (void)ctx;
    gradient_balance *g = (gradient_balance *)p;
    BL_TRY(bl_thresholds_get(g->thresholds, bl_class_weights_values(g->weights), t, g->theta));
    if (g->cap && t >= g->cfg->gbt.warmup) bl_prior_cap_raise(g->cap, g->theta);
    return BL_OK;
}

static bl_status weigh(gradient_balance *g, const int32_t *label, int32_t n, double beta,
                       float *weight) {
    if (!g->cfg->gbr.enabled) return BL_OK;
    BL_TRY(bl_class_weights_apply(g->weights, label, n, beta, g->factor));
    for (int32_t i = 0; i < n; i++) weight[i] *= g->factor[i];
    return BL_OK;
}

static bl_status adjust(bl_plugin *p, bl_class_step *s) {
    gradient_balance *g = (gradient_balance *)p;
    return weigh(g, s->labelled->label, s->x.n, g->cfg->gbr.beta, s->label_weight);
}

/* Thresholds first, then weights of what they keep. */
static bl_status select_labels(bl_plugin *p, bl_class_step *s, bl_class_pseudo *q) {
    (void)s;
    gradient_balance *g = (gradient_balance *)p;
    for (int32_t i = 0; i < q->n; i++) g->factor[i] = (float)q->confidence[i];
    BL_TRY(bl_thresholds_observe(g->thresholds, q->label, g->factor, q->n));
    for (int32_t i = 0; g->cap && i < q->n; i++)
        BL_TRY(bl_prior_cap_observe(g->cap, q->label + i, g->factor + i, 1));
    if (g->cfg->gbt.mode != BL_THRESHOLD_FIXED || g->cap)
        for (int32_t i = 0; i < q->n; i++) q->weight[i] = q->confidence[i] >= g->theta[q->label[i]];
    return weigh(g, q->label, q->n, 1, q->weight);
}

/* The class gradients of one branch; rows without weight send none. Logits that are not finite are
 * the loop's to judge, by the loss they make. */
static bl_status observe(gradient_balance *g, bl_class_step *s, bl_class_branch *r,
                         const int32_t *label, const float *weight) {
    bl_class_gradient_attr attr = bl_class_gradient_default();
    attr.focal = g->cfg->focal;
    bl_tensor *logits;
    BL_TRY(bl_class_logits(s, r, 0, &logits));
    bl_status status = bl_class_gradients(s->ctx, logits, label, weight, &attr, g->scratch);
    if (status == BL_ENUMERIC) return BL_OK;
    BL_TRY(status);
    bl_gradient_matrix_update(g->matrix, g->scratch, s->t);
    return bl_class_weights_pull(g->weights, bl_gradient_matrix_values(g->matrix), 1, s->t, NULL);
}

static bl_status losses(bl_plugin *p, bl_class_step *s) {
    gradient_balance *g = (gradient_balance *)p;
    BL_TRY(observe(g, s, &s->x, s->labelled->label, NULL));
    if (!s->pseudo) return BL_OK;
    for (int32_t i = 0; i < s->pseudo->n; i++) g->factor[i] = s->pseudo->weight[i] > 0;
    return observe(g, s, &s->strong[0], s->pseudo->label, g->factor);
}

static bl_status after_step(bl_plugin *p, bl_ctx *ctx, int64_t t) {
    (void)ctx;
    gradient_balance *g = (gradient_balance *)p;
    double lr = g->cfg->gbr.lr > 0 ? g->cfg->gbr.lr : g->world->lr_at(g->world->lr_arg, t);
    bl_class_weights_step(g->weights, lr);
    return BL_OK;
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    gradient_balance *g = (gradient_balance *)p;
    bl_metrics_array(line, "weight", bl_class_weights_values(g->weights), g->world->classes);
    bl_metrics_array(line, "threshold", g->theta, g->world->classes);
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    gradient_balance *g = (gradient_balance *)p;
    int64_t len;
    double *v = bl_gradient_matrix_state(g->matrix, &len);
    BL_TRY(bl_state_numbers(io, "gb.matrix", v, len));
    v = bl_class_weights_state(g->weights, &len);
    BL_TRY(bl_state_numbers(io, "gb.weights", v, len));
    v = bl_thresholds_state(g->thresholds, &len);
    BL_TRY(bl_state_numbers(io, "gb.thresholds", v, len));
    if (!g->cap) return BL_OK;
    v = bl_prior_cap_state(g->cap, &len);
    return bl_state_numbers(io, "gb.prior_cap", v, len);
}

static void destroy(bl_plugin *p) {
    gradient_balance *g = (gradient_balance *)p;
    bl_gradient_matrix_destroy(g->matrix);
    bl_class_weights_destroy(g->weights);
    bl_thresholds_destroy(g->thresholds);
    bl_prior_cap_destroy(g->cap);
    free(g->theta);
    free(g->scratch);
    free(g->factor);
    free(g);
}

static bl_status create(const bl_class_method_config *cfg, bl_class_world *w, bl_plugin **out) {
    const bl_gradient_balance_config *c = bl_class_settings(cfg, "gb");
    gradient_balance *g = calloc(1, sizeof *g);
    if (!g) return bl_fail(BL_ENOMEM, "out of memory for gradient balancing");
    g->cfg = c, g->world = w;
    int32_t k = w->classes;
    int32_t rows =
        w->batch_labelled > w->batch_unlabelled ? w->batch_labelled : w->batch_unlabelled;
    bl_status status;
    g->theta = calloc((size_t)k, sizeof *g->theta);
    g->scratch = calloc((size_t)k * (size_t)k, sizeof *g->scratch);
    g->factor = calloc((size_t)rows + 1, sizeof *g->factor);
    if (!g->theta || !g->scratch || !g->factor) {
        status = bl_fail(BL_ENOMEM, "out of memory for gradient balancing");
        goto done;
    }
    bl_gradient_config gc = bl_gradient_config_default(k, c->gbr.warmup);
    gc.decay = c->gbr.accumulate;
    BL_TRY_DONE(bl_gradient_matrix_create(&gc, &g->matrix));
    bl_class_weights_config wc = bl_class_weights_config_default(k, false, c->gbr.warmup);
    wc.solver = c->gbr.direct ? BL_SOLVER_DIRECT : BL_SOLVER_ONLINE;
    wc.mean_decay = c->gbr.accumulate;
    BL_TRY_DONE(bl_class_weights_create(&wc, &g->weights));
    bl_thresholds_config tc = bl_thresholds_config_default(k, c->gbt.warmup);
    tc.mode = (bl_threshold_mode)c->gbt.mode, tc.use_weights = true;
    tc.base = c->base, tc.low = c->gbt.lower, tc.high = c->gbt.upper;
    BL_TRY_DONE(bl_thresholds_create(&tc, &g->thresholds));
    for (int32_t i = 0; i < k; i++) g->theta[i] = tc.base;
    if (c->gbt.prior_cap > 0) {
        for (int32_t i = 0; i < k; i++) g->scratch[i] = c->gbt.prior_cap * w->prior[i];
        BL_TRY_DONE(bl_prior_cap_create(k, g->scratch, c->gbt.cap_window, &g->cap));
    }
    *out = &g->base;
done:
    if (status != BL_OK) destroy(&g->base);
    return status;
}

const bl_class_plugin_type bl_gradient_balance_plugin = {
    .plugin = {.name = "gb",
               .claims = BL_CLAIM_THRESHOLD | BL_CLAIM_WEIGHTS,
               .section = &section,
               .before_step = before_step,
               .after_step = after_step,
               .report = report,
               .state = state,
               .destroy = destroy},
    .create = create,
    .adjust = adjust,
    .select = select_labels,
    .losses = losses};
