#include "ssl/daso.h"

#include <stddef.h>
#include <stdlib.h>

#include "balance/label_blend.h"
#include "balance/label_counts.h"
#include "balance/memory_bank.h"
#include "balance/prototypes.h"
#include "ssl/class_method.h"

#define AT(member) offsetof(bl_daso_config, member)
static const bl_field fields[] = {
    {"queue", BL_T_INT, AT(queue), "256", 1, 100000, NULL, NULL,
     "Labelled features kept for each class's prototype.", NULL},
    {"proto_temperature", BL_T_REAL, AT(proto_temperature), "0.05", 1e-4, 100, NULL, NULL,
     "Temperature of the cosines to the prototypes.", NULL},
    {"dist_temperature", BL_T_REAL, AT(dist_temperature), "1.5", 1e-3, 100, NULL, NULL,
     "Temperature of the blend weights: 1.5 when labelled and unlabelled classes are distributed "
     "alike, else 0.3; 0.5 for ImageNet-127.",
     NULL},
    {"window", BL_T_INT, AT(window), "100", 1, 1e9, NULL, "iterations",
     "How long pseudo-labels are counted before the blend weights follow.", NULL},
    {"pretrain", BL_T_INT, AT(pretrain), "5000", 0, 1e9, NULL, "iterations",
     "Iterations with plain pseudo-labels.", NULL},
    {"align", BL_T_REAL, AT(align), "1", 0, 1000, NULL, NULL,
     "Weight of the semantic alignment loss.", NULL},
    {"batch_statistics", BL_T_BOOL, AT(batch_statistics), "true", 0, 0, NULL, NULL,
     "Labelled features of the EMA encoder use (and update) batch statistics, as in the authors' "
     "code; false: running ones.",
     NULL},
    {0}};
#undef AT
const bl_schema bl_daso_schema = {
    "method.daso", "Distribution-aware semantics-oriented pseudo-labels (plug-in \"daso\").",
    sizeof(bl_daso_config), fields};

typedef struct {
    bl_class_plugin base;
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
static bl_status adjust(bl_class_plugin *p, bl_class_step *s) {
    daso *d = (daso *)p;
    const float *z;
    BL_TRY(bl_class_teacher_features(s, d->cfg->batch_statistics, &z));
    BL_TRY(bl_bank_push(d->queue, z, s->labelled->label, NULL, NULL, s->labelled->n, NULL));
    int found = bl_bank_prototypes(d->queue, d->prototypes, d->present);
    d->active = s->t >= d->cfg->pretrain && found == s->world->classes;
    d->semantic = NULL;
    bl_label_counts_blend(d->counts, d->cfg->dist_temperature, d->v);
    return BL_OK;
}

static bl_status make_semantic(daso *d, bl_class_step *s) {
    const bl_class_world *w = s->world;
    const float *z;
    BL_TRY(bl_class_host_features(s, &s->weak, &z));
    d->semantic = BL_NEW_ARRAY(s->ctx->arena, double, (size_t)s->weak.n *(size_t)w->classes);
    if (!d->semantic) return BL_ENOMEM;
    bl_semantic_rows(BL_SIMILARITY_COSINE, z, s->weak.n, w->dim, d->prototypes, NULL, w->classes,
                     d->cfg->proto_temperature, d->semantic);
    return BL_OK;
}

static bl_status refine(bl_class_plugin *p, bl_class_step *s, bl_class_pseudo *q) {
    daso *d = (daso *)p;
    if (!d->active) return BL_OK;
    if (!d->semantic) BL_TRY(make_semantic(d, s));
    bl_blend_by_label(q->p, d->semantic, q->n, q->classes, d->v);
    return BL_OK;
}

/* Labels are final here: those of all images count, taught with or not. */
static bl_status choose(bl_class_plugin *p, bl_class_step *s, bl_class_pseudo *q) {
    (void)s;
    if (q->head != 0) return BL_OK;
    return bl_label_counts_add(((daso *)p)->counts, q->label, NULL, q->n);
}

/* The cosine classifier whose weights are the prototypes, as a constant (K,d) tensor. */
static bl_status prototype_weights(const daso *d, bl_class_step *s, bl_tensor **w) {
    bl_tensor *c;
    BL_TRY(
        bl_tensor_from_host(s->ctx, d->prototypes, s->world->classes, s->world->dim, 1, 1, 1, &c));
    return bl_l2_normalize(s->ctx, c, 1e-8f, w);
}

static bl_status losses(bl_class_plugin *p, bl_class_step *s) {
    static const char *const names[BL_CLASS_MAX_STRONG] = {"daso_align", "daso_align2"};
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

static bl_status after_step(bl_class_plugin *p, bl_ctx *ctx, int64_t t) {
    (void)ctx;
    daso *d = (daso *)p;
    if ((t + 1) % d->cfg->window == 0) bl_label_counts_publish(d->counts);
    return BL_OK;
}

static bl_status save(bl_class_plugin *p, bl_arena *arena, bl_state_array *out, int cap, int *n) {
    daso *d = (daso *)p;
    int64_t len;
    const double *counts = bl_label_counts_state(d->counts, &len);
    BL_TRY(bl_state_put(arena, "daso.counts", counts, len, out, cap, n));
    double *v;
    BL_TRY(bl_state_reserve(arena, "daso.queue", bl_bank_pack(d->queue, NULL), &v, out, cap, n));
    bl_bank_pack(d->queue, v);
    return BL_OK;
}

static bl_status load(bl_class_plugin *p, const bl_state_array *in, int n) {
    daso *d = (daso *)p;
    const double *v;
    int64_t len;
    BL_TRY(bl_state_find(in, n, "daso.queue", &v, &len));
    BL_TRY(bl_bank_unpack(d->queue, v, len));
    double *counts = bl_label_counts_state(d->counts, &len);
    return bl_state_get(in, n, "daso.counts", counts, len);
}

static void destroy(bl_class_plugin *p) {
    daso *d = (daso *)p;
    bl_bank_destroy(d->queue);
    bl_label_counts_destroy(d->counts);
    free(d->v);
    free(d->prototypes);
    free(d->present);
    free(d);
}

static const bl_class_hooks hooks = {.name = "daso",
                                     .adjust = adjust,
                                     .refine = refine,
                                     .select = choose,
                                     .losses = losses,
                                     .after_step = after_step,
                                     .save = save,
                                     .load = load,
                                     .destroy = destroy};

static bl_status needs(const bl_class_method_config *cfg, int32_t classes, bl_class_needs *n) {
    (void)classes, (void)n;
    if (!(cfg->ema.keep > 0)) {
        return bl_fail(BL_ECONFIG, "method.plugins: daso needs the moving average of the model for "
                                   "its prototypes: set method.ema.keep, e.g. 0.999");
    }
    return BL_OK;
}

static bl_status create(const bl_class_method_config *cfg, bl_class_world *w,
                        bl_class_plugin **out) {
    daso *d = calloc(1, sizeof *d);
    if (!d) return bl_fail(BL_ENOMEM, "out of memory for DASO");
    size_t k = (size_t)w->classes;
    d->base.hooks = &hooks, d->cfg = &cfg->daso;
    d->v = calloc(k, sizeof *d->v);
    d->prototypes = calloc(k * (size_t)w->dim, sizeof *d->prototypes);
    d->present = calloc(k, sizeof *d->present);
    bl_bank_config bank = {w->classes, (int)cfg->daso.queue, w->dim, BL_BANK_FIFO,
                           .exempt_fresh = false};
    bl_status status =
        d->v && d->prototypes && d->present ? BL_OK : bl_fail(BL_ENOMEM, "out of memory for DASO");
    if (status == BL_OK) status = bl_bank_create(&bank, &d->queue);
    if (status == BL_OK) status = bl_label_counts_create(w->classes, true, &d->counts);
    if (status != BL_OK) {
        destroy(&d->base);
        return status;
    }
    *out = &d->base;
    return BL_OK;
}

const bl_class_plugin_type bl_daso_plugin = {
    .name = "daso", .unlabelled = true, .needs = needs, .create = create};
