/* DASO as a plug-in: pseudo-labels blended from the classifier and from prototypes, more of the
 * latter for classes that are predicted often; and alignment of strong views with the prototypes.
 *
 *   c_k      mean of the last `queue` labelled features of class k under the EMA encoder
 *   q_j      = S(cos(z(u_j^w), c) / T_proto)                          semantic distribution
 *   p'_j     = (1 - v_c) p_j + v_c q_j,  c = argmax p_j               for every head's p
 *   v_k      = m_k^(1/T_dist) / max, m the labels given to all images in the last window
 *   L_align  = mean_j H(q_j, S(cos(z(u_j^s), c) / T_proto))
 *
 * Plain pseudo-labels until iteration `pretrain` and until every class has a prototype. With ABC in
 * the list its head's distributions are blended with the same v and q (m counts the standard
 * head's). Oh et al., "DASO: Distribution-Aware Semantics-Oriented Pseudo-label for Imbalanced
 * Semi-Supervised Learning", CVPR 2022. */

#include <stdlib.h>

#include "balance/label_blend.h"
#include "balance/label_counts.h"
#include "balance/memory_bank.h"
#include "balance/prototypes.h"
#include "core/rows.h"
#include "ssl/classification/method.h"

typedef struct bl_daso_config {
    int64_t queue;            /* features a class */
    double proto_temperature; /* T_proto */
    double dist_temperature;  /* T_dist */
    int64_t window;           /* iterations a label histogram is gathered over */
    int64_t pretrain;         /* iterations without blending and alignment */
    double align;             /* weight of L_align */
    bool batch_statistics;    /* EMA features with batch statistics, as the authors' code */
} bl_daso_config;

static const bl_field fields[] = {
    BL_ROW_INT(bl_daso_config, queue, "256", 1, 100000, NULL,
               "Labelled features kept for each class's prototype."),
    BL_ROW_REAL(bl_daso_config, proto_temperature, "0.05", 1e-4, 100, NULL,
                "Temperature of the cosines to the prototypes."),
    BL_ROW_REAL(bl_daso_config, dist_temperature, "1.5", 1e-3, 100, NULL,
                "Temperature of the blend weights: 1.5 when labelled and unlabelled classes are "
                "distributed "
                "alike, else 0.3; 0.5 for ImageNet-127."),
    BL_ROW_PERIOD(bl_daso_config, window, "100", 1, 1e9,
                  "How long pseudo-labels are counted before the blend weights follow."),
    BL_ROW_START(bl_daso_config, pretrain, "5000", 0, 1e9, "Iterations with plain pseudo-labels."),
    BL_ROW_REAL(bl_daso_config, align, "1", 0, 1000, NULL,
                "Weight of the semantic alignment loss."),
    BL_ROW_BOOL(bl_daso_config, batch_statistics, "true",
                "Labelled features of the EMA encoder use (and update) batch statistics, as in the "
                "authors' "
                "code; false: running ones."),
    BL_ROWS_END};
static const bl_schema section = {
    "method.daso", "Distribution-aware semantics-oriented pseudo-labels (plug-in \"daso\").",
    sizeof(bl_daso_config), fields};

typedef struct {
    bl_plugin base;
    const bl_daso_config *cfg;
    bl_memory_bank *queue;
    bl_label_counts *counts;
    double *v;         /* [K] */
    float *prototypes; /* [K][d] */
    uint8_t *present;  /* [K] */
    bool active;       /* in this step */
    double *semantic;  /* [n][K] of this step's weak views; NULL until asked for */
} daso;

/* Step 0: this step's labelled features join the queues. */
static bl_status adjust(bl_plugin *p, bl_classify_step *s) {
    daso *d = (daso *)p;
    const float *z;
    BL_TRY(bl_classify_teacher_features(s, d->cfg->batch_statistics, &z));
    BL_TRY(bl_bank_push(d->queue, z, s->labelled->label, NULL, NULL, s->labelled->n, NULL));
    int found = bl_bank_prototypes(d->queue, d->prototypes, d->present);
    d->active = s->t >= d->cfg->pretrain && found == s->world->classes;
    d->semantic = NULL;
    bl_label_counts_blend(d->counts, d->cfg->dist_temperature, d->v);
    return BL_OK;
}

static bl_status make_semantic(daso *d, bl_classify_step *s) {
    const bl_classify_world *w = s->world;
    const float *z;
    BL_TRY(bl_classify_host_features(s, &s->weak, &z));
    d->semantic = BL_NEW_ARRAY(s->ctx->arena, double, (size_t)s->weak.n *(size_t)w->classes);
    if (!d->semantic) return BL_ENOMEM;
    bl_semantic_rows(BL_SIMILARITY_COSINE, z, s->weak.n, w->dim, d->prototypes, NULL, w->classes,
                     d->cfg->proto_temperature, d->semantic);
    return BL_OK;
}

static bl_status refine(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q) {
    daso *d = (daso *)p;
    if (!d->active) return BL_OK;
    if (!d->semantic) BL_TRY(make_semantic(d, s));
    bl_blend_by_label(q->p, d->semantic, q->n, q->classes, d->v);
    return BL_OK;
}

/* Labels are final here: those of all images count, taught with or not. */
static bl_status choose(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q) {
    (void)s;
    return bl_label_counts_add(((daso *)p)->counts, q->label, NULL, q->n);
}

/* The cosine classifier whose weights are the prototypes, as a constant (K,d) tensor. */
static bl_status prototype_weights(const daso *d, bl_classify_step *s, bl_tensor **w) {
    bl_tensor *c;
    BL_TRY(
        bl_tensor_from_host(s->ctx, d->prototypes, s->world->classes, s->world->dim, 1, 1, 1, &c));
    return bl_l2_normalize(s->ctx, c, 1e-8f, w);
}

static bl_status losses(bl_plugin *p, bl_classify_step *s) {
    static const char *const names[BL_CLASSIFY_MAX_STRONG] = {"daso_align", "daso_align2"};
    daso *d = (daso *)p;
    if (!d->active) return BL_OK;
    if (!d->semantic) BL_TRY(make_semantic(d, s));
    int64_t entries = (int64_t)s->weak.n * s->world->classes;
    float *target = BL_NEW_ARRAY(s->ctx->arena, float, entries);
    if (!target) return BL_ENOMEM;
    for (int64_t i = 0; i < entries; i++) target[i] = (float)d->semantic[i];
    bl_tensor *weights;
    BL_TRY(prototype_weights(d, s, &weights));
    bl_softmax_attr attr = {.gain = (float)(1 / d->cfg->proto_temperature)};
    for (int v = 0; v < s->n_strong; v++) {
        bl_tensor *unit, *cosine, *loss;
        BL_TRY(bl_l2_normalize(s->ctx, s->strong[v].z, 1e-8f, &unit));
        BL_TRY(bl_linear(s->ctx, unit, weights, NULL, BL_ACT_NONE, &cosine));
        BL_TRY(bl_soft_target_loss(s->ctx, cosine, target, NULL, &attr,
                                   1.0f / (float)(s->weak.n * s->n_strong), &loss));
        bl_add_loss(s->out, names[v], loss, d->cfg->align);
    }
    return BL_OK;
}

static bl_status after_step(bl_plugin *p, bl_ctx *ctx, int64_t t) {
    (void)ctx;
    daso *d = (daso *)p;
    if ((t + 1) % d->cfg->window == 0) bl_label_counts_publish(d->counts);
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    daso *d = (daso *)p;
    int64_t len;
    double *v = bl_label_counts_state(d->counts, &len);
    BL_TRY(bl_state_numbers(io, "daso.counts", v, len));
    len = bl_bank_pack(d->queue, NULL);
    BL_TRY(bl_state_packed(io, "daso.queue", &v, &len));
    if (io->loading) return bl_bank_unpack(d->queue, v, len);
    bl_bank_pack(d->queue, v);
    return BL_OK;
}

static void destroy(bl_plugin *p) {
    daso *d = (daso *)p;
    bl_bank_destroy(d->queue);
    bl_label_counts_destroy(d->counts);
    free(d->v);
    free(d->prototypes);
    free(d->present);
    free(d);
}

static bl_status needs(const bl_classify_method_config *cfg, int32_t classes,
                       bl_classify_needs *n) {
    (void)classes;
    (void)n;
    if (!(cfg->ema.keep > 0)) {
        return bl_fail(BL_ECONFIG, "method.plugins: daso needs the moving average of the model for "
                                   "its prototypes: set method.ema.keep, e.g. 0.999");
    }
    return BL_OK;
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    daso *d = calloc(1, sizeof *d);
    if (!d) return bl_no_memory("for DASO");
    size_t k = (size_t)w->classes;
    d->cfg = bl_classify_settings(cfg, "daso");
    d->v = calloc(k, sizeof *d->v);
    d->prototypes = calloc(k * (size_t)w->dim, sizeof *d->prototypes);
    d->present = calloc(k, sizeof *d->present);
    bl_bank_config bank = {w->classes, (int)d->cfg->queue, w->dim, BL_BANK_FIFO,
                           .exempt_fresh = false};
    bl_status status = d->v && d->prototypes && d->present ? BL_OK : bl_no_memory("for DASO");
    if (status == BL_OK) status = bl_bank_create(&bank, &d->queue);
    if (status == BL_OK) status = bl_label_counts_create(w->classes, true, &d->counts);
    if (status != BL_OK) {
        destroy(&d->base);
        return status;
    }
    *out = &d->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_daso_plugin = {.plugin = {.name = "daso",
                                                           .claims = BL_CLAIM_LABELS,
                                                           .section = &section,
                                                           .after_step = after_step,
                                                           .state = state,
                                                           .destroy = destroy},
                                                .unlabelled = true,
                                                .needs = needs,
                                                .create = create,
                                                .every_head = true,
                                                .adjust = adjust,
                                                .refine = refine,
                                                .select = choose,
                                                .losses = losses};
