/* A loss in the manner of C2AM (Wang et al., "C2AM Loss: Chasing a Better Decision Boundary for
 * Long-Tail Object Detection", CVPR 2022). Established by the paper's abstract: logits are cosines of
 * feature and class weights, and an angular margin between every two classes goes by the ratio of
 * the norms of their weights, so that the boundary moves towards the class of the smaller one. The
 * formula and the constants are ours:
 *
 *   m_ij = a ln(|w_i| / |w_j|) within +-`most`, the norms without gradient
 *   loss = CE of s cos(theta_i) and s cos(theta_j - m_ij), angles within [0, pi], s = `scale`
 *
 * for a row of class i. The background is a class like any other here. A cosine layer's gradient is
 * orthogonal to its weights: the norms of classes that are often pushed grow. */
#include <stdlib.h>

#include "core/rows.h"
#include "ssl/detection/host_rows.h"

typedef struct bl_c2am_config {
    double a, most, scale;
} bl_c2am_config;

static const bl_field fields[] = {
    BL_ROW_REAL(bl_c2am_config, a, "0.1", 0, 10, NULL,
                "Margin, in radians, for a ratio e of two classes' norms; 0 = a cosine softmax."),
    BL_ROW_REAL(bl_c2am_config, most, "0.5", 0, 3.14159, "rad", "Largest margin."),
    BL_ROW_REAL(bl_c2am_config, scale, "20", 0.01, 1000, NULL,
                "Factor of the cosines that are the logits."),
    BL_ROWS_END};
static const bl_schema section = {"method.c2am",
                                  "Angular margins between classes (plug-in \"c2am\").",
                                  sizeof(bl_c2am_config), fields};

typedef struct {
    bl_plugin base;
    const bl_c2am_config *cfg;
    int32_t classes;
} c2am;

/* ln |w| of each output. */
static bl_status log_norms(const bl_detection_step *s, int64_t outputs, double *log_norm) {
    const bl_tensor *w =
        bl_store_find(s->world->pair.student_store, "roi_head.bbox_head.fc_cls.weight");
    int64_t d = w->c;
    float *v = BL_NEW_ARRAY(s->ctx->arena, float, outputs *d);
    if (!v) return BL_ENOMEM;
    BL_TRY(bl_tensor_to_host(s->ctx, w, v));
    for (int64_t k = 0; k < outputs; k++) {
        double square = 0;
        for (int64_t i = 0; i < d; i++) square += (double)v[k * d + i] * v[k * d + i];
        log_norm[k] = 0.5 * log(fmax(square, 1e-24));
    }
    return BL_OK;
}

/* A logit whose angle is made smaller by a margin, and *slope by the logit. */
static double turn(const bl_c2am_config *c, double logit, double margin, double *slope) {
    const double pi = 3.14159265358979323846, nearly = 1 - 1e-6; /* the slope of acos is finite */
    double cosine = fmin(fmax(logit / c->scale, -nearly), nearly), angle = acos(cosine);
    double turned = fmin(fmax(angle - margin, 0), pi);
    *slope = turned > 0 && turned < pi ? sin(turned) / sin(angle) : 0;
    return c->scale * cos(turned);
}

static bl_status roi_loss(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *r,
                          bl_tensor **loss) {
    const c2am *e = (const c2am *)p;
    const bl_c2am_config *c = e->cfg;
    int64_t k = (int64_t)e->classes + 1;
    bl_host_rows h;
    BL_TRY(bl_host_rows_read(s, r, k, &h));
    double *log_norm = BL_NEW_ARRAY(s->ctx->arena, double, 3 * k), value = 0;
    float *z = BL_NEW_ARRAY(s->ctx->arena, float, k);
    if (!log_norm || !z) return BL_ENOMEM;
    double *slope = log_norm + k, *q = slope + k;
    BL_TRY(log_norms(s, k, log_norm));
    for (int64_t i = 0; i < h.n; i++) {
        int32_t y = h.label[i];
        for (int64_t j = 0; j < k; j++) {
            double margin = c->a * (log_norm[y] - log_norm[j]), logit = h.z[i * k + j];
            margin = fmin(fmax(margin, -c->most), c->most);
            slope[j] = 1;
            z[j] = (float)(j == y ? logit : turn(c, logit, margin, &slope[j]));
        }
        value += h.weight[i] * (bl_softmax_row(z, k, q) - z[y]);
        for (int64_t j = 0; j < k; j++)
            h.gradient[i * k + j] = (float)(h.weight[i] * (q[j] - (j == y)) * slope[j]);
    }
    return bl_host_rows_loss(s, r, &h, value, loss);
}

static void classifier(const bl_method_config *cfg, int32_t classes, bl_roi_classifier *c) {
    (void)classes;
    c->scale = ((const bl_c2am_config *)bl_method_settings(cfg, "c2am"))->scale;
    c->no_bias = true;
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    c2am *e = calloc(1, sizeof *e);
    if (!e) return bl_no_memory("for angular margins");
    e->cfg = bl_method_settings(cfg, "c2am");
    e->classes = w->classes;
    *out = &e->base;
    return BL_OK;
}

const bl_detection_plugin_type bl_c2am_plugin = {
    .plugin = {.name = "c2am",
               .claims = BL_CLAIM_LOSS | BL_CLAIM_PREDICTION,
               .section = &section,
               .destroy = destroy},
    .classifier = classifier,
    .create = create,
    .roi_loss = roi_loss};
