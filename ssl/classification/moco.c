/* Self-supervised pre-training by momentum contrast (MoCo v2: He et al., CVPR 2020; Chen et al.,
 * 2020): two contrast views of each image of the labelled list; the query through the student, the
 * key through the moving average (method.ema: keep 0.999, no warm-up), each with a two-layer
 * projection head, against a queue of earlier keys. Labels are not used. */

#include <math.h>
#include <stdlib.h>

#include "core/rng.h"
#include "core/rows.h"
#include "kernels/resident.h"
#include "ssl/classification/method.h"

typedef struct bl_moco_config {
    int64_t queue;       /* keys */
    int64_t hidden, dim; /* of the projection head */
    double temperature;
} bl_moco_config;

static const bl_field fields[] = {
    BL_ROW_INT(bl_moco_config, queue, "65536", 1, 1e7, "keys",
               "Earlier keys that a query is told from; a multiple of batch.labelled."),
    BL_ROW_INT(
        bl_moco_config, hidden, "64", 1, 65536, NULL,
        "Hidden units of the projection; the paper takes the feature's length (ResNet-32: 64)."),
    BL_ROW_INT(bl_moco_config, dim, "128", 2, 4096, NULL, "Length of queries and keys."),
    BL_ROW_REAL(bl_moco_config, temperature, "0.2", 0.001, 100, NULL,
                "Of the contrastive softmax."),
    BL_ROWS_END};
static const bl_schema section = {"method.moco", "Pre-training by momentum contrast (moco).",
                                  sizeof(bl_moco_config), fields};

static const char HEAD[] = "moco";

typedef struct {
    bl_plugin base;
    const bl_moco_config *cfg;
    bl_classify_world *world;
    int head;
    bl_resident *queue; /* (queue, dim) unit rows; 32 MB as the paper has it */
    int64_t at;         /* the oldest row, replaced next */
} moco;

/* The keys: the second view through the moving average, with batch statistics, without gradient. */
static bl_status make_keys(moco *m, bl_classify_step *s, bl_tensor **keys) {
    bool old = bl_no_grad(s->ctx);
    bl_tensor *z;
    bl_status status = bl_classify_extract(s, 1, true, BL_CLASSIFY_LABELLED, 1, &z);
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

static bl_status learn(bl_plugin *p, bl_classify_step *s) {
    moco *m = (moco *)p;
    bl_tensor *q, *keys, *loss;
    BL_TRY(bl_classify_extract(s, 0, true, BL_CLASSIFY_LABELLED, 0, &s->x.z));
    BL_TRY(bl_classify_logits(s, &s->x, m->head, &q));
    BL_TRY(make_keys(m, s, &keys));
    BL_TRY(bl_info_nce_loss(s->ctx, q, keys, bl_resident_tensor(m->queue),
                            (float)m->cfg->temperature, 1.0f / (float)s->x.n, &loss));
    bl_add_loss(s->out, HEAD, loss, 1);
    return push(m, keys);
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    moco *m = (moco *)p;
    int64_t len = m->cfg->queue * m->cfg->dim, got = len + 1;
    double *v;
    BL_TRY(bl_state_packed(io, "moco.queue", &v, &got));
    bool fits = !io->loading || (got == len + 1 && v[len] >= 0 && v[len] < (double)m->cfg->queue);
    if (!fits || (io->loading && fmod(v[len], m->world->batch_labelled) != 0))
        return bl_fail(BL_EFORMAT, "state.moco.queue does not fit a queue of %lld keys",
                       (long long)m->cfg->queue);
    float *rows = malloc(sizeof *rows * (size_t)len);
    if (!rows) return bl_no_memory("for a queue of keys");
    bl_status status;
    if (io->loading) {
        for (int64_t i = 0; i < len; i++) rows[i] = (float)v[i];
        status = bl_resident_write(m->queue, 0, m->cfg->queue, rows);
        m->at = (int64_t)v[len];
    } else {
        status = bl_resident_read(m->queue, 0, m->cfg->queue, rows);
        for (int64_t i = 0; status == BL_OK && i < len; i++) v[i] = rows[i];
        v[len] = (double)m->at;
    }
    free(rows);
    return status;
}

static void destroy(bl_plugin *p) {
    bl_resident_destroy(((moco *)p)->queue);
    free(p);
}

static bl_status needs(const bl_classify_method_config *cfg, int32_t classes,
                       bl_classify_needs *n) {
    (void)classes;
    const bl_moco_config *c = bl_classify_settings(cfg, "moco");
    n->pretext = n->labelled_strong = true;
    n->labelled_view[0] = n->labelled_view[1] = BL_CLASSIFY_CONTRAST;
    return bl_classify_need_head(n, &(bl_head_spec){.name = HEAD,
                                                    .kind = BL_HEAD_PROJECTION,
                                                    .out = c->dim,
                                                    .hidden = c->hidden,
                                                    .normalise = true});
}

/* Random unit rows to begin with. */
static bl_status fill(moco *m) {
    int64_t n = m->cfg->queue, dim = m->cfg->dim;
    float *rows = malloc(sizeof *rows * (size_t)n * (size_t)dim);
    if (!rows) return bl_no_memory("for a queue of %lld keys", (long long)n);
    bl_rng r = bl_rng_make(m->world->seed, bl_rng_key(0x6d6f636f, 0, 0));
    for (float *row = rows; row < rows + n * dim; row += dim) {
        double square = 0;
        for (int64_t k = 0; k < dim; k++) {
            row[k] = bl_rng_normal(&r);
            square += (double)row[k] * row[k];
        }
        float scale = (float)(1 / sqrt(square > 0 ? square : 1));
        for (int64_t k = 0; k < dim; k++) row[k] *= scale;
    }
    bl_status status = bl_resident_write(m->queue, 0, n, rows);
    free(rows);
    return status;
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    if (!w->model[1])
        return bl_fail(BL_ECONFIG, "method.name moco: the key network is the moving average; set "
                                   "method.ema.keep above 0");
    const bl_moco_config *c = bl_classify_settings(cfg, "moco");
    if (c->queue % w->batch_labelled != 0)
        return bl_fail(BL_ECONFIG,
                       "method.moco.queue = %lld is not a multiple of batch.labelled = %d",
                       (long long)c->queue, (int)w->batch_labelled);
    moco *m = calloc(1, sizeof *m);
    if (!m) return bl_no_memory("for the learner");
    m->cfg = c;
    m->world = w;
    m->head = bl_classifier_find(w->model[0], HEAD);
    bl_status status = bl_resident_create(w->ctx, c->queue, c->dim, 1, 1, 1, BL_F32, &m->queue);
    if (status == BL_OK) status = fill(m);
    if (status != BL_OK) {
        destroy(&m->base);
        return bl_fail_context(status, "method.moco.queue");
    }
    *out = &m->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_moco_plugin = {.plugin = {.name = "moco",
                                                           .base = true,
                                                           .section = &section,
                                                           .state = state,
                                                           .destroy = destroy},
                                                .needs = needs,
                                                .create = create,
                                                .learn = learn};
