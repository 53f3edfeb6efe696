/* Sigmoid focal loss of the RoI classifier (Lin et al., "Focal Loss for Dense Object Detection", ICCV
 * 2017; Cui et al., CVPR 2019, section 4.3, with class-balanced weights): K sigmoids, without an
 * output for the background. With p_t = s(z) of the label and 1 - s(z) of the other classes,
 *
 *   loss = sum_ij a_t (1 - p_t)^gamma (-ln p_t) / rows, a_t = alpha and 1 - alpha
 *
 * The paper divides by the foreground among a dense grid of anchors; RoIs are sampled, and this
 * divides by them, as the softmax loss does that it stands for. */
#include <stdlib.h>

#include "core/rows.h"
#include "ssl/detection/host_rows.h"

typedef struct bl_sigmoid_focal_config {
    double gamma, alpha, prior;
} bl_sigmoid_focal_config;

static const bl_field fields[] = {
    BL_ROW_REAL(bl_sigmoid_focal_config, gamma, "2", 0, 10, NULL,
                "Exponent of the modulator; 0 = binary cross-entropy."),
    BL_ROW_REAL(bl_sigmoid_focal_config, alpha, "0.25", -1, 1, NULL,
                "Weight of the label's sigmoid, 1 - alpha that of the others; -1: both weigh 1."),
    BL_ROW_REAL(bl_sigmoid_focal_config, prior, "0.01", 1e-9, 0.5, NULL,
                "Score of every class at the start, by the classifier's bias."),
    BL_ROWS_END};
static const bl_schema section = {"method.sigmoid_focal",
                                  "Sigmoid focal loss (plug-in \"sigmoid_focal\").",
                                  sizeof(bl_sigmoid_focal_config), fields};

typedef struct {
    bl_plugin base;
    const bl_sigmoid_focal_config *cfg;
    int32_t classes;
} sigmoid_focal;

/* Of one sigmoid, its logit times 1 or -1 so that it should be large: loss, and *slope by it. */
static double focal(double z, double gamma, double *slope) {
    double p = bl_sigmoid(z), minus_ln = bl_sigmoid_loss(z, 1), modulator = pow(1 - p, gamma);
    *slope = -modulator * (gamma * p * minus_ln + 1 - p);
    return modulator * minus_ln;
}

static bl_status roi_loss(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *r,
                          bl_tensor **loss) {
    const sigmoid_focal *f = (const sigmoid_focal *)p;
    double alpha = f->cfg->alpha;
    int32_t k = f->classes;
    bl_host_rows h;
    BL_TRY(bl_host_rows_read(s, r, k, &h));
    double value = 0, slope;
    for (int64_t i = 0; i < h.n; i++)
        for (int32_t j = 0; j < k; j++) {
            bool target = h.label[i] == j;
            double sign = target ? 1 : -1;
            double w = h.weight[i] * (alpha < 0 ? 1 : target ? alpha : 1 - alpha);
            value += w * focal(sign * h.z[i * k + j], f->cfg->gamma, &slope);
            h.gradient[i * k + j] = (float)(w * sign * slope);
        }
    return bl_host_rows_loss(s, r, &h, value, loss);
}

static void classifier(const bl_method_config *cfg, int32_t classes, bl_roi_classifier *c) {
    c->outputs = classes;
    c->prior = ((const bl_sigmoid_focal_config *)bl_method_settings(cfg, "sigmoid_focal"))->prior;
    c->scores = bl_scores_of_sigmoids;
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    sigmoid_focal *f = calloc(1, sizeof *f);
    if (!f) return bl_no_memory("for the focal loss");
    f->cfg = bl_method_settings(cfg, "sigmoid_focal");
    f->classes = w->classes;
    *out = &f->base;
    return BL_OK;
}

const bl_detection_plugin_type bl_sigmoid_focal_plugin = {
    .plugin = {.name = "sigmoid_focal",
               .claims = BL_CLAIM_LOSS | BL_CLAIM_PREDICTION,
               .section = &section,
               .destroy = destroy},
    .classifier = classifier,
    .create = create,
    .roi_loss = roi_loss};
