/* Class counts from predictions: exact where the errors are known exactly, and the warnings. */
#include "balance/count_estimate.h"

#include <math.h>
#include <stdlib.h>

#include "core/rng.h"
#include "tests/check.h"

/* Values of numpy.linalg.solve and numpy.linalg.cond. */
static void test_known(void) {
    const double mean[9] = {.8, .1, .1, .2, .5, .3, .05, .15, .8}, sum[3] = {841.5, 204.5, 184};
    const double want[3] = {1000, 200, 30};
    double counts[3], condition;
    CHECK_OK(bl_count_estimate(mean, sum, 3, counts, &condition));
    CHECK_NEAR(condition, 2.813216071716064, 1e-12);
    for (int k = 0; k < 3; k++) CHECK_NEAR(counts[k], want[k], 1e-9);

    /* A model that tells the classes apart by a hundredth. */
    const double weak[9] = {.34, .33, .33, .33, .34, .33, .33, .33, .34};
    CHECK_OK(bl_count_estimate(weak, sum, 3, counts, &condition));
    CHECK_NEAR(condition, 100, 1e-9);

    /* Predictions that no counts explain come out below 0, for the caller to see. */
    const double odd[3] = {0, 0, 100};
    CHECK_OK(bl_count_estimate(mean, odd, 3, counts, &condition));
    CHECK(counts[0] < 0 || counts[1] < 0);

    /* Equal rows tell nothing. */
    const double same[4] = {.6, .4, .6, .4};
    counts[0] = 7;
    CHECK_OK(bl_count_estimate(same, sum, 2, counts, &condition));
    CHECK(isinf(condition));
    CHECK_NEAR(counts[0], 7, 0);

    const double one = 0.5, all = 40;
    CHECK_OK(bl_count_estimate(&one, &all, 1, counts, &condition));
    CHECK_NEAR(counts[0], 80, 1e-12);
    CHECK_NEAR(condition, 1, 0);
}

/* A hundred classes: q made of known counts gives them back. */
static void test_many(void) {
    enum { K = 100 };
    double *mean = calloc(K * K, sizeof *mean), truth[K], sum[K] = {0}, got[K], condition;
    CHECK(mean);
    bl_rng r = bl_rng_make(5, 1);
    for (int i = 0; i < K; i++) {
        double total = 0;
        for (int j = 0; j < K; j++)
            total += mean[i * K + j] = (i == j ? 40 : 0) + bl_rng_below(&r, 1000) / 1000.0;
        for (int j = 0; j < K; j++) mean[i * K + j] /= total;
        truth[i] = 1 + bl_rng_below(&r, 500);
    }
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++) sum[j] += truth[i] * mean[i * K + j];
    CHECK_OK(bl_count_estimate(mean, sum, K, got, &condition));
    CHECK(condition > 1 && condition < 100);
    for (int i = 0; i < K; i++) CHECK_NEAR(got[i], truth[i], 1e-8);
    free(mean);
}

int main(void) {
    test_known();
    test_many();
    return 0;
}
