/* CReST and CReST+ as a plug-in (Wei et al., CVPR 2021; balance/generations.h): training runs in
 * generations, each from fresh weights on the labelled images and those that the model of the
 * generation before labelled with confidence; pseudo-labels within a generation are aligned to the
 * labelled prior, flattened further in each (CReST+).
 *
 * Candidates are all unlabelled images that are not in the labelled list as well, predicted without
 * augmentation by the averaged model (by the student where there is none), before any post-hoc
 * adjustment. Each generation chooses anew; chosen images stay in the unlabelled list. */

#include <stdlib.h>

#include "balance/alignment.h"
#include "balance/class_prior.h"
#include "balance/generations.h"
#include "balance/simplex.h"
#include "core/rows.h"
#include "ssl/classification/method.h"

typedef struct bl_crest_config {
    int64_t generations;
    double alpha;
    bool align;     /* CReST+ */
    double t_min;   /* power of the target in the last generation */
    int64_t window; /* batches that the mean prediction remembers */
} bl_crest_config;
#include "ssl/classification/pass.h"

static const bl_field fields[] = {
    BL_ROW_INT(bl_crest_config, generations, "6", 1, 1000, NULL,
               "Generations that run.iterations are divided into; weights, optimiser and schedule "
               "start anew "
               "in each."),
    BL_ROW_REAL(
        bl_crest_config, alpha, "3", 1e-3, 1000, NULL,
        "Of predictions of the class of rank r the share (N of rank K+1-r / N of rank 1)^(1/alpha) "
        "joins the labelled images; greater takes more."),
    BL_ROW_BOOL(bl_crest_config, align, "true",
                "Align pseudo-labels to the labelled prior, flattened from generation to "
                "generation (CReST+); "
                "false is CReST."),
    BL_ROW_REAL(bl_crest_config, t_min, "0.5", 0, 1, NULL,
                "Exponent of the prior in the last generation; 1 in the first."),
    BL_ROW_INT(bl_crest_config, window, "128", 1, 100000, "batches",
               "Batches that the running mean of predictions remembers."),
    BL_ROWS_END};
static const bl_schema section = {
    "method.crest", "Class-rebalancing self-training in generations (plug-in \"crest\").",
    sizeof(bl_crest_config), fields};

enum { PASS_BATCH = 200 };

typedef struct {
    bl_plugin base;
    const bl_crest_config *cfg;
    const bl_classify_world *world;
    bl_alignment *alignment; /* NULL: CReST */
} crest;

/* ---- within a generation: alignment ---- */

static bl_status refine(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q) {
    (void)s;
    crest *c = (crest *)p;
    if (!c->alignment) return BL_OK;
    bl_alignment_observe(c->alignment, q->p, q->n);
    bl_alignment_apply(c->alignment, q->p, q->n);
    return BL_OK;
}

/* ---- between generations: choice ---- */

typedef struct {
    const bl_classify_world *world;
    int32_t *label;
    double *confidence, *p, *offset;
} predictions;

static bl_status take(void *arg, int32_t first, int32_t n, const float *logits,
                      const float *features) {
    (void)features;
    predictions *to = arg;
    int32_t k = to->world->classes;
    /* The pass adds the post-hoc adjustment, which is for test time. */
    for (int32_t c = 0; c < k; c++) to->offset[c] = -to->world->predict_bias[c];
    bl_softmax_rows(logits, n, k, to->offset, 1, to->p);
    bl_argmax_rows(to->p, n, k, to->label + first, to->confidence + first);
    return BL_OK;
}

static bl_status generation(bl_plugin *p, bl_ctx *ctx, int32_t *label) {
    const crest *c = (const crest *)p;
    const bl_classify_world *w = c->world;
    int32_t n = w->unlabelled.n;
    size_t k = (size_t)w->classes;
    predictions to = {.world = w, .label = label};
    double *rate = calloc(k, sizeof *rate);
    to.confidence = calloc((size_t)n, sizeof *to.confidence);
    to.p = calloc(PASS_BATCH * k, sizeof *to.p);
    to.offset = calloc(k, sizeof *to.offset);
    bl_status status = rate && to.confidence && to.p && to.offset
                           ? bl_generation_rates(w->given, w->classes, c->cfg->alpha, rate)
                           : bl_no_memory("for the labels of %d images", (int)n);
    if (status == BL_OK)
        status =
            bl_classify_pass(w, ctx, w->model[1] ? 1 : 0, &w->unlabelled, PASS_BATCH, take, &to);
    for (int32_t i = 0; status == BL_OK && i < n; i++)
        if (w->is_labelled && w->is_labelled[i]) label[i] = BL_CLASSIFY_UNKNOWN;
    if (status == BL_OK)
        status =
            bl_generation_choose(to.confidence, n, rate, w->classes, BL_CLASSIFY_UNKNOWN, label);
    free(rate);
    free(to.confidence);
    free(to.p);
    free(to.offset);
    return status;
}

/* ---- state ---- */

static bl_status state(bl_plugin *p, bl_state_io *io) {
    crest *c = (crest *)p;
    if (!c->alignment) return BL_OK;
    int64_t len;
    double *v = bl_alignment_state(c->alignment, &len);
    return bl_state_numbers(io, "crest.mean", v, len);
}

static void destroy(bl_plugin *p) {
    bl_alignment_destroy(((crest *)p)->alignment);
    free(p);
}

static int64_t generations(const bl_classify_method_config *cfg) {
    return ((const bl_crest_config *)bl_classify_settings(cfg, "crest"))->generations;
}

/* The target is of the labels given, whatever joined them since. */
static bl_status make_alignment(crest *c) {
    const bl_classify_world *w = c->world;
    bl_alignment_config ac = {
        .n_classes = w->classes, .mean = BL_ALIGN_BATCHES, .window = (int)c->cfg->window};
    double *target = calloc((size_t)w->classes, sizeof *target);
    bl_status status = target ? bl_alignment_create(&ac, &c->alignment) : bl_no_memory("for CReST");
    if (status == BL_OK) status = bl_class_prior(w->given, w->classes, target);
    if (status == BL_OK) {
        double power = bl_generation_power(w->generation, w->generations, c->cfg->t_min);
        bl_prior_power(target, w->classes, power, target);
        status = bl_alignment_set_target(c->alignment, target);
    }
    free(target);
    return status;
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    crest *c = calloc(1, sizeof *c);
    if (!c) return bl_no_memory("for CReST");
    c->cfg = bl_classify_settings(cfg, "crest");
    c->world = w;
    bl_status status = c->cfg->align ? make_alignment(c) : BL_OK;
    if (status != BL_OK) {
        destroy(&c->base);
        return status;
    }
    *out = &c->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_crest_plugin = {
    .plugin = {.name = "crest", .section = &section, .state = state, .destroy = destroy},
    .unlabelled = true,
    .generations = generations,
    .create = create,
    .generation = generation,
    .refine = refine};
