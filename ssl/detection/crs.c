/* CrS, class-rebalancing sampling (Li et al., ICCV 2023): unlabelled images that hold confident
 * pseudo boxes of rare classes are repeated. The teacher's boxes are gathered in a pool, from which
 * the repeat list is rebuilt now and then (balance/resampling.h). */
#include <stdlib.h>
#include <string.h>

#include "balance/resampling.h"
#include "core/rows.h"
#include "ssl/detection/image_classes.h"
#include "ssl/detection/learner.h"

typedef struct bl_crs_section {
    bool enabled;
    int64_t warmup;
    double alpha;
    int64_t save_every, rebuild_every;
} bl_crs_section;

static const bl_field fields[] = {
    BL_ROW_BOOL(bl_crs_section, enabled, "false",
                "Repeat unlabelled images that hold confident pseudo boxes of rare classes."),
    BL_ROW_START(bl_crs_section, warmup, "12000", 0, 1e9,
                 "Iterations before pseudo boxes are gathered."),
    BL_ROW_REAL(bl_crs_section, alpha, "0.5", 0, 1, NULL,
                "Oversampling level: the frequency below which a class is repeated, ramped up over "
                "training."),
    BL_ROW_PERIOD(bl_crs_section, save_every, "4000", 2, 1e9,
                  "How often gathered boxes join the pool."),
    BL_ROW_PERIOD(bl_crs_section, rebuild_every, "16000", 2, 1e9,
                  "How often the unlabelled list is rebuilt from the pool."),
    BL_ROWS_END};
static const bl_schema section = {"method.crs", "Class-rebalancing sampling (CrS).",
                                  sizeof(bl_crs_section), fields};

typedef struct {
    bl_plugin base;
    const bl_detection_world *world;
    bl_crs_pool *pool; /* NULL: there are no unlabelled images */
    int64_t *counts;   /* [K] labelled images that hold each class */
    int32_t images;
    int32_t *copies; /* [images]; NULL: one each */
    bool rebuilt;    /* since the last report */
    int64_t rebuilt_at;
} crs;

/* A new list from the pool as saved before this iteration: rebuilding comes before saving. */
static bl_status prepare(bl_plugin *p, bl_ctx *ctx, int64_t t, bool changed[2]) {
    (void)ctx;
    crs *c = (crs *)p;
    if (!c->pool || !bl_crs_rebuild_due(c->pool, t) || bl_crs_filled(c->pool) == 0) return BL_OK;
    double *factor = calloc((size_t)c->images + 1, sizeof *factor);
    if (!c->copies) c->copies = calloc((size_t)c->images + 1, sizeof *c->copies);
    bl_status status =
        factor && c->copies
            ? bl_crs_factors(c->pool, c->counts, c->world->labelled->n_images, NULL, factor)
            : bl_no_memory("for class-rebalancing sampling");
    for (int32_t i = 0; status == BL_OK && i < c->images; i++)
        c->copies[i] = (int32_t)bl_repeat_copies(factor[i], BL_ROUND_CEIL, 0, 0, i);
    free(factor);
    c->rebuilt = status == BL_OK;
    c->rebuilt_at = t;
    changed[1] |= c->rebuilt;
    return status;
}

static bool copies(bl_plugin *p, int64_t t, bool labelled, int32_t *out) {
    (void)t;
    const crs *c = (const crs *)p;
    if (labelled || !c->copies) return false;
    memcpy(out, c->copies, sizeof *out * (size_t)c->images);
    return true;
}

static bl_status before_step(bl_plugin *p, bl_ctx *ctx, int64_t t) {
    (void)ctx;
    crs *c = (crs *)p;
    if (c->pool && bl_crs_save_due(c->pool, t)) bl_crs_save(c->pool, t);
    return BL_OK;
}

static bl_status detections(bl_plugin *p, const bl_detection_step *s, int32_t image,
                            const bl_boxes *d) {
    crs *c = (crs *)p;
    if (!c->pool) return BL_OK;
    return bl_crs_record(c->pool, s->t, image, d->label, d->score, d->n, c->world->theta);
}

static bl_status lines(bl_plugin *p, bl_metrics *m) {
    crs *c = (crs *)p;
    if (!c->rebuilt) return BL_OK;
    c->rebuilt = false;
    int64_t total = 0;
    int32_t most = 0;
    for (int32_t i = 0; i < c->images; i++) {
        total += c->copies[i];
        if (c->copies[i] > most) most = c->copies[i];
    }
    bl_metrics_begin(m);
    bl_metrics_number(m, "iter", (double)c->rebuilt_at);
    bl_metrics_string(m, "kind", "pool");
    bl_metrics_number(m, "images", (double)bl_crs_filled(c->pool));
    bl_metrics_number(m, "copies", (double)total);
    bl_metrics_number(m, "copies_max", (double)most);
    return bl_metrics_end(m);
}

static bl_status load_copies(crs *c, const double *v, int64_t len) {
    if (len < 2 || (len != 2 && len != c->images + 2))
        return bl_fail(BL_EFORMAT, "state.crs_copies has %lld numbers, expected 2 or %lld",
                       (long long)len, (long long)c->images + 2);
    c->rebuilt = v[0] != 0;
    c->rebuilt_at = (int64_t)v[1];
    free(c->copies);
    c->copies = NULL;
    if (len == 2) return BL_OK;
    c->copies = calloc((size_t)c->images + 1, sizeof *c->copies);
    if (!c->copies) return bl_no_memory("for class-rebalancing sampling");
    for (int32_t i = 0; i < c->images; i++) {
        if (!(v[i + 2] >= 0 && v[i + 2] <= 1e6))
            return bl_fail(BL_EFORMAT, "state.crs_copies[%d] is %g", (int)i, v[i + 2]);
        c->copies[i] = (int32_t)v[i + 2];
    }
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    crs *c = (crs *)p;
    if (!c->pool) return BL_OK;
    double *packed, *list;
    int64_t len = bl_crs_pack(c->pool, NULL);
    BL_TRY(bl_state_packed(io, "crs_pool", &packed, &len));
    if (io->loading) {
        BL_TRY(bl_crs_unpack(c->pool, packed, len));
    } else {
        bl_crs_pack(c->pool, packed);
    }
    len = 2 + (c->copies ? c->images : 0);
    BL_TRY(bl_state_packed(io, "crs_copies", &list, &len));
    if (io->loading) return load_copies(c, list, len);
    list[0] = c->rebuilt;
    list[1] = (double)c->rebuilt_at;
    for (int64_t i = 2; i < len; i++) list[i] = c->copies[i - 2];
    return BL_OK;
}

static void destroy(bl_plugin *p) {
    crs *c = (crs *)p;
    bl_crs_destroy(c->pool);
    free(c->counts);
    free(c->copies);
    free(c);
}

static bl_status make_pool(crs *c, const bl_crs_section *s) {
    const bl_detection_world *w = c->world;
    if (!w->unlabelled) return BL_OK;
    c->images = w->unlabelled->n_images;
    bl_image_classes lists;
    void *memory;
    c->counts = calloc((size_t)w->classes, sizeof *c->counts);
    if (!c->counts) return bl_no_memory("for class-rebalancing sampling");
    BL_TRY(bl_image_classes_of(w->labelled, &lists, &memory));
    bl_status status = bl_classify_image_counts(&lists, w->classes, c->counts);
    free(memory);
    BL_TRY(status);
    return bl_crs_create(&(bl_crs_config){.n_classes = w->classes,
                                          .n_images = c->images,
                                          .alpha = s->alpha,
                                          .total = w->iterations,
                                          .warmup = s->warmup,
                                          .save_every = s->save_every,
                                          .rebuild_every = s->rebuild_every},
                         &c->pool);
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    crs *c = calloc(1, sizeof *c);
    if (!c) return bl_no_memory("for class-rebalancing sampling");
    c->world = w;
    bl_status status = make_pool(c, bl_method_settings(cfg, "crs"));
    if (status == BL_OK) {
        *out = &c->base;
    } else {
        destroy(&c->base);
    }
    return status;
}

static bool wanted(const bl_method_config *cfg) {
    return ((const bl_crs_section *)bl_method_settings(cfg, "crs"))->enabled;
}

const bl_detection_plugin_type bl_crs_plugin = {.plugin = {.name = "crs",
                                                           .claims = BL_CLAIM_SAMPLING,
                                                           .section = &section,
                                                           .prepare = prepare,
                                                           .copies = copies,
                                                           .before_step = before_step,
                                                           .state = state,
                                                           .destroy = destroy},
                                                .switched_by = "crs.enabled",
                                                .wanted = wanted,
                                                .create = create,
                                                .detections = detections,
                                                .lines = lines};
