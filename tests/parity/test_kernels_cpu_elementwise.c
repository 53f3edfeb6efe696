/* Flat kernels of the CPU tables against plain C. */
#include "tests/parity/kernels_parity.h"

static const double TOL = 1e-5;

static void flat(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t n) {
    float *a = random_floats(r, n, -2, 2), *b = random_floats(r, n, -2, 2);
    float *y0 = random_floats(r, n, -1, 1), *y1 = copy_floats(y0, n);

    ref->add(BL_F32, a, b, y0, n);
    got->add(BL_F32, a, b, y1, n);
    compare("add", y0, y1, n, TOL);
    ref->axpby(BL_F32, 1.5f, a, -0.25f, y0, n);
    got->axpby(BL_F32, 1.5f, a, -0.25f, y1, n);
    compare("axpby", y0, y1, n, TOL);

    float *fresh = guarded_new(n); /* NaN canaries: b = 0 must not read y */
    ref->axpby(BL_F32, 0.5f, a, 0.0f, y0, n);
    got->axpby(BL_F32, 0.5f, a, 0.0f, fresh, n);
    compare("axpby b=0", y0, fresh, n, TOL);
    const float factor = 1.5f;
    memcpy(y1, y0, (size_t)n * sizeof *y1);
    got->axpby(BL_F32, factor, a, -0.25f, y0, n);
    got->axpby_at(&factor, a, -0.25f, y1, n);
    compare_bits("axpby_at", y0, y1, (size_t)n * sizeof *y1);

    for (int s = 0; s < 2; s++) {
        float slope = s ? 0.1f : 0.0f;
        ref->act_bwd(BL_F32, a, b, slope, y0, n);
        got->act_bwd(BL_F32, a, b, slope, y1, n);
        compare("act_bwd", y0, y1, n, TOL);
        memcpy(y1, b, (size_t)n * sizeof *b);
        got->act_bwd(BL_F32, a, y1, slope, y1, n); /* in place */
        compare("act_bwd in place", y0, y1, n, TOL);
    }
    for (int nesterov = 0; nesterov < 2; nesterov++) {
        float *w0 = random_floats(r, n, -1, 1), *w1 = copy_floats(w0, n);
        float *m0 = random_floats(r, n, -1, 1), *m1 = copy_floats(m0, n);
        ref->sgd(w0, m0, a, n, 0.1f, 0.9f, 1e-2f, 0.5f, nesterov);
        got->sgd(w1, m1, a, n, 0.1f, 0.9f, 1e-2f, 0.5f, nesterov);
        compare("sgd weights", w0, w1, n, TOL);
        compare("sgd momentum", m0, m1, n, TOL);
    }
    memcpy(y1, y0, (size_t)n * sizeof *y1);
    ref->ema(y0, a, n, 0.999f);
    got->ema(y1, a, n, 0.999f);
    compare("ema", y0, y1, n, TOL);

    double want, sum;
    int64_t bad;
    ref->sum_squares(a, n, &want);
    got->sum_squares(a, n, &sum);
    CHECK_NEAR(sum, want, 1e-12 * want);
    got->count_nonfinite(a, n, &bad);
    CHECK_EQ(bad, 0);
    for (int64_t i = 0; i < n; i += 7) a[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
    got->count_nonfinite(a, n, &bad);
    CHECK_EQ(bad, (n + 6) / 7);
    guards_check("flat");
}

static void matrices(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    int64_t rows = pick(r, 0, 70), cols = pick(r, 1, 200);
    float *x = random_floats(r, rows * cols, -2, 2), *bias = random_floats(r, cols, -1, 1);
    for (int mode = 0; mode < 4; mode++) {
        float *y0 = copy_floats(x, rows * cols), *y1 = copy_floats(x, rows * cols);
        ref->bias_act(BL_F32, y0, mode & 1 ? bias : NULL, mode & 2, rows, cols);
        got->bias_act(BL_F32, y1, mode & 1 ? bias : NULL, mode & 2, rows, cols);
        compare("bias_act", y0, y1, rows * cols, TOL);
    }
    float *s0 = random_floats(r, cols, -1, 1), *s1 = copy_floats(s0, cols);
    ref->col_sum(BL_F32, x, rows, cols, s0);
    got->col_sum(BL_F32, x, rows, cols, s1);
    compare("col_sum", s0, s1, cols, TOL);
    guards_check("matrices");
}

static void product(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t limit) {
    int64_t m = pick(r, 0, limit), n = pick(r, 1, limit), k = pick(r, 0, limit);
    bl_ctx ctx = {.k = got};
    for (int mode = 0; mode < 8; mode++) {
        bool ta = mode & 1, tb = mode & 2;
        float *a = random_floats(r, m * k, -1, 1), *b = random_floats(r, k * n, -1, 1);
        float *c0 = random_floats(r, m * n, -1, 1), *c1 = copy_floats(c0, m * n);
        float beta = mode & 4 ? 1.0f : 0.0f;
        CHECK_OK(ref->matmul(&ctx, ta, tb, m, n, k, BL_F32, a, b, beta, BL_F32, c0));
        CHECK_OK(got->matmul(&ctx, ta, tb, m, n, k, BL_F32, a, b, beta, BL_F32, c1));
        compare("matmul", c0, c1, m * n, TOL);
        guards_check("matmul");
    }
}

static void layouts(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    static const int32_t block[] = {1, 8, 16, 4, 5};
    int64_t n = pick(r, 0, 3), c = pick(r, 1, 37), h = pick(r, 1, 40), w = pick(r, 1, 40);
    bl_ctx ctx = {.k = got};
    for (int i = 0; i < 25; i++) {
        bl_tensor src = tensor_random(r, n, c, h, w, block[i / 5], -1, 1);
        bl_tensor d0 = tensor_new(n, c, h, w, block[i % 5]),
                  d1 = tensor_new(n, c, h, w, block[i % 5]);
        CHECK_OK(ref->reorder(&ctx, &src, &d0, 0));
        CHECK_OK(got->reorder(&ctx, &src, &d1, 0));
        compare_tensors("reorder", &d0, &d1, 0);
        CHECK_OK(ref->reorder(&ctx, &src, &d0, 1));
        CHECK_OK(got->reorder(&ctx, &src, &d1, 1));
        compare_tensors("reorder add", &d0, &d1, 0);
        guards_check("reorder");
    }
}

static void level(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    static const int64_t size[] = {0, 1, 7, 8, 15, 16, 17, 31, 33, 1000, 200003};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) flat(ref, got, r, size[i]);
    for (int i = 0; i < 10; i++) matrices(ref, got, r);
    for (int i = 0; i < 6; i++) product(ref, got, r, i < 4 ? 40 : 700);
    for (int i = 0; i < 4; i++) layouts(ref, got, r);
}

/* Sums and products must have the same bits for any number of threads. */
static void threads(void) {
    bl_kernels k;
    bl_kernels_init_ref(&k);
    bl_kernels_init_cpu(&k);
    bl_ctx ctx = {.k = &k};
    bl_rng r = bl_rng_make(5, 6);
    int64_t n = 700001, m = 300, q = 530, d = 900;
    float *x = random_floats(&r, n, -2, 2), *c[2] = {guarded_new(m * q), guarded_new(m * q)};
    float *s[2] = {random_floats(&r, 7001, 0, 0), random_floats(&r, 7001, 0, 0)};
    double sum[2];
    for (int t = 0; t < 2; t++) {
        bl_set_threads(t + 1);
        k.sum_squares(x, n, &sum[t]);
        CHECK_OK(k.matmul(&ctx, true, true, m, q, d, BL_F32, x, x + 1000, 0, BL_F32, c[t]));
        k.col_sum(BL_F32, x, n / 7001, 7001, s[t]);
    }
    compare_bits("sum_squares", &sum[0], &sum[1], sizeof sum[0]);
    compare_bits("matmul", c[0], c[1], (size_t)(m * q) * sizeof(float));
    compare_bits("col_sum", s[0], s[1], 7001 * sizeof(float));
    guards_check("threads");
}

int main(void) {
    for_levels(level, 11);
    threads();
    return 0;
}
