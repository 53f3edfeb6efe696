/* The contrastive loss: a case by hand, finite differences, what is left out. The comparison with
 * PyTorch is in tests/golden/test_ssl_cissl.c. */
#include "balance/contrast.h"
#include "core/rng.h"
#include "tests/check.h"

/* Classes: 0 with two rows, 1 with two of which one counts, 2 without a centre, 3 without
 * negatives, 4 without rows. */
enum { N = 7, D = 3, K = 5 };
static const int32_t label[N] = {0, 1, 0, 2, 1, 3, 3};
static const double weight[N] = {1, 1, 0.5, 1, 0, 1, 1};
static const uint8_t present[K] = {1, 1, 0, 1, 1};
static const uint8_t negative[K * N] = {0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0,
                                        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1};
static const float centre[K * D] = {1, 2, -1, 0.5f, -1, 1, 0, 0, 0, 1, 1, 1, 2, 2, 2};
static const double temperature[K] = {0.4, 0.5, 0.5, 0.5, 0.5};
static const bl_contrast spec = {N,      D,       K,           label, weight, negative,
                                 centre, present, temperature, 0.6,   3};

static void test_gradient(void) {
    float e[N * D], g[N * D], unused[N * D];
    bl_rng rng = bl_rng_make(5, 6);
    double loss, up, down;
    for (int i = 0; i < N * D; i++) e[i] = bl_rng_range(&rng, -1, 1);
    CHECK_OK(bl_contrast_loss(&spec, e, &loss, g));
    CHECK(loss > 0);
    for (int i = 0; i < N * D; i++) {
        float old = e[i], high = old + 0x1p-9f, low = old - 0x1p-9f;
        e[i] = high;
        CHECK_OK(bl_contrast_loss(&spec, e, &up, unused));
        e[i] = low;
        CHECK_OK(bl_contrast_loss(&spec, e, &down, unused));
        e[i] = old;
        CHECK_NEAR(g[i], (up - down) / ((double)high - low), 2e-5);
    }
    /* Row 5 is of a class without negatives and nobody's counted negative but class 1's. */
    for (int d = 0; d < D; d++) CHECK(g[5 * D + d] != 0);
    memset(e + 5 * D, 0, D * sizeof *e); /* a row of zeros has cosine 0 and a finite gradient */
    CHECK_OK(bl_contrast_loss(&spec, e, &loss, g));
    for (int i = 0; i < N * D; i++) CHECK(isfinite(g[i]));
}

/* Two classes, two rows: worked out by hand. */
static void test_value(void) {
    static const float e[4] = {2, 0, 0, 3}, c[4] = {4, 0, 3, 4};
    bl_contrast a = {.n = 2,
                     .dim = 2,
                     .n_classes = 2,
                     .label = (const int32_t[]){0, 1},
                     .weight = (const double[]){1, 1},
                     .negative = (const uint8_t[]){0, 1, 1, 0},
                     .centre = c,
                     .present = (const uint8_t[]){1, 1},
                     .temperature = (const double[]){0.5, 1},
                     .negative_temperature = 0.1,
                     .factor = 64};
    double got;
    float g[4];
    CHECK_OK(bl_contrast_loss(&a, e, &got, g));
    double first = log((exp(2) + 64) / exp(2)), second = log((exp(0.8) + 64) / exp(0.8));
    CHECK_NEAR(got, (first + second) / 2, 1e-7);
    a.present = (const uint8_t[]){1, 0}; /* the second row leaves both sums */
    CHECK_OK(bl_contrast_loss(&a, e, &got, g));
    CHECK_NEAR(got, first, 1e-7);
    a.weight = (const double[]){0, 0}; /* nothing reliable: no loss, no gradient */
    CHECK_OK(bl_contrast_loss(&a, e, &got, g));
    CHECK_NEAR(got, 0, 0);
    for (int i = 0; i < 4; i++) CHECK_NEAR(g[i], 0, 0);
    a.label = (const int32_t[]){0, 2};
    CHECK_FAILS(bl_contrast_loss(&a, e, &got, g), BL_EINVAL, "label 2");
    a.n = 0;
    CHECK_OK(bl_contrast_loss(&a, e, &got, g));
    a.temperature = (const double[]){0.5, 0};
    CHECK_FAILS(bl_contrast_loss(&a, e, &got, g), BL_EINVAL, "temperature of class 1");
}

int main(void) {
    test_gradient();
    test_value();
    return 0;
}
