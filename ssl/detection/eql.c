/* EQL v2 (Tan et al., "Equalization Loss v2: A New Gradient Balance Approach for Long-tailed Object
 * Detection", CVPR 2021): the RoI classifier as K + 1 sigmoids, weighted by class so that positive
 * and negative gradients balance.
 *
 *   g_j  = P_j / (Q_j + 1e-10), P and Q the sums of |gradient| of positives and negatives so far; 100
 *          before the first batch
 *   r_j  = 1 / (1 + e^(-gamma (g_j - mu))), q_j = 1 + alpha (1 - r_j); 1 and 1 for the background
 *   loss = sum_ij (q_j t_ij + r_j (1 - t_ij)) BCE(z_ij, t_ij) / rows
 *   score of class j = sigma(z_j) (1 - sigma(z_background)) */
#include <stdlib.h>

#include "core/rows.h"
#include "ssl/detection/host_rows.h"

typedef struct bl_eql_config {
    double gamma, mu, alpha, prior;
} bl_eql_config;

static const bl_field fields[] = {
    BL_ROW_REAL(bl_eql_config, gamma, "12", 0, 1000, NULL, "Steepness of the negative weights."),
    BL_ROW_REAL(bl_eql_config, mu, "0.8", 0, 10, NULL, "Ratio at which they are one half."),
    BL_ROW_REAL(bl_eql_config, alpha, "4", 0, 1000, NULL, "Strength of the positive weights."),
    BL_ROW_REAL(bl_eql_config, prior, "0.001", 1e-9, 0.5, NULL,
                "Score of every class at the start, by the classifier's bias."),
    BL_ROWS_END};
static const bl_schema section = {"method.eql", "Equalization loss v2 (plug-in \"eql\").",
                                  sizeof(bl_eql_config), fields};

typedef struct {
    bl_plugin base;
    const bl_eql_config *cfg;
    int32_t classes;
    double *p, *q, *ratio; /* [K] each, of sums */
    double sums[];         /* [3K] */
} eql;

/* Weights of class j's positives and negatives. */
static void weights(const eql *e, int32_t j, double *positive, double *negative) {
    *negative = j < e->classes ? bl_sigmoid(e->cfg->gamma * (e->ratio[j] - e->cfg->mu)) : 1;
    *positive = 1 + (j < e->classes ? e->cfg->alpha * (1 - *negative) : 0);
}

/* One channel: its loss; *gradient to the logit and the sums of the next step. */
static double channel(eql *e, int32_t j, double z, bool target, double reliable, double *gradient) {
    double positive, negative, d = bl_sigmoid(z) - target;
    weights(e, j, &positive, &negative);
    double w = target ? positive : negative;
    if (j < e->classes) (target ? e->p : e->q)[j] += reliable * w * fabs(d);
    *gradient = w * d;
    return w * bl_sigmoid_loss(z, target);
}

static bl_status roi_loss(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *r,
                          bl_tensor **loss) {
    eql *e = (eql *)p;
    int64_t k = e->classes + 1;
    bl_host_rows h;
    BL_TRY(bl_host_rows_read(s, r, k, &h));
    double value = 0, g;
    for (int64_t i = 0; i < h.n; i++)
        for (int32_t j = 0; j < k; j++) {
            value +=
                h.weight[i] * channel(e, j, h.z[i * k + j], h.label[i] == j, h.reliable[i], &g);
            h.gradient[i * k + j] = (float)(h.weight[i] * g);
        }
    for (int32_t j = 0; j < e->classes; j++) e->ratio[j] = e->p[j] / (e->q[j] + 1e-10);
    return bl_host_rows_loss(s, r, &h, value, loss);
}

static void scores(const bl_roi_logits *in, float *row) {
    for (const float *z = in->z; z < in->z + in->n * in->outputs; z += in->outputs) {
        double background = bl_sigmoid(z[in->classes]);
        for (int32_t j = 0; j < in->classes; j++)
            row[j] = (float)(bl_sigmoid(z[j]) * (1 - background));
        row[in->classes] = (float)background;
        row += in->classes + 1;
    }
}

static void classifier(const bl_method_config *cfg, int32_t classes, bl_roi_classifier *c) {
    (void)classes;
    c->prior = ((const bl_eql_config *)bl_method_settings(cfg, "eql"))->prior;
    c->scores = scores;
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    bl_metrics_array(line, "eql_ratio", ((eql *)p)->ratio, ((eql *)p)->classes);
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    return bl_state_numbers(io, "eql.sums", ((eql *)p)->sums, 3 * ((eql *)p)->classes);
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    eql *e = calloc(1, sizeof *e + 3 * sizeof(double) * (size_t)w->classes);
    if (!e) return bl_no_memory("for the equalization loss");
    e->cfg = bl_method_settings(cfg, "eql");
    e->classes = w->classes;
    e->p = e->sums;
    e->q = e->p + w->classes;
    e->ratio = e->q + w->classes;
    for (int32_t j = 0; j < w->classes; j++) e->ratio[j] = 100;
    *out = &e->base;
    return BL_OK;
}

const bl_detection_plugin_type bl_eql_plugin = {
    .plugin = {.name = "eql",
               .claims = BL_CLAIM_LOSS | BL_CLAIM_WEIGHTS | BL_CLAIM_PREDICTION,
               .section = &section,
               .report = report,
               .state = state,
               .destroy = destroy},
    .classifier = classifier,
    .create = create,
    .roi_loss = roi_loss};
