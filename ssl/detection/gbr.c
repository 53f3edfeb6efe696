/* GbR in detection: class weights of the RoI classifier's loss, by which class gradients balance
 * (balance/gradient_balance.h). Holds the statistics that GbT uses, too, and so is in every list;
 * weights act when method.gbr.enabled says so, and are solved for when anything needs them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "balance/thresholds.h"
#include "ssl/detection/learner.h"

typedef struct {
    bl_plugin base;
    const bl_gbr_section *cfg;
    bl_detection_world *world;
    bool solve; /* weights are needed: by the loss or by thresholds */
    /* With several batches an iteration, the sums of their gradients by branch: the average takes
     * one of each a step, as the released program adds up its GPUs'. */
    double *sum[2];
    bool summed[2];
} gbr;

static double unsup_weight(const gbr *g, int branch) {
    return branch == BL_BRANCH_LABELLED ? 1.0 : g->world->needs.unsup_weight;
}

static int64_t entries(const gbr *g) {
    return ((int64_t)g->world->classes + 1) * (g->world->classes + 1);
}

static bl_status weigh(bl_plugin *p, bl_detection_step *s, bl_branch branch, const int32_t *label,
                       int64_t n, float *factor) {
    gbr *g = (gbr *)p;
    if (!g->cfg->enabled) return BL_OK;
    float *u = BL_NEW_ARRAY(s->ctx->arena, float, n);
    if (!u) return BL_ENOMEM;
    double beta = branch == BL_BRANCH_LABELLED ? g->cfg->beta : 1.0;
    BL_TRY(bl_gradient_balance_weigh(g->world->balance, label, n, beta, u));
    for (int64_t i = 0; i < n; i++) factor[i] *= u[i];
    return BL_OK;
}

/* Logits that are not finite are the loop's to judge, by the loss they make; here they must not
 * poison the average that outlives the step. */
static bl_status rows(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *r) {
    gbr *g = (gbr *)p;
    if (!g->solve) return BL_OK;
    double lambda = unsup_weight(g, r->branch);
    bl_class_gradient_attr attr = bl_class_gradient_default();
    attr.focal = g->world->method->focal;
    attr.scale *= lambda;
    bl_status status =
        bl_class_gradients_list(s->ctx, r->out->logits, r->rois->target.label, r->reliable, &attr,
                                bl_gradient_balance_gradients(g->world->balance));
    if (status == BL_ENUMERIC) return BL_OK;
    BL_TRY(status);
    if (g->world->parts == 1) return bl_gradient_balance_pull(g->world->balance, lambda, s->t);
    const double *own = bl_gradient_balance_gradients(g->world->balance);
    for (int64_t i = 0; i < entries(g); i++) g->sum[r->branch][i] += own[i];
    g->summed[r->branch] = true;
    return BL_OK;
}

/* What the iteration's batches have summed. */
static bl_status pull_sums(gbr *g, int64_t t) {
    size_t bytes = (size_t)entries(g) * sizeof *g->sum[0];
    for (int branch = 0; branch < 2; branch++) {
        if (!g->summed[branch]) continue;
        memcpy(bl_gradient_balance_gradients(g->world->balance), g->sum[branch], bytes);
        BL_TRY(bl_gradient_balance_pull(g->world->balance, unsup_weight(g, branch), t));
        memset(g->sum[branch], 0, bytes);
        g->summed[branch] = false;
    }
    return BL_OK;
}

static bl_status after_step(bl_plugin *p, bl_ctx *ctx, int64_t t) {
    (void)ctx;
    gbr *g = (gbr *)p;
    BL_TRY(pull_sums(g, t));
    if (g->solve) bl_gradient_balance_step(g->world->balance, g->world->lr_at(g->world->lr_arg, t));
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    bl_gradient_balance *b = ((gbr *)p)->world->balance;
    int64_t n;
    double *v = bl_gradient_balance_state(b, BL_BALANCE_MATRIX, &n);
    BL_TRY(bl_state_numbers(io, "gradient_matrix", v, n));
    v = bl_gradient_balance_state(b, BL_BALANCE_WEIGHTS, &n);
    return bl_state_numbers(io, "class_weights", v, n);
}

static void destroy(bl_plugin *p) {
    gbr *g = (gbr *)p;
    bl_gradient_balance_destroy(g->world->balance);
    g->world->balance = NULL;
    free(g->sum[0]);
    free(g);
}

/* How often a labelled image holds each class, times the cap; a class without labels counts as one
 * instance, else it could never be labelled. */
static void allow(const bl_detection_world *w, double cap, double *allowed) {
    const bl_dataset *d = w->labelled;
    for (int64_t a = 0; a < d->n_anns; a++) allowed[d->anns[a].category] += !d->anns[a].iscrowd;
    for (int32_t c = 0; c < w->classes; c++)
        allowed[c] = cap * fmax(allowed[c], 1) / fmax(d->n_images, 1);
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    const bl_gbt_section *gbt = bl_method_settings(cfg, "gbt");
    gbr *g = calloc(1, sizeof *g);
    double *allowed = calloc((size_t)w->classes, sizeof *allowed);
    size_t sums = 2 * ((size_t)w->classes + 1) * ((size_t)w->classes + 1);
    double *sum = w->parts > 1 ? calloc(sums, sizeof *sum) : NULL;
    if (!g || !allowed || (w->parts > 1 && !sum)) {
        free(g);
        free(allowed);
        free(sum);
        return bl_no_memory("for class balancing");
    }
    g->sum[0] = sum;
    g->sum[1] = sum ? sum + sums / 2 : NULL;
    g->cfg = bl_method_settings(cfg, "gbr");
    g->world = w;
    g->solve = g->cfg->enabled || bl_threshold_weighs(gbt->mode);
    allow(w, gbt->prior_cap, allowed);
    bl_gradient_balance_spec spec = {.classes = w->classes,
                                     .background = true,
                                     .parts = w->parts,
                                     .gbr = g->cfg,
                                     .gbt = gbt,
                                     .base = w->needs.threshold,
                                     .allowed = gbt->prior_cap > 0 ? allowed : NULL};
    bl_status status = bl_gradient_balance_create(&spec, &w->balance);
    free(allowed);
    if (status != BL_OK) {
        free(sum);
        free(g);
        return status;
    }
    w->class_weight = bl_gradient_balance_weights(w->balance);
    w->weighs |= g->cfg->enabled;
    *out = &g->base;
    return BL_OK;
}

static bool wanted(const bl_method_config *cfg) {
    (void)cfg;
    return true;
}

static bool active(const void *settings) {
    return ((const bl_gbr_section *)settings)->enabled;
}

const bl_detection_plugin_type bl_gbr_plugin = {.plugin = {.name = "gbr",
                                                           .claims = BL_CLAIM_WEIGHTS,
                                                           .refuses = BL_CLAIM_PREDICTION,
                                                           .active = active,
                                                           .section = &bl_gbr_schema,
                                                           .after_step = after_step,
                                                           .state = state,
                                                           .destroy = destroy},
                                                .switched_by = "gbr.enabled",
                                                .wanted = wanted,
                                                .create = create,
                                                .weigh = weigh,
                                                .rows = rows};
