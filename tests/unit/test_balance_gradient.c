/* The running average of the class-to-class gradients. */
#include "balance/gradient_matrix.h"
#include "tests/check.h"

enum { K = 3 };

static bl_gradient_matrix *make(int64_t warmup) {
    bl_gradient_config c = bl_gradient_config_default(K, warmup);
    bl_gradient_matrix *g;
    CHECK_OK(bl_gradient_matrix_create(&c, &g));
    return g;
}

static void test_accumulation(void) {
    double m1[K * K], m2[K * K];
    for (int i = 0; i < K * K; i++) {
        m1[i] = i + 1;
        m2[i] = 10 * (i + 1);
    }
    bl_gradient_matrix *g = make(3);
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
    g = make(100000);
    for (int64_t t = 0; t < 20000; t++) {
        bl_gradient_matrix_update(g, m1, t);
        bl_gradient_matrix_update(g, m2, t);
    }
    CHECK_NEAR(bl_gradient_matrix_values(g)[0], 5.5, 1e-3);
    bl_gradient_matrix_destroy(g);
}

/* Interrupted and resumed through the state, bit for bit. */
static void test_state(void) {
    bl_gradient_matrix *g = make(2), *h = make(2);
    int64_t n, n2;
    double m[K * K], saved[K * K];
    for (int64_t t = 0; t < 4; t++) {
        for (int i = 0; i < K * K; i++) m[i] = 0.1 * (i - 3) + (double)t / 7;
        bl_gradient_matrix_update(g, m, t);
    }
    memcpy(saved, bl_gradient_matrix_state(g, &n), sizeof saved);
    CHECK_EQ(n, K * K);
    memcpy(bl_gradient_matrix_state(h, &n2), saved, sizeof saved);
    bl_gradient_matrix_update(g, m, 4);
    bl_gradient_matrix_update(h, m, 4);
    CHECK(memcmp(bl_gradient_matrix_values(g), bl_gradient_matrix_values(h), sizeof saved) == 0);
    CHECK(memcmp(bl_gradient_matrix_values(g), saved, sizeof saved) != 0);
    bl_gradient_matrix_destroy(g);
    bl_gradient_matrix_destroy(h);
}

static void test_errors(void) {
    bl_gradient_matrix *g;
    bl_gradient_config c = bl_gradient_config_default(1, 0);
    CHECK_FAILS(bl_gradient_matrix_create(&c, &g), BL_EINVAL, "1 classes");
    c = bl_gradient_config_default(3, 0);
    c.decay = 1;
    CHECK_FAILS(bl_gradient_matrix_create(&c, &g), BL_EINVAL, "decay");
    bl_gradient_matrix_destroy(NULL);
}

int main(void) {
    test_accumulation();
    test_state();
    test_errors();
    return 0;
}
