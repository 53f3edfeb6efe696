/* Statistics on pseudo-label distributions: alignment, counts, blending, masks, hardness, centre.
 * Reference values are worked out by hand or with independent double-precision code. */
#include "balance/alignment.h"
#include "balance/balance_mask.h"
#include "balance/centre.h"
#include "balance/hardness.h"
#include "balance/label_blend.h"
#include "balance/label_counts.h"
#include "balance/prior_cap.h"
#include "balance/simplex.h"
#include "core/rng.h"
#include "tests/check.h"

static void check3(const double *got, double a, double b, double c, double tol) {
    CHECK_NEAR(got[0], a, tol);
    CHECK_NEAR(got[1], b, tol);
    CHECK_NEAR(got[2], c, tol);
}

static void test_simplex(void) {
    static const float z[3] = {1, 2, 3};
    double p[3], q[6] = {.2, .5, .3, .4, .2, .4}, top[2];
    int32_t label[2];
    bl_softmax_rows(z, 1, 3, NULL, 1, p);
    check3(p, 0.09003057317038046, 0.24472847105479764, 0.6652409557748218, 1e-15);
    bl_softmax_rows(z, 1, 3, (double[]){2, 1, 0}, 0.5, p); /* all equal */
    check3(p, 1 / 3.0, 1 / 3.0, 1 / 3.0, 1e-15);
    bl_softmax_rows((float[]){1e4f, -1e4f, 1e4f}, 1, 3, NULL, 1, p); /* no overflow */
    check3(p, .5, 0, .5, 1e-15);
    bl_argmax_rows(q, 2, 3, label, top);
    CHECK_EQ(label[0], 1);
    CHECK_EQ(label[1], 0); /* the first of equals */
    CHECK_NEAR(top[0], .5, 0);
    CHECK_NEAR(bl_entropy((double[]){.5, .5}, 2), log(2), 1e-15);
    bl_sharpen_rows(q, 1, 3, 0.5);
    check3(q, .04 / .38, .25 / .38, .09 / .38, 1e-15);
    double zero[2] = {0, 0};
    bl_sharpen_rows(zero, 1, 2, 0.5);
    CHECK_NEAR(zero[0], 0, 0);
}

static bl_alignment *alignment(bl_alignment_mean mean, int window) {
    bl_alignment_config c = {3, mean, window, 0.999};
    bl_alignment *a;
    CHECK_OK(bl_alignment_create(&c, &a));
    CHECK_OK(bl_alignment_set_target(a, (double[]){.7, .2, .1}));
    return a;
}

static void test_alignment(void) {
    static const bl_alignment_mean kinds[] = {BL_ALIGN_BATCHES, BL_ALIGN_ROWS, BL_ALIGN_AVERAGE};
    static const double before[3] = {.5, .3, .2};
    for (int i = 0; i < 3; i++) {
        bl_alignment *a = alignment(kinds[i], 128);
        double q[3] = {.6, .3, .1};
        bl_alignment_apply(a, q, 1);
        check3(q, .6, .3, .1, 0); /* nothing observed yet */
        bl_alignment_observe(a, before, 1);
        check3(bl_alignment_model(a), .5, .3, .2, 1e-15);
        bl_alignment_apply(a, q, 1);
        check3(q, .7706, .1835, .0459, 5.1e-5);
        bl_alignment_reset(a);
        double same[3] = {.6, .3, .1};
        bl_alignment_apply(a, same, 1);
        check3(same, .6, .3, .1, 0);
        bl_alignment_destroy(a);
    }
    CHECK_FAILS(bl_alignment_create(&(bl_alignment_config){3, BL_ALIGN_ROWS, 0, 0},
                                    &(bl_alignment *){NULL}),
                BL_EINVAL, "window");
    bl_alignment *a = alignment(BL_ALIGN_ROWS, 2);
    CHECK_FAILS(bl_alignment_set_target(a, (double[]){1, -1, 1}), BL_EINVAL, "class 1");
    CHECK_FAILS(bl_alignment_set_target(a, (double[]){0, 0, 0}), BL_EINVAL, "zeros");
    bl_alignment_destroy(a);
}

/* Batches of 1 and 2 rows, then a third that pushes out the first. */
static void test_alignment_windows(void) {
    static const double one[3] = {1, 0, 0}, two[6] = {0, 1, 0, 0, .5, .5}, three[3] = {0, 0, 1};
    bl_alignment *batches = alignment(BL_ALIGN_BATCHES, 2), *rows = alignment(BL_ALIGN_ROWS, 2),
                 *average = alignment(BL_ALIGN_AVERAGE, 2);
    bl_alignment *all[3] = {batches, rows, average};
    for (int i = 0; i < 3; i++) {
        bl_alignment_observe(all[i], one, 1);
        bl_alignment_observe(all[i], two, 2);
    }
    check3(bl_alignment_model(batches), .5, .375, .125, 1e-15);
    check3(bl_alignment_model(rows), 1 / 3.0, .5, .5 / 3, 1e-15);
    check3(bl_alignment_model(average), .999, .001 * .75, .001 * .25, 1e-15);
    for (int i = 0; i < 3; i++) bl_alignment_observe(all[i], three, 1);
    check3(bl_alignment_model(batches), 0, .375, .625, 1e-15);
    check3(bl_alignment_model(rows), 0, .5, .5, 1e-15);
    for (int i = 0; i < 3; i++) { /* a copy of the state goes on alike */
        static const bl_alignment_mean kinds[] = {BL_ALIGN_BATCHES, BL_ALIGN_ROWS,
                                                  BL_ALIGN_AVERAGE};
        bl_alignment *copy = alignment(kinds[i], 2);
        int64_t n, m;
        double *from = bl_alignment_state(all[i], &n), *to = bl_alignment_state(copy, &m);
        CHECK_EQ(n, m);
        memcpy(to, from, (size_t)n * sizeof *to);
        bl_alignment_observe(all[i], two, 2);
        bl_alignment_observe(copy, two, 2);
        CHECK(memcmp(to, from, (size_t)n * sizeof *to) == 0);
        bl_alignment_destroy(copy);
        bl_alignment_destroy(all[i]);
    }
}

static void set_counts(bl_label_counts *c, double a, double b, double d) {
    int64_t n;
    double *state = bl_label_counts_state(c, &n);
    CHECK_EQ(n, 7);
    state[3] = a;
    state[4] = b;
    state[5] = d;
}

static void test_counts(void) {
    bl_label_counts *fresh, *grow;
    CHECK_OK(bl_label_counts_create(3, true, &fresh));
    CHECK_OK(bl_label_counts_create(3, false, &grow));
    static const int32_t labels[5] = {0, 2, 2, 1, 2};
    static const uint8_t keep[5] = {1, 1, 0, 1, 1};
    double w[3];
    bl_label_counts_share(grow, 1, w);
    check3(w, 1, 1, 1, 0);
    bl_label_counts_blend(fresh, 1.5, w);
    check3(w, 0, 0, 0, 0);
    for (int round = 0; round < 2; round++) {
        CHECK_OK(bl_label_counts_add(fresh, labels, keep, 5));
        CHECK_OK(bl_label_counts_add(grow, labels, NULL, 5));
        if (round == 0) check3(bl_label_counts_values(fresh), 0, 0, 0, 0); /* not published */
        bl_label_counts_publish(fresh);
        bl_label_counts_publish(grow);
    }
    CHECK_EQ(bl_label_counts_published(grow), 2);
    check3(bl_label_counts_values(fresh), 1, 1, 2, 0);
    check3(bl_label_counts_values(grow), 2, 2, 6, 0);
    bl_label_counts_share(grow, 1, w);
    check3(w, .2, .2, .6, 1e-15);
    CHECK_FAILS(bl_label_counts_add(grow, (int32_t[]){0, 3}, NULL, 2), BL_EINVAL, "label 3");
    CHECK_OK(bl_label_counts_add(grow, (int32_t[]){0, 3}, (uint8_t[]){1, 0}, 2));

    set_counts(fresh, 100, 50, 10);
    bl_label_counts_blend(fresh, 1.5, w);
    check3(w, 1, .630, .2154, 5.1e-4);
    CHECK_NEAR(w[2], .2154, 5.1e-5);
    bl_label_counts_blend(fresh, .3, w);
    check3(w, 1, .0992, .00046, 5.1e-5);
    CHECK_NEAR(w[2], .00046, 5.1e-6);
    bl_label_counts_blend(fresh, .5, w);
    check3(w, 1, .25, .01, 1e-15);
    bl_label_counts_destroy(fresh);
    bl_label_counts_destroy(grow);
}

static void test_blend(void) {
    double p[6] = {.5, .3, .2, .1, .8, .1}, r[3] = {.5, .3, .2};
    static const double q[6] = {0, 0, 1, .2, .2, .6};
    bl_blend_by_label(p, q, 2, 3, (double[]){.5, .25, 1});
    check3(p, .25, .15, .6, 1e-15);
    check3(p + 3, .125, .65, .225, 1e-15);
    bl_blend_by_class(r, q, 1, 3, .4, (double[]){.5, .3, .2}, (uint8_t[]){1, 0, 1});
    check3(r, .4, .3, .264, 1e-15); /* 0.8*0.5; kept; 0.92*0.2 + 0.08 */
}

static void test_hardness(void) {
    static const double p[8] = {.7, .1, .1, .1, 1, 0, 0, 0};
    double w[2];
    bl_hardness_weights(p, 2, 4, .75, w);
    CHECK_NEAR(w[0], .75879, 5.1e-6);
    CHECK_NEAR(w[1], .25, 1e-6);
    bl_hardness_weights((double[]){.25, .25, .25, .25}, 1, 4, .75, w);
    CHECK_NEAR(w[0], 1, 1e-15);
}

static void test_balance_mask(void) {
    static const int64_t counts[3] = {500, 50, 5}; /* gamma 100 */
    double rates[3], keep[3];
    CHECK_OK(bl_balance_rates(counts, 3, rates));
    check3(rates, .01, .1, 1, 1e-15);
    bl_balance_anneal(rates, 3, 250 / 500.0, keep);
    check3(keep, .505, .55, 1, 1e-15);
    bl_balance_anneal(rates, 3, 0, keep);
    check3(keep, 1, 1, 1, 0);
    bl_balance_anneal(rates, 3, 7, keep); /* past the end */
    check3(keep, .01, .1, 1, 1e-15);
    CHECK_FAILS(bl_balance_rates((int64_t[]){4, 0}, 2, rates), BL_EINVAL, "class 1");

    enum { N = 3000 };
    int32_t labels[N];
    uint8_t a[N], b[N];
    int64_t kept[3] = {0};
    for (int i = 0; i < N; i++) labels[i] = i % 3;
    for (int step = 0; step < 20; step++) {
        bl_balance_mask(rates, 3, labels, N, 7, (uint64_t)step, 1, a);
        for (int i = 0; i < N; i++) kept[i % 3] += a[i];
    }
    CHECK_EQ(kept[2], 20000);
    CHECK(llabs(kept[0] - 200) < 60 && llabs(kept[1] - 2000) < 180); /* 4 sigma */
    bl_balance_mask(rates, 3, labels, N, 7, 19, 1, b);
    CHECK(memcmp(a, b, N) == 0); /* the same draw again */
    bl_balance_mask(rates, 3, labels, N, 7, 19, 2, b);
    CHECK(memcmp(a, b, N) != 0);
    bl_balance_mask(rates, 3, (int32_t[]){-1, 3}, 2, 7, 0, 1, a);
    CHECK(!a[0] && !a[1]);
}

/* Against a direct sum over the images, each with its weight. */
static void test_prior_cap(void) {
    enum { K = 3, IMAGES = 400, WINDOW = 50 };
    const double expected[K] = {1.2, 0.1, 0.4};
    static int32_t label[IMAGES][4];
    static float score[IMAGES][4];
    static int count[IMAGES];
    bl_prior_cap *p;
    CHECK_OK(bl_prior_cap_create(K, expected, WINDOW, &p));
    double theta[K] = {0.5, 0.5, 0.5};
    bl_prior_cap_raise(p, theta); /* nothing seen */
    for (int c = 0; c < K; c++) CHECK_NEAR(theta[c], 0.5, 0);
    bl_rng r = bl_rng_make(5, 1);
    for (int i = 0; i < IMAGES; i++) {
        count[i] = (int)bl_rng_below(&r, 5);
        for (int j = 0; j < count[i]; j++) {
            label[i][j] = (int32_t)bl_rng_below(&r, K);
            score[i][j] = bl_rng_uniform(&r);
        }
        CHECK_OK(bl_prior_cap_observe(p, label[i], score[i], count[i]));
    }
    for (int c = 0; c < K; c++) theta[c] = 0;
    bl_prior_cap_raise(p, theta);
    for (int c = 0; c < K; c++) {
        double want = 1;
        for (int bin = BL_PRIOR_CAP_BINS - 1; bin >= 0; bin--) {
            double edge = bin / (double)BL_PRIOR_CAP_BINS, above = 0, total = 0;
            for (int i = 0; i < IMAGES; i++) {
                double weight = pow(1 - 1.0 / WINDOW, IMAGES - 1 - i);
                total += weight;
                for (int j = 0; j < count[i]; j++)
                    above += weight * (label[i][j] == c && (int)(score[i][j] * 100.0f) >= bin);
            }
            if (above > expected[c] * total) break;
            want = edge;
        }
        CHECK_NEAR(theta[c], want, 1e-12);
    }
    CHECK(theta[1] > theta[2] && theta[2] > theta[0]);
    double higher[K] = {0.99, 1, 0.99};
    bl_prior_cap_raise(p, higher); /* never lowers */
    CHECK(higher[0] >= 0.99 && higher[1] >= 1 && higher[2] >= 0.99);

    /* A long stream of one sure class: no number overflows, the limit holds. */
    const int32_t one = 1;
    const float sure = 1;
    for (int i = 0; i < 200000; i++) CHECK_OK(bl_prior_cap_observe(p, &one, &sure, 1));
    theta[0] = theta[1] = 0;
    bl_prior_cap_raise(p, theta);
    CHECK_NEAR(theta[0], 0, 0);
    CHECK_NEAR(theta[1], 1, 0);
    int64_t n;
    const double *state = bl_prior_cap_state(p, &n);
    CHECK_EQ(n, 2 + K * BL_PRIOR_CAP_BINS);
    for (int64_t i = 0; i < n; i++) CHECK(isfinite(state[i]));

    const int32_t bad = K;
    const float nan = NAN;
    CHECK_FAILS(bl_prior_cap_observe(p, &bad, &sure, 1), BL_EINVAL, "class 3 of 3");
    CHECK_FAILS(bl_prior_cap_observe(p, &one, &nan, 1), BL_EINVAL, "score");
    bl_prior_cap_destroy(p);
    const double none[K] = {1, 0, 1};
    CHECK_FAILS(bl_prior_cap_create(K, none, WINDOW, &p), BL_EINVAL, "class 1");
    CHECK_FAILS(bl_prior_cap_create(K, expected, 0, &p), BL_EINVAL, "window");
}

static void test_centre(void) {
    bl_centre *c;
    int64_t n;
    double p[2];
    CHECK_OK(bl_centre_create(2, 0.9, &c));
    static const double rows[4] = {1, 3, 2, 5};
    bl_centre_update(c, rows, 2);
    const double *at = bl_centre_state(c, &n);
    CHECK_EQ(n, 2);
    CHECK_NEAR(at[0], .15, 1e-15);
    CHECK_NEAR(at[1], .4, 1e-15);
    bl_centre_update(c, rows, 0);
    CHECK_NEAR(at[0], .15, 1e-15);
    bl_centre_teacher(c, (float[]){1, 1.25f}, 1, .1, p); /* (.85, .85) / .1 */
    CHECK_NEAR(p[0], .5, 1e-12);
    bl_centre_destroy(c);
    CHECK_FAILS(bl_centre_create(2, 2, &c), BL_EINVAL, "momentum");
}

int main(void) {
    test_simplex();
    test_alignment();
    test_alignment_windows();
    test_counts();
    test_blend();
    test_hardness();
    test_balance_mask();
    test_centre();
    test_prior_cap();
    return 0;
}
