/* DARP's refinement: the worked example of its equations, column sums, odd input. */
#include "balance/darp.h"

#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "tests/check.h"

enum { N = 6, K = 2 };
static const double rows[N * K] = {0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6, 0.4, 0.3, 0.7, 0.55, 0.45};
static const double even[K] = {3, 3};

static void test_example(void) {
    static const double want[N] = {0.85931, 0.68775, 0.52969, 0.40203, 0.17141, 0.34981};
    double r[N * K], sum = 0;
    bl_darp_config c = {.alpha = 0, .rounds = 500, .tolerance = 1e-12};
    CHECK_OK(bl_darp_refine(&c, rows, N, K, even, r));
    for (int i = 0; i < N; i++) {
        CHECK_NEAR(r[2 * i], want[i], 1e-5);
        CHECK_NEAR(r[2 * i] + r[2 * i + 1], 1, 1e-12);
        sum += r[2 * i];
    }
    CHECK_NEAR(sum, 3, 1e-9);
}

static void test_denoise(void) {
    double p[N * K];
    memcpy(p, rows, sizeof p);
    CHECK_OK(bl_darp_denoise(p, N, K, even, 1));
    /* The three largest of each column: rows 0 to 2, and 3 to 5. */
    for (int i = 0; i < N; i++) CHECK_NEAR(p[2 * i], i < 3, 1e-5);
    /* Equal entries stay in the order of the rows; a class that wants nobody gets nobody. */
    double flat[4] = {0.5, 0.5, 0.5, 0.5};
    const double one[K] = {1, 0};
    CHECK_OK(bl_darp_denoise(flat, 2, K, one, 1));
    CHECK_NEAR(flat[0], 1, 1e-5);
    CHECK_NEAR(flat[2], 0.5, 1e-9); /* nothing kept: only the small constant is left */
}

/* Random predictions, some of them certain, and a long-tailed target. */
static void test_sums(void) {
    enum { ROWS = 500, CLASSES = 7 };
    double *p = malloc(sizeof *p * ROWS * CLASSES), *r = malloc(sizeof *r * ROWS * CLASSES);
    double target[CLASSES], left = ROWS;
    CHECK(p && r);
    for (int i = 0; i < ROWS; i++) {
        bl_rng rng = bl_rng_make(3, (uint64_t)i);
        double sum = 0;
        for (int c = 0; c < CLASSES; c++)
            sum += p[i * CLASSES + c] =
                i % 50 == 0 ? c == i / 50 % CLASSES : 0.01 + (double)bl_rng_uniform(&rng);
        for (int c = 0; c < CLASSES; c++) p[i * CLASSES + c] /= sum;
    }
    for (int c = 0; c + 1 < CLASSES; c++) left -= target[c] = 200 >> c;
    target[CLASSES - 1] = left;
    for (int alpha = 0; alpha <= 2; alpha += 2) {
        bl_darp_config cfg = {.alpha = alpha, .rounds = 300, .tolerance = 1e-9};
        CHECK_OK(bl_darp_refine(&cfg, p, ROWS, CLASSES, target, r));
        for (int c = 0; c < CLASSES; c++) {
            double sum = 0;
            for (int i = 0; i < ROWS; i++) {
                CHECK(r[i * CLASSES + c] >= 0 && r[i * CLASSES + c] <= 1 + 1e-9);
                sum += r[i * CLASSES + c];
            }
            CHECK_NEAR(sum, target[c], 1e-3 * (1 + target[c]));
        }
    }
    free(p);
    free(r);
}

static void test_refusals(void) {
    double r[N * K];
    bl_darp_config c = {.alpha = 2, .rounds = 10, .tolerance = 1e-3};
    CHECK_FAILS(bl_darp_refine(&c, rows, N, K, (const double[]){1, -1}, r), BL_EINVAL,
                "class count 1");
    CHECK_FAILS(bl_darp_refine(&c, rows, N, K, (const double[]){0, 0}, r), BL_EINVAL, "all class");
    CHECK_FAILS(bl_darp_refine(&c, rows, N, K, (const double[]){NAN, 1}, r), BL_EINVAL,
                "class count 0");
    CHECK_OK(bl_darp_refine(&c, rows, 0, K, even, r)); /* no images, nothing to do */
}

int main(void) {
    test_example();
    test_denoise();
    test_sums();
    test_refusals();
    return 0;
}
