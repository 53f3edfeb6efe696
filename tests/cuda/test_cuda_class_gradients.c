/* Class-to-class gradients of the CUDA table against plain C. */
#include "tests/cuda/cuda_parity.h"

/* m of the CUDA slot, on the host. */
static const double *sums(const bl_kernels *got, const float *z, int64_t n, int64_t k,
                          const int32_t *y, const float *v, const bl_class_gradient_attr *a) {
    double *m = device_new(2 * k * k);
    CHECK_OK(
        got->class_gradients(to_device(z, n * k), n, k, to_device(y, n), to_device(v, n), a, m));
    return to_host(m, 2 * k * k);
}

static void shape(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t n, int64_t k) {
    for (int mode = 0; mode < 4; mode++) {
        bl_class_gradient_attr a = {0.5 * mode, mode == 3 ? 0 : 1e-5, 400};
        float *z = random_floats(r, n * k, -6, 6), *v = random_floats(r, n, 0, 1);
        int32_t *y = guarded_new(n);
        for (int64_t i = 0; i < n; i++) y[i] = (int32_t)pick(r, 0, pick(r, 0, k - 1));
        if (n > 0) z[y[0]] = 60;                                   /* certain */
        for (int64_t i = 1; i < n && mode == 2; i += 3) y[i] = -1; /* unused rows */
        double *m = guarded_new(2 * k * k), scale = 0;
        CHECK_OK(ref->class_gradients(z, n, k, y, mode & 1 ? v : NULL, &a, m));
        const double *d = sums(got, z, n, k, y, mode & 1 ? v : NULL, &a);
        for (int64_t i = 0; i < k * k; i++) scale = fmax(scale, fabs(m[i]));
        for (int64_t i = 0; i < k * k; i++) CHECK_NEAR(d[i], m[i], 1e-12 * scale);
        device_clear();
        guards_check("class gradients");
    }
}

/* A logit that is not finite spoils its own class alone. */
static void not_finite(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    enum { N = 4, K = 5 };
    int32_t y[N] = {0, 3, 3, 1};
    bl_class_gradient_attr a = bl_class_gradient_default();
    for (int b = 0; b < 3; b++) {
        float *z = random_floats(r, N * K, -1, 1);
        z[2 * K + 4] = bad[b];
        double m[K * K];
        CHECK_OK(ref->class_gradients(z, N, K, y, NULL, &a, m));
        const double *d = sums(got, z, N, K, y, NULL, &a);
        for (int c = 0; c < K; c++) {
            double sum = 0, sum_d = 0;
            for (int j = 0; j < K; j++) {
                sum += m[c * K + j];
                sum_d += d[c * K + j];
            }
            CHECK_EQ(isfinite(sum), c != 3);
            CHECK_EQ(isfinite(sum_d), c != 3);
        }
    }
}

static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    shape(ref, got, r, 1, 2);
    shape(ref, got, r, 0, 3);
    shape(ref, got, r, 23, 7);
    shape(ref, got, r, 9, 300); /* more columns than threads of a block */
    not_finite(ref, got, r);
}

int main(void) {
    for_cuda(all, 41);
    return 0;
}
