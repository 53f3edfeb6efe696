#include "ssl/abc.h"

#include <stddef.h>
#include <stdlib.h>

#include "balance/balance_mask.h"
#include "ssl/class_method.h"

#define AT(member) offsetof(bl_abc_config, member)
static const bl_field fields[] = {
    {"tau", BL_T_REAL, AT(tau), "0.95", 0, 1, NULL, NULL,
     "Least confidence of the auxiliary head's pseudo-labels.", NULL},
    {"weight", BL_T_REAL, AT(weight), "1", 0, 1000, NULL, NULL, "Factor of its losses.", NULL},
    {"hard", BL_T_BOOL, AT(hard), "false", 0, 0, NULL, NULL,
     "Hard pseudo-labels (USB, BaCon) instead of soft ones (the authors).", NULL},
    {0}};
#undef AT
const bl_schema bl_abc_schema = {"method.abc", "Auxiliary balanced classifier (plug-in \"abc\").",
                                 sizeof(bl_abc_config), fields};

enum { DRAW_LABELLED = 1, DRAW_UNLABELLED }; /* streams of random numbers */

typedef struct {
    bl_class_plugin base;
    const bl_abc_config *cfg;
    int head;
    double *rate, *keep; /* [K] N_min / N_k; annealed */
} abc;

/* weight[i] *= a draw with the probability of label[i]'s class. */
static bl_status thin(bl_class_step *s, const double *keep, const int32_t *label, int32_t n,
                      uint64_t stream, float *weight) {
    uint8_t *mask = BL_NEW_ARRAY(s->ctx->arena, uint8_t, n);
    if (!mask) return BL_ENOMEM;
    bl_balance_mask(keep, s->world->classes, label, n, s->world->seed, (uint64_t)s->t, stream,
                    mask);
    for (int32_t i = 0; i < n; i++) weight[i] *= mask[i];
    return BL_OK;
}

static bl_status labelled_loss(const abc *a, bl_class_step *s) {
    int32_t n = s->x.n;
    bl_tensor *logits, *loss;
    float *weight = BL_NEW_ARRAY(s->ctx->arena, float, n);
    if (!weight) return BL_ENOMEM;
    for (int32_t i = 0; i < n; i++) weight[i] = 1;
    BL_TRY(thin(s, a->rate, s->labelled->label, n, DRAW_LABELLED, weight));
    BL_TRY(bl_class_logits(s, &s->x, a->head, &logits));
    BL_TRY(bl_softmax_loss(s->ctx, logits, s->labelled->label, weight, 0, 1.0f / (float)n, &loss));
    bl_add_loss(s->out, "abc_sup", loss, a->cfg->weight);
    return BL_OK;
}

static bl_status losses(bl_class_plugin *p, bl_class_step *s) {
    static const char *const names[BL_CLASS_MAX_STRONG] = {"abc_unsup", "abc_unsup2"};
    abc *a = (abc *)p;
    const bl_class_world *w = s->world;
    BL_TRY(labelled_loss(a, s));
    bl_class_pseudo *q;
    BL_TRY(bl_class_pseudo_make(s, a->head, NULL, a->cfg->tau, &q));
    q->soft = !a->cfg->hard;
    bl_balance_anneal(a->rate, w->classes, (double)s->t / (double)w->iterations, a->keep);
    BL_TRY(thin(s, a->keep, q->label, q->n, DRAW_UNLABELLED, q->weight));
    for (int v = 0; v < s->n_strong; v++) {
        bl_tensor *loss;
        BL_TRY(bl_class_pseudo_loss(s, q, &s->strong[v], NULL, 1.0 / (q->n * s->n_strong), &loss));
        bl_add_loss(s->out, names[v], loss, a->cfg->weight);
    }
    return BL_OK;
}

static void destroy(bl_class_plugin *p) {
    free(((abc *)p)->rate);
    free(p);
}

static const bl_class_hooks hooks = {.name = "abc", .losses = losses, .destroy = destroy};

static bl_status needs(const bl_class_method_config *cfg, int32_t classes, bl_class_needs *n) {
    (void)cfg;
    return bl_class_need_head(
        n, &(bl_head_spec){.name = BL_ABC_HEAD, .kind = BL_HEAD_LINEAR, .out = classes});
}

static bl_status create(const bl_class_method_config *cfg, bl_class_world *w,
                        bl_class_plugin **out) {
    abc *a = calloc(1, sizeof *a);
    double *rates = calloc(2 * (size_t)w->classes, sizeof *rates);
    if (!a || !rates) {
        free(a), free(rates);
        return bl_fail(BL_ENOMEM, "out of memory for the auxiliary balanced classifier");
    }
    *a = (abc){{&hooks},
               &cfg->abc,
               bl_classifier_find(w->model[0], BL_ABC_HEAD),
               rates,
               rates + w->classes};
    bl_status status = bl_balance_rates(w->counts, w->classes, a->rate);
    if (status != BL_OK) {
        destroy(&a->base);
        return status;
    }
    w->predict_head = a->head;
    *out = &a->base;
    return BL_OK;
}

const bl_class_plugin_type bl_abc_plugin = {
    .name = "abc", .unlabelled = true, .needs = needs, .create = create};
