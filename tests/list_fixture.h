/* Lists of the device as host arrays, for tests; all in the step arena. */
#ifndef BALLAST_TESTS_LIST_FIXTURE_H
#define BALLAST_TESTS_LIST_FIXTURE_H

#include "detector/faster_rcnn.h"
#include "tests/check.h"

/* Sampled RoIs without unused rows. */
typedef struct host_rois {
    int32_t n, n_pos;
    bl_box *roi;
    int32_t *image, *label, *gt;
    float *target, *weight, *share;
} host_rois;

static inline void *list_read(bl_ctx *ctx, const bl_tensor *t) {
    void *p = bl_arena_alloc(ctx->arena, (size_t)bl_storage(t) * 4 + 4);
    CHECK(p);
    CHECK_OK(bl_download(ctx, t, p));
    return p;
}

static inline host_rois rois_read(bl_ctx *ctx, const bl_roi_batch *b) {
    const bl_roi_targets *t = &b->target;
    host_rois r = {.roi = list_read(ctx, t->roi),
                   .image = list_read(ctx, b->image),
                   .label = list_read(ctx, t->label),
                   .gt = list_read(ctx, b->gt),
                   .target = list_read(ctx, t->delta),
                   .weight = list_read(ctx, t->weight),
                   .share = list_read(ctx, t->share)};
    while (r.n < b->n && r.image[r.n] >= 0) {
        r.n_pos += r.gt[r.n] >= 0;
        r.n++;
    }
    for (int64_t i = r.n; i < b->n; i++)
        CHECK(r.image[i] == -1 && r.label[i] == -1 && r.weight[i] == 0 && r.share[i] == 0);
    return r;
}

/* Sums of (images, 2) counts. */
static inline void counts_read(bl_ctx *ctx, const bl_tensor *counts, int64_t *pos, int64_t *neg) {
    const int32_t *v = list_read(ctx, counts);
    *pos = *neg = 0;
    for (int64_t i = 0; i < counts->n; i++) {
        *pos += v[2 * i];
        *neg += v[2 * i + 1];
    }
}

/* Host boxes as proposals. */
static inline bl_box_lists lists_of(bl_ctx *ctx, const bl_boxes *b, int32_t n) {
    bl_box_lists l;
    CHECK_OK(bl_boxes_upload(ctx, b, n, &l));
    return l;
}

static inline void proposals_read(bl_ctx *ctx, const bl_detector *d, const bl_rpn_out *r,
                                  const bl_size *size, bool train, bl_boxes *out) {
    bl_box_lists l;
    CHECK_OK(bl_rpn_proposals(ctx, d, r, size, train, &l));
    CHECK_OK(bl_boxes_read(ctx, &l, out));
}

#endif
