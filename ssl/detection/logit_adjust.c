/* Logit adjustment of the RoI classifier (Menon et al., "Long-tail learning via logit adjustment",
 * ICLR 2021, equations 9 and 10; the loss form is the balanced softmax of Ren et al., NeurIPS 2020):
 *
 *   loss   cross-entropy of z_k + tau ln(n_k / n_max) in training; scores from the raw logits
 *   post   training untouched; scores from z_k - tau ln(n_k / n_max)
 *
 * n_k are the labelled boxes of class k, n_max those of the most common one. The papers have no
 * background; here it is as common as the most common class, so that nothing moves between these
 * two. A class without boxes counts as one. */
#include <math.h>
#include <stdlib.h>

#include "balance/logit_adjustment.h"
#include "core/rows.h"
#include "ssl/detection/learner.h"

typedef enum bl_roi_la_form { BL_ROI_LA_LOSS, BL_ROI_LA_POST } bl_roi_la_form;
typedef struct bl_roi_la_config {
    int32_t form; /* bl_roi_la_form */
    double tau;
} bl_roi_la_config;

static const char *const forms[] = {"loss", "post", NULL};
static const bl_field fields[] = {
    BL_ROW_ENUM(bl_roi_la_config, form, "\"loss\"", forms,
                "Where tau ln(prior) enters: added in the loss, or taken off when logits become "
                "scores."),
    BL_ROW_REAL(bl_roi_la_config, tau, "1", 0, 10, NULL, "Strength."), BL_ROWS_END};
static const bl_schema section = {"method.la", "Logit adjustment (plug-in \"la\").",
                                  sizeof(bl_roi_la_config), fields};

typedef struct {
    bl_plugin base;
    const bl_roi_la_config *cfg;
    float term[]; /* [K+1], added in the loss; that of the background 0 */
} logit_adjust;

static bl_status roi_loss(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *r,
                          bl_tensor **loss) {
    const logit_adjust *a = (const logit_adjust *)p;
    if (a->cfg->form == BL_ROI_LA_POST)
        return bl_roi_cls_loss(s->ctx, s->world->pair.student, r->rois, r->weight, r->out, 0, loss);
    int64_t n = r->out->logits->n;
    float *weight = BL_NEW_ARRAY(s->ctx->arena, float, n);
    int32_t *label = BL_NEW_ARRAY(s->ctx->arena, int32_t, n);
    if (!weight || !label) return BL_ENOMEM;
    BL_TRY(bl_download(s->ctx, r->weight, weight));
    BL_TRY(bl_download(s->ctx, r->rois->target.label, label));
    bl_softmax_attr attr = {.bias = a->term};
    return bl_adjusted_softmax_loss(s->ctx, r->out->logits, label, weight, &attr, 1, loss);
}

/* softmax(z + memory), the memory being the terms, negative. */
static void scores(const bl_roi_logits *in, float *row) {
    int32_t k = in->classes + 1;
    for (const float *z = in->z; z < in->z + in->n * k; z += k) {
        float top = -INFINITY;
        double sum = 0;
        for (int32_t j = 0; j < k; j++) top = fmaxf(top, row[j] = z[j] + in->memory[j]);
        for (int32_t j = 0; j < k; j++) sum += exp((double)row[j] - top);
        for (int32_t j = 0; j < k; j++) row[j] = (float)(exp((double)row[j] - top) / sum);
        row += k;
    }
}

static void classifier(const bl_method_config *cfg, int32_t classes, bl_roi_classifier *c) {
    if (((const bl_roi_la_config *)bl_method_settings(cfg, "la"))->form != BL_ROI_LA_POST) return;
    c->memory = (int64_t)classes + 1;
    c->scores = scores;
}

static void destroy(bl_plugin *p) {
    free(p);
}

/* The terms, negative, into both models. */
static bl_status remember(const logit_adjust *a, const bl_detection_world *w) {
    if (a->cfg->form != BL_ROI_LA_POST) return BL_OK;
    size_t n = (size_t)w->classes + 1;
    float *minus = malloc(sizeof *minus * n);
    if (!minus) return bl_no_memory("for logit adjustment");
    for (size_t k = 0; k < n; k++) minus[k] = -a->term[k];
    bl_status status = bl_detection_set_memory(w, minus);
    free(minus);
    return status;
}

/* The prior of class k over that of the most common class. */
static void priors(const bl_dataset *d, int32_t classes, double *pi) {
    double most = 1;
    for (int64_t i = 0; i < d->n_anns; i++) pi[d->anns[i].category] += !d->anns[i].iscrowd;
    for (int32_t k = 0; k < classes; k++) most = fmax(most, pi[k]);
    for (int32_t k = 0; k < classes; k++) pi[k] = fmax(pi[k], 1) / most;
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    size_t classes = (size_t)w->classes;
    logit_adjust *a = calloc(1, sizeof *a + sizeof *a->term * (classes + 1));
    double *pi = calloc(2 * classes, sizeof *pi), *offset = pi + classes;
    bl_status status = a && pi ? BL_OK : bl_no_memory("for logit adjustment");
    if (status == BL_OK) {
        a->cfg = bl_method_settings(cfg, "la");
        priors(w->labelled, w->classes, pi);
        bl_logit_offsets(pi, w->classes, a->cfg->tau, 0, offset);
        for (size_t k = 0; k < classes; k++) a->term[k] = (float)offset[k];
        status = remember(a, w);
    }
    free(pi);
    if (status == BL_OK) {
        *out = &a->base;
    } else {
        free(a);
    }
    return status;
}

const bl_detection_plugin_type bl_roi_logit_adjust_plugin = {
    .plugin = {.name = "la", .claims = BL_CLAIM_LOSS, .section = &section, .destroy = destroy},
    .classifier = classifier,
    .create = create,
    .roi_loss = roi_loss};
