#include "kernels/tensor.h"

#include <stdio.h>
#include <string.h>

#include "kernels/internal.h"

/* One entry per tensor that was given storage in this step. */
struct bl_live {
    bl_tensor *t;
    struct bl_live *next;
};

bl_shape_text bl_shape(const bl_tensor *t) {
    bl_shape_text text;
    snprintf(text.s, sizeof text.s, "(%lld,%lld,%lld,%lld)", (long long)t->n, (long long)t->c,
             (long long)t->h, (long long)t->w);
    return text;
}

bool bl_same_shape(const bl_tensor *a, const bl_tensor *b) {
    return a->n == b->n && a->c == b->c && a->h == b->h && a->w == b->w;
}

/* Bytes of storage, or false on overflow. */
static bool storage_bytes(const bl_tensor *t, size_t *bytes) {
    int64_t size = bl_dtype_size(t->dtype), blocks = (t->c + t->cb - 1) / t->cb;
    if (__builtin_mul_overflow(size, t->n, &size) || __builtin_mul_overflow(size, blocks, &size) ||
        __builtin_mul_overflow(size, (int64_t)t->cb, &size) ||
        __builtin_mul_overflow(size, t->h, &size) || __builtin_mul_overflow(size, t->w, &size))
        return false;
    *bytes = (size_t)size;
    return true;
}

/* A tensor struct of this shape without storage, known to the step. */
static bl_status make(bl_ctx *ctx, bl_tensor shape, bl_tensor **out) {
    *out = NULL;
    bl_tensor *t = BL_NEW(ctx->arena, bl_tensor);
    struct bl_live *entry = BL_NEW(ctx->arena, struct bl_live);
    if (!t || !entry) return BL_ENOMEM;
    *t = shape;
    entry->t = t;
    entry->next = ctx->live;
    ctx->live = entry;
    *out = t;
    return BL_OK;
}

bl_status bl_tensor_new(bl_ctx *ctx, int64_t n, int64_t c, int64_t h, int64_t w, int32_t cb,
                        bl_dtype dtype, bl_tensor **out) {
    if (cb == 0 && h == 1 && w == 1) cb = 1;
    if (cb == 0) cb = ctx->cb;
    if (cb == 0 && c <= INT32_MAX) cb = c > 0 ? (int32_t)c : 1;
    *out = NULL;
    bl_tensor shape = {.n = n, .c = c, .h = h, .w = w, .cb = cb, .dtype = dtype}, *t;
    size_t bytes = 0;
    if (n < 0 || c < 0 || h < 0 || w < 0 || cb < 1 || c > INT64_MAX - cb ||
        !storage_bytes(&shape, &bytes)) {
        return bl_fail(BL_EINVAL, "a tensor of shape %s, block %d, is not possible",
                       bl_shape(&shape).s, (int)cb);
    }
    BL_TRY(make(ctx, shape, &t));
    BL_TRY(bl_buf_new(ctx->pool, bytes, &t->buf));
    t->data = t->buf->data;
    *out = t;
    return BL_OK;
}

bl_status bl_tensor_over(bl_ctx *ctx, const void *data, int64_t n, int64_t c, int64_t h, int64_t w,
                         int32_t cb, bl_dtype dtype, bl_tensor **out) {
    bl_tensor shape = {.data = (void *)(uintptr_t)data, .n = n, .c = c, .h = h, .w = w};
    shape.cb = cb;
    shape.dtype = dtype;
    return make(ctx, shape, out);
}

bl_status bl_tensor_share(bl_ctx *ctx, bl_tensor *t, bl_tensor **out) {
    bl_tensor same = *t;
    same.grad = NULL;
    same.needs_grad = false;
    same.leaf = false;
    BL_TRY(make(ctx, same, out));
    bl_buf_retain((*out)->buf);
    return BL_OK;
}

bl_status bl_tensor_like(bl_ctx *ctx, const bl_tensor *t, bl_tensor **out) {
    return bl_tensor_new(ctx, t->n, t->c, t->h, t->w, t->cb, t->dtype, out);
}

bl_status bl_tensor_zero(bl_ctx *ctx, bl_tensor *t) {
    return ctx->dev->zero(ctx->dev, t->data,
                          (size_t)bl_storage(t) * (size_t)bl_dtype_size(t->dtype));
}

void bl_tensor_drop(bl_ctx *ctx, bl_tensor *t) {
    if (!t || t->leaf) return;
    bl_buf_release(t->buf);
    t->buf = NULL;
}

void bl_live_clear(bl_ctx *ctx) {
    for (struct bl_live *e = ctx->live; e; e = e->next) bl_tensor_drop(ctx, e->t);
    ctx->live = NULL;
}

bl_status bl_tensor_from_host(bl_ctx *ctx, const float *src, int64_t n, int64_t c, int64_t h,
                              int64_t w, int32_t cb, bl_tensor **out) {
    bl_tensor *t = NULL, *planar = NULL;
    *out = NULL;
    BL_TRY(bl_tensor_new(ctx, n, c, h, w, cb, BL_F32, &t));
    planar = t;
    if (t->cb != 1) BL_TRY(bl_tensor_new(ctx, n, c, h, w, 1, BL_F32, &planar));
    size_t bytes = (size_t)bl_storage(planar) * sizeof(float);
    BL_TRY(ctx->dev->to_device(ctx->dev, planar->data, src, bytes));
    if (planar != t) {
        BL_TRY(ctx->k->reorder(ctx, planar, t, 0));
        bl_tensor_drop(ctx, planar);
    }
    *out = t;
    return BL_OK;
}

bl_status bl_tensor_to_host(bl_ctx *ctx, const bl_tensor *t, float *dst) {
    if (t->dtype == BL_I32 || t->dtype == BL_U8) {
        return bl_fail(BL_EINVAL, "only floats can be copied to the host as floats");
    }
    size_t bytes = (size_t)(t->n * t->c * t->h * t->w) * sizeof(float);
    if (t->cb == 1 && t->dtype == BL_F32) return ctx->dev->to_host(ctx->dev, dst, t->data, bytes);
    bl_tensor *planar;
    BL_TRY(bl_tensor_new(ctx, t->n, t->c, t->h, t->w, 1, BL_F32, &planar));
    BL_TRY(ctx->k->reorder(ctx, t, planar, 0));
    BL_TRY(ctx->dev->to_host(ctx->dev, dst, planar->data, bytes));
    bl_tensor_drop(ctx, planar);
    return BL_OK;
}

/* Pieces start at multiples of this in the buffer that gathers them. */
enum { PART_ALIGN = 16 };

static size_t part_room(const bl_part *p) {
    return (p->bytes + PART_ALIGN - 1) / PART_ALIGN * PART_ALIGN;
}

/* Gathers them in a buffer on the device, which comes in one piece. */
static bl_status fetch_parts(bl_ctx *ctx, const bl_part *part, int n, size_t bytes) {
    char *host = bl_arena_alloc(ctx->arena, bytes);
    bl_buf *all;
    size_t at = 0;
    bl_status status = BL_OK;
    if (!host) return BL_ENOMEM;
    BL_TRY(bl_buf_new(ctx->pool, bytes, &all));
    for (int i = 0; status == BL_OK && i < n; at += part_room(&part[i++])) {
        status = ctx->dev->copy(ctx->dev, (char *)all->data + at, part[i].device, part[i].bytes);
    }
    if (status == BL_OK) status = ctx->dev->to_host(ctx->dev, host, all->data, bytes);
    bl_buf_release(all);
    for (int i = 0; status == BL_OK && i < n; host += part_room(&part[i++])) {
        memcpy(part[i].host, host, part[i].bytes);
    }
    return status;
}

bl_status bl_to_host_parts(bl_ctx *ctx, const bl_part *part, int n) {
    size_t bytes = 0;
    for (int i = 0; i < n; i++) bytes += part_room(&part[i]);
    if (n > 1 && !ctx->dev->host_memory) return fetch_parts(ctx, part, n, bytes);
    for (int i = 0; i < n; i++) {
        BL_TRY(ctx->dev->to_host(ctx->dev, part[i].host, part[i].device, part[i].bytes));
    }
    return BL_OK;
}

bl_status bl_tensor_count_nonfinite(bl_ctx *ctx, const bl_tensor *t, int64_t *count) {
    if (t->dtype == BL_I32 || t->dtype == BL_U8) {
        return bl_fail(BL_EINVAL, "only floats can be checked");
    }
    /* As a row, so that widening keeps the padding. */
    bl_tensor row = {.data = t->data, .n = 1, .c = bl_storage(t), .h = 1, .w = 1, .cb = 1}, *wide;
    row.dtype = t->dtype;
    bool made;
    bl_buf *found;
    BL_TRY(bl_cast(ctx, &row, BL_F32, &wide, &made));
    BL_TRY(bl_buf_new(ctx->pool, sizeof *count, &found));
    ctx->k->count_nonfinite(bl_f32(wide), bl_storage(wide), found->data);
    bl_status status = ctx->dev->to_host(ctx->dev, count, found->data, sizeof *count);
    bl_buf_release(found);
    if (made) bl_tensor_drop(ctx, wide);
    return status;
}

bl_status bl_upload(bl_ctx *ctx, bl_dtype dtype, int64_t n, int64_t c, const void *src,
                    bl_tensor **out) {
    BL_TRY(bl_tensor_new(ctx, n, c, 1, 1, 1, dtype, out));
    size_t bytes = (size_t)bl_storage(*out) * (size_t)bl_dtype_size(dtype);
    return ctx->dev->to_device(ctx->dev, (*out)->data, src, bytes);
}

bl_status bl_cast(bl_ctx *ctx, bl_tensor *t, bl_dtype dtype, bl_tensor **y, bool *made) {
    *y = t;
    *made = t->dtype != dtype;
    if (!*made) return BL_OK;
    BL_TRY(bl_tensor_new(ctx, t->n, t->c, t->h, t->w, t->cb, dtype, y));
    return bl_storage(t) > 0 ? ctx->k->reorder(ctx, t, *y, 0) : BL_OK;
}

bl_status bl_download(bl_ctx *ctx, const bl_tensor *t, void *dst) {
    if (t->cb != 1) {
        return bl_fail(BL_EINVAL, "a tensor %s of block %d is not a list", bl_shape(t).s, t->cb);
    }
    return ctx->dev->to_host(ctx->dev, dst, t->data,
                             (size_t)bl_storage(t) * (size_t)bl_dtype_size(t->dtype));
}

bl_status bl_scalar_new(bl_ctx *ctx, float value, bl_tensor **out) {
    return bl_upload(ctx, BL_F32, 1, 1, &value, out);
}

bl_status bl_scalar_check(const bl_tensor *t) {
    if (t->n == 1 && t->c == 1 && t->h == 1 && t->w == 1 && t->dtype == BL_F32) return BL_OK;
    return bl_fail(BL_EINVAL, "a tensor of shape %s is not a scalar", bl_shape(t).s);
}

bl_status bl_scalar(bl_ctx *ctx, const bl_tensor *loss, float *value) {
    BL_TRY(bl_scalar_check(loss));
    return ctx->dev->to_host(ctx->dev, value, loss->data, sizeof *value);
}

int32_t bl_out_block(const bl_ctx *ctx, const bl_tensor *x, int64_t c) {
    if (ctx->cb == 0) return c > 0 ? (int32_t)c : 1;
    return x->cb == 8 || x->cb == 16 ? x->cb : ctx->cb;
}

bl_status bl_act_factor(const char *op, bl_act act, float slope, float *factor) {
    *factor = act == BL_ACT_NONE ? 1.0f : act == BL_ACT_RELU ? 0.0f : slope;
    if (act != BL_ACT_LEAKY || (slope >= 0 && slope < 1)) return BL_OK;
    return bl_fail(BL_EINVAL, "%s: the leaky slope %g is not in [0,1)", op, (double)slope);
}
