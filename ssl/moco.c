#include "ssl/moco.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/rng.h"
#include "kernels/resident.h"
#include "ssl/class_method.h"

#define AT(member) offsetof(bl_moco_config, member)
static const bl_field fields[] = {
    {"queue", BL_T_INT, AT(queue), "65536", 1, 1e7, NULL, "keys",
     "Earlier keys that a query is told from; a multiple of batch.labelled.", NULL},
    {"hidden", BL_T_INT, AT(hidden), "64", 1, 65536, NULL, NULL,
     "Hidden units of the projection; the paper takes the feature's length (ResNet-32: 64).", NULL},
    {"dim", BL_T_INT, AT(dim), "128", 2, 4096, NULL, NULL, "Length of queries and keys.", NULL},
    {"temperature", BL_T_REAL, AT(temperature), "0.2", 0.001, 100, NULL, NULL,
     "Of the contrastive softmax.", NULL},
    {0}};
#undef AT
const bl_schema bl_moco_schema = {"method.moco", "Pre-training by momentum contrast (moco).",
                                  sizeof(bl_moco_config), fields};

static const char HEAD[] = "moco";

typedef struct {
    bl_class_plugin base;
    const bl_moco_config *cfg;
    bl_class_world *world;
    int head;
    bl_resident *queue; /* (queue, dim) unit rows; 32 MB as the paper has it */
    int64_t at;         /* the oldest row, replaced next */
} moco;

/* The keys: the second view through the moving average, with batch statistics, without gradient. */
static bl_status make_keys(moco *m, bl_class_step *s, bl_tensor **keys) {
    bool old = bl_no_grad(s->ctx);
    bl_tensor *z;
    bl_status status = bl_class_extract(s, 1, true, BL_CLASS_LABELLED, 1, &z);
    if (status == BL_OK) status = bl_classifier_apply(s->ctx, m->world->model[1], m->head, z, keys);
    bl_set_grad(s->ctx, old);
    return status;
}

/* The keys take the place of the oldest rows. A batch divides the queue, so they never wrap. */
static bl_status push(moco *m, const bl_tensor *keys) {
    BL_TRY(bl_resident_put(m->queue, m->at, keys));
    m->at = (m->at + keys->n) % m->cfg->queue;
    return BL_OK;
}

static bl_status learn(bl_class_plugin *p, bl_class_step *s) {
    moco *m = (moco *)p;
    bl_tensor *q, *keys, *loss;
    BL_TRY(bl_class_extract(s, 0, true, BL_CLASS_LABELLED, 0, &s->x.z));
    BL_TRY(bl_class_logits(s, &s->x, m->head, &q));
    BL_TRY(make_keys(m, s, &keys));
    BL_TRY(bl_info_nce_loss(s->ctx, q, keys, bl_resident_tensor(m->queue),
                            (float)m->cfg->temperature, 1.0f / (float)s->x.n, &loss));
    bl_add_loss(s->out, HEAD, loss, 1);
    return push(m, keys);
}

static bl_status save(bl_class_plugin *p, bl_arena *arena, bl_state_array *out, int cap, int *n) {
    moco *m = (moco *)p;
    int64_t len = m->cfg->queue * m->cfg->dim;
    double *v;
    float *rows = BL_NEW_ARRAY(arena, float, len);
    if (!rows) return BL_ENOMEM;
    BL_TRY(bl_resident_read(m->queue, 0, m->cfg->queue, rows));
    BL_TRY(bl_state_reserve(arena, "moco.queue", len + 1, &v, out, cap, n));
    for (int64_t i = 0; i < len; i++) v[i] = rows[i];
    v[len] = (double)m->at;
    return BL_OK;
}

static bl_status load(bl_class_plugin *p, const bl_state_array *in, int n) {
    moco *m = (moco *)p;
    int64_t len = m->cfg->queue * m->cfg->dim, got;
    const double *v;
    BL_TRY(bl_state_find(in, n, "moco.queue", &v, &got));
    bool fits = got == len + 1 && v[len] >= 0 && v[len] < (double)m->cfg->queue;
    if (!fits || fmod(v[len], m->world->batch_labelled) != 0)
        return bl_fail(BL_EFORMAT, "state.moco.queue does not fit a queue of %lld keys",
                       (long long)m->cfg->queue);
    float *rows = malloc(sizeof *rows * (size_t)len);
    if (!rows) return bl_fail(BL_ENOMEM, "out of memory for a queue of keys");
    for (int64_t i = 0; i < len; i++) rows[i] = (float)v[i];
    bl_status status = bl_resident_write(m->queue, 0, m->cfg->queue, rows);
    free(rows);
    m->at = (int64_t)v[len];
    return status;
}

static void destroy(bl_class_plugin *p) {
    bl_resident_destroy(((moco *)p)->queue);
    free(p);
}

static const bl_class_hooks hooks = {
    .name = "moco", .learn = learn, .save = save, .load = load, .destroy = destroy};

static bl_status needs(const bl_class_method_config *cfg, int32_t classes, bl_class_needs *n) {
    (void)classes;
    n->pretext = n->labelled_strong = true;
    n->labelled_view[0] = n->labelled_view[1] = BL_CLASS_CONTRAST;
    return bl_class_need_head(n, &(bl_head_spec){.name = HEAD,
                                                 .kind = BL_HEAD_PROJECTION,
                                                 .out = cfg->moco.dim,
                                                 .hidden = cfg->moco.hidden,
                                                 .normalise = true});
}

/* Random unit rows to begin with. */
static bl_status fill(moco *m) {
    int64_t n = m->cfg->queue, dim = m->cfg->dim;
    float *rows = malloc(sizeof *rows * (size_t)n * (size_t)dim);
    if (!rows) return bl_fail(BL_ENOMEM, "out of memory for a queue of %lld keys", (long long)n);
    bl_rng r = bl_rng_make(m->world->seed, bl_rng_key(0x6d6f636f, 0, 0));
    for (float *row = rows; row < rows + n * dim; row += dim) {
        double square = 0;
        for (int64_t k = 0; k < dim; k++)
            row[k] = bl_rng_normal(&r), square += (double)row[k] * row[k];
        float scale = (float)(1 / sqrt(square > 0 ? square : 1));
        for (int64_t k = 0; k < dim; k++) row[k] *= scale;
    }
    bl_status status = bl_resident_write(m->queue, 0, n, rows);
    free(rows);
    return status;
}

static bl_status create(const bl_class_method_config *cfg, bl_class_world *w,
                        bl_class_plugin **out) {
    if (!w->model[1])
        return bl_fail(BL_ECONFIG, "method.name moco: the key network is the moving average; set "
                                   "method.ema.keep above 0");
    if (cfg->moco.queue % w->batch_labelled != 0)
        return bl_fail(BL_ECONFIG, "method.moco.queue = %lld is no multiple of batch.labelled = %d",
                       (long long)cfg->moco.queue, (int)w->batch_labelled);
    moco *m = calloc(1, sizeof *m);
    if (!m) return bl_fail(BL_ENOMEM, "out of memory for the learner");
    m->base.hooks = &hooks, m->cfg = &cfg->moco, m->world = w;
    m->head = bl_classifier_find(w->model[0], HEAD);
    bl_status status =
        bl_resident_create(w->ctx, cfg->moco.queue, cfg->moco.dim, 1, 1, 1, BL_F32, &m->queue);
    if (status == BL_OK) status = fill(m);
    if (status != BL_OK) {
        destroy(&m->base);
        return bl_fail_context(status, "method.moco.queue");
    }
    *out = &m->base;
    return BL_OK;
}

const bl_class_plugin_type bl_moco_plugin = {
    .name = "moco", .base = true, .needs = needs, .create = create};
