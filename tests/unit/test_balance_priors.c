/* Class priors, effective numbers, class-balanced and deferred weights, logit adjustment, LDAM
 * margins. Reference values: the tables of long-tail CIFAR-10 (imbalance 100, 5000 images at the
 * head) and a toy batch, made by independent double-precision code; compared to
 * the printed digits. */
#include "balance/class_prior.h"
#include "balance/logit_adjustment.h"
#include "balance/simplex.h"
#include "tests/check.h"

static const int64_t lt100[10] = {5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50};
static const int64_t toy[4] = {1000, 300, 40, 5};
static const float toy_logits[12] = {2, -1, .5f, 0, .1f, .2f, -.3f, 1.5f, -.5f, 1, .25f, -2};
static const int toy_label[3] = {2, 3, 0};

static void check_all(const double *got, const double *want, int n, double tol) {
    for (int k = 0; k < n; k++) CHECK_NEAR(got[k], want[k], tol);
}

static void test_effective_numbers(void) {
    static const double e[10] = {3934.845, 2589.7061, 1644.0312, 1021.0791, 624.6691,
                                 379.6258, 229.3408,  138.0453,  82.6606,   49.8777};
    for (int k = 0; k < 10; k++) CHECK_NEAR(bl_effective_number(lt100[k], 0.9999), e[k], 5.1e-5);
    CHECK_NEAR(bl_effective_number(7, 0), 1, 0);
    CHECK_NEAR(bl_effective_number(0, 0.9), 0, 0);
    CHECK_NEAR(bl_effective_number(1, 0.999999), 1, 1e-9);
}

static void test_class_balanced(void) {
    static const double b4[10] = {0.050611, 0.0769,   0.121134, 0.195037, 0.318805,
                                  0.52459,  0.868349, 1.442627, 2.409223, 3.992724};
    static const double b3[10] = {0.181187, 0.189414, 0.215742, 0.272859, 0.378479,
                                  0.560581, 0.868804, 1.386165, 2.25845,  3.688319};
    static const double b2[10] = {0.783832, 0.783832, 0.783832, 0.783848, 0.785034,
                                  0.800201, 0.868159, 1.041415, 1.385429, 1.984417};
    static const double t4[4] = {0.01831247, 0.05896432, 0.43653638, 3.48618683};
    double w[10];
    CHECK_OK(bl_class_balanced_weights(lt100, 10, 0.9999, w));
    check_all(w, b4, 10, 5.1e-7);
    CHECK_OK(bl_class_balanced_weights(lt100, 10, 0.999, w));
    check_all(w, b3, 10, 5.1e-7);
    CHECK_OK(bl_class_balanced_weights(lt100, 10, 0.99, w));
    check_all(w, b2, 10, 5.1e-7);
    CHECK_OK(bl_class_balanced_weights(toy, 4, 0.9999, w));
    check_all(w, t4, 4, 5.1e-9);
    /* beta = 0: equal weights, exactly. A class without samples stays out. */
    CHECK_OK(bl_class_balanced_weights(lt100, 10, 0, w));
    for (int k = 0; k < 10; k++) CHECK_NEAR(w[k], 1, 0);
    CHECK_OK(bl_class_balanced_weights((int64_t[]){3, 0, 3}, 3, 0.99, w));
    check_all(w, (double[]){1, 0, 1}, 3, 1e-15);
    CHECK_FAILS(bl_class_balanced_weights(toy, 4, 1, w), BL_EINVAL, "[0, 1)");
    CHECK_FAILS(bl_class_balanced_weights((int64_t[]){0, 0}, 2, 0.9, w), BL_EINVAL, "no class");
}

static void test_deferred(void) {
    double w[10], late[10];
    CHECK_OK(bl_class_balanced_weights(lt100, 10, 0.9999, late));
    CHECK_OK(bl_deferred_weights(lt100, 10, 0.9999, 159, 160, w));
    for (int k = 0; k < 10; k++) CHECK_NEAR(w[k], 1, 0);
    CHECK_OK(bl_deferred_weights(lt100, 10, 0.9999, 160, 160, w));
    check_all(w, late, 10, 0);
}

static void test_margins(void) {
    static const double m[10] = {0.158114, 0.179697, 0.204238, 0.232091, 0.263829,
                                 0.299768, 0.340675, 0.387221, 0.440497, 0.5};
    static const double mt[4] = {0.132957397424, 0.179652055982, 0.297301778751, 0.5};
    double got[10];
    CHECK_OK(bl_ldam_margins(lt100, 10, 0.5, got));
    check_all(got, m, 10, 5.1e-7);
    CHECK_OK(bl_ldam_margins(toy, 4, 0.5, got));
    check_all(got, mt, 4, 5.1e-13);
    CHECK_FAILS(bl_ldam_margins((int64_t[]){5, 0}, 2, 0.5, got), BL_EINVAL, "class 1");
}

static void test_prior(void) {
    double pi[4], flat[4];
    CHECK_OK(bl_class_prior(toy, 4, pi));
    CHECK_NEAR(pi[0], 1000 / 1345.0, 1e-15);
    CHECK_NEAR(pi[3], 5 / 1345.0, 1e-15);
    bl_prior_power(pi, 4, 0, flat);
    for (int k = 0; k < 4; k++) CHECK_NEAR(flat[k], 0.25, 1e-15);
    bl_prior_power(pi, 4, 0.5, flat);
    CHECK_NEAR(flat[0] / flat[2], 5, 1e-12); /* sqrt(1000 / 40) */
    CHECK_NEAR(flat[0] + flat[1] + flat[2] + flat[3], 1, 1e-15);
    CHECK_FAILS(bl_class_prior((int64_t[]){1, -2}, 2, pi), BL_EINVAL, "negative");
    CHECK_FAILS(bl_class_prior((int64_t[]){0, 0}, 2, pi), BL_EINVAL, "no class");
    int32_t order[5];
    bl_classes_by_count((int64_t[]){3, 9, 3, 0, 9}, 5, order);
    static const int32_t want[5] = {1, 4, 0, 2, 3};
    for (int k = 0; k < 5; k++) CHECK_EQ(order[k], want[k]);
}

static void test_logit_adjustment(void) {
    static const float z[3] = {2, 1, 0};
    static const double pi[3] = {.7, .2, .1}, post[3] = {.3091, .3980, .2928};
    double offset[3], p[3];
    bl_logit_offsets(pi, 3, 1, 1e-12, offset);
    bl_softmax_rows(z, 1, 3, offset, 1, p);
    CHECK_NEAR(-log(p[2]), 4.0632, 5.1e-5);
    bl_logit_offsets(pi, 3, 2, 1e-12, offset);
    bl_softmax_rows(z, 1, 3, offset, 1, p);
    CHECK_NEAR(-log(p[2]), 5.9241, 5.1e-5);
    bl_logit_offsets(pi, 3, -1, 1e-12, offset);
    bl_softmax_rows(z, 1, 3, offset, 1, p);
    check_all(p, post, 3, 5.1e-5);
    bl_logit_offsets((double[]){1, 0}, 2, 1, 1e-12, offset); /* an empty class stays finite */
    CHECK_NEAR(offset[1], log(1e-12), 1e-12);

    static const double loss[3] = {4.743117607394, 4.219414928463, 0.888015682766};
    static const int post_label[3] = {3, 3, 2};
    double prior[4], term[4], row[12], mean = 0;
    int32_t label[3];
    CHECK_OK(bl_class_prior(toy, 4, prior));
    bl_logit_offsets(prior, 4, 1, 0, term);
    bl_softmax_rows(toy_logits, 3, 4, term, 1, row);
    for (int i = 0; i < 3; i++) {
        /* the logits are floats: exact in all digits but for .1, .2, -.3 */
        CHECK_NEAR(-log(row[4 * i + toy_label[i]]), loss[i], i == 1 ? 2e-8 : 5.1e-13);
        mean -= log(row[4 * i + toy_label[i]]) / 3;
    }
    CHECK_NEAR(mean, 3.283516072874, 1e-8);
    bl_logit_offsets(prior, 4, -1, 0, term);
    bl_softmax_rows(toy_logits, 3, 4, term, 1, row);
    bl_argmax_rows(row, 3, 4, label, NULL);
    for (int i = 0; i < 3; i++) CHECK_EQ(label[i], post_label[i]);
}

int main(void) {
    test_effective_numbers();
    test_class_balanced();
    test_deferred();
    test_margins();
    test_prior();
    test_logit_adjustment();
    return 0;
}
