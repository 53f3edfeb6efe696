#include <string.h>

#include "core/parallel.h"
#include "kernels/ref/ref.h"

static void axpby(bl_dtype type, float a, const void *from, float b, void *to, int64_t n) {
    const float *x = from;
    float *y = to;
    if (b == 0) {
        for (int64_t i = 0; i < n; i++) y[i] = a * x[i];
    } else {
        for (int64_t i = 0; i < n; i++) y[i] = a * x[i] + b * y[i];
    }
}

static void axpby_at(const float *a, const float *x, float b, float *y, int64_t n) {
    axpby(BL_F32, *a, x, b, y, n);
}

static void add(bl_dtype type, const void *a_in, const void *b_in, void *to, int64_t n) {
    const float *a = a_in, *b = b_in;
    float *y = to;
    for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

typedef struct reorder_job {
    const bl_tensor *src;
    bl_tensor *dst;
    float beta;
} reorder_job;

/* Index = (image, destination block). */
static void reorder_range(void *arg, int64_t begin, int64_t end) {
    const reorder_job *j = arg;
    const bl_tensor *s = j->src, *d = j->dst;
    int64_t pixels = d->h * d->w, blocks = bl_blocks(d);
    for (int64_t i = begin; i < end; i++) {
        for (int32_t l = 0; l < d->cb; l++) {
            int64_t c = i % blocks * d->cb + l;
            float *to = bl_f32(d) + i * pixels * d->cb + l;
            if (c >= d->c) {
                for (int64_t q = 0; j->beta == 0 && q < pixels; q++) to[q * d->cb] = 0;
                continue;
            }
            const float *from = bl_f32(s) + bl_index(s, i / blocks, c, 0, 0);
            for (int64_t q = 0; q < pixels; q++) {
                float v = from[q * s->cb];
                to[q * d->cb] = j->beta != 0 ? to[q * d->cb] + v : v;
            }
        }
    }
}

static bl_status reorder(bl_ctx *ctx, const bl_tensor *src, bl_tensor *dst, float beta) {
    reorder_job j = {src, dst, beta};
    bl_parallel_for(dst->n * bl_blocks(dst), 1, reorder_range, &j);
    return BL_OK;
}

void bl_ref_elementwise(bl_kernels *k) {
    k->axpby = axpby;
    k->axpby_at = axpby_at;
    k->add = add;
    k->reorder = reorder;
}
