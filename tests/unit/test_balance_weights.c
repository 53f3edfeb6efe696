/* Reference values: an independent double-precision script; printed to six digits. */
#include "balance/class_weights.h"
#include "core/rng.h"
#include "tests/check.h"

static const double digits = 6e-7; /* half of the last printed digit, and a little rounding */

/* The matrices of the reference batch of test_kernels_class_gradients, in full precision. */
static void reference_matrix(bool focal, double m[9]) {
    static const float logits[5][3] = {
        {2, 0, 1}, {.5f, .2f, .9f}, {-1, 1.5f, .3f}, {.1f, -.2f, 2}, {0, .4f, 1}};
    static const int labels[] = {0, 0, 1, 2, 2};
    static const float v[] = {1, 1, 1, .8f, .5f};
    for (int i = 0; i < 9; i++) m[i] = 0;
    for (int i = 0; i < 5; i++) {
        double p[3], sum = 0;
        for (int j = 0; j < 3; j++) sum += exp(logits[i][j]);
        for (int j = 0; j < 3; j++) p[j] = exp(logits[i][j]) / sum + 1e-5;
        int y = labels[i];
        double t = p[y], slope = focal ? (1 - t) / t - log(t) : 1 / t;
        for (int j = 0; j < 3; j++)
            m[3 * y + j] += 100 * v[i] * slope * t * (j == y ? t - 1 : p[j]) / 5;
    }
}

static void check3(const double *got, double a, double b, double c) {
    CHECK_NEAR(got[0], a, digits);
    CHECK_NEAR(got[1], b, digits);
    CHECK_NEAR(got[2], c, digits);
}

static bl_class_weights *make(int k, int64_t warmup) {
    bl_class_weights_config c = bl_class_weights_config_default(k, true, warmup);
    bl_class_weights *cw;
    CHECK_OK(bl_class_weights_create(&c, &cw));
    return cw;
}

static void test_target(void) {
    double m[9], t[3], one[3] = {1, 1, 1};
    reference_matrix(true, m);
    bl_class_weights_config c = bl_class_weights_config_default(3, true, 0);
    bl_class_weights_target(&c, m, one, false, t);
    check3(t, 0.156783, 3.107707, 2.868808);
    CHECK_NEAR(3 - t[0] - t[1], -0.264491, digits);
    bl_class_weights_target(&c, m, one, true, t);
    check3(t, 0.333333, 3.107707, 0.333333);
    c.background = false; /* a classifier: the last class is one like the others */
    bl_class_weights_target(&c, m, one, true, t);
    check3(t, 0.333333, 3.107707, 2.868808);
    /* A class never seen as a label has no positive gradient: its target is at the cap. */
    double unseen[9] = {-2, 1, 1, 0, 0, 0, 1, 1, -2};
    bl_class_weights_target(&c, unseen, one, true, t);
    CHECK_NEAR(t[1], 5, 0);
}

static void test_solver_clamped(void) {
    double m[9];
    reference_matrix(true, m);
    bl_class_weights *cw = make(3, 0);
    const double *a = bl_class_weights_logits(cw);
    for (int step = 1; step <= 1000; step++) {
        CHECK_OK(bl_class_weights_pull(cw, m, 1, step, NULL));
        CHECK_OK(bl_class_weights_pull(cw, m, 4, step, NULL));
        bl_class_weights_step(cw, 0.01);
        if (step == 1) check3(a, -0.036620, 0.037796, -0.036620);
        if (step == 2) check3(a, -0.104978, 0.107501, -0.104978);
        if (step == 10) check3(a, -1.122980, 0.855028, -0.676146);
    }
    check3(a, -1.098579, 0.529377, 0);
    CHECK_OK(bl_class_weights_pull(cw, m, 1, 1001, NULL)); /* refreshes w */
    check3(bl_class_weights_values(cw), 0.329911, 1.680388, 0.989701);
    bl_class_weights_destroy(cw);
}

/* Without clamps the solver reaches the solution of the linear system. */
static void test_solver_unclamped(void) {
    static const double a3[9] = {-1, .4, .6, .3, -.8, .5, .7, .6, -1.3};
    static const double a5[25] = {-4,  1,   .4,  .1,  2.5, .9,   -2, .3,  .1,  .7, .3, .3,  -.9,
                                  .05, .25, .06, .05, .04, -.35, .2, 1.5, 1.2, .5, .3, -3.5};
    static const double after3[3] = {0.965219, 1.147823, 0.886958};
    static const double after5[5] = {0.647340, 1.025892, 1.149049, 1.350900, 0.826819};
    for (int run = 0; run < 2; run++) {
        int k = run ? 5 : 3;
        bl_class_weights_config c = bl_class_weights_config_default(k, true, 0);
        c.target_min = 1e-9;
        c.target_max = c.background_max = 1e9;
        bl_class_weights *cw;
        CHECK_OK(bl_class_weights_create(&c, &cw));
        const double *m = run ? a5 : a3;
        double loss = 0, first = 0;
        for (int step = 1; step <= 1000; step++) {
            CHECK_OK(bl_class_weights_pull(cw, m, 1, step, step == 1 ? &first : &loss));
            CHECK_OK(bl_class_weights_pull(cw, m, 4, step, NULL));
            bl_class_weights_step(cw, 0.01);
            if (step == 1 && !run) check3(bl_class_weights_logits(cw), 0, 0.007438, -0.009589);
        }
        CHECK(first > 1e-3 && loss < 1e-6);
        CHECK_OK(bl_class_weights_pull(cw, m, 1, 1001, NULL));
        const double *w = bl_class_weights_values(cw);
        for (int j = 0; j < k; j++) CHECK_NEAR(w[j], run ? after5[j] : after3[j], digits);
        bl_class_weights_destroy(cw);
    }
}

static void test_direct(void) {
    double m[9], w[5], t[3];
    static const double a3[9] = {-1, .4, .6, .3, -.8, .5, .7, .6, -1.3};
    static const double a5[25] = {-4,  1,   .4,  .1,  2.5, .9,   -2, .3,  .1,  .7, .3, .3,  -.9,
                                  .05, .25, .06, .05, .04, -.35, .2, 1.5, 1.2, .5, .3, -3.5};
    static const double exact5[5] = {0.647325, 1.025887, 1.149049, 1.350916, 0.826823};
    CHECK_OK(bl_stationary_weights(a3, 3, true, 1e-6, 5, w));
    check3(w, 0.965217, 1.147826, 0.886957);
    bl_class_weights_config c = bl_class_weights_config_default(3, true, 0);
    c.guard = 1e-300;
    bl_class_weights_target(&c, a3, w, false, t); /* a fixed point of the Jacobi iteration */
    for (int j = 0; j < 3; j++) CHECK_NEAR(t[j], w[j], 1e-12);
    CHECK_OK(bl_stationary_weights(a5, 5, true, 1e-6, 5, w));
    for (int j = 0; j < 5; j++) CHECK_NEAR(w[j], exact5[j], digits);
    reference_matrix(true, m);
    CHECK_OK(bl_stationary_weights(m, 3, true, 1e-6, 5, w));
    check3(w, 0.199433, 1.620007, 1.180561);
    reference_matrix(false, m);
    CHECK_OK(bl_stationary_weights(m, 3, true, 1e-6, 5, w));
    check3(w, 0.322152, 1.375074, 1.302774);
}

/* Random generators of many sizes: non-negative, sums right, and in balance; permuting the classes
 * of a classifier permutes the weights. */
static void test_direct_random(void) {
    enum { MAX = 40 };
    static double a[MAX * MAX], b[MAX * MAX];
    double w[MAX], v[MAX];
    for (int k = 2; k <= MAX; k++) {
        bl_rng r = bl_rng_make(7, (uint64_t)k);
        for (int i = 0; i < k; i++) {
            double out = 0;
            for (int j = 0; j < k; j++) {
                /* Rates over eight orders of magnitude, as with long-tailed classes. */
                double rate = i == j ? 0 : pow(10, bl_rng_range(&r, -8, 0));
                a[i * k + j] = rate;
                out += rate;
            }
            a[i * k + i] = -out;
        }
        CHECK_OK(bl_stationary_weights(a, k, false, 1e-12, 5, w));
        double sum = 0;
        for (int j = 0; j < k; j++) {
            double flow = 0, size = 0;
            for (int i = 0; i < k; i++) {
                flow += w[i] * a[i * k + j];
                size += fabs(w[i] * a[i * k + j]);
            }
            CHECK(w[j] > 0 && fabs(flow) <= 1e-12 * k * size);
            sum += w[j];
        }
        CHECK_NEAR(sum, k, 1e-9);
        for (int i = 0; i < k * k; i++) b[(k - 1 - i / k) * k + (k - 1 - i % k)] = a[i];
        CHECK_OK(bl_stationary_weights(b, k, false, 1e-12, 5, v));
        for (int j = 0; j < k; j++) CHECK_NEAR(v[k - 1 - j], w[j], 1e-10 * w[j] + 1e-13);
    }
}

static void test_direct_degenerate(void) {
    double w[4];
    /* Class 1 was never seen as a label: at the cap, the others are solved as if it
     * were not there. */
    static const double unseen[16] = {-3, 1, 1, 1, 0, 0, 0, 0, 2, 1, -5, 2, 1, 1, 1, -3};
    static const double without[9] = {-2, 1, 1, 2, -4, 2, 1, 1, -2};
    double rest[3];
    CHECK_OK(bl_stationary_weights(without, 3, true, 1e-6, 5, rest));
    CHECK_OK(bl_stationary_weights(unseen, 4, true, 1e-6, 5, w));
    CHECK_NEAR(w[1], 5, 0);
    CHECK_NEAR(w[0], rest[0], 1e-12);
    CHECK_NEAR(w[2], rest[1], 1e-12);
    CHECK_NEAR(w[3], rest[2], 1e-12);
    /* Nothing seen at all. */
    static const double nothing[16] = {0};
    CHECK_OK(bl_stationary_weights(nothing, 4, true, 1e-6, 5, w));
    for (int j = 0; j < 4; j++) CHECK_NEAR(w[j], 5, 0);
    /* Two blocks that do not touch: finite, positive, balanced within each. */
    static const double blocks[16] = {-1, 1, 0, 0, 2, -2, 0, 0, 0, 0, -1, 1, 0, 0, 3, -3};
    CHECK_OK(bl_stationary_weights(blocks, 4, false, 1e-6, 5, w));
    CHECK_NEAR(w[0], 2 * w[1], 1e-9);
    CHECK_NEAR(w[2], 3 * w[3], 1e-9);
    CHECK_NEAR(w[0] + w[1] + w[2] + w[3], 4, 1e-9);
    double bad[4] = {-1, 1, NAN, -1};
    CHECK_FAILS(bl_stationary_weights(bad, 2, false, 1e-6, 5, w), BL_ENUMERIC, "[1][0]");
}

static void test_warmup_and_direct_mode(void) {
    static const double a3[9] = {-1, .4, .6, .3, -.8, .5, .7, .6, -1.3};
    bl_class_weights_config c = bl_class_weights_config_default(3, true, 10);
    for (int direct = 0; direct < 2; direct++) {
        bl_class_weights *cw;
        c.solver = direct ? BL_SOLVER_DIRECT : BL_SOLVER_ONLINE;
        CHECK_OK(bl_class_weights_create(&c, &cw));
        const double *w = bl_class_weights_values(cw);
        for (int t = 0; t <= 10; t++) { /* strictly later than the warm-up */
            CHECK_OK(bl_class_weights_pull(cw, a3, 1, t, NULL));
            bl_class_weights_step(cw, 0.01);
            for (int j = 0; j < 3; j++) CHECK_NEAR(w[j], 1, 0);
        }
        CHECK_OK(bl_class_weights_pull(cw, a3, 1, 11, NULL));
        bl_class_weights_step(cw, 0.01);
        CHECK_OK(bl_class_weights_pull(cw, a3, 1, 12, NULL));
        CHECK_NEAR(w[0] + w[1] + w[2], 3, 1e-12);
        CHECK(w[1] > 1.0001);
        if (direct) check3(w, 0.965217, 1.147826, 0.886957);
        bl_class_weights_destroy(cw);
    }
}

static void test_loss_weights(void) {
    bl_class_weights *cw = make(3, 0);
    int64_t n;
    double *state = bl_class_weights_state(cw, &n);
    CHECK_EQ(n, 13);
    int32_t y[4] = {0, 2, 1, 2};
    float u[4];
    CHECK_OK(bl_class_weights_apply(cw, y, 4, 0.5, u));
    for (int i = 0; i < 4; i++) CHECK_NEAR(u[i], 1, 0); /* w = 1, m = 1 */
    double *w = state + 9;
    w[0] = 4;
    w[1] = 9;
    w[2] = 0.09; /* 9 is clamped to 5, 0.09 to 1/3 */
    CHECK_OK(bl_class_weights_apply(cw, y, 4, 0.5, u));
    double p[4] = {2, sqrt(1.0 / 3), sqrt(5), sqrt(1.0 / 3)};
    double m = 0.999 + 0.001 * (p[0] + p[1] + p[2] + p[3]) / 4;
    CHECK_NEAR(bl_class_weights_mean(cw), m, 1e-15);
    for (int i = 0; i < 4; i++) CHECK_NEAR(u[i], p[i] / m, 1e-6);
    CHECK_OK(bl_class_weights_apply(cw, y, 1, 1, u)); /* the other branch: the same m */
    m = 0.999 * m + 0.001 * 4;
    CHECK_NEAR(u[0], 4 / m, 1e-6);
    CHECK_OK(bl_class_weights_apply(cw, y, 0, 1, u));
    CHECK_NEAR(bl_class_weights_mean(cw), m, 1e-15);
    y[3] = 3;
    CHECK_FAILS(bl_class_weights_apply(cw, y, 4, 1, u), BL_EINVAL, "label 3");
    CHECK_NEAR(bl_class_weights_mean(cw), m, 1e-15); /* nothing happened */
    bl_class_weights_destroy(cw);
}

/* A copy resumed from the state goes on bit for bit. */
static void test_state(void) {
    double m[9];
    reference_matrix(true, m);
    bl_class_weights *a = make(3, 0), *b = make(3, 0);
    float u[2];
    for (int t = 1; t < 60; t++) {
        if (t == 30) {
            int64_t n;
            const double *from = bl_class_weights_state(a, &n);
            memcpy(bl_class_weights_state(b, &n), from, (size_t)n * sizeof *from);
        }
        for (int which = 0; which < (t < 30 ? 1 : 2); which++) {
            bl_class_weights *cw = which ? b : a;
            CHECK_OK(bl_class_weights_apply(cw, (int32_t[]){0, 2}, 2, 0.5, u));
            CHECK_OK(bl_class_weights_pull(cw, m, 1, t, NULL));
            CHECK_OK(bl_class_weights_pull(cw, m, 4, t, NULL));
            bl_class_weights_step(cw, 0.01);
        }
    }
    int64_t n;
    const double *x = bl_class_weights_state(a, &n), *y = bl_class_weights_state(b, &n);
    CHECK(memcmp(x, y, (size_t)n * sizeof *x) == 0);
    bl_class_weights_destroy(a);
    bl_class_weights_destroy(b);
}

static void test_errors(void) {
    bl_class_weights *cw;
    bl_class_weights_config c = bl_class_weights_config_default(1, true, 0);
    CHECK_FAILS(bl_class_weights_create(&c, &cw), BL_EINVAL, "1 classes");
    c = bl_class_weights_config_default(3, true, 0);
    c.target_min = 0;
    CHECK_FAILS(bl_class_weights_create(&c, &cw), BL_ECONFIG, "gbr.lower = 0");
    cw = make(3, 0);
    double bad[9] = {NAN};
    CHECK_FAILS(bl_class_weights_pull(cw, bad, 1, 1, NULL), BL_ENUMERIC, "not finite");
    bl_class_weights_destroy(cw);
}

int main(void) {
    test_target();
    test_solver_clamped();
    test_solver_unclamped();
    test_direct();
    test_direct_random();
    test_direct_degenerate();
    test_warmup_and_direct_mode();
    test_loss_weights();
    test_state();
    test_errors();
    return 0;
}
