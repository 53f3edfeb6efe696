/* Flat kernels, store kernels and layout changes of the CUDA table. */
#include "tests/cuda/cuda_parity.h"

/* Their arithmetic is shared or trivial, so the results are equal to the bit. */
static void flat(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t n) {
    float *a = random_floats(r, n, -2, 2), *b = random_floats(r, n, -2, 2), *y = guarded_new(n);
    float *da = to_device(a, n), *db = to_device(b, n), *dy = device_new(n); /* NaN: not read */
    ref->axpby(BL_F32, 0.5f, a, 0, y, n);
    got->axpby(BL_F32, 0.5f, da, 0, dy, n);
    compare_device_exact("axpby b=0", y, dy, n);
    ref->axpby(BL_F32, 1.5f, b, -0.25f, y, n);
    got->axpby(BL_F32, 1.5f, db, -0.25f, dy, n);
    compare_device_exact("axpby", y, dy, n);
    const float factor = 0.75f;
    ref->axpby_at(&factor, a, 0.5f, y, n);
    got->axpby_at(to_device(&factor, 1), da, 0.5f, dy, n);
    compare_device_exact("axpby_at", y, dy, n);
    ref->add(BL_F32, a, b, y, n);
    got->add(BL_F32, da, db, dy, n);
    compare_device_exact("add", y, dy, n);
    if (n > 8) { /* an address that no load of 16 bytes may have */
        ref->add(BL_F32, a + 1, b + 1, y + 1, n / 8 * 8 - 4);
        got->add(BL_F32, da + 1, db + 1, dy + 1, n / 8 * 8 - 4);
        ref->axpby(BL_F32, 2, a + 2, 1, y + 1, n / 8 * 8 - 4);
        got->axpby(BL_F32, 2, da + 2, 1, dy + 1, n / 8 * 8 - 4);
        compare_device_exact("add and axpby, unaligned", y, dy, n);
    }
    for (int s = 0; s < 2; s++) {
        float slope = s ? 0.1f : 0.0f;
        ref->act_bwd(BL_F32, a, b, slope, y, n);
        got->act_bwd(BL_F32, da, db, slope, dy, n);
        compare_device_exact("act_bwd", y, dy, n);
        float *in_place = to_device(b, n);
        got->act_bwd(BL_F32, da, in_place, slope, in_place, n);
        compare_device_exact("act_bwd in place", y, in_place, n);
    }
}

static double sum_squares(const bl_kernels *got, const float *device, int64_t n) {
    double sum;
    void *p = device_new(2);
    got->sum_squares(device, n, p);
    memcpy(&sum, to_host(p, 2), sizeof sum);
    return sum;
}

static int64_t count_nonfinite(const bl_kernels *got, const float *device, int64_t n) {
    int64_t count;
    void *p = device_new(2);
    got->count_nonfinite(device, n, p);
    memcpy(&count, to_host(p, 2), sizeof count);
    return count;
}

static void stores(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t n) {
    float *g = random_floats(r, n, -2, 2), *dg = to_device(g, n);
    float *w = random_floats(r, n, -1, 1), *dw = to_device(w, n);
    float *m = random_floats(r, n, -1, 1), *dm = to_device(m, n);
    float *v = random_floats(r, n, 0, 1), *dv = to_device(v, n);
    for (int nesterov = 0; nesterov < 2; nesterov++) {
        ref->sgd(w, m, g, n, 0.1f, 0.9f, 1e-2f, 0.5f, nesterov);
        got->sgd(dw, dm, dg, n, 0.1f, 0.9f, 1e-2f, 0.5f, nesterov);
        compare_device_exact("sgd weights", w, dw, n);
        compare_device_exact("sgd momentum", m, dm, n);
    }
    const bl_adam_kernel adam = {0.01f, 0.9f, 0.999f, 1e-8f, 1e-2f, 1.5f, 0.5f};
    ref->adam(w, m, v, g, n, &adam);
    got->adam(dw, dm, dv, dg, n, &adam);
    compare_device("adam weights", w, dw, n, 1e-6);
    compare_device_exact("adam means", m, dm, n);
    compare_device_exact("adam squares", v, dv, n);
    ref->ema(m, g, n, 0.99f);
    got->ema(dm, dg, n, 0.99f);
    compare_device_exact("ema", m, dm, n);

    double want;
    ref->sum_squares(g, n, &want);
    CHECK_NEAR(sum_squares(got, dg, n), want, 1e-12 * want);
    for (int64_t i = 0; i < n; i += 7) g[i] = i % 2 ? NAN : -INFINITY;
    CHECK_EQ(count_nonfinite(got, to_device(g, n), n), (n + 6) / 7);
}

static void matrix(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t rows,
                   int64_t cols) {
    float *x = random_floats(r, rows * cols, -2, 2), *dx = to_device(x, rows * cols);
    float *sum = random_floats(r, cols, -1, 1), *dsum = to_device(sum, cols);
    ref->col_sum(BL_F32, x, rows, cols, sum);
    got->col_sum(BL_F32, dx, rows, cols, dsum);
    compare_device("col_sum", sum, dsum, cols, 1e-6);
    for (int i = 0; i < 3; i++) {
        ref->bias_act(BL_F32, x, i ? sum : NULL, i < 2, rows, cols);
        got->bias_act(BL_F32, dx, i ? to_device(sum, cols) : NULL, i < 2, rows, cols);
        compare_device_exact("bias_act", x, dx, rows * cols);
    }
}

static void layouts(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t n, int64_t c,
                    int64_t h, int64_t w) {
    const int32_t blocks[] = {1, 8, (int32_t)c};
    for (int i = 0; i < 9; i++) {
        bl_tensor x = tensor_random(r, n, c, h, w, blocks[i / 3], -1, 1);
        bl_tensor y = tensor_new(n, c, h, w, blocks[i % 3]), dx = tensor_to_device(&x);
        bl_tensor dy = tensor_to_device(&y); /* NaN, padding too */
        for (int beta = 0; beta < 2; beta++) {
            CHECK_OK(ref->reorder(&device_ctx, &x, &y, (float)beta));
            CHECK_OK(got->reorder(&device_ctx, &dx, &dy, (float)beta));
            compare_device_tensors("reorder", &y, &dy, 0);
        }
    }
}

static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    const int64_t sizes[] = {1, 31, 256, 1000, 6001};
    for (int i = 0; i < 5; i++) {
        flat(ref, got, r, sizes[i]);
        stores(ref, got, r, sizes[i]);
    }
    got->add(BL_F32, NULL, NULL, NULL, 0); /* nothing is launched */
    got->axpby(BL_F32, 1, NULL, 0, NULL, 0);
    got->axpby_at(NULL, NULL, 0, NULL, 0);
    got->sgd(NULL, NULL, NULL, 0, 1, 1, 1, 1, false);
    CHECK(sum_squares(got, NULL, 0) == 0);
    CHECK_EQ(count_nonfinite(got, NULL, 0), 0);
    matrix(ref, got, r, 1, 1);
    matrix(ref, got, r, 100, 33);
    matrix(ref, got, r, 7, 1204);
    matrix(ref, got, r, 9001, 12); /* a bias gradient: many more rows than columns */
    matrix(ref, got, r, 3001, 256);
    layouts(ref, got, r, 2, 3, 5, 4);
    layouts(ref, got, r, 3, 17, 1, 1);
    layouts(ref, got, r, 1, 16, 7, 9);
}

int main(void) {
    for_cuda(all, 21);
    return 0;
}
