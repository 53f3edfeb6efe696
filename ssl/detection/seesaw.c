/* Seesaw loss (Wang et al., "Seesaw Loss for Long-Tailed Instance Segmentation", CVPR 2021): K class
 * logits, of which softmax tells classes apart, and two more that tell foreground from background.
 * On a foreground row of class i, the other logits z_j are moved by ln(M_ij C_ij):
 *
 *   mitigation    M_ij = min(1, N_j / N_i)^p, N the foreground rows so far of each class, at least 1
 *   compensation  C_ij = max(1, s_j / max(s_i, eps))^q, s = softmax(z) without gradient
 *   loss = (sum of CE over foreground rows + sum of CE of fore- or background over all rows) / rows
 *   score of class j = softmax(z)_j softmax(objectness)_foreground
 *
 * The classifier is a cosine one of temperature `scale`, as published, or linear. N counts the rows
 * of labelled and unlabelled images alike. */
#include <stdlib.h>

#include "core/rows.h"
#include "ssl/detection/host_rows.h"

typedef struct bl_seesaw_config {
    double p, q, eps, scale;
} bl_seesaw_config;

static const bl_field fields[] = {
    BL_ROW_REAL(bl_seesaw_config, p, "0.8", 0, 10, NULL, "Exponent of the mitigation; 0 = none."),
    BL_ROW_REAL(bl_seesaw_config, q, "2", 0, 10, NULL, "Exponent of the compensation; 0 = none."),
    BL_ROW_REAL(bl_seesaw_config, eps, "0.01", 1e-9, 1, NULL,
                "Least score of the label that the compensation divides by."),
    BL_ROW_REAL(bl_seesaw_config, scale, "20", 0, 1000, NULL,
                "Factor of the cosines that are the logits; 0 = a linear classifier."),
    BL_ROWS_END};
static const bl_schema section = {"method.seesaw", "Seesaw loss (plug-in \"seesaw\").",
                                  sizeof(bl_seesaw_config), fields};

/* The objectness logits, after those of the K classes. */
enum { FOREGROUND, BACKGROUND, OBJECTNESS };

typedef struct {
    bl_plugin base;
    const bl_seesaw_config *cfg;
    int32_t classes;
    double counts[]; /* [K] foreground rows so far */
} seesaw;

static double at_least_one(double count) {
    return fmax(count, 1);
}

/* Cross-entropy of logits z[n], times weight; the gradient into g, p for scratch. */
static double cross_entropy(const float *z, int64_t n, int32_t label, double weight, double *p,
                            float *g) {
    double log_sum = bl_softmax_row(z, n, p);
    for (int64_t j = 0; j < n; j++) g[j] = (float)(weight * (p[j] - (j == label)));
    return weight * (log_sum - z[label]);
}

/* The class logits of a foreground row, moved; p for scratch. */
static void move(const seesaw *e, const float *z, int32_t label, double *p, float *moved) {
    const bl_seesaw_config *c = e->cfg;
    bl_softmax_row(z, e->classes, p);
    double own = fmax(p[label], c->eps), n = at_least_one(e->counts[label]);
    for (int32_t j = 0; j < e->classes; j++) {
        double mitigation = c->p * log(fmin(1, at_least_one(e->counts[j]) / n));
        double compensation = c->q * log(fmax(1, p[j] / own));
        moved[j] = (float)(z[j] + (j == label ? 0 : mitigation + compensation));
    }
}

static bl_status roi_loss(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *r,
                          bl_tensor **loss) {
    seesaw *e = (seesaw *)p;
    int32_t k = e->classes, outputs = k + OBJECTNESS;
    bl_host_rows h;
    BL_TRY(bl_host_rows_read(s, r, outputs, &h));
    double *scratch = BL_NEW_ARRAY(s->ctx->arena, double, outputs), value = 0;
    float *moved = BL_NEW_ARRAY(s->ctx->arena, float, k);
    if (!scratch || !moved) return BL_ENOMEM;
    for (int64_t i = 0; i < h.n; i++)
        if (h.label[i] < k) e->counts[h.label[i]]++;
    for (int64_t i = 0; i < h.n; i++) {
        const float *z = &h.z[i * outputs];
        float *g = &h.gradient[i * outputs];
        bool foreground = h.label[i] < k;
        if (foreground) {
            move(e, z, h.label[i], scratch, moved);
            value += cross_entropy(moved, k, h.label[i], h.weight[i], scratch, g);
        }
        value += cross_entropy(z + k, OBJECTNESS, foreground ? FOREGROUND : BACKGROUND, h.weight[i],
                               scratch, g + k);
    }
    return bl_host_rows_loss(s, r, &h, value, loss);
}

static void scores(const bl_roi_logits *in, float *row) {
    int32_t k = in->classes;
    for (const float *z = in->z; z < in->z + in->n * in->outputs; z += in->outputs) {
        double foreground = bl_sigmoid((double)z[k + FOREGROUND] - z[k + BACKGROUND]), sum = 0;
        float top = z[0];
        for (int32_t j = 1; j < k; j++) top = fmaxf(top, z[j]);
        for (int32_t j = 0; j < k; j++) sum += exp((double)z[j] - top);
        for (int32_t j = 0; j < k; j++)
            row[j] = (float)(exp((double)z[j] - top) / sum * foreground);
        row[k] = (float)(1 - foreground);
        row += k + 1;
    }
}

static void classifier(const bl_method_config *cfg, int32_t classes, bl_roi_classifier *c) {
    c->outputs = (int64_t)classes + OBJECTNESS;
    c->scale = ((const bl_seesaw_config *)bl_method_settings(cfg, "seesaw"))->scale;
    c->scores = scores;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    return bl_state_numbers(io, "seesaw.counts", ((seesaw *)p)->counts, ((seesaw *)p)->classes);
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    seesaw *e = calloc(1, sizeof *e + sizeof *e->counts * (size_t)w->classes);
    if (!e) return bl_no_memory("for the seesaw loss");
    e->cfg = bl_method_settings(cfg, "seesaw");
    e->classes = w->classes;
    *out = &e->base;
    return BL_OK;
}

const bl_detection_plugin_type bl_seesaw_plugin = {
    .plugin = {.name = "seesaw",
               .claims = BL_CLAIM_LOSS | BL_CLAIM_PREDICTION,
               .section = &section,
               .state = state,
               .destroy = destroy},
    .classifier = classifier,
    .create = create,
    .roi_loss = roi_loss};
