/* Batch and group normalisation kernels of the CPU tables against plain C. */
#include "tests/parity/kernels_parity.h"

static const double TOL = 1e-5;

static const int32_t block[] = {16, 8, 32, 1, 5};

static float *padded(bl_rng *r, const bl_tensor *x, float lo, float hi) {
    float *p = random_floats(r, bl_blocks(x) * x->cb, lo, hi);
    for (int64_t c = x->c; c < bl_blocks(x) * x->cb; c++) p[c] = 0.0f;
    return p;
}

static void batch_norm(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb,
                       int64_t n, int64_t c, int64_t h, int64_t w, float offset) {
    bl_tensor x = tensor_random(r, n, c, h, w, cb, offset - 1, offset + 1);
    bl_tensor skip = tensor_random(r, n, c, h, w, cb, -1, 1);
    int64_t all = bl_blocks(&x) * cb;
    float *mean0 = guarded_new(c), *var0 = guarded_new(c), *mean1 = guarded_new(c),
          *var1 = guarded_new(c);
    if (n > 0) {
        ref->bn_stats(&x, mean0, var0);
        got->bn_stats(&x, mean1, var1);
        compare("bn_stats mean", mean0, mean1, c, TOL);
        compare("bn_stats var", var0, var1, c, TOL);
    }
    static const float slope[] = {0.0f, 0.1f, 1.0f};
    for (int m = 0; m < 6; m++) {
        float *scale = padded(r, &x, 0.5f, 2), *shift = padded(r, &x, -1, 1);
        const bl_tensor *s = m & 1 ? &skip : NULL;
        bl_tensor y0 = tensor_new(n, c, h, w, cb), y1 = tensor_new(n, c, h, w, cb);
        bl_tensor y2 = tensor_copy(&x);
        ref->affine_act(&x, scale, shift, s, slope[m / 2], &y0);
        got->affine_act(&x, scale, shift, s, slope[m / 2], &y1);
        compare_tensors("affine_act", &y0, &y1, TOL);
        got->affine_act(&y2, scale, shift, s, slope[m / 2], &y2);
        compare_tensors("affine_act in place", &y0, &y2, TOL);

        bl_tensor dy = tensor_random(r, n, c, h, w, cb, -1, 1);
        float *mean = padded(r, &x, offset - 0.1f, offset + 0.1f), *rstd = padded(r, &x, 0.5f, 2);
        float *g0 = guarded_new(all), *gx0 = guarded_new(all);
        float *g1 = guarded_new(all), *gx1 = guarded_new(all);
        ref->bn_bwd_reduce(&x, &y0, &dy, mean, rstd, slope[m / 2], g0, gx0);
        got->bn_bwd_reduce(&x, &y0, &dy, mean, rstd, slope[m / 2], g1, gx1);
        compare("bn_bwd_reduce g", g0, g1, all, TOL);
        compare("bn_bwd_reduce gx", gx0, gx1, all, TOL);

        float *a = padded(r, &x, -1, 1), *b = padded(r, &x, -1, 1), *k = padded(r, &x, -1, 1);
        for (int v = m & 1; v < 8; v += 2) { /* beta of dx; with dskip; with x */
            float beta = (float)(v & 1);
            bl_tensor dx0 = tensor_random(r, n, c, h, w, cb, -1, 1), dx1 = tensor_copy(&dx0);
            bl_tensor ds0 = tensor_random(r, n, c, h, w, cb, -1, 1), ds1 = tensor_copy(&ds0);
            bool full = v & 4;
            ref->bn_bwd_apply(full ? &x : NULL, &y0, &dy, a, full ? b : NULL, full ? k : NULL,
                              slope[m / 2], &dx0, beta, v & 2 ? &ds0 : NULL, 1 - beta);
            got->bn_bwd_apply(full ? &x : NULL, &y0, &dy, a, full ? b : NULL, full ? k : NULL,
                              slope[m / 2], &dx1, beta, v & 2 ? &ds1 : NULL, 1 - beta);
            compare_tensors("bn_bwd_apply dx", &dx0, &dx1, TOL);
            compare_tensors("bn_bwd_apply dskip", &ds0, &ds1, TOL);
        }
    }
    guards_check("batch norm");
}

static void group_norm(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int32_t cb,
                       int64_t n, int64_t h, int64_t w) {
    static const float slope[] = {0.0f, 0.1f, 1.0f};
    int32_t groups = (int32_t)pick(r, 1, 9);
    int64_t c = groups * pick(r, 1, 7);
    for (int m = 0; m < 6; m++) {
        bl_tensor x = tensor_random(r, n, c, h, w, cb, 1, 3);
        bl_tensor skip = tensor_random(r, n, c, h, w, cb, -1, 1);
        bl_tensor y0 = tensor_new(n, c, h, w, cb), y1 = tensor_new(n, c, h, w, cb);
        float *gamma = random_floats(r, c, 0.5f, 2), *beta = random_floats(r, c, -1, 1);
        float *mean0 = guarded_new(n * groups), *rstd0 = guarded_new(n * groups);
        float *mean1 = guarded_new(n * groups), *rstd1 = guarded_new(n * groups);
        const bl_tensor *s = m & 1 ? &skip : NULL;
        ref->gn_fwd(&x, gamma, beta, groups, 1e-5f, s, slope[m / 2], &y0, mean0, rstd0);
        got->gn_fwd(&x, gamma, beta, groups, 1e-5f, s, slope[m / 2], &y1, mean1, rstd1);
        compare_tensors("gn_fwd", &y0, &y1, TOL);
        compare("gn_fwd mean", mean0, mean1, n * groups, TOL);
        compare("gn_fwd rstd", rstd0, rstd1, n * groups, TOL);

        bl_tensor dy = tensor_random(r, n, c, h, w, cb, -1, 1);
        float beta_dx = (float)(m & 1), beta_skip = 1 - beta_dx;
        bl_tensor dx0 = tensor_random(r, n, c, h, w, cb, -1, 1), dx1 = tensor_copy(&dx0);
        bl_tensor ds0 = tensor_random(r, n, c, h, w, cb, -1, 1), ds1 = tensor_copy(&ds0);
        float *dg0 = random_floats(r, c, -1, 1), *dg1 = copy_floats(dg0, c);
        float *db0 = random_floats(r, c, -1, 1), *db1 = copy_floats(db0, c);
        ref->gn_bwd(&x, &y0, &dy, gamma, groups, mean0, rstd0, slope[m / 2], &dx0, beta_dx,
                    m & 2 ? &ds0 : NULL, beta_skip, dg0, db0);
        got->gn_bwd(&x, &y0, &dy, gamma, groups, mean0, rstd0, slope[m / 2], &dx1, beta_dx,
                    m & 2 ? &ds1 : NULL, beta_skip, dg1, db1);
        compare_tensors("gn_bwd dx", &dx0, &dx1, TOL);
        compare_tensors("gn_bwd dskip", &ds0, &ds1, TOL);
        compare("gn_bwd dgamma", dg0, dg1, c, TOL);
        compare("gn_bwd dbeta", db0, db1, c, TOL);
        guards_check("group norm");
    }
}

static void level(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    for (size_t i = 0; i < sizeof block / sizeof *block; i++) {
        batch_norm(ref, got, r, block[i], 2, 19, 5, 7, 0);
        batch_norm(ref, got, r, block[i], 3, 32, 1, 1, 0);
        batch_norm(ref, got, r, block[i], 0, 16, 4, 4, 0);
        batch_norm(ref, got, r, block[i], 1, pick(r, 1, 40), pick(r, 1, 30), pick(r, 1, 30), 0);
        batch_norm(ref, got, r, block[i], 2, 17, 9, 11, 100); /* mean far from zero */
        group_norm(ref, got, r, block[i], 2, 6, 5);
        group_norm(ref, got, r, block[i], 1, pick(r, 1, 20), pick(r, 1, 20));
        group_norm(ref, got, r, block[i], 0, 3, 3);
    }
    batch_norm(ref, got, r, 16, 1, 17, 60, 71, 3); /* more than one piece */
}

/* The statistics of many pieces have the same bits for one and two threads. */
static void threads(void) {
    bl_kernels k;
    bl_kernels_init_ref(&k);
    bl_kernels_init_cpu(&k);
    bl_rng r = bl_rng_make(3, 4);
    bl_tensor x = tensor_random(&r, 2, 40, 70, 90, bl_cpu_block(), -1, 3);
    bl_tensor dy = tensor_random(&r, 2, 40, 70, 90, bl_cpu_block(), -1, 1);
    int64_t all = bl_blocks(&x) * x.cb;
    float *out[2], *zero = random_floats(&r, all, 0, 0), *one = random_floats(&r, all, 1, 1);
    for (int t = 0; t < 2; t++) {
        bl_set_threads(t + 1);
        out[t] = guarded_new(4 * all);
        memset(out[t], 0, (size_t)(4 * all) * sizeof(float));
        k.bn_stats(&x, out[t], out[t] + all);
        k.bn_bwd_reduce(&x, &x, &dy, zero, one, 0.1f, out[t] + 2 * all, out[t] + 3 * all);
    }
    compare_bits("bn reductions", out[0], out[1], (size_t)(4 * all) * sizeof(float));
    guards_check("threads");
}

int main(void) {
    for_levels(level, 21);
    threads();
    return 0;
}
