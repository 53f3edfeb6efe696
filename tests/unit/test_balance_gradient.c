/* The running average of the class-to-class gradients. */
#include <math.h>

#include "balance/gradient_balance.h"
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

static const void *settings(const bl_schema *schema, bl_arena *arena, const char *const *o, int n,
                            size_t size) {
    void *section = bl_arena_alloc(arena, size);
    CHECK(section != NULL);
    CHECK_OK(bl_config_load(schema, NULL, o, n, arena, section));
    return section;
}

/* One step of the solver with bounds of its own. Its target at w = 1 for this matrix is
 * (0.156783, 3.107707, -0.264491), which the bounds make (0.5, 2, 0.5); the gradient of the two
 * copies (1 and 4) is -2/3 (1 + 4) ln T. */
static void test_solver_settings(void) {
    static const double m[K * K] = {-18.609784, 5.920354, 12.690426, 0.607302, -2.835091,
                                    2.228097,   2.310402, 2.890282,  -5.200251};
    static const char *const gbr[] = {"enabled=true", "warmup=0",       "accumulate=0",
                                      "lower=0.5",    "upper=2",        "lr=0.3",
                                      "momentum=0.5", "weight_decay=0", "background_upper=0.75"};
    static const char *const gbt[] = {"mode=score", "warmup=0", "count=2", "lower=0.1"};
    bl_arena *arena = bl_arena_create(0);
    bl_gradient_balance_spec spec = {
        .classes = K - 1,
        .background = true,
        .base = 0.9,
        .gbr = settings(&bl_gbr_schema, arena, gbr, 9, sizeof(bl_gbr_section)),
        .gbt = settings(&bl_gbt_schema, arena, gbt, 4, sizeof(bl_gbt_section))};
    bl_gradient_balance *b;
    CHECK_OK(bl_gradient_balance_create(&spec, &b));
    memcpy(bl_gradient_balance_gradients(b), m, sizeof m);
    for (int t = 1; t <= 2; t++)
        for (int branch = 0; branch < 2; branch++)
            CHECK_OK(bl_gradient_balance_pull(b, branch ? 4 : 1, t));
    bl_gradient_balance_step(b, 0.01); /* two iterations' gradients at once: 20/3 ln T */
    double step = 0.3 * 20 / 3 * log(2), sum = 2 * exp(-step) + exp(step);
    memset(bl_gradient_balance_gradients(b), 0, sizeof m);
    CHECK_OK(bl_gradient_balance_pull(b, 0, 3));
    const double *w = bl_gradient_balance_weights(b);
    CHECK_NEAR(w[0], 3 * exp(-step) / sum, 1e-9);
    CHECK_NEAR(w[1], 3 * exp(step) / sum, 1e-9);
    CHECK_NEAR(w[2], 3 * exp(-step) / sum, 1e-9);
    /* In the loss the same bounds: 0.5 and 2, over their running mean (accumulate 0: of the call). */
    float u[2];
    CHECK_OK(bl_gradient_balance_weigh(b, (int32_t[]){0, 1}, 2, 1, u));
    CHECK_NEAR(u[0], 0.5 / 1.25, 1e-6);
    CHECK_NEAR(u[1], 2 / 1.25, 1e-6);
    /* Weights of (0.06, 2.9) would lower the second class's threshold; score does not look at them.
     * Means of two detections a class: (0.8, 0.4), then the second moves half way to 0.8. */
    double theta[2];
    CHECK_OK(bl_gradient_balance_observe(b, (int32_t[]){0, 0, 1, 1},
                                         (float[]){.75f, .85f, .3f, .5f}, 4, true));
    CHECK_OK(bl_gradient_balance_thresholds(b, 3, theta));
    CHECK_NEAR(theta[0], 0.9, 1e-6);
    CHECK_NEAR(theta[1], 0.9 * 0.4 / 0.6, 1e-6);
    CHECK_OK(bl_gradient_balance_observe(b, (int32_t[]){1}, (float[]){.8f}, 1, true));
    CHECK_OK(bl_gradient_balance_thresholds(b, 3, theta));
    CHECK_NEAR(theta[1], 0.9 * 0.6 / 0.7, 1e-6);
    bl_gradient_balance_destroy(b);
    bl_arena_destroy(arena);
}

int main(void) {
    test_solver_settings();
    test_accumulation();
    test_state();
    test_errors();
    return 0;
}
