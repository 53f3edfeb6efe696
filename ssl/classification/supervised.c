/* Supervised classification with the losses and samplers of long-tailed learning: cross-entropy,
 * focal, LDAM; class-balanced re-weighting and re-sampling, both possibly deferred (DRW, DRS);
 * class-aware sampling (classifier re-training). With method.pseudo_labels the unlabelled images
 * join with fixed labels (self-training, Yang and Xu, NeurIPS 2020), weighted by omega. */

#include <stdlib.h>

#include "balance/class_prior.h"
#include "balance/logit_adjustment.h"
#include "balance/weighted_sampling.h"
#include "core/rows.h"
#include "ssl/classification/method.h"

typedef enum bl_supervised_loss {
    BL_SUPERVISED_CE,
    BL_SUPERVISED_FOCAL,
    BL_SUPERVISED_LDAM
} bl_supervised_loss;

typedef struct bl_classify_supervised_config {
    int32_t loss;          /* bl_supervised_loss */
    double gamma;          /* focal */
    bool focal_textbook;   /* class weight outside of the modulator */
    double margin, scale;  /* LDAM: largest margin; factor of the cosines */
    double beta;           /* of the effective number of samples */
    int64_t reweight_from; /* iteration from which class weights act; -1 never, 0 always */
    bool weighted_mean;    /* divide by the batch's sum of weights, not by its size */
    int64_t resample_from; /* iteration from which images are drawn by class weight; -1 never */
    bool class_aware;      /* classes in turn, four images of each (classifier re-training) */
    double omega;          /* weight of pseudo-labelled images */
} bl_classify_supervised_config;

static const char *const losses_names[] = {"ce", "focal", "ldam", NULL};
static const bl_field fields[] = {
    BL_ROW_ENUM(
        bl_classify_supervised_config, loss, "\"ce\"", losses_names,
        "Loss: cross-entropy, focal, or label-distribution-aware margins on a cosine head."),
    BL_ROW_REAL(bl_classify_supervised_config, gamma, "1", 0, 10, NULL,
                "Exponent of the focal loss."),
    BL_ROW_BOOL(
        bl_classify_supervised_config, focal_textbook, "false",
        "Class weights outside of the focal modulator; false: inside, as the LDAM code has it."),
    BL_ROW_REAL(bl_classify_supervised_config, margin, "0.5", 0, 10, NULL,
                "Largest margin (ldam)."),
    BL_ROW_REAL(bl_classify_supervised_config, scale, "30", 0.01, 1000, NULL,
                "Factor of the cosines (ldam)."),
    BL_ROW_REAL(bl_classify_supervised_config, beta, "0.9999", 0, 0.999999999, NULL,
                "Class weights are 1/E_k, E_k = (1 - beta^n_k)/(1 - beta), the effective number of "
                "samples."),
    BL_ROW_START(bl_classify_supervised_config, reweight_from, "-1", -1, 1e9,
                 "When class weights start to act in the loss: 0 from the start (class-balanced "
                 "losses), later "
                 "= deferred (DRW), -1 never."),
    BL_ROW_BOOL(bl_classify_supervised_config, weighted_mean, "true",
                "With class weights, divide the sum of cross-entropies by the weights' sum, not by "
                "the batch."),
    BL_ROW_START(
        bl_classify_supervised_config, resample_from, "-1", -1, 1e9,
        "When images start to be drawn with replacement by class weight: 0 from the start, later = "
        "deferred (DRS), -1 never."),
    BL_ROW_BOOL(bl_classify_supervised_config, class_aware, "false",
                "Draw classes in turn and four images of each (classifier re-training)."),
    BL_ROW_REAL(bl_classify_supervised_config, omega, "1", 0, 1000, NULL,
                "Weight of pseudo-labelled images (self-training)."),
    BL_ROWS_END};
static const bl_schema section = {"method.supervised",
                                  "Loss and sampling of the supervised learner.",
                                  sizeof(bl_classify_supervised_config), fields};

typedef struct {
    bl_plugin base;
    const bl_classify_supervised_config *cfg;
    bl_classify_world *world;
    double *weight;    /* [K] class weights */
    float *margin;     /* [K] */
    int64_t *list;     /* draws of an epoch: the labelled list's length */
    int64_t drawn_for; /* nominal epoch of the list in force, -1 none */
} supervised;

/* Images of a nominal epoch drawn anew: a pure function of the epoch, so nothing needs saving. */
static bl_status draw(supervised *s, int64_t epoch) {
    const bl_classify_world *w = s->world;
    const bl_classify_items *items = &w->labelled;
    BL_TRY(s->cfg->class_aware ? bl_class_aware_draws(items->label, items->n, w->classes, 4,
                                                      w->seed, (uint64_t)epoch, items->n, s->list)
                               : bl_weighted_draws(items->label, items->n, s->weight, w->classes,
                                                   w->seed, (uint64_t)epoch, items->n, s->list));
    s->drawn_for = epoch;
    return BL_OK;
}

static bool resamples(const supervised *s, int64_t t) {
    return s->cfg->class_aware || (s->cfg->resample_from >= 0 && t >= s->cfg->resample_from);
}

static bl_status prepare(bl_plugin *p, bl_ctx *ctx, int64_t t, bool changed[2]) {
    (void)ctx;
    supervised *s = (supervised *)p;
    if (!resamples(s, t) || t / s->world->epoch == s->drawn_for) return BL_OK;
    changed[0] = true;
    return draw(s, t / s->world->epoch);
}

static bool copies(bl_plugin *p, int64_t t, bool labelled, int32_t *out) {
    supervised *s = (supervised *)p;
    if (!labelled || t < 0 || !resamples(s, t)) return false;
    int64_t epoch = t / s->world->epoch;
    if (epoch != s->drawn_for && draw(s, epoch) != BL_OK) return false;
    for (int32_t i = 0; i < s->world->labelled.n; i++) out[i] = 0;
    for (int32_t i = 0; i < s->world->labelled.n; i++) out[s->list[i]]++;
    return true;
}

static bl_status learn(bl_plugin *p, bl_classify_step *s) {
    supervised *v = (supervised *)p;
    const bl_classify_supervised_config *c = v->cfg;
    const int32_t *label = s->labelled->label;
    int32_t n = s->x.n;
    BL_TRY(bl_classify_extract(s, 0, true, BL_CLASSIFY_LABELLED, 0, &s->x.z));
    bool weigh = c->reweight_from >= 0 && s->t >= c->reweight_from;
    double sum = 0;
    for (int32_t i = 0; i < n; i++) {
        if (weigh) s->label_weight[i] *= (float)v->weight[label[i]];
        if (!s->labelled->is_labelled[i]) s->label_weight[i] *= (float)c->omega;
        sum += s->label_weight[i];
    }
    bool divide = weigh && c->weighted_mean && c->loss != BL_SUPERVISED_FOCAL && sum > 0;
    bl_softmax_attr attr = {.bias = s->bias.labelled};
    if (c->loss == BL_SUPERVISED_LDAM) {
        attr.gain = (float)c->scale;
        attr.margin = v->margin;
    }
    if (c->loss == BL_SUPERVISED_FOCAL) {
        attr.focal = (float)c->gamma;
        attr.weight_in_focal = !c->focal_textbook;
    }
    bl_tensor *logits, *loss;
    BL_TRY(bl_classify_logits(s, &s->x, 0, &logits));
    BL_TRY(bl_adjusted_softmax_loss(s->ctx, logits, label, s->label_weight, &attr,
                                    (float)(1 / (divide ? sum : (double)n)), &loss));
    bl_add_loss(s->out, "sup", loss, 1);
    return BL_OK;
}

static void destroy(bl_plugin *p) {
    supervised *s = (supervised *)p;
    free(s->weight);
    free(s->margin);
    free(s->list);
    free(s);
}

static bl_status needs(const bl_classify_method_config *cfg, int32_t classes,
                       bl_classify_needs *n) {
    (void)classes;
    const bl_classify_supervised_config *c = bl_classify_settings(cfg, "supervised");
    if (c->loss == BL_SUPERVISED_LDAM)
        n->head[0].kind = BL_HEAD_COSINE; /* cosines; the loss scales them */
    n->labels_unlabelled = *cfg->pseudo_labels != 0;
    return BL_OK;
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    const bl_classify_supervised_config *c = bl_classify_settings(cfg, "supervised");
    if (c->class_aware && c->resample_from >= 0)
        return bl_fail(BL_ECONFIG,
                       "method.supervised.class_aware and resample_from exclude each other");
    supervised *s = calloc(1, sizeof *s);
    if (!s) return bl_no_memory("for the learner");
    s->cfg = c;
    s->world = w;
    s->drawn_for = -1;
    s->weight = calloc((size_t)w->classes, sizeof *s->weight);
    s->margin = calloc((size_t)w->classes, sizeof *s->margin);
    s->list = calloc((size_t)w->labelled.n + 1, sizeof *s->list);
    bl_status status = s->weight && s->margin && s->list
                           ? bl_class_balanced_weights(w->counts, w->classes, c->beta, s->weight)
                           : bl_no_memory("for the learner");
    if (status == BL_OK && c->loss == BL_SUPERVISED_LDAM) {
        double *margin = calloc((size_t)w->classes, sizeof *margin);
        status = margin ? bl_ldam_margins(w->counts, w->classes, c->margin, margin)
                        : bl_no_memory("for the learner");
        for (int32_t k = 0; status == BL_OK && k < w->classes; k++) s->margin[k] = (float)margin[k];
        free(margin);
    }
    if (status != BL_OK) {
        destroy(&s->base);
        return status;
    }
    *out = &s->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_classify_supervised_plugin = {.plugin = {.name = "supervised",
                                                                          .base = true,
                                                                          .section = &section,
                                                                          .prepare = prepare,
                                                                          .copies = copies,
                                                                          .destroy = destroy},
                                                               .needs = needs,
                                                               .create = create,
                                                               .learn = learn};
