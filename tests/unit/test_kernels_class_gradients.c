/* Class-to-class gradients of a batch. Reference values: an independent double-precision script;
 * printed to six digits. */
#include "kernels/ops.h"
#include "kernels/shared/class_gradient.h"
#include "kernels/shared/losses.h"
#include "tests/check.h"

enum { K = 3, N = 5 };
static const float logits[N * K] = {2, 0, 1, .5f, .2f, .9f, -1, 1.5f, .3f, .1f, -.2f, 2, 0, .4f, 1};
static const int32_t labels[N] = {0, 0, 1, 2, 2};
static const float weights[N] = {1, 1, 1, .8f, .5f};

static const double focal_m[K * K] = {-18.609784, 5.920354, 12.690426, 0.607302, -2.835091,
                                      2.228097,   2.310402, 2.890282,  -5.200251};
static const double ce_m[K * K] = {-20.507893, 6.384371, 14.124722, 1.187017, -5.541403,
                                   4.354985,   3.818330, 4.270198,  -8.087748};

static bl_ctx *ctx;

/* The op on rows of K logits from the host. */
static bl_status measure(double focal, double offset, double lambda, const float *z,
                         const int32_t *y, const float *v, int64_t n, double *m) {
    bl_class_gradient_attr a = bl_class_gradient_default();
    a.focal = focal;
    a.offset = offset;
    a.scale *= lambda;
    bl_tensor *x;
    CHECK_OK(bl_tensor_from_host(ctx, z, n, K, 1, 1, 1, &x));
    bl_status status = bl_class_gradients(ctx, x, y, v, &a, m);
    bl_step_end(ctx);
    return status;
}

static void test_reference(void) {
    for (int focal = 0; focal < 2; focal++) {
        double m[K * K];
        CHECK_OK(measure(focal, 1e-5, 1, logits, labels, weights, N, m));
        /* The weight .8 is a float here and a double there: 1e-8 relative, far below the digits. */
        for (int i = 0; i < K * K; i++) CHECK_NEAR(m[i], focal ? focal_m[i] : ce_m[i], 1e-6);
        if (focal) {
            static const double rows[K] = {0.000996, 0.000307, 0.000433};
            for (int i = 0; i < K; i++) {
                CHECK_NEAR(m[3 * i] + m[3 * i + 1] + m[3 * i + 2], rows[i], 1e-6);
            }
        }
    }
}

static double probability(const float *z, int y) {
    double sum = 0;
    for (int j = 0; j < K; j++) sum += exp((double)z[j] - z[y]);
    return 1 / sum;
}

/* The loss whose gradients these are, as the loss kernels compute it. */
static void test_losses(void) {
    static const double focal[N] = {0.136450, 0.810346, 0.089901, 0.047805, 0.311161};
    static const double ce[N] = {0.407606, 1.173300, 0.324457, 0.231407, 0.650600};
    for (int i = 0; i < N; i++) {
        double q = probability(logits + i * K, labels[i]);
        CHECK_NEAR(bl_focal_at((float)-log(q), (float)(1 - q), 1).value, focal[i], 1e-6);
        CHECK_NEAR(bl_focal_at((float)-log(q), (float)(1 - q), 0).value, ce[i], 1e-6);
    }
}

static double focal_loss(double exponent, double t) {
    return pow(1 - t, exponent) * -log(t);
}

/* The slope is the derivative of the loss, for any exponent. */
static void test_slope(void) {
    static const double exponents[] = {0, 0.5, 1, 1.5, 2, 3};
    for (int e = 0; e < 6; e++) {
        for (double t = 0.01; t < 0.995; t += 0.03) {
            double h = 1e-6, up = focal_loss(exponents[e], t + h),
                   down = focal_loss(exponents[e], t - h), slope = (down - up) / (2 * h);
            CHECK_NEAR(bl_class_slope(exponents[e], t), slope, 1e-6 * (1 + slope));
        }
        CHECK(isfinite(bl_class_slope(exponents[e], 1)));
        CHECK(isfinite(bl_class_slope(exponents[e], 1.00001))); /* after the offset */
    }
    CHECK_NEAR(bl_class_slope(1, 0.25), 0.75 / 0.25 - log(0.25), 1e-14);
    CHECK_NEAR(bl_class_slope(0, 0.25), 4, 0);
}

/* Without the offset, M is minus what the logits feel: d(sum of v FL)/dz,
 * by central differences. */
static void test_is_the_gradient(void) {
    double m[K * K], expected[K * K] = {0};
    CHECK_OK(measure(1.5, 0, 4, logits, labels, weights, N, m));
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < K; j++) {
            float z[K], h = 0x1p-9f;
            memcpy(z, logits + i * K, sizeof z);
            z[j] += h;
            double up = focal_loss(1.5, probability(z, labels[i]));
            z[j] -= 2 * h;
            double down = focal_loss(1.5, probability(z, labels[i]));
            expected[labels[i] * K + j] += 400.0 / N * weights[i] * (up - down) / (2 * h);
        }
    }
    for (int i = 0; i < K * K; i++) CHECK_NEAR(m[i], expected[i], 2e-3);
}

static void test_errors(void) {
    double m[K * K];
    float z[K] = {0, NAN, 0}, inf = INFINITY;
    int32_t y = 3;
    CHECK_FAILS(measure(1, 1e-5, 1, logits, &y, NULL, 1, m), BL_EINVAL, "label 3");
    y = -1;
    CHECK_FAILS(measure(1, 1e-5, 1, logits, &y, NULL, 1, m), BL_EINVAL, "label -1");
    y = 0;
    CHECK_FAILS(measure(1, 1e-5, 1, z, &y, NULL, 1, m), BL_ENUMERIC, "not finite");
    CHECK_FAILS(measure(1, 1e-5, 1, logits, &y, &inf, 1, m), BL_ENUMERIC, "not finite");
    CHECK_FAILS(measure(-1, 1e-5, 1, logits, &y, NULL, 1, m), BL_EINVAL, "exponent");
    CHECK_OK(measure(1, 1e-5, 1, z, &y, NULL, 0, m));
    for (int i = 0; i < K * K; i++) CHECK_NEAR(m[i], 0, 0);
    /* Extreme logits stay finite. */
    float far[2 * K] = {3e38f, -3e38f, 0, -3e38f, 3e38f, 0};
    CHECK_OK(measure(1, 1e-5, 1, far, (int32_t[]){0, 0}, NULL, 2, m));
    for (int i = 0; i < K * K; i++) CHECK(isfinite(m[i]));
    z[1] = -INFINITY;
    CHECK_FAILS(measure(1, 1e-5, 1, z, &y, NULL, 1, m), BL_ENUMERIC, "not finite");
    bl_tensor *x;
    CHECK_OK(bl_tensor_from_host(ctx, logits, 1, K, 1, 2, 1, &x));
    bl_class_gradient_attr a = bl_class_gradient_default();
    CHECK_FAILS(bl_class_gradients(ctx, x, &y, NULL, &a, m), BL_EINVAL, "(1,3,1,2)");
    bl_step_end(ctx);
}

int main(void) {
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    test_reference();
    test_losses();
    test_slope();
    test_is_the_gradient();
    test_errors();
    bl_ctx_destroy(ctx);
    return 0;
}
