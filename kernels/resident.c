#include "kernels/resident.h"

#include <stdlib.h>

#include "kernels/internal.h"

struct bl_resident {
    bl_tensor t; /* no buffer of the pool: nothing that ops do to it frees the memory */
    bl_device *dev;
    size_t entry; /* bytes of one along N */
};

bl_status bl_resident_create(bl_ctx *ctx, int64_t n, int64_t c, int64_t h, int64_t w, int32_t cb,
                             bl_dtype dtype, bl_resident **out) {
    *out = NULL;
    bl_tensor shape = {.n = n, .c = c, .h = h, .w = w, .cb = cb, .dtype = dtype};
    size_t entry = (size_t)bl_dtype_size(dtype), bytes;
    if (n < 1 || c < 1 || h < 1 || w < 1 || cb < 1 || c > INT64_MAX - cb ||
        __builtin_mul_overflow(entry, (size_t)(bl_blocks(&shape) * cb), &entry) ||
        __builtin_mul_overflow(entry, (size_t)h, &entry) ||
        __builtin_mul_overflow(entry, (size_t)w, &entry) ||
        __builtin_mul_overflow(entry, (size_t)n, &bytes)) {
        return bl_fail(BL_EINVAL, "a resident tensor of shape %s, block %d, is not possible",
                       bl_shape(&shape).s, (int)cb);
    }
    bl_resident *r = calloc(1, sizeof *r);
    if (!r) return bl_no_memory("to describe a tensor");
    r->t = shape;
    r->dev = ctx->dev;
    r->entry = entry;
    bl_status status = ctx->dev->alloc(ctx->dev, bytes, &r->t.data);
    if (status != BL_OK) {
        free(r);
        return status;
    }
    *out = r;
    return BL_OK;
}

void bl_resident_destroy(bl_resident *r) {
    if (!r) return;
    r->dev->free(r->dev, r->t.data);
    free(r);
}

bl_tensor *bl_resident_tensor(bl_resident *r) {
    return &r->t;
}

static bl_status check(const bl_resident *r, int64_t first, int64_t count) {
    if (first >= 0 && count >= 0 && first <= r->t.n && count <= r->t.n - first) return BL_OK;
    return bl_fail(BL_EINVAL, "a resident tensor %s has no entries %lld..%lld", bl_shape(&r->t).s,
                   (long long)first, (long long)(first + count - 1));
}

static char *at(const bl_resident *r, int64_t first) {
    return (char *)r->t.data + r->entry * (size_t)first;
}

bl_status bl_resident_write(bl_resident *r, int64_t first, int64_t count, const void *src) {
    BL_TRY(check(r, first, count));
    return r->dev->to_device(r->dev, at(r, first), src, r->entry * (size_t)count);
}

bl_status bl_resident_read(const bl_resident *r, int64_t first, int64_t count, void *dst) {
    BL_TRY(check(r, first, count));
    return r->dev->to_host(r->dev, dst, at(r, first), r->entry * (size_t)count);
}

bl_status bl_resident_put(bl_resident *r, int64_t first, const bl_tensor *t) {
    BL_TRY(check(r, first, t->n));
    if (t->dtype != r->t.dtype || t->cb != r->t.cb || t->c != r->t.c || t->h != r->t.h ||
        t->w != r->t.w) {
        return bl_fail(BL_EINVAL,
                       "entries %s (block %d) do not fit a resident tensor %s (block %d)",
                       bl_shape(t).s, (int)t->cb, bl_shape(&r->t).s, (int)r->t.cb);
    }
    return r->dev->copy(r->dev, at(r, first), t->data, r->entry * (size_t)t->n);
}
