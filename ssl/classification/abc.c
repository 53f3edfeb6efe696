/* ABC as a plug-in: an auxiliary head trained on a class-balanced share of the data, and used for
 * prediction.
 *
 *   labelled:   mean_i b_i H(y_i, S(a(x_i))),                 b_i ~ Bernoulli(N_min / N_y)
 *   unlabelled: sum_s mean_j [max q_j >= tau] b_j H(q_j, S(a(u_j^s))), q_j = S(a(u_j^w)),
 *               b_j ~ Bernoulli(1 - t/T (1 - N_min / N_c)),   c = argmax q_j
 *
 * Means divide by the full batch; strong views s add up, as in the authors' total loss and in USB,
 * where FixMatch's own loss averages over them. Lee et al., "ABC: Auxiliary Balanced Classifier
 * for Class-imbalanced Semi-supervised Learning", NeurIPS 2021. The authors anneal by whole epochs
 * of 500 iterations; here t/T is the elapsed part of the run. */

#include <stdlib.h>

#include "balance/balance_mask.h"
#include "core/rows.h"
#include "ssl/classification/method.h"

typedef struct bl_abc_config {
    double tau;    /* least confidence of a pseudo-label */
    double weight; /* of its losses */
    bool hard;     /* hard instead of soft pseudo-labels */
} bl_abc_config;

static const bl_field fields[] = {
    BL_ROW_REAL(bl_abc_config, tau, "0.95", 0, 1, NULL,
                "Least confidence of the auxiliary head's pseudo-labels."),
    BL_ROW_REAL(bl_abc_config, weight, "1", 0, 1000, NULL, "Factor of its losses."),
    BL_ROW_BOOL(bl_abc_config, hard, "false",
                "Hard pseudo-labels (USB, BaCon) instead of soft ones (the authors)."),
    BL_ROWS_END};
static const bl_schema section = {"method.abc", "Auxiliary balanced classifier (plug-in \"abc\").",
                                  sizeof(bl_abc_config), fields};

static const char HEAD[] = "abc";

enum { DRAW_LABELLED = 1, DRAW_UNLABELLED }; /* streams of random numbers */

typedef struct {
    bl_plugin base;
    const bl_abc_config *cfg;
    int head;
    double *rate, *keep; /* [K] N_min / N_k; annealed */
} abc;

/* weight[i] *= a draw with the probability of label[i]'s class. */
static bl_status thin(bl_classify_step *s, const double *keep, const int32_t *label, int32_t n,
                      uint64_t stream, float *weight) {
    uint8_t *mask = BL_NEW_ARRAY(s->ctx->arena, uint8_t, n);
    if (!mask) return BL_ENOMEM;
    bl_balance_mask(keep, s->world->classes, label, n, s->world->seed, (uint64_t)s->t, stream,
                    mask);
    for (int32_t i = 0; i < n; i++) weight[i] *= mask[i];
    return BL_OK;
}

static bl_status labelled_loss(const abc *a, bl_classify_step *s) {
    int32_t n = s->x.n;
    bl_tensor *logits, *loss;
    float *weight = BL_NEW_ARRAY(s->ctx->arena, float, n);
    if (!weight) return BL_ENOMEM;
    for (int32_t i = 0; i < n; i++) weight[i] = 1;
    BL_TRY(thin(s, a->rate, s->labelled->label, n, DRAW_LABELLED, weight));
    BL_TRY(bl_classify_logits(s, &s->x, a->head, &logits));
    BL_TRY(bl_softmax_loss(s->ctx, logits, s->labelled->label, weight, 0, 1.0f / (float)n, &loss));
    bl_add_loss(s->out, "abc_sup", loss, a->cfg->weight);
    return BL_OK;
}

static bl_status losses(bl_plugin *p, bl_classify_step *s) {
    static const char *const names[BL_CLASSIFY_MAX_STRONG] = {"abc_unsup", "abc_unsup2"};
    abc *a = (abc *)p;
    const bl_classify_world *w = s->world;
    BL_TRY(labelled_loss(a, s));
    bl_classify_pseudo *q;
    BL_TRY(bl_classify_pseudo_make(s, a->head, NULL, a->cfg->tau, &q));
    q->soft = !a->cfg->hard;
    bl_balance_anneal(a->rate, w->classes, (double)s->t / (double)w->iterations, a->keep);
    BL_TRY(thin(s, a->keep, q->label, q->n, DRAW_UNLABELLED, q->weight));
    for (int v = 0; v < s->n_strong; v++) {
        bl_tensor *loss;
        BL_TRY(bl_classify_pseudo_loss(s, q, &s->strong[v], NULL, 1.0 / q->n, &loss));
        bl_add_loss(s->out, names[v], loss, a->cfg->weight);
    }
    return BL_OK;
}

static void destroy(bl_plugin *p) {
    free(((abc *)p)->rate);
    free(p);
}

static bl_status needs(const bl_classify_method_config *cfg, int32_t classes,
                       bl_classify_needs *n) {
    (void)cfg;
    return bl_classify_need_head(
        n, &(bl_head_spec){.name = HEAD, .kind = BL_HEAD_LINEAR, .out = classes});
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    abc *a = calloc(1, sizeof *a);
    double *rates = calloc(2 * (size_t)w->classes, sizeof *rates);
    if (!a || !rates) {
        free(a);
        free(rates);
        return bl_no_memory("for the auxiliary balanced classifier");
    }
    *a = (abc){.cfg = bl_classify_settings(cfg, "abc"),
               .head = bl_classifier_find(w->model[0], HEAD),
               .rate = rates,
               .keep = rates + w->classes};
    bl_status status = bl_balance_rates(w->counts, w->classes, a->rate);
    if (status != BL_OK) {
        destroy(&a->base);
        return status;
    }
    w->predict_head = a->head;
    *out = &a->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_abc_plugin = {.plugin = {.name = "abc",
                                                          .claims = BL_CLAIM_PREDICTION,
                                                          .section = &section,
                                                          .destroy = destroy},
                                               .unlabelled = true,
                                               .needs = needs,
                                               .create = create,
                                               .losses = losses};
