/* Gradient-based balancing on a classifier: GbR and GbT (balance/gradient_balance.h) on the standard
 * head, without a background class.
 *
 *   GbR  weights both losses by class so that class gradients balance
 *   GbT  per-class thresholds of pseudo-labels from the weights and the mean confidence */
#include <stdlib.h>

#include "balance/gradient_balance.h"
#include "balance/thresholds.h"
#include "core/rows.h"
#include "ssl/classification/method.h"

typedef struct bl_gradient_balance_config {
    double focal; /* exponent that the gradient matrix assumes; 0 = cross-entropy */
    double base;  /* threshold that GbT starts from */
    bl_gbr_section gbr;
    bl_gbt_section gbt;
} bl_gradient_balance_config;

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
    bl_classify_world *world;
    bl_gradient_balance *balance;
    double *theta; /* [K] */
    float *factor; /* [largest branch of a step] */
} gb;

static bl_status before_step(bl_plugin *p, bl_ctx *ctx, int64_t t) {
    (void)ctx;
    gb *g = (gb *)p;
    BL_TRY(bl_gradient_balance_thresholds(g->balance, t, g->theta));
    bl_gradient_balance_cap(g->balance, t, g->theta);
    return BL_OK;
}

static bl_status weigh(gb *g, const int32_t *label, int32_t n, double beta, float *weight) {
    if (!g->cfg->gbr.enabled) return BL_OK;
    BL_TRY(bl_gradient_balance_weigh(g->balance, label, n, beta, g->factor));
    for (int32_t i = 0; i < n; i++) weight[i] *= g->factor[i];
    return BL_OK;
}

static bl_status adjust(bl_plugin *p, bl_classify_step *s) {
    gb *g = (gb *)p;
    return weigh(g, s->labelled->label, s->x.n, g->cfg->gbr.beta, s->label_weight);
}

/* Thresholds first, then weights of what they keep. */
static bl_status select_labels(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q) {
    (void)s;
    gb *g = (gb *)p;
    for (int32_t i = 0; i < q->n; i++) g->factor[i] = (float)q->confidence[i];
    BL_TRY(bl_gradient_balance_observe(g->balance, q->label, g->factor, q->n, false));
    if (g->cfg->gbt.mode != BL_THRESHOLD_FIXED || g->cfg->gbt.prior_cap > 0)
        for (int32_t i = 0; i < q->n; i++) q->weight[i] = q->confidence[i] >= g->theta[q->label[i]];
    return weigh(g, q->label, q->n, 1, q->weight);
}

/* The class gradients of one branch; rows without weight send none. Logits that are not finite are
 * the loop's to judge, by the loss they make. */
static bl_status observe(gb *g, bl_classify_step *s, bl_classify_branch *r, const int32_t *label,
                         const float *weight) {
    bl_class_gradient_attr attr = bl_class_gradient_default();
    attr.focal = g->cfg->focal;
    bl_tensor *logits;
    BL_TRY(bl_classify_logits(s, r, 0, &logits));
    bl_status status = bl_class_gradients(s->ctx, logits, label, weight, &attr,
                                          bl_gradient_balance_gradients(g->balance));
    if (status == BL_ENUMERIC) return BL_OK;
    BL_TRY(status);
    return bl_gradient_balance_pull(g->balance, 1, s->t);
}

static bl_status losses(bl_plugin *p, bl_classify_step *s) {
    gb *g = (gb *)p;
    BL_TRY(observe(g, s, &s->x, s->labelled->label, NULL));
    if (!s->pseudo) return BL_OK;
    for (int32_t i = 0; i < s->pseudo->n; i++) g->factor[i] = s->pseudo->weight[i] > 0;
    return observe(g, s, &s->strong[0], s->pseudo->label, g->factor);
}

static bl_status after_step(bl_plugin *p, bl_ctx *ctx, int64_t t) {
    (void)ctx;
    gb *g = (gb *)p;
    bl_gradient_balance_step(g->balance, g->world->lr_at(g->world->lr_arg, t));
    return BL_OK;
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    gb *g = (gb *)p;
    int32_t k = g->world->classes;
    bl_metrics_array(line, "gb_weight", bl_gradient_balance_weights(g->balance), k);
    bl_metrics_array(line, "gb_threshold", g->theta, k);
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    static const char *const names[BL_BALANCE_PARTS] = {"gb.matrix", "gb.weights", "gb.thresholds",
                                                        "gb.prior_cap"};
    for (int i = 0; i < BL_BALANCE_PARTS; i++) {
        int64_t n;
        double *v = bl_gradient_balance_state(((gb *)p)->balance, (bl_gradient_balance_part)i, &n);
        if (v) BL_TRY(bl_state_numbers(io, names[i], v, n));
    }
    return BL_OK;
}

static void destroy(bl_plugin *p) {
    gb *g = (gb *)p;
    bl_gradient_balance_destroy(g->balance);
    free(g->theta);
    free(g->factor);
    free(g);
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    const bl_gradient_balance_config *c = bl_classify_settings(cfg, "gb");
    gb *g = calloc(1, sizeof *g);
    if (!g) return bl_no_memory("for gradient balancing");
    g->cfg = c;
    g->world = w;
    int32_t k = w->classes;
    int32_t rows =
        w->batch_labelled > w->batch_unlabelled ? w->batch_labelled : w->batch_unlabelled;
    g->theta = calloc((size_t)k, sizeof *g->theta);
    g->factor = calloc((size_t)rows + 1, sizeof *g->factor);
    if (!g->theta || !g->factor) {
        destroy(&g->base);
        return bl_no_memory("for gradient balancing");
    }
    for (int32_t i = 0; i < k; i++) g->theta[i] = c->gbt.prior_cap * w->prior[i];
    bl_gradient_balance_spec spec = {.classes = k,
                                     .gbr = &c->gbr,
                                     .gbt = &c->gbt,
                                     .base = c->base,
                                     .allowed = c->gbt.prior_cap > 0 ? g->theta : NULL};
    bl_status status = bl_gradient_balance_create(&spec, &g->balance);
    for (int32_t i = 0; i < k; i++) g->theta[i] = c->base;
    if (status == BL_OK) {
        *out = &g->base;
    } else {
        destroy(&g->base);
    }
    return status;
}

const bl_classify_plugin_type bl_gradient_balance_plugin = {
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
