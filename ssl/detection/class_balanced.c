/* Class-balanced weights of the RoI classifier's rows (Cui et al., "Class-Balanced Loss Based on
 * Effective Number of Samples", CVPR 2019, equations 2 and 8), on whatever loss the method has:
 *
 *   w_k ~ 1 / E_k, E_k = (1 - beta^n_k) / (1 - beta), sum over the K classes = K
 *
 * n_k are the labelled boxes of class k. The paper's classifiers have no background: its weight is a
 * setting. A class without boxes counts as one box, since pseudo boxes may still name it. Acting
 * from a later iteration on, they are deferred (DRW; Cao et al., LDAM, NeurIPS 2019). */
#include <stdlib.h>

#include "balance/class_prior.h"
#include "core/rows.h"
#include "ssl/detection/learner.h"

typedef struct bl_class_balanced_config {
    double beta, background;
    int64_t start;
} bl_class_balanced_config;

static const bl_field fields[] = {
    BL_ROW_REAL(
        bl_class_balanced_config, beta, "0.9999", 0, 0.999999999, NULL,
        "Of the effective number (1 - beta^n) / (1 - beta) of n boxes; 0 weighs all classes "
        "alike, towards 1 by inverse frequency."),
    BL_ROW_REAL(bl_class_balanced_config, background, "1", 0, 1000, NULL,
                "Weight of background rows."),
    BL_ROW_START(bl_class_balanced_config, start, "0", 0, 1e9,
                 "Iteration from which the weights act; later than 0 = deferred (DRW)."),
    BL_ROWS_END};
static const bl_schema section = {"method.class_balanced",
                                  "Class-balanced weights (plug-in \"class_balanced\").",
                                  sizeof(bl_class_balanced_config), fields};

typedef struct {
    bl_plugin base;
    const bl_class_balanced_config *cfg;
    bl_detection_world *world;
    double weight[]; /* [K+1] */
} class_balanced;

static bl_status before_step(bl_plugin *p, bl_ctx *ctx, int64_t t) {
    class_balanced *c = (class_balanced *)p;
    (void)ctx;
    if (t >= c->cfg->start) c->world->class_weight = c->weight;
    return BL_OK;
}

static bl_status weigh(bl_plugin *p, bl_detection_step *s, bl_branch branch, const int32_t *label,
                       int64_t n, float *factor) {
    const class_balanced *c = (const class_balanced *)p;
    (void)branch;
    if (s->t < c->cfg->start) return BL_OK;
    for (int64_t i = 0; i < n; i++) factor[i] *= (float)c->weight[label[i]];
    return BL_OK;
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    int32_t k = w->classes;
    class_balanced *c = calloc(1, sizeof *c + sizeof *c->weight * ((size_t)k + 1));
    int64_t *boxes = calloc((size_t)k, sizeof *boxes);
    bl_status status = c && boxes ? BL_OK : bl_no_memory("for class-balanced weights");
    if (status == BL_OK) {
        c->cfg = bl_method_settings(cfg, "class_balanced");
        c->world = w;
        for (int64_t i = 0; i < w->labelled->n_anns; i++)
            boxes[w->labelled->anns[i].category] += !w->labelled->anns[i].iscrowd;
        for (int32_t j = 0; j < k; j++) boxes[j] = boxes[j] > 0 ? boxes[j] : 1;
        c->weight[k] = c->cfg->background;
        status = bl_class_balanced_weights(boxes, k, c->cfg->beta, c->weight);
    }
    free(boxes);
    if (status != BL_OK) {
        free(c);
        return status;
    }
    w->weighs = true;
    *out = &c->base;
    return BL_OK;
}

const bl_detection_plugin_type bl_class_balanced_plugin = {.plugin = {.name = "class_balanced",
                                                                      .claims = BL_CLAIM_WEIGHTS,
                                                                      .section = &section,
                                                                      .before_step = before_step,
                                                                      .destroy = destroy},
                                                           .create = create,
                                                           .weigh = weigh};
