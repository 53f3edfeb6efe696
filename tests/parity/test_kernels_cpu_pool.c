/* Pooling and resampling kernels of the CPU tables against plain C. */
#include "tests/parity/kernels_parity.h"

static const double TOL = 1e-5;
static const int32_t block[] = {16, 8, 32, 1, 5};

static void max_pool(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb) {
    int32_t k = (int32_t)pick(r, 1, 4), stride = (int32_t)pick(r, 1, 3),
            pad = (int32_t)pick(r, 0, k / 2);
    int64_t n = pick(r, 0, 2), c = pick(r, 1, 35), h = pick(r, k, 19), w = pick(r, k, 19);
    int64_t oh = (h + 2 * pad - k) / stride + 1, ow = (w + 2 * pad - k) / stride + 1;
    bl_tensor x = tensor_random(r, n, c, h, w, cb, -1, 1);
    /* Ties and one NaN: the first of equals and the NaN must win as in plain C. */
    for (int64_t i = 0; i < bl_storage(&x); i++) bl_f32(&x)[i] = roundf(bl_f32(&x)[i] * 3) / 3;
    if (n > 0) bl_f32(&x)[bl_index(&x, 0, c / 2, h / 2, w / 2)] = NAN;
    bl_tensor y0 = tensor_new(n, c, oh, ow, cb), y1 = tensor_new(n, c, oh, ow, cb);
    int32_t *a0 = guarded_new(bl_storage(&y0)), *a1 = guarded_new(bl_storage(&y0));
    ref->max_pool_fwd(&x, k, stride, pad, &y0, a0);
    got->max_pool_fwd(&x, k, stride, pad, &y1, a1);
    compare_tensors("max_pool_fwd", &y0, &y1, 0);
    for (int64_t i = 0; i < bl_storage(&y0); i++) CHECK_EQ(a1[i], a0[i]);

    bl_tensor dy = tensor_random(r, n, c, oh, ow, cb, -1, 1);
    for (int beta = 0; beta < 2; beta++) {
        bl_tensor dx0 = tensor_random(r, n, c, h, w, cb, -1, 1), dx1 = tensor_copy(&dx0);
        ref->max_pool_bwd(&dy, a0, k, stride, pad, &dx0, (float)beta);
        got->max_pool_bwd(&dy, a0, k, stride, pad, &dx1, (float)beta);
        compare_tensors("max_pool_bwd", &dx0, &dx1, TOL);
    }
    guards_check("max pool");
}

static void avg_pool(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb) {
    int64_t n = pick(r, 0, 3), c = pick(r, 1, 35), h = pick(r, 1, 12), w = pick(r, 1, 12);
    bl_tensor x = tensor_random(r, n, c, h, w, cb, -1, 1);
    bl_tensor y0 = tensor_new(n, c, 1, 1, 1), y1 = tensor_new(n, c, 1, 1, 1);
    ref->avg_pool_fwd(&x, &y0);
    got->avg_pool_fwd(&x, &y1);
    compare_tensors("avg_pool_fwd", &y0, &y1, TOL);
    for (int beta = 0; beta < 2; beta++) {
        bl_tensor dx0 = tensor_random(r, n, c, h, w, cb, -1, 1), dx1 = tensor_copy(&dx0);
        ref->avg_pool_bwd(&y0, &dx0, (float)beta);
        got->avg_pool_bwd(&y0, &dx1, (float)beta);
        compare_tensors("avg_pool_bwd", &dx0, &dx1, TOL);
    }
    guards_check("avg pool");
}

static void upsample(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb) {
    int64_t n = pick(r, 0, 2), c = pick(r, 1, 35), h = pick(r, 1, 20), w = pick(r, 1, 20);
    int64_t ch = pick(r, 1, h), cw = pick(r, 1, w);
    bl_tensor fine = tensor_random(r, n, c, h, w, cb, -1, 1);
    bl_tensor coarse = tensor_random(r, n, c, ch, cw, cb, -1, 1);
    bl_tensor y0 = tensor_new(n, c, h, w, cb), y1 = tensor_new(n, c, h, w, cb);
    ref->upsample_add_fwd(&fine, &coarse, &y0);
    got->upsample_add_fwd(&fine, &coarse, &y1);
    compare_tensors("upsample_add_fwd", &y0, &y1, TOL);
    for (int beta = 0; beta < 2; beta++) {
        bl_tensor d0 = tensor_random(r, n, c, ch, cw, cb, -1, 1), d1 = tensor_copy(&d0);
        ref->upsample_bwd(&fine, &d0, (float)beta);
        got->upsample_bwd(&fine, &d1, (float)beta);
        compare_tensors("upsample_bwd", &d0, &d1, TOL);
    }
    guards_check("upsample");
}

static void level(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    for (int i = 0; i < 60; i++) {
        int32_t cb = block[i % (int)(sizeof block / sizeof *block)];
        max_pool(ref, got, r, cb);
        avg_pool(ref, got, r, cb);
        upsample(ref, got, r, cb);
    }
}

int main(void) {
    for_levels(level, 31);
    return 0;
}
