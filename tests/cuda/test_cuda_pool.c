/* Pooling and resampling kernels of the CUDA table against plain C: the same additions in the same
 * order, so equal to the bit but for the average's sum. */
#include "tests/cuda/cuda_parity.h"

static const double TOL = 1e-5;

static void done(const char *what) {
    device_clear();
    guards_check(what);
}

static bl_tensor device_like(const bl_tensor *t) {
    bl_tensor d = *t;
    d.data = device_new(bl_storage(t));
    return d;
}

static void max_pool(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb) {
    int32_t k = (int32_t)pick(r, 1, 4), stride = (int32_t)pick(r, 1, 3),
            pad = (int32_t)pick(r, 0, k / 2);
    int64_t n = pick(r, 0, 2), c = pick(r, 1, 35), h = pick(r, k, 19), w = pick(r, k, 19);
    int64_t oh = (h + 2 * pad - k) / stride + 1, ow = (w + 2 * pad - k) / stride + 1;
    if (cb == 0) cb = (int32_t)c;
    bl_tensor x = tensor_random(r, n, c, h, w, cb, -1, 1);
    /* Ties and one NaN: the first of equals and the NaN must win as in plain C. */
    for (int64_t i = 0; i < bl_storage(&x); i++) bl_f32(&x)[i] = roundf(bl_f32(&x)[i] * 3) / 3;
    if (n > 0) bl_f32(&x)[bl_index(&x, 0, c / 2, h / 2, w / 2)] = NAN;
    bl_tensor y = tensor_new(n, c, oh, ow, cb), dx = tensor_to_device(&x), dy = device_like(&y);
    int32_t *arg = guarded_new(bl_storage(&y)), *darg = device_new(bl_storage(&y));
    ref->max_pool_fwd(&x, k, stride, pad, &y, arg);
    got->max_pool_fwd(&dx, k, stride, pad, &dy, darg);
    compare_device_tensors("max_pool_fwd", &y, &dy, 0);
    compare_device_exact("max_pool_fwd arg", arg, darg, bl_storage(&y));

    bl_tensor g = tensor_random(r, n, c, oh, ow, cb, -1, 1), dg = tensor_to_device(&g);
    for (int beta = 0; beta < 2; beta++) {
        bl_tensor to = tensor_random(r, n, c, h, w, cb, -1, 1), dto = tensor_to_device(&to);
        ref->max_pool_bwd(&g, arg, k, stride, pad, &to, (float)beta);
        got->max_pool_bwd(&dg, darg, k, stride, pad, &dto, (float)beta);
        compare_device_tensors("max_pool_bwd", &to, &dto, 0);
    }
    done("max pool");
}

/* The pooled side in blocks of 1 (as the op makes it) and of cb channels. */
static void avg_pool(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb) {
    int64_t n = pick(r, 0, 3), c = pick(r, 1, 35), h = pick(r, 1, 12), w = pick(r, 1, 12);
    if (cb == 0) cb = (int32_t)c;
    bl_tensor x = tensor_random(r, n, c, h, w, cb, -1, 1), dx = tensor_to_device(&x);
    for (int m = 0; m < 4; m++) {
        bl_tensor y = tensor_random(r, n, c, 1, 1, m & 2 ? cb : 1, 0, 0), dy = device_like(&y);
        ref->avg_pool_fwd(&x, &y);
        got->avg_pool_fwd(&dx, &dy);
        compare_device_tensors("avg_pool_fwd", &y, &dy, TOL);
        bl_tensor to = tensor_random(r, n, c, h, w, cb, -1, 1), dto = tensor_to_device(&to);
        bl_tensor g = tensor_to_device(&y);
        ref->avg_pool_bwd(&y, &to, (float)(m & 1));
        got->avg_pool_bwd(&g, &dto, (float)(m & 1));
        compare_device_tensors("avg_pool_bwd", &to, &dto, 0);
    }
    done("avg pool");
}

static void upsample(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb) {
    int64_t n = pick(r, 0, 2), c = pick(r, 1, 35), h = pick(r, 1, 20), w = pick(r, 1, 20);
    int64_t ch = pick(r, 1, h), cw = pick(r, 1, w);
    if (cb == 0) cb = (int32_t)c;
    bl_tensor fine = tensor_random(r, n, c, h, w, cb, -1, 1), dfine = tensor_to_device(&fine);
    bl_tensor coarse = tensor_random(r, n, c, ch, cw, cb, -1, 1);
    bl_tensor dcoarse = tensor_to_device(&coarse);
    bl_tensor y = tensor_new(n, c, h, w, cb), dy = device_like(&y);
    ref->upsample_add_fwd(&fine, &coarse, &y);
    got->upsample_add_fwd(&dfine, &dcoarse, &dy);
    compare_device_tensors("upsample_add_fwd", &y, &dy, 0);
    for (int beta = 0; beta < 2; beta++) {
        bl_tensor to = tensor_random(r, n, c, ch, cw, cb, -1, 1), dto = tensor_to_device(&to);
        ref->upsample_bwd(&fine, &to, (float)beta);
        got->upsample_bwd(&dfine, &dto, (float)beta);
        compare_device_tensors("upsample_bwd", &to, &dto, 0);
    }
    done("upsample");
}

/* Both sides have the preferred block, which for NHWC differs. */
static void shortcut(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb) {
    int32_t stride = (int32_t)pick(r, 1, 3);
    int64_t n = pick(r, 0, 2), c = pick(r, 1, 20), more = pick(r, 0, 20), first = more / 2;
    int64_t h = pick(r, 1, 13), w = pick(r, 1, 13), oc = c + more;
    int64_t oh = (h - 1) / stride + 1, ow = (w - 1) / stride + 1;
    int32_t icb = cb ? cb : (int32_t)c, ocb = cb ? cb : (int32_t)oc;
    bl_tensor x = tensor_random(r, n, c, h, w, icb, -1, 1), dx = tensor_to_device(&x);
    bl_tensor y = tensor_new(n, oc, oh, ow, ocb), dy = device_like(&y);
    ref->shortcut_fwd(&x, stride, first, &y);
    got->shortcut_fwd(&dx, stride, first, &dy);
    compare_device_tensors("shortcut_fwd", &y, &dy, 0);
    for (int beta = 0; beta < 2; beta++) {
        bl_tensor to = tensor_random(r, n, c, h, w, icb, -1, 1), dto = tensor_to_device(&to);
        ref->shortcut_bwd(&y, stride, first, &to, (float)beta);
        got->shortcut_bwd(&dy, stride, first, &dto, (float)beta);
        compare_device_tensors("shortcut_bwd", &to, &dto, 0);
    }
    done("shortcut");
}

/* Channel block 0: as many as there are channels (NHWC). */
static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    static const int32_t block[] = {0, 8, 1, 5, 40};
    for (int i = 0; i < 30; i++) {
        int32_t cb = block[i % (int)(sizeof block / sizeof *block)];
        max_pool(ref, got, r, cb);
        avg_pool(ref, got, r, cb);
        upsample(ref, got, r, cb);
        shortcut(ref, got, r, cb);
    }
}

int main(void) {
    for_cuda(all, 31);
    return 0;
}
