/* Batch and group normalisation kernels of the CUDA table against plain C. */
#include "tests/cuda/cuda_parity.h"

static const double TOL = 1e-5;
static const float slopes[] = {0.0f, 0.1f, 1.0f};
static const int modes[] = {0, 3, 4}; /* slope = mode / 2; odd: with skip, beta 1 */

/* Ends a case: its device copies are freed, its guard zones checked. */
static void done(const char *what) {
    device_clear();
    guards_check(what);
}

static float *padded(bl_rng *r, const bl_tensor *x, float lo, float hi) {
    float *p = random_floats(r, bl_blocks(x) * x->cb, lo, hi);
    for (int64_t c = x->c; c < bl_blocks(x) * x->cb; c++) p[c] = 0.0f;
    return p;
}

static void statistics(const bl_kernels *ref, const bl_kernels *got, const bl_tensor *x,
                       const bl_tensor *dx, double tol) {
    float *mean = guarded_new(x->c), *var = guarded_new(x->c);
    float *dmean = device_new(x->c), *dvar = device_new(x->c);
    ref->bn_stats(x, mean, var);
    got->bn_stats(dx, dmean, dvar);
    compare_device("bn_stats mean", mean, dmean, x->c, tol);
    compare_device("bn_stats var", var, dvar, x->c, tol);
}

static void affine(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, const bl_tensor *x,
                   bl_tensor *dx, const bl_tensor *skip, float slope, bl_tensor *y, bl_tensor *dy) {
    int64_t all = bl_blocks(x) * x->cb;
    float *scale = padded(r, x, 0.5f, 2), *shift = padded(r, x, -1, 1);
    float *dscale = to_device(scale, all), *dshift = to_device(shift, all);
    bl_tensor dskip = skip ? tensor_to_device(skip) : (bl_tensor){0};
    ref->affine_act(x, scale, shift, skip, slope, y);
    got->affine_act(dx, dscale, dshift, skip ? &dskip : NULL, slope, dy);
    compare_device_tensors("affine_act", y, dy, 0);
    bl_tensor same = tensor_to_device(x);
    got->affine_act(&same, dscale, dshift, skip ? &dskip : NULL, slope, &same);
    compare_device_tensors("affine_act in place", y, &same, 0);
}

static void gradients(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, const bl_tensor *x,
                      const bl_tensor *y, float slope, float offset, int mode) {
    int64_t all = bl_blocks(x) * x->cb;
    bl_tensor dy = tensor_random(r, x->n, x->c, x->h, x->w, x->cb, -1, 1);
    bl_tensor d_x = tensor_to_device(x), d_y = tensor_to_device(y), d_dy = tensor_to_device(&dy);
    float *mean = padded(r, x, offset - 0.1f, offset + 0.1f), *rstd = padded(r, x, 0.5f, 2);
    float *g = guarded_new(all), *gx = guarded_new(all);
    float *d_g = device_new(all), *d_gx = device_new(all);
    ref->bn_bwd_reduce(x, y, &dy, mean, rstd, slope, g, gx);
    got->bn_bwd_reduce(&d_x, &d_y, &d_dy, to_device(mean, all), to_device(rstd, all), slope, d_g,
                       d_gx);
    compare_device("bn_bwd_reduce g", g, d_g, all, TOL);
    compare_device("bn_bwd_reduce gx", gx, d_gx, all, TOL);

    float *a = padded(r, x, -1, 1), *b = padded(r, x, -1, 1), *k = padded(r, x, -1, 1);
    float *d_a = to_device(a, all), *d_b = to_device(b, all), *d_k = to_device(k, all);
    for (int v = mode & 1; v < 8; v += 2) { /* beta of dx; with dskip; with x */
        float beta = (float)(v & 1);
        bool full = v & 4, with_skip = v & 2;
        bl_tensor dx = tensor_random(r, x->n, x->c, x->h, x->w, x->cb, -1, 1);
        bl_tensor ds = tensor_random(r, x->n, x->c, x->h, x->w, x->cb, -1, 1);
        bl_tensor d_dx = tensor_to_device(&dx), d_ds = tensor_to_device(&ds);
        ref->bn_bwd_apply(full ? x : NULL, y, &dy, a, full ? b : NULL, full ? k : NULL, slope, &dx,
                          beta, with_skip ? &ds : NULL, 1 - beta);
        got->bn_bwd_apply(full ? &d_x : NULL, &d_y, &d_dy, d_a, full ? d_b : NULL,
                          full ? d_k : NULL, slope, &d_dx, beta, with_skip ? &d_ds : NULL,
                          1 - beta);
        compare_device_tensors("bn_bwd_apply dx", &dx, &d_dx, TOL);
        compare_device_tensors("bn_bwd_apply dskip", &ds, &d_ds, 0);
    }
}

static void batch_norm(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb,
                       int64_t n, int64_t c, int64_t h, int64_t w, float offset) {
    if (cb == 0) cb = (int32_t)c;
    for (int i = 0; i < 3; i++) {
        int m = modes[i];
        bl_tensor x = tensor_random(r, n, c, h, w, cb, offset - 1, offset + 1);
        bl_tensor skip = tensor_random(r, n, c, h, w, cb, -1, 1);
        bl_tensor y = tensor_new(n, c, h, w, cb), dx = tensor_to_device(&x);
        bl_tensor dy = dx;
        dy.data = device_new(bl_storage(&dy));
        if (n > 0) statistics(ref, got, &x, &dx, TOL);
        affine(ref, got, r, &x, &dx, m & 1 ? &skip : NULL, slopes[m / 2], &y, &dy);
        gradients(ref, got, r, &x, &y, slopes[m / 2], offset, m);
        done("batch norm");
    }
}

/* One channel's first value lies far out, another's values are all the same, a third overflows. */
static void odd_statistics(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb) {
    bl_tensor x = tensor_random(r, 2, 6, 9, 9, cb ? cb : 6, -1, 1);
    bl_f32(&x)[bl_index(&x, 0, 1, 0, 0)] = 1e4f;
    for (int64_t i = 0; i < 162; i++) {
        bl_f32(&x)[bl_index(&x, i / 81, 2, i / 9 % 9, i % 9)] = 3;
        bl_f32(&x)[bl_index(&x, i / 81, 4, i / 9 % 9, i % 9)] *= 1e-3f;
    }
    bl_tensor dx = tensor_to_device(&x);
    float mean[6], var[6];
    statistics(ref, got, &x, &dx, TOL);
    bl_f32(&x)[bl_index(&x, 1, 3, 2, 2)] = INFINITY;
    dx = tensor_to_device(&x);
    float *dmean = device_new(6), *dvar = device_new(6);
    ref->bn_stats(&x, mean, var);
    got->bn_stats(&dx, dmean, dvar);
    const float *hmean = to_host(dmean, 6), *hvar = to_host(dvar, 6);
    for (int c = 0; c < 6; c++) {
        CHECK_EQ(isfinite(hvar[c]), c != 3);
        if (c == 3) continue; /* each channel by itself: their sizes differ by 1e14 */
        compare("lone mean", &mean[c], &hmean[c], 1, TOL);
        compare("lone var", &var[c], &hvar[c], 1, TOL);
    }
    done("odd statistics");
}

static void group_norm(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb,
                       int64_t n, int64_t h, int64_t w) {
    int32_t groups = (int32_t)pick(r, 1, 9);
    int64_t c = groups * pick(r, 1, 7);
    if (cb == 0) cb = (int32_t)c;
    for (int i = 0; i < 3; i++) {
        int m = modes[i];
        bl_tensor x = tensor_random(r, n, c, h, w, cb, 1, 3), dx = tensor_to_device(&x);
        bl_tensor skip = tensor_random(r, n, c, h, w, cb, -1, 1), dskip = tensor_to_device(&skip);
        bl_tensor y = tensor_new(n, c, h, w, cb), dy = dx;
        dy.data = device_new(bl_storage(&dy));
        float *gamma = random_floats(r, c, 0.5f, 2), *beta = random_floats(r, c, -1, 1);
        float *d_gamma = to_device(gamma, c);
        float *mean = guarded_new(n * groups), *rstd = guarded_new(n * groups);
        float *d_mean = device_new(n * groups), *d_rstd = device_new(n * groups);
        float slope = slopes[m / 2];
        ref->gn_fwd(&x, gamma, beta, groups, 1e-5f, m & 1 ? &skip : NULL, slope, &y, mean, rstd);
        got->gn_fwd(&dx, d_gamma, to_device(beta, c), groups, 1e-5f, m & 1 ? &dskip : NULL, slope,
                    &dy, d_mean, d_rstd);
        compare_device_tensors("gn_fwd", &y, &dy, TOL);
        compare_device("gn_fwd mean", mean, d_mean, n * groups, TOL);
        compare_device("gn_fwd rstd", rstd, d_rstd, n * groups, TOL);

        bl_tensor g = tensor_random(r, n, c, h, w, cb, -1, 1), dg = tensor_to_device(&g);
        bl_tensor d_y = tensor_to_device(&y);
        float beta_dx = (float)(m & 1), beta_skip = 1 - beta_dx;
        bl_tensor x0 = tensor_random(r, n, c, h, w, cb, -1, 1), x1 = tensor_to_device(&x0);
        bl_tensor s0 = tensor_random(r, n, c, h, w, cb, -1, 1), s1 = tensor_to_device(&s0);
        float *dg0 = random_floats(r, c, -1, 1), *dg1 = to_device(dg0, c);
        float *db0 = random_floats(r, c, -1, 1), *db1 = to_device(db0, c);
        ref->gn_bwd(&x, &y, &g, gamma, groups, mean, rstd, slope, &x0, beta_dx, m & 2 ? &s0 : NULL,
                    beta_skip, dg0, db0);
        got->gn_bwd(&dx, &d_y, &dg, d_gamma, groups, to_device(mean, n * groups),
                    to_device(rstd, n * groups), slope, &x1, beta_dx, m & 2 ? &s1 : NULL, beta_skip,
                    dg1, db1);
        compare_device_tensors("gn_bwd dx", &x0, &x1, TOL);
        compare_device_tensors("gn_bwd dskip", &s0, &s1, 0);
        compare_device("gn_bwd dgamma", dg0, dg1, c, TOL);
        compare_device("gn_bwd dbeta", db0, db1, c, TOL);
        done("group norm");
    }
}

/* Channel block 0: as many as there are channels (NHWC). */
static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    static const int32_t block[] = {0, 8, 1, 5, 40};
    for (size_t i = 0; i < sizeof block / sizeof *block; i++) {
        batch_norm(ref, got, r, block[i], 2, 19, 5, 7, 0);
        batch_norm(ref, got, r, block[i], 3, 32, 1, 1, 0);
        batch_norm(ref, got, r, block[i], 0, 16, 4, 4, 0);
        batch_norm(ref, got, r, block[i], 2, 37, 6, 7, 100); /* mean far from zero */
        odd_statistics(ref, got, r, block[i]);
        group_norm(ref, got, r, block[i], 2, 6, 5);
        group_norm(ref, got, r, block[i], 1, pick(r, 1, 20), pick(r, 1, 20));
        group_norm(ref, got, r, block[i], 0, 3, 3);
    }
    batch_norm(ref, got, r, 1, 2, 3, 31, 40, 2); /* more than one chunk of rows */
    group_norm(ref, got, r, 1, 2, 35, 40);
    batch_norm(ref, got, r, 0, 1, 70, 13, 14, 2); /* more than one tile of channels */
}

int main(void) {
    for_cuda(all, 21);
    return 0;
}
