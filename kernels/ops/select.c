/* Ops without gradient that end in host lists. */
#include <string.h>

#include "kernels/internal.h"

bl_status bl_softmax(bl_ctx *ctx, const bl_tensor *logits, bl_tensor **out) {
    if (logits->h != 1 || logits->w != 1) {
        return bl_fail(BL_EINVAL, "softmax: input %s is not a matrix (N,K)", bl_shape(logits).s);
    }
    bl_tensor *x;
    BL_TRY(bl_tensor_new(ctx, logits->n, logits->c, 1, 1, 1, BL_F32, &x));
    BL_TRY(bl_tensor_like(ctx, x, out));
    if (bl_storage(logits) > 0) {
        BL_TRY(ctx->k->reorder(ctx, logits, x, 0));
        ctx->k->softmax(bl_f32(x), x->n, x->c, bl_f32(*out));
    }
    bl_tensor_drop(ctx, x);
    return BL_OK;
}

bl_status bl_softmax_to_host(bl_ctx *ctx, const bl_tensor *logits, float *out) {
    bl_tensor *y;
    BL_TRY(bl_softmax(ctx, logits, &y));
    if (bl_storage(y) > 0) BL_TRY(bl_tensor_to_host(ctx, y, out));
    bl_tensor_drop(ctx, y);
    return BL_OK;
}

bl_status bl_nms(bl_ctx *ctx, const bl_box *box, const float *score, const int32_t *group,
                 int64_t n, float thr, int64_t max_out, int32_t *keep, int64_t *n_keep) {
    *n_keep = 0;
    if (n < 0 || n > INT32_MAX || max_out < 0) {
        return bl_fail(BL_EINVAL, "nms: %lld boxes, at most %lld kept, are not possible",
                       (long long)n, (long long)max_out);
    }
    if (max_out > n) max_out = n;
    if (max_out == 0) return BL_OK;
    bl_tensor *list[3], *kept; /* kept: their number, then the list */
    int32_t *host = BL_NEW_ARRAY(ctx->arena, int32_t, max_out + 1);
    if (!host) return BL_ENOMEM;
    BL_TRY(bl_upload(ctx, BL_F32, n, 4, box, &list[0]));
    BL_TRY(bl_upload(ctx, BL_F32, n, 1, score, &list[1]));
    BL_TRY(bl_tensor_new(ctx, n, 1, 1, 1, 1, BL_I32, &list[2]));
    if (group) {
        BL_TRY(ctx->dev->to_device(ctx->dev, list[2]->data, group, (size_t)n * sizeof *group));
    } else {
        BL_TRY(bl_tensor_zero(ctx, list[2]));
    }
    BL_TRY(bl_tensor_new(ctx, max_out + 1, 1, 1, 1, 1, BL_I32, &kept));
    int32_t *out = kept->data;
    BL_TRY(ctx->k->nms(list[0]->data, list[1]->data, list[2]->data, n, thr, max_out, out + 1, out));
    BL_TRY(ctx->dev->to_host(ctx->dev, host, out, (size_t)(max_out + 1) * sizeof *host));
    memcpy(keep, host + 1, (size_t)host[0] * sizeof *keep);
    for (int i = 0; i < 3; i++) bl_tensor_drop(ctx, list[i]);
    bl_tensor_drop(ctx, kept);
    *n_keep = host[0];
    return BL_OK;
}

/* Flat position (y*w + x)*c + a -> location. */
static bl_loc locate(const bl_tensor *map, int64_t image, int32_t level, int32_t pos) {
    int32_t a = (int32_t)map->c, w = (int32_t)map->w;
    return (bl_loc){(int32_t)image, level, pos / a / w, pos / a % w, pos % a};
}

bl_status bl_topk(bl_ctx *ctx, const bl_tensor *map, int32_t level, int64_t k, bl_loc *loc,
                  float *score, int64_t *n_out) {
    *n_out = 0;
    int64_t all = map->c * map->h * map->w;
    if (k < 0 || all > INT32_MAX) {
        return bl_fail(BL_EINVAL, "topk: %lld of a map %s is not possible", (long long)k,
                       bl_shape(map).s);
    }
    int64_t count = k < all ? k : all;
    if (count == 0) return BL_OK;
    bl_tensor *pos_dev, *score_dev;
    int32_t *pos = BL_NEW_ARRAY(ctx->arena, int32_t, count);
    if (!pos) return BL_ENOMEM;
    BL_TRY(bl_tensor_new(ctx, count, 1, 1, 1, 1, BL_I32, &pos_dev));
    BL_TRY(bl_tensor_new(ctx, count, 1, 1, 1, 1, BL_F32, &score_dev));
    size_t bytes = (size_t)count * sizeof(int32_t);
    for (int64_t i = 0; i < map->n; i++) {
        ctx->k->topk(map, i, count, pos_dev->data, bl_f32(score_dev));
        BL_TRY(ctx->dev->to_host(ctx->dev, pos, pos_dev->data, bytes));
        BL_TRY(ctx->dev->to_host(ctx->dev, score + i * count, score_dev->data, bytes));
        for (int64_t j = 0; j < count; j++) loc[i * count + j] = locate(map, i, level, pos[j]);
    }
    bl_tensor_drop(ctx, pos_dev);
    bl_tensor_drop(ctx, score_dev);
    *n_out = count;
    return BL_OK;
}
