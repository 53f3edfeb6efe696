/* Batch norm's folding on the device: the shared arithmetic, so equal to the bit. */
#include "tests/cuda/cuda_parity.h"

static void shape(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t c,
                  int64_t padded) {
    float *mean = random_floats(r, c, -1, 1), *var = random_floats(r, c, 0, 2);
    float *gamma = random_floats(r, c, -1, 1), *beta = random_floats(r, c, -1, 1);
    float *out[4], *dev[4];
    for (int i = 0; i < 4; i++) {
        out[i] = guarded_new(padded);
        dev[i] = device_new(padded);
    }
    float *dmean = to_device(mean, c), *dvar = to_device(var, c), *dgamma = to_device(gamma, c);
    ref->bn_fold(c, padded, mean, var, gamma, beta, 1e-5f, out[0], out[1], out[2], out[3]);
    got->bn_fold(c, padded, dmean, dvar, dgamma, to_device(beta, c), 1e-5f, dev[0], dev[1], dev[2],
                 dev[3]);
    for (int i = 0; i < 4; i++) compare_device_exact("bn_fold", out[i], dev[i], padded);

    if (c > 1) mean[1] = INFINITY; /* overflowed: the running statistics keep their own */
    dmean = to_device(mean, c);
    float *rm = random_floats(r, c, -1, 1), *rv = random_floats(r, c, 0, 1);
    float *drm = to_device(rm, c), *drv = to_device(rv, c), before = c > 1 ? rm[1] : 0;
    ref->bn_running(c, 12, 0.1f, mean, var, rm, rv);
    got->bn_running(c, 12, 0.1f, dmean, dvar, drm, drv);
    compare_device_exact("bn_running mean", rm, drm, c);
    compare_device_exact("bn_running var", rv, drv, c);
    CHECK(c <= 1 || rm[1] == before);

    float *sum_g = random_floats(r, padded, -3, 3), *sum_gx = random_floats(r, padded, -3, 3);
    float *d_mean = dev[0], *d_rstd = dev[1], *d_g = to_device(sum_g, padded);
    float *d_gx = to_device(sum_gx, padded), *a = guarded_new(padded), *b = guarded_new(padded);
    float *k = guarded_new(padded), *da = device_new(padded), *db = device_new(padded);
    float *dk = device_new(padded);
    ref->bn_bwd_fold(c, padded, 12, gamma, out[0], out[1], sum_g, sum_gx, a, b, k);
    got->bn_bwd_fold(c, padded, 12, dgamma, d_mean, d_rstd, d_g, d_gx, da, db, dk);
    compare_device_exact("bn_bwd_fold a", a, da, padded);
    compare_device_exact("bn_bwd_fold b", b, db, padded);
    compare_device_exact("bn_bwd_fold k", k, dk, padded);
    got->bn_bwd_fold(c, padded, 12, dgamma, d_mean, d_rstd, NULL, NULL, db, NULL, NULL);
    compare_device_exact("bn_bwd_fold a alone", a, db, padded);
}

static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    shape(ref, got, r, 1, 1);
    shape(ref, got, r, 13, 16);
    shape(ref, got, r, 300, 300);
}

int main(void) {
    for_cuda(all, 11);
    return 0;
}
