/* A small detector for tests: configuration, context, images of coloured rectangles. */
#ifndef BALLAST_TESTS_DETECTOR_FIXTURE_H
#define BALLAST_TESTS_DETECTOR_FIXTURE_H

#include "core/rng.h"
#include "detector/faster_rcnn.h"
#include "kernels/tape.h"
#include "tests/check.h"

typedef struct fixture {
    bl_arena *arena;
    bl_ctx *ctx;
    bl_store *store;
    bl_detector *det;
    bl_detector_config cfg;
} fixture;

/* The schema's defaults, made small: width 16, FPN 16, FC 32, GN or the given norm, all trained. */
static inline bl_detector_config small_config(bl_arena *arena, const char *norm) {
    char norm_key[32], head_key[32];
    snprintf(norm_key, sizeof norm_key, "norm=%s", norm);
    snprintf(head_key, sizeof head_key, "head_norm=%s", strcmp(norm, "gn") ? "none" : "gn");
    const char *o[] = {norm_key,
                       head_key,
                       "gn_groups=4",
                       "depth=small",
                       "width=16",
                       "blocks=1",
                       "fpn_channels=16",
                       "fc_channels=32",
                       "frozen_stages=-1",
                       "rpn_batch=64",
                       "roi_batch=32",
                       "anchor_scale=4",
                       "finest_scale=14",
                       "rpn_pre_nms_train=200",
                       "rpn_post_nms_train=100"};
    bl_detector_config c;
    CHECK_OK(bl_config_load(&bl_detector_schema, NULL, o, sizeof o / sizeof *o, arena, &c));
    return c;
}

static inline fixture fixture_make(const char *backend, const bl_detector_config *cfg,
                                   const char *norm, int32_t classes, uint64_t seed) {
    fixture f = {.arena = bl_arena_create(0)};
    bl_ctx_options opt = {.backend = backend, .deterministic = 1};
    CHECK_OK(bl_ctx_create(&opt, &f.ctx));
    f.cfg = cfg ? *cfg : small_config(f.arena, norm);
    CHECK_OK(bl_store_create(&f.store));
    CHECK_OK(bl_detector_create(&f.cfg, classes, f.store, &f.det));
    CHECK_OK(bl_store_finish(f.store, f.ctx, seed, true));
    return f;
}

static inline void fixture_free(fixture *f) {
    bl_detector_destroy(f->det);
    bl_store_destroy(f->store);
    bl_ctx_destroy(f->ctx);
    bl_arena_destroy(f->arena);
}

/* n images of noise with a bright rectangle per box, its colour the class. boxes[i].label may be
 * NULL. */
static inline bl_tensor *draw_images(bl_ctx *ctx, const bl_boxes *boxes, int n, int h, int w,
                                     uint64_t seed) {
    float *v = malloc(sizeof(float) * (size_t)n * 3 * (size_t)h * (size_t)w);
    for (int i = 0; i < n; i++) {
        bl_rng r = bl_rng_make(seed, (uint64_t)i);
        float *im = v + (size_t)i * 3 * (size_t)h * (size_t)w;
        for (int k = 0; k < 3 * h * w; k++) im[k] = bl_rng_range(&r, -0.5f, 0.5f);
        for (int32_t b = 0; b < boxes[i].n; b++) {
            int c = boxes[i].label ? boxes[i].label[b] % 3 : 0;
            bl_box q = boxes[i].box[b];
            for (int y = (int)q.y1; y < (int)q.y2 && y < h; y++)
                for (int x = (int)q.x1; x < (int)q.x2 && x < w; x++) im[(c * h + y) * w + x] += 2;
        }
    }
    bl_tensor *t;
    CHECK_OK(bl_tensor_from_host(ctx, v, n, 3, h, w, 1, &t));
    free(v);
    return t;
}

#endif
