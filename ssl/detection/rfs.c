/* Repeat-factor sampling (Gupta et al., LVIS, CVPR 2019): labelled images with rare classes are
 * repeated, from method.rfs_warmup on (deferred re-sampling; Cao et al., LDAM, NeurIPS 2019). */
#include <stdlib.h>
#include <string.h>

#include "ssl/detection/image_classes.h"
#include "ssl/detection/learner.h"

typedef struct {
    bl_plugin base;
    int64_t from;
    int32_t images;
    int32_t copies[]; /* [images] */
} rfs;

static bl_status prepare(bl_plugin *p, bl_ctx *ctx, int64_t t, bool changed[2]) {
    (void)ctx;
    changed[0] |= t == ((rfs *)p)->from;
    return BL_OK;
}

static bool copies(bl_plugin *p, int64_t t, bool labelled, int32_t *out) {
    const rfs *r = (const rfs *)p;
    if (!labelled || t < r->from) return false;
    memcpy(out, r->copies, sizeof *out * (size_t)r->images);
    return true;
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status count(rfs *r, const bl_detection_world *w, const bl_image_classes *lists) {
    int32_t k = w->classes, n = r->images;
    double *factor = calloc((size_t)k + (size_t)n + 1, sizeof *factor);
    int64_t *counts = calloc((size_t)k, sizeof *counts);
    bl_status status = factor && counts ? bl_classify_image_counts(lists, k, counts)
                                        : bl_no_memory("for repeat factors");
    if (status == BL_OK) {
        double *of_image = factor + k;
        bl_repeat_factors(counts, k, n, w->method->rfs, factor);
        bl_image_factors(lists, factor, of_image);
        for (int32_t i = 0; i < n; i++)
            r->copies[i] = (int32_t)bl_repeat_copies(of_image[i], BL_ROUND_CEIL, 0, 0, i);
    }
    free(factor);
    free(counts);
    return status;
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    bl_image_classes lists;
    void *memory;
    rfs *r = calloc(1, sizeof *r + sizeof *r->copies * (size_t)w->labelled->n_images);
    if (!r) return bl_no_memory("for repeat factors");
    r->from = cfg->rfs_warmup;
    r->images = w->labelled->n_images;
    bl_status status = bl_image_classes_of(w->labelled, &lists, &memory);
    if (status == BL_OK) {
        status = count(r, w, &lists);
        free(memory);
    }
    if (status == BL_OK) {
        *out = &r->base;
    } else {
        free(r);
    }
    return status;
}

static bool wanted(const bl_method_config *cfg) {
    return cfg->rfs > 0;
}

const bl_detection_plugin_type bl_rfs_plugin = {
    .plugin = {.name = "rfs", .prepare = prepare, .copies = copies, .destroy = destroy},
    .switched_by = "rfs",
    .wanted = wanted,
    .create = create};
