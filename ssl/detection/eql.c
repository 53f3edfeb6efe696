/* EQL v2 (Tan et al., "Equalization Loss v2: A New Gradient Balance Approach for Long-tailed Object
 * Detection", CVPR 2021): the RoI classifier as K + 1 sigmoids, weighted by class so that positive
 * and negative gradients balance.
 *
 *   g_j  = P_j / (Q_j + 1e-10), P and Q the sums of |gradient| of positives and negatives so far; 100
 *          before the first batch
 *   r_j  = 1 / (1 + e^(-gamma (g_j - mu))), q_j = 1 + alpha (1 - r_j); 1 and 1 for the background
 *   loss = sum_ij (q_j t_ij + r_j (1 - t_ij)) BCE(z_ij, t_ij) / rows
 *   score of class j = sigma(z_j) (1 - sigma(z_background)) */
#include <math.h>
#include <stdlib.h>

#include "core/rows.h"
#include "ssl/detection/learner.h"

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

static double sigmoid(double z) {
    return 1 / (1 + exp(-z));
}

/* Weights of class j's positives and negatives. */
static void weights(const eql *e, int32_t j, double *positive, double *negative) {
    *negative = j < e->classes ? sigmoid(e->cfg->gamma * (e->ratio[j] - e->cfg->mu)) : 1;
    *positive = 1 + (j < e->classes ? e->cfg->alpha * (1 - *negative) : 0);
}

/* One channel: its loss; *gradient to the logit and the sums of the next step. */
static double channel(eql *e, int32_t j, double z, bool target, double reliable, double *gradient) {
    double positive, negative, d = sigmoid(z) - target;
    weights(e, j, &positive, &negative);
    double w = target ? positive : negative;
    if (j < e->classes) (target ? e->p : e->q)[j] += reliable * w * fabs(d);
    *gradient = w * d;
    return w * (fmax(z, 0) - z * target + log1p(exp(-fabs(z))));
}

static bl_status roi_loss(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *r,
                          bl_tensor **loss) {
    eql *e = (eql *)p;
    bl_tensor *logits = r->out->logits;
    int64_t n = logits->n, k = e->classes + 1;
    float *z = BL_NEW_ARRAY(s->ctx->arena, float, n *k), *v = BL_NEW_ARRAY(s->ctx->arena, float, n);
    float *gradient = BL_NEW_ARRAY(s->ctx->arena, float, n *k);
    float *weight = BL_NEW_ARRAY(s->ctx->arena, float, n);
    int32_t *label = BL_NEW_ARRAY(s->ctx->arena, int32_t, n);
    if (!z || !v || !gradient || !weight || !label) return BL_ENOMEM;
    BL_TRY(bl_tensor_to_host(s->ctx, logits, z));
    BL_TRY(bl_download(s->ctx, r->weight, weight));
    BL_TRY(bl_download(s->ctx, r->reliable, v));
    BL_TRY(bl_download(s->ctx, r->rois->target.label, label));
    double value = 0, g;
    for (int64_t i = 0; i < n; i++)
        for (int32_t j = 0; j < k; j++) {
            gradient[i * k + j] = 0;
            if (label[i] < 0) continue; /* an unused row */
            value += weight[i] * channel(e, j, z[i * k + j], label[i] == j, v[i], &g);
            gradient[i * k + j] = (float)(weight[i] * g);
        }
    for (int32_t j = 0; j < e->classes; j++) e->ratio[j] = e->p[j] / (e->q[j] + 1e-10);
    const float *const of[] = {gradient};
    return bl_given_loss(s->ctx, &logits, of, 1, value, loss);
}

static void scores(float *rows, int64_t n, int32_t classes) {
    for (float *row = rows; row < rows + n * (classes + 1); row += classes + 1) {
        double background = sigmoid(row[classes]);
        for (int32_t j = 0; j < classes; j++) row[j] = (float)(sigmoid(row[j]) * (1 - background));
        row[classes] = (float)background;
    }
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

/* The classifier starts by giving every class its prior. */
static bl_status set_bias(const eql *e, const bl_detection_world *w) {
    bl_tensor *bias = w->pair.student_store
                          ? bl_store_find(w->pair.student_store, "roi_head.bbox_head.fc_cls.bias")
                          : NULL;
    float *b = bias ? malloc(sizeof *b * (size_t)bias->c) : NULL;
    if (!bias) return BL_OK; /* no models: sums alone */
    if (!b) return bl_no_memory("for a bias");
    for (int64_t j = 0; j < bias->c; j++) b[j] = (float)-log((1 - e->cfg->prior) / e->cfg->prior);
    bl_device *dev = w->ctx->dev;
    bl_status status = dev->to_device(dev, bias->data, b, sizeof *b * (size_t)bias->c);
    free(b);
    return status;
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
    bl_status status = set_bias(e, w);
    if (status == BL_OK) {
        *out = &e->base;
    } else {
        free(e);
    }
    return status;
}

const bl_detection_plugin_type bl_eql_plugin = {
    .plugin = {.name = "eql",
               .claims = BL_CLAIM_LOSS | BL_CLAIM_WEIGHTS | BL_CLAIM_PREDICTION,
               .section = &section,
               .report = report,
               .state = state,
               .destroy = destroy},
    .scores = scores,
    .create = create,
    .roi_loss = roi_loss};
