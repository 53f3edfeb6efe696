/* CReST's numbers: shares of classes, temperatures, and whose labels are kept. */
#include "balance/generations.h"

#include <math.h>

#include "tests/check.h"

static void test_rates(void) {
    /* CIFAR-10-LT, gamma 100: counts are floored, so not quite 100^(-r/27). */
    const int64_t counts[10] = {1500, 899, 539, 323, 193, 116, 69, 41, 25, 15};
    const double want[10] = {.2154, .2554, .3012, .3583, .4260, .5048, .5994, .7109, .8431, 1};
    double rate[10];
    CHECK_OK(bl_generation_rates(counts, 10, 3, rate));
    for (int k = 0; k < 10; k++) CHECK_NEAR(rate[k], want[k], 5.1e-5);

    /* Classes in any order: the rarest is taken whole, whatever its number. */
    const int64_t mixed[4] = {7, 56, 1, 20};
    double r[4];
    CHECK_OK(bl_generation_rates(mixed, 4, 2, r));
    CHECK_NEAR(r[2], 1, 0);
    CHECK_NEAR(r[0], sqrt(20.0 / 56), 1e-15);
    CHECK_NEAR(r[3], sqrt(7.0 / 56), 1e-15);
    CHECK_NEAR(r[1], sqrt(1.0 / 56), 1e-15);

    const int64_t none[2] = {0, 0};
    CHECK_FAILS(bl_generation_rates(none, 2, 3, r), BL_EINVAL, "above 0");
    CHECK_FAILS(bl_generation_rates(mixed, 4, 0, r), BL_EINVAL, "alpha 0");
}

static void test_power(void) {
    const double want[6] = {1, .9, .8, .7, .6, .5};
    for (int g = 0; g < 6; g++) CHECK_NEAR(bl_generation_power(g, 6, 0.5), want[g], 1e-15);
    CHECK_NEAR(bl_generation_power(0, 1, 0.5), 1, 0);
}

static void test_choose(void) {
    /* Class 0: five images, half of them; class 1: three, all; class 2: one of 0.9 of one: none. */
    const double confidence[11] = {.5, .9, .7, .7, .6, .4, .3, .2, .99, .9, 1};
    int32_t label[11] = {0, 0, 0, 0, 0, 1, 1, 1, 2, -1, -1};
    const double rate[3] = {.5, 1, .9};
    CHECK_OK(bl_generation_choose(confidence, 11, rate, 3, -1, label));
    const int32_t want[11] = {-1, 0, 0, -1, -1, 1, 1, 1, -1, -1, -1};
    for (int i = 0; i < 11; i++) CHECK_EQ(label[i], want[i]);

    /* A share whose product with the number is whole takes that many. */
    double same[10] = {0};
    int32_t ten[10] = {0};
    const double tenth = 0.1 * 7; /* a little below 0.7 */
    CHECK_OK(bl_generation_choose(same, 10, &tenth, 1, -1, ten));
    for (int i = 0; i < 10; i++) CHECK_EQ(ten[i], i < 7 ? 0 : -1);

    int32_t bad[1] = {3};
    CHECK_FAILS(bl_generation_choose(confidence, 1, rate, 3, -1, bad), BL_EINVAL, "label 3");
    CHECK_OK(bl_generation_choose(confidence, 0, rate, 3, -1, bad));
}

int main(void) {
    test_rates();
    test_power();
    test_choose();
    return 0;
}
