/* Reference values: an independent double-precision script; printed to six digits. */
#include "balance/gradient_matrix.h"
#include "core/rng.h"
#include "tests/check.h"

enum { K = 3, N = 5 };
static const float logits[N * K] = {2, 0, 1, .5f, .2f, .9f, -1, 1.5f, .3f, .1f, -.2f, 2, 0, .4f, 1};
static const int32_t labels[N] = {0, 0, 1, 2, 2};
static const float weights[N] = {1, 1, 1, .8f, .5f};

static const double focal_m[K * K] = {-18.609784, 5.920354, 12.690426, 0.607302, -2.835091,
                                      2.228097,   2.310402, 2.890282,  -5.200251};
static const double ce_m[K * K] = {-20.507893, 6.384371, 14.124722, 1.187017, -5.541403,
                                   4.354985,   3.818330, 4.270198,  -8.087748};

static bl_gradient_matrix *make(bool focal, int64_t warmup) {
    bl_gradient_config c = bl_gradient_config_default(K, warmup);
    c.focal = focal;
    bl_gradient_matrix *g;
    CHECK_OK(bl_gradient_matrix_create(&c, &g));
    return g;
}

static void test_reference(void) {
    for (int focal = 0; focal < 2; focal++) {
        bl_gradient_matrix *g = make(focal, 10);
        double m[K * K];
        CHECK_OK(bl_gradient_matrix_measure(g, logits, labels, weights, N, 1, m));
        /* The weight .8 is a float here and a double there: 1e-8 relative, far below the digits. */
        for (int i = 0; i < K * K; i++) CHECK_NEAR(m[i], focal ? focal_m[i] : ce_m[i], 1e-6);
        if (focal) {
            static const double rows[K] = {0.000996, 0.000307, 0.000433};
            for (int i = 0; i < K; i++) {
                CHECK_NEAR(m[3 * i] + m[3 * i + 1] + m[3 * i + 2], rows[i], 1e-6);
            }
        }
        bl_gradient_matrix_destroy(g);
    }
}

static double probability(const float *z, int y) {
    double sum = 0;
    for (int j = 0; j < K; j++) sum += exp((double)z[j] - z[y]);
    return 1 / sum;
}

static void test_losses(void) {
    static const double focal[N] = {0.136450, 0.810346, 0.089901, 0.047805, 0.311161};
    static const double ce[N] = {0.407606, 1.173300, 0.324457, 0.231407, 0.650600};
    for (int i = 0; i < N; i++) {
        double q = probability(logits + i * K, labels[i]);
        CHECK_NEAR(bl_focal_loss(true, 1, q), focal[i], 1e-6);
        CHECK_NEAR(bl_focal_loss(false, 1, q), ce[i], 1e-6);
    }
}

/* The slope is the derivative of the loss, for any exponent. */
static void test_slope(void) {
    static const double exponents[] = {0, 0.5, 1, 1.5, 2, 3};
    for (int e = 0; e < 6; e++) {
        for (double t = 0.01; t < 0.995; t += 0.03) {
            double h = 1e-6, up = bl_focal_loss(true, exponents[e], t + h),
                   down = bl_focal_loss(true, exponents[e], t - h), slope = (down - up) / (2 * h);
            CHECK_NEAR(bl_focal_slope(true, exponents[e], t), slope, 1e-6 * (1 + slope));
        }
        CHECK(isfinite(bl_focal_slope(true, exponents[e], 1)));
        CHECK(isfinite(bl_focal_slope(true, exponents[e], 1.00001))); /* after the offset */
    }
    CHECK_NEAR(bl_focal_slope(true, 1, 0.25), 0.75 / 0.25 - log(0.25), 1e-14);
    CHECK_NEAR(bl_focal_slope(false, 3, 0.25), 4, 0);
}

/* Without the offset, M is minus what the logits feel: d(sum of v FL)/dz, by central differences.
 */
static void test_is_the_gradient(void) {
    bl_gradient_config c = bl_gradient_config_default(K, 0);
    c.offset = 0, c.exponent = 1.5;
    bl_gradient_matrix *g;
    CHECK_OK(bl_gradient_matrix_create(&c, &g));
    double m[K * K], expected[K * K] = {0};
    CHECK_OK(bl_gradient_matrix_measure(g, logits, labels, weights, N, 4, m));
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < K; j++) {
            float z[K], h = 0x1p-9f;
            memcpy(z, logits + i * K, sizeof z);
            z[j] += h;
            double up = bl_focal_loss(true, 1.5, probability(z, labels[i]));
            z[j] -= 2 * h;
            double down = bl_focal_loss(true, 1.5, probability(z, labels[i]));
            expected[labels[i] * K + j] += 400.0 / N * weights[i] * (up - down) / (2 * h);
        }
    }
    for (int i = 0; i < K * K; i++) CHECK_NEAR(m[i], expected[i], 2e-3);
    bl_gradient_matrix_destroy(g);
}

static void test_accumulation(void) {
    double m1[K * K], m2[K * K];
    for (int i = 0; i < K * K; i++) m1[i] = i + 1, m2[i] = 10 * (i + 1);
    bl_gradient_matrix *g = make(true, 3);
    const double *a = bl_gradient_matrix_values(g);
    double expected = 0;
    for (int64_t t = 0; t < 6; t++) {
        for (int branch = 0; branch < 2; branch++) {
            bl_gradient_matrix_update(g, branch ? m2 : m1, t);
            double in = branch ? 10 : 1;
            expected = t < 3 ? (expected * (double)t + in) / (double)(t + 1)
                             : 0.999 * expected + 0.001 * in;
            for (int i = 0; i < K * K; i++) CHECK_NEAR(a[i], expected * (i + 1), 1e-12 * (i + 1));
        }
        if (t == 0) CHECK_NEAR(a[0], 10, 0); /* the second update overwrites the first */
    }
    bl_gradient_matrix_destroy(g);
    /* Constant inputs: the warm-up tends to the mean of the two branches. */
    g = make(true, 100000);
    for (int64_t t = 0; t < 20000; t++) {
        bl_gradient_matrix_update(g, m1, t);
        bl_gradient_matrix_update(g, m2, t);
    }
    CHECK_NEAR(bl_gradient_matrix_values(g)[0], 5.5, 1e-3);
    bl_gradient_matrix_destroy(g);
}

/* Interrupted and resumed through the state, bit for bit. */
static void test_state(void) {
    bl_gradient_matrix *g = make(true, 2), *h = make(true, 2);
    int64_t n, n2;
    for (int64_t t = 0; t < 4; t++) {
        CHECK_OK(bl_gradient_matrix_add(g, logits, labels, weights, N, 1, t));
    }
    double saved[K * K];
    memcpy(saved, bl_gradient_matrix_state(g, &n), sizeof saved);
    CHECK_EQ(n, K * K);
    memcpy(bl_gradient_matrix_state(h, &n2), saved, sizeof saved);
    CHECK_OK(bl_gradient_matrix_add(g, logits, labels, NULL, N, 4, 4));
    CHECK_OK(bl_gradient_matrix_add(h, logits, labels, NULL, N, 4, 4));
    CHECK(memcmp(bl_gradient_matrix_values(g), bl_gradient_matrix_values(h), sizeof saved) == 0);
    CHECK(memcmp(bl_gradient_matrix_values(g), saved, sizeof saved) != 0);
    bl_gradient_matrix_destroy(g);
    bl_gradient_matrix_destroy(h);
}

static void test_errors(void) {
    bl_gradient_matrix *g = make(true, 2);
    double m[K * K];
    float z[K] = {0, NAN, 0};
    int32_t y = 3;
    CHECK_FAILS(bl_gradient_matrix_measure(g, logits, &y, NULL, 1, 1, m), BL_EINVAL, "label 3");
    y = -1;
    CHECK_FAILS(bl_gradient_matrix_measure(g, logits, &y, NULL, 1, 1, m), BL_EINVAL, "label -1");
    y = 0;
    CHECK_FAILS(bl_gradient_matrix_measure(g, z, &y, NULL, 1, 1, m), BL_ENUMERIC, "sample 0");
    CHECK_OK(bl_gradient_matrix_measure(g, z, &y, NULL, 0, 1, m));
    for (int i = 0; i < K * K; i++) CHECK_NEAR(m[i], 0, 0);
    /* Extreme logits stay finite. */
    float far[2 * K] = {3e38f, -3e38f, 0, -3e38f, 3e38f, 0};
    CHECK_OK(bl_gradient_matrix_measure(g, far, (int32_t[]){0, 0}, NULL, 2, 1, m));
    for (int i = 0; i < K * K; i++) CHECK(isfinite(m[i]));
    bl_gradient_matrix_destroy(g);
    bl_gradient_config c = bl_gradient_config_default(1, 0);
    CHECK_FAILS(bl_gradient_matrix_create(&c, &g), BL_EINVAL, "1 classes");
    c = bl_gradient_config_default(3, 0);
    c.decay = 1;
    CHECK_FAILS(bl_gradient_matrix_create(&c, &g), BL_EINVAL, "decay");
    bl_gradient_matrix_destroy(NULL);
}

int main(void) {
    test_reference();
    test_losses();
    test_slope();
    test_is_the_gradient();
    test_accumulation();
    test_state();
    test_errors();
    return 0;
}
