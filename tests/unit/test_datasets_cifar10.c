/* The real CIFAR-10, its known numbers, and the long tail that the LDAM-DRW code draws from it.
 * Unpacking the .xz files takes some seconds. */
#include <stdlib.h>

#include "core/fs.h"
#include "datasets/sets/readers.h"
#include "datasets/splits/longtail.h"
#include "tests/check.h"

static uint64_t pixel_sum(const bl_classify_set *s) {
    uint64_t total = 0;
    for (size_t i = 0; i < (size_t)s->n * bl_classify_image_bytes(s); i++) total += s->pixels[i];
    return total;
}

static void check_labels(const bl_classify_set *s, const int *first, int64_t of_each) {
    int64_t counts[10];
    bl_classify_set_counts(s, counts);
    for (int c = 0; c < 10; c++) CHECK_EQ(counts[c], of_each);
    for (int i = 0; i < 10; i++) CHECK_EQ(s->labels[i], first[i]);
    CHECK_STR(s->class_names[0], "airplane");
    CHECK_STR(s->class_names[9], "truck");
}

static void check_numpy_tail(const bl_classify_set *s) {
    bl_longtail *l;
    bl_longtail_config cfg = {.labelled_head = 5000,
                              .labelled_ratio = 100,
                              .relevance = 1,
                              .pick = BL_LONGTAIL_NUMPY,
                              .seed = 0};
    CHECK_OK(bl_longtail_make(&cfg, s, NULL, &l));
    CHECK_EQ(l->n_labelled, 12406);
    int64_t total = 0;
    for (int i = 0; i < l->n_labelled; i++) total += l->labelled[i];
    CHECK_EQ(total, 309748569);
    static const int32_t first[8] = {4030, 38518, 48266, 45556, 6312, 25460, 11479, 22410};
    static const int32_t last[8] = {22220, 38393, 22240, 25393, 19625, 47692, 3657, 38328};
    CHECK(!memcmp(l->labelled, first, sizeof first));
    CHECK(!memcmp(l->labelled + 12406 - 50, last, sizeof last));
    bl_longtail_free(l);
}

/* Every (rho, rho_U) of D_U at five times the labelled size can be made from 50,000 images. */
static void check_d_u(const bl_classify_set *s) {
    static const double rhos[3] = {10, 50, 100}, ratios[4] = {0, 0.5, 1, 2};
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 4; b++) {
            bl_longtail *l;
            double rho_u = ratios[b] * rhos[a];
            bl_longtail_config cfg = {.labelled_head = 700,
                                      .labelled_ratio = rhos[a],
                                      .unlabelled_multiple = 5,
                                      .unlabelled_ratio = rho_u > 0 ? rho_u : 1,
                                      .relevance = 1,
                                      .seed = 1};
            CHECK_OK(bl_longtail_make(&cfg, s, NULL, &l));
            CHECK(abs(l->n_unlabelled - 5 * l->n_labelled) <= 10);
            bl_longtail_free(l);
        }
}

int main(void) {
    const char *dir = BALLAST_SHARED_DATA "/cifar10";
    if (!bl_is_dir(dir)) SKIP("no %s", dir);
    static const int train_first[10] = {6, 9, 9, 4, 1, 1, 2, 7, 8, 3};
    static const int test_first[10] = {3, 8, 8, 0, 6, 6, 1, 6, 3, 1};
    bl_classify_set *train, *test;
    CHECK_OK(bl_cifar10_read(dir, false, &train));
    CHECK_OK(bl_cifar10_read(dir, true, &test));
    CHECK_EQ(train->n, 50000);
    CHECK_EQ(test->n, 10000);
    CHECK_EQ(pixel_sum(train), 18540682003);
    CHECK_EQ(pixel_sum(test), 3733375634);
    check_labels(train, train_first, 5000);
    check_labels(test, test_first, 1000);
    check_numpy_tail(train);
    check_d_u(train);
    static const double mean[3] = {0.49139968, 0.48215841, 0.44653091};
    static const double std[3] = {0.24703223, 0.24348513, 0.26158784};
    for (int c = 0; c < 3; c++)
        CHECK_NEAR(train->mean[c], mean[c], 5e-5); /* the rounded constants */
    bl_classify_set_measure(train);
    for (int c = 0; c < 3; c++) {
        CHECK_NEAR(train->mean[c], mean[c], 1e-7);
        CHECK_NEAR(train->std[c], std[c], 1e-7);
    }
    bl_classify_set_free(train);
    bl_classify_set_free(test);
    return 0;
}
