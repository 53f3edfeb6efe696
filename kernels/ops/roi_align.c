#include <math.h>

#include "kernels/internal.h"
#include "kernels/shared/bilinear.h"

enum { MAX_MAPS = BL_NODE_IN, MAX_GRID = 1 << 12, BOX_FLOATS = sizeof(bl_box) / sizeof(float) };

typedef struct roi_node {
    bl_roi_attr attr;
    int n_maps;
} roi_node;

enum { SAVED_BOX, SAVED_BATCH, SAVED_LEVEL, SAVED };

static bl_status roi_align_backward(bl_ctx *ctx, bl_node *node) {
    const roi_node *a = node->attr;
    bl_tensor *dmaps[MAX_MAPS] = {NULL};
    BL_TRY(bl_grad_target_maps(ctx, node->in, a->n_maps, dmaps));
    ctx->k->roi_align_bwd(node->out->grad, node->saved[SAVED_BOX]->data,
                          node->saved[SAVED_BATCH]->data, node->saved[SAVED_LEVEL]->data,
                          node->out->n, &a->attr, a->n_maps, dmaps);
    return BL_OK;
}

static const bl_op roi_align_op = {"roi_align", roi_align_backward};

static bl_status check_maps(bl_tensor *const *maps, int n_maps, int64_t count,
                            const bl_roi_attr *a) {
    if (n_maps < 1 || n_maps > MAX_MAPS || count < 0 || a->size < 1 || a->sampling < 0 ||
        a->sampling > MAX_GRID) {
        return bl_fail(BL_EINVAL,
                       "roi_align: %d maps, %lld boxes, size %d, sampling %d are not "
                       "possible",
                       n_maps, (long long)count, a->size, a->sampling);
    }
    for (int i = 0; i < n_maps; i++) {
        if (maps[i]->c != maps[0]->c || maps[i]->cb != maps[0]->cb ||
            maps[i]->dtype != maps[0]->dtype || !(a->scale[i] > 0)) {
            return bl_fail(BL_EINVAL,
                           "roi_align: level %d has shape %s, block %d, scale %g; channels, "
                           "block and type must equal level 0's %s, %d, and the scale be positive",
                           i, bl_shape(maps[i]).s, maps[i]->cb, (double)a->scale[i],
                           bl_shape(maps[0]).s, maps[0]->cb);
        }
    }
    return BL_OK;
}

static bl_status check_rois(bl_tensor *const *maps, int n_maps, const bl_box *rois,
                            const int32_t *batch, const int32_t *level, int64_t count,
                            const bl_roi_attr *a) {
    for (int64_t i = 0; i < count; i++) {
        bl_box b = rois[i];
        if (level[i] < 0 || level[i] >= n_maps || batch[i] < 0 || batch[i] >= maps[level[i]]->n) {
            return bl_fail(BL_EINVAL, "roi_align: box %lld names image %d, level %d", (long long)i,
                           batch[i], level[i]);
        }
        /* Samples per bin are bounded so that a wild box cannot stall the machine. */
        float limit = (float)a->size * MAX_GRID / a->scale[level[i]];
        if (!(fabsf(b.x1) < limit && fabsf(b.y1) < limit && fabsf(b.x2 - b.x1) < limit &&
              fabsf(b.y2 - b.y1) < limit)) {
            return bl_fail(BL_EINVAL, "roi_align: box %lld (%g, %g, %g, %g) is not usable",
                           (long long)i, (double)b.x1, (double)b.y1, (double)b.x2, (double)b.y2);
        }
    }
    return BL_OK;
}

/* On checked lists. */
static bl_status align(bl_ctx *ctx, bl_tensor *const *maps, int n_maps, bl_tensor *const *list,
                       const bl_roi_attr *a, bl_tensor **out) {
    bl_tensor *y;
    int64_t count = list[SAVED_BOX]->n;
    BL_TRY(
        bl_tensor_new(ctx, count, maps[0]->c, a->size, a->size, maps[0]->cb, maps[0]->dtype, &y));
    if (bl_storage(y) > 0) {
        ctx->k->roi_align_fwd((const bl_tensor *const *)maps, n_maps, list[SAVED_BOX]->data,
                              list[SAVED_BATCH]->data, list[SAVED_LEVEL]->data, y->n, a, y);
    }
    if (bl_tape_wants(ctx, maps, n_maps)) {
        roi_node *attr = BL_NEW(ctx->arena, roi_node);
        if (!attr) return BL_ENOMEM;
        *attr = (roi_node){*a, n_maps};
        BL_TRY(bl_tape_push(ctx, &roi_align_op, maps, n_maps, y, list, SAVED, attr));
    }
    *out = y;
    return BL_OK;
}

bl_status bl_roi_align(bl_ctx *ctx, bl_tensor *const *maps, int n_maps, const bl_box *rois,
                       const int32_t *batch, const int32_t *level, int64_t count,
                       const bl_roi_attr *a, bl_tensor **out) {
    /* *out stays untouched until the end: it may be an element of maps. */
    BL_TRY(check_maps(maps, n_maps, count, a));
    BL_TRY(check_rois(maps, n_maps, rois, batch, level, count, a));
    bl_tensor *list[SAVED];
    BL_TRY(bl_upload(ctx, BL_F32, count, BOX_FLOATS, rois, &list[SAVED_BOX]));
    BL_TRY(bl_upload(ctx, BL_I32, count, 1, batch, &list[SAVED_BATCH]));
    BL_TRY(bl_upload(ctx, BL_I32, count, 1, level, &list[SAVED_LEVEL]));
    BL_TRY(align(ctx, maps, n_maps, list, a, out));
    for (int i = 0; i < SAVED; i++) bl_tensor_drop(ctx, list[i]);
    return BL_OK;
}

bl_status bl_roi_align_list(bl_ctx *ctx, bl_tensor *const *maps, int n_maps, bl_tensor *rois,
                            bl_tensor *batch, bl_tensor *level, const bl_roi_attr *a,
                            bl_tensor **out) {
    bl_tensor *const list[SAVED] = {
        [SAVED_BOX] = rois, [SAVED_BATCH] = batch, [SAVED_LEVEL] = level};
    BL_TRY(check_maps(maps, n_maps, rois->n, a));
    return align(ctx, maps, n_maps, list, a, out);
}
