/* BaCon as a plug-in on ABC (list "abc" first): a contrastive loss on a small projection that pulls
 * samples to balanced class centres and away from reliable negatives.
 *
 * With a = ABC's head, e = projection of the labelled and the weak unlabelled views:
 *   y_i     true label, or argmax a(u^w);  r_i = [max S(a) >= reliable]
 *   C_c     mean feature of class c over a bank with one row a training image, before this step
 *   tau_c   = tau0 (1 - (1 - t/T)^2 eta sqrt(n_c / max n)), n_c the bank's labels
 *   L_con   see balance/contrast.h, negatives as in balance/reliable_negatives.h
 * from iteration start * T on. After the loss the bank takes the labels (true ones, or
 * pseudo-labels with max S(a) >= label) and the features of reliable samples.
 *
 * Feng et al., "BaCon: Boosting Imbalanced Semi-supervised Learning via Balanced Feature-Level
 * Contrastive Learning", AAAI 2024. Of the authors' code two slips are not kept: confidence is the
 * softmax (not the raw logit), and labelled rows are written in every step. */

#include <stdlib.h>
#include <string.h>

#include "balance/contrast.h"
#include "balance/image_bank.h"
#include "balance/reliable_negatives.h"
#include "balance/simplex.h"
#include "core/rows.h"
#include "ssl/classification/method.h"

typedef struct bl_bacon_config {
    int64_t projection; /* outputs of the linear projection */
    double weight;      /* of L_con */
    double start;       /* part of the run without it */
    double label;       /* least confidence of a label in the bank */
    double reliable;    /* ... of a feature in the bank, and of an anchor */
    int64_t top;        /* a class among so many best is no negative's class */
    double temperature; /* tau0 */
    double eta;
    double negative_temperature;
    double negative_factor;
} bl_bacon_config;

static const bl_field fields[] = {
    BL_ROW_INT(bl_bacon_config, projection, "16", 1, 4096, NULL,
               "Outputs of the linear projection."),
    BL_ROW_REAL(bl_bacon_config, weight, "1", 0, 1000, NULL, "Factor of the contrastive loss."),
    BL_ROW_REAL(bl_bacon_config, start, "0.5", 0, 1, NULL,
                "Part of the run without the contrastive loss."),
    BL_ROW_REAL(bl_bacon_config, label, "0.95", 0, 1, NULL,
                "Least confidence of a pseudo-label that enters the bank."),
    BL_ROW_REAL(
        bl_bacon_config, reliable, "0.98", 0, 1, NULL,
        "Least confidence of a sample whose feature enters the bank and that is contrasted."),
    BL_ROW_INT(
        bl_bacon_config, top, "3", 1, 1000, NULL,
        "An unlabelled image is a negative of all classes but its so many most probable ones."),
    BL_ROW_REAL(bl_bacon_config, temperature, "0.1", 1e-3, 100, NULL,
                "Temperature of positives before balancing."),
    BL_ROW_REAL(bl_bacon_config, eta, "0.005", 0, 0.99, NULL,
                "How far the temperature of a frequent class falls at the start."),
    BL_ROW_REAL(bl_bacon_config, negative_temperature, "0.1", 1e-3, 100, NULL,
                "Temperature of negatives."),
    BL_ROW_REAL(bl_bacon_config, negative_factor, "64", 0, 1e6, NULL,
                "Factor of the mean negative in the denominator (64 in the authors' code)."),
    BL_ROWS_END};
static const bl_schema section = {"method.bacon",
                                  "Balanced contrastive features (plug-in \"bacon\").",
                                  sizeof(bl_bacon_config), fields};

static const char PROJECTION[] = "projection";

typedef struct {
    bl_plugin base;
    const bl_bacon_config *cfg;
    int abc, head;
    bl_image_bank *bank;
    float *centre;    /* [K][projection] */
    uint8_t *present; /* [K] */
    double *tau;      /* [K] */
    double window[2]; /* reliable samples, samples */
} bacon;

/* The step's labelled and weak unlabelled samples, one after the other. */
typedef struct samples {
    int32_t n, labelled;
    double *p, *confidence, *weight; /* [n][K] of ABC's head; its top; reliable or not */
    int32_t *label, *known;          /* y; the true label or -1 */
    float *e;                        /* [n][projection] */
    int64_t *row;                    /* in the bank */
} samples;

static bl_status gather(const bacon *b, bl_classify_step *s, samples *x) {
    const bl_classify_world *w = s->world;
    bl_arena *arena = s->ctx->arena;
    size_t k = (size_t)w->classes, dim = (size_t)b->cfg->projection;
    int32_t nl = s->x.n, n = nl + s->weak.n;
    const float *al, *au, *el, *eu;
    BL_TRY(bl_classify_host_logits(s, &s->x, b->abc, &al));
    BL_TRY(bl_classify_host_logits(s, &s->weak, b->abc, &au));
    BL_TRY(bl_classify_host_logits(s, &s->x, b->head, &el));
    BL_TRY(bl_classify_host_logits(s, &s->weak, b->head, &eu));
    *x = (samples){.n = n,
                   .labelled = nl,
                   .p = BL_NEW_ARRAY(arena, double, (size_t)n *k),
                   .confidence = BL_NEW_ARRAY(arena, double, n),
                   .weight = BL_NEW_ARRAY(arena, double, n),
                   .label = BL_NEW_ARRAY(arena, int32_t, n),
                   .known = BL_NEW_ARRAY(arena, int32_t, n),
                   .e = BL_NEW_ARRAY(arena, float, (size_t)n *dim),
                   .row = BL_NEW_ARRAY(arena, int64_t, n)};
    if (!x->p || !x->confidence || !x->weight || !x->label || !x->known || !x->e || !x->row) {
        return BL_ENOMEM;
    }
    bl_softmax_rows(al, nl, w->classes, NULL, 1, x->p);
    bl_softmax_rows(au, n - nl, w->classes, NULL, 1, x->p + (size_t)nl * k);
    bl_argmax_rows(x->p, n, w->classes, x->label, x->confidence);
    memcpy(x->e, el, (size_t)nl * dim * sizeof *x->e);
    memcpy(x->e + (size_t)nl * dim, eu, (size_t)(n - nl) * dim * sizeof *x->e);
    for (int32_t i = 0; i < n; i++) {
        bool labelled = i < nl;
        x->known[i] = labelled ? s->labelled->label[i] : -1;
        if (labelled) x->label[i] = x->known[i];
        x->weight[i] = x->confidence[i] >= b->cfg->reliable;
        x->row[i] = labelled ? s->labelled->item[i] : w->labelled.n + s->unlabelled->item[i - nl];
    }
    return BL_OK;
}

static bl_status contrast(bacon *b, bl_classify_step *s, const samples *x) {
    const bl_classify_world *w = s->world;
    int dim = (int)b->cfg->projection;
    uint8_t *negative = BL_NEW_ARRAY(s->ctx->arena, uint8_t, (size_t)x->n * (size_t)w->classes);
    float *gradient = BL_NEW_ARRAY(s->ctx->arena, float, (size_t)x->n *(size_t)dim);
    if (!negative || !gradient) return BL_ENOMEM;
    int top = b->cfg->top < w->classes ? (int)b->cfg->top : w->classes;
    BL_TRY(bl_reliable_negatives(x->known, x->p, x->n, w->classes, top, negative));
    bl_balanced_temperatures(bl_image_bank_counts(b->bank), w->classes, b->cfg->temperature,
                             b->cfg->eta, (double)s->t / (double)w->iterations, b->tau);
    bl_image_bank_centres(b->bank, b->centre, b->present);
    bl_contrast spec = {.n = x->n,
                        .dim = dim,
                        .n_classes = w->classes,
                        .label = x->label,
                        .weight = x->weight,
                        .negative = negative,
                        .centre = b->centre,
                        .present = b->present,
                        .temperature = b->tau,
                        .negative_temperature = b->cfg->negative_temperature,
                        .factor = b->cfg->negative_factor};
    double value;
    bl_tensor *e[2], *loss;
    BL_TRY(bl_contrast_loss(&spec, x->e, &value, gradient));
    BL_TRY(bl_classify_logits(s, &s->x, b->head, &e[0]));
    BL_TRY(bl_classify_logits(s, &s->weak, b->head, &e[1]));
    const float *gradients[2] = {gradient, gradient + (size_t)x->labelled * (size_t)dim};
    BL_TRY(bl_given_loss(s->ctx, e, gradients, 2, value, &loss));
    bl_add_loss(s->out, "contrast", loss, b->cfg->weight);
    return BL_OK;
}

static bl_status remember(bacon *b, bl_classify_step *s, const samples *x) {
    uint8_t *set_label = BL_NEW_ARRAY(s->ctx->arena, uint8_t, x->n);
    uint8_t *set_feature = BL_NEW_ARRAY(s->ctx->arena, uint8_t, x->n);
    if (!set_label || !set_feature) return BL_ENOMEM;
    for (int32_t i = 0; i < x->n; i++) {
        set_label[i] = i < x->labelled || x->confidence[i] >= b->cfg->label;
        set_feature[i] = x->weight[i] > 0;
        b->window[0] += x->weight[i];
    }
    b->window[1] += x->n;
    return bl_image_bank_write(b->bank, x->row, x->n, x->label, set_label, x->e, set_feature);
}

static bl_status losses(bl_plugin *p, bl_classify_step *s) {
    bacon *b = (bacon *)p;
    samples x;
    BL_TRY(gather(b, s, &x));
    if ((double)s->t > b->cfg->start * (double)s->world->iterations) BL_TRY(contrast(b, s, &x));
    return remember(b, s, &x);
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    bacon *b = (bacon *)p;
    if (b->window[1] > 0) {
        bl_metrics_number(line, "bacon_reliable", b->window[0] / b->window[1]);
    }
    b->window[0] = b->window[1] = 0;
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    bacon *b = (bacon *)p;
    double *v;
    int64_t len = bl_image_bank_pack(b->bank, NULL);
    BL_TRY(bl_state_packed(io, "bacon.bank", &v, &len));
    if (io->loading) {
        BL_TRY(bl_image_bank_unpack(b->bank, v, len));
    } else {
        bl_image_bank_pack(b->bank, v);
    }
    return bl_state_numbers(io, "bacon.window", b->window, 2);
}

static void destroy(bl_plugin *p) {
    bacon *b = (bacon *)p;
    bl_image_bank_destroy(b->bank);
    free(b->centre);
    free(b->present);
    free(b->tau);
    free(b);
}

static bl_status needs(const bl_classify_method_config *cfg, int32_t classes,
                       bl_classify_needs *n) {
    (void)classes;
    const bl_bacon_config *c = bl_classify_settings(cfg, "bacon");
    return bl_classify_need_head(
        n, &(bl_head_spec){.name = PROJECTION, .kind = BL_HEAD_PROJECTION, .out = c->projection});
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    bacon *b = calloc(1, sizeof *b);
    if (!b) return bl_no_memory("for BaCon");
    b->cfg = bl_classify_settings(cfg, "bacon");
    size_t k = (size_t)w->classes, dim = (size_t)b->cfg->projection;
    b->abc = bl_classifier_find(w->model[0], "abc");
    b->head = bl_classifier_find(w->model[0], PROJECTION);
    b->centre = calloc(k * dim, sizeof *b->centre);
    b->present = calloc(k, sizeof *b->present);
    b->tau = calloc(k, sizeof *b->tau);
    bl_status status = b->centre && b->present && b->tau ? BL_OK : bl_no_memory("for BaCon");
    if (status == BL_OK) {
        status = bl_image_bank_create((int64_t)w->labelled.n + w->unlabelled.n, w->classes,
                                      (int)dim, &b->bank);
    }
    if (status != BL_OK) {
        destroy(&b->base);
        return status;
    }
    *out = &b->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_bacon_plugin = {.plugin = {.name = "bacon",
                                                            .after = "abc",
                                                            .section = &section,
                                                            .report = report,
                                                            .state = state,
                                                            .destroy = destroy},
                                                 .needs = needs,
                                                 .create = create,
                                                 .losses = losses};
