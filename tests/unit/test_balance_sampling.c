/* Thresholds, repeat factors, the class-rebalancing pool, batch mix and class groups. Reference
 * values: an independent double-precision script. */
#include "balance/groups.h"
#include "balance/repeat_factor.h"
#include "balance/resampling.h"
#include "balance/thresholds.h"
#include "tests/check.h"

static bl_thresholds *make_thresholds(bl_threshold_mode mode) {
    bl_thresholds_config c = bl_thresholds_config_default(3, 10);
    c.mode = mode;
    bl_thresholds *th;
    CHECK_OK(bl_thresholds_create(&c, &th));
    return th;
}

static void check_theta(bl_thresholds *th, const double *w, int64_t t, double a, double b,
                        double c) {
    double theta[3];
    CHECK_OK(bl_thresholds_get(th, w, t, theta));
    CHECK_NEAR(theta[0], a, 1e-12);
    CHECK_NEAR(theta[1], b, 1e-12);
    CHECK_NEAR(theta[2], c, 1e-12);
}

static void test_thresholds(void) {
    static const double s[3] = {.8, .4, .6}, w[4] = {.5, 3, 1.2, 7};
    int64_t n;
    bl_thresholds *th = make_thresholds(BL_THRESHOLD_CODE);
    check_theta(th, w, 20, .9, .5, .75); /* no observation yet: theta, then the weights */
    memcpy(bl_thresholds_state(th, &n), s, sizeof s);
    CHECK_EQ(n, 6);
    check_theta(th, w, 20, .9, .5, .75);
    check_theta(th, w, 10, .9, .5, .75);
    check_theta(th, NULL, 9, .9, .9, .9); /* warm-up */
    double theta[3];
    CHECK_FAILS(bl_thresholds_get(th, NULL, 10, theta), BL_EINVAL, "class weights");
    bl_thresholds_destroy(th);

    th = make_thresholds(BL_THRESHOLD_SCORE); /* score statistics only */
    memcpy(bl_thresholds_state(th, &n), s, sizeof s);
    check_theta(th, NULL, 20, .9, .6, .9);
    bl_thresholds_destroy(th);

    th = make_thresholds(BL_THRESHOLD_WEIGHTS);
    memcpy(bl_thresholds_state(th, &n), s, sizeof s);
    check_theta(th, (double[]){.5, 1.2, 3}, 20, .9, .75, .5);
    bl_thresholds_destroy(th);

    th = make_thresholds(BL_THRESHOLD_FIXED);
    check_theta(th, NULL, 20, .9, .9, .9);
    bl_thresholds_destroy(th);
}

static void test_score_statistics(void) {
    bl_thresholds *th = make_thresholds(BL_THRESHOLD_SCORE), *other;
    const double *s = bl_thresholds_scores(th);
    int32_t c[3] = {1, 1, 2};
    float x[3] = {0.5f, 0.25f, 1};
    CHECK_OK(bl_thresholds_observe(th, c, x, 3));
    CHECK_NEAR(s[0], 0, 0);
    CHECK_NEAR(s[1], 0.75e-3, 1e-15);
    CHECK_NEAR(s[2], 1e-3, 1e-15);
    for (int i = 0; i < 998; i++) CHECK_OK(bl_thresholds_observe(th, c, x, 1));
    CHECK_NEAR(s[1], 0.49975, 1e-12); /* exactly 1000 observations */
    CHECK_OK(bl_thresholds_observe(th, c, (float[]){1}, 1));
    CHECK_NEAR(s[1], 0.999 * 0.49975 + 0.001, 1e-12); /* from here a moving average */
    int64_t n;
    double saved[6];
    memcpy(saved, bl_thresholds_state(th, &n), sizeof saved);
    other = make_thresholds(BL_THRESHOLD_SCORE);
    memcpy(bl_thresholds_state(other, &n), saved, sizeof saved);
    CHECK_OK(bl_thresholds_observe(th, c, x, 3));
    CHECK_OK(bl_thresholds_observe(other, c, x, 3));
    CHECK(memcmp(bl_thresholds_state(th, &n), bl_thresholds_state(other, &n), sizeof saved) == 0);
    memcpy(saved, bl_thresholds_state(th, &n), sizeof saved);
    CHECK_FAILS(bl_thresholds_observe(th, (int32_t[]){0, 3}, x, 2), BL_EINVAL, "class 3");
    CHECK_FAILS(bl_thresholds_observe(th, c, (float[]){1, NAN}, 2), BL_ENUMERIC, "detection 1");
    CHECK(memcmp(bl_thresholds_state(th, &n), saved, sizeof saved) == 0); /* all or nothing */
    bl_thresholds_destroy(th);
    bl_thresholds_destroy(other);
}

static void test_repeat_factors(void) {
    /* tau .1, f .0236: r 2.058, 3 copies. */
    double r[3], f[4];
    bl_repeat_factors((int64_t[]){236, 5000, 0}, 3, 10000, 0.1, r);
    CHECK_NEAR(r[0], 2.058, 5e-4);
    CHECK_NEAR(r[1], 1, 0);
    CHECK_NEAR(r[2], 1, 0);
    CHECK_EQ(bl_repeat_copies(r[0], BL_ROUND_CEIL, 0, 0, 0), 3);
    static const int64_t offsets[] = {0, 2, 2, 5, 6};
    static const int32_t classes[] = {0, 0, 1, 0, 1, 2};
    bl_image_classes images = {4, offsets, classes};
    int64_t counts[3];
    CHECK_OK(bl_classify_image_counts(&images, 3, counts));
    CHECK(counts[0] == 2 && counts[1] == 1 && counts[2] == 1);
    CHECK_FAILS(bl_classify_image_counts(&images, 2, counts), BL_EINVAL, "image 3: class 2");
    bl_image_factors(&images, (double[]){1.5, 1, 2}, f);
    CHECK(f[0] == 1.5 && f[1] == 1 && f[2] == 1.5 && f[3] == 2);
    static const int64_t expected[] = {0, 0, 1, 2, 2, 3, 3};
    int64_t list[8];
    CHECK_EQ(bl_repeat_list(f, 4, BL_ROUND_CEIL, 1, 0, NULL), 7);
    CHECK_EQ(bl_repeat_list(f, 4, BL_ROUND_CEIL, 1, 0, list), 7);
    CHECK(memcmp(list, expected, sizeof expected) == 0);
}

/* Stochastic rounding: the right mean, only floor or ceil, and each image on its own stream. */
static void test_stochastic_rounding(void) {
    int64_t sum = 0;
    enum { N = 20000 };
    for (int i = 0; i < N; i++) {
        int64_t c = bl_repeat_copies(2.3, BL_ROUND_STOCHASTIC, 5, 1, i);
        CHECK(c == 2 || c == 3);
        CHECK_EQ(c, bl_repeat_copies(2.3, BL_ROUND_STOCHASTIC, 5, 1, i));
        CHECK_EQ(bl_repeat_copies(2, BL_ROUND_STOCHASTIC, 5, 1, i), 2);
        sum += c;
    }
    CHECK_NEAR((double)sum / N, 2.3, 0.02);
    int differ = 0;
    for (int i = 0; i < 1000; i++) {
        differ += bl_repeat_copies(2.5, BL_ROUND_STOCHASTIC, 5, 1, i) !=
                  bl_repeat_copies(2.5, BL_ROUND_STOCHASTIC, 5, 2, i);
    }
    CHECK(differ > 400 && differ < 600);
}

static bl_crs_config crs_config(void) {
    return (bl_crs_config){.n_classes = 2,
                           .n_images = 3,
                           .alpha = 0.5,
                           .total = 100000,
                           .warmup = 12000,
                           .save_every = 4000,
                           .rebuild_every = 16000};
}

static const double theta[2] = {.9, .5};
static const int64_t labelled[2] = {40, 3};

static bl_crs_pool *reference_pool(void) {
    bl_crs_config c = crs_config();
    bl_crs_pool *p;
    CHECK_OK(bl_crs_create(&c, &p));
    CHECK_OK(bl_crs_record(p, 12000, 2, (int32_t[]){1}, (float[]){.99f}, 1, theta)); /* too early */
    CHECK_OK(
        bl_crs_record(p, 13000, 0, (int32_t[]){0, 1, 0}, (float[]){.95f, .85f, .89f}, 3, theta));
    CHECK_OK(bl_crs_record(p, 13001, 1, (int32_t[]){1}, (float[]){.55f}, 1, theta));
    CHECK_OK(bl_crs_record(p, 13002, 2, NULL, NULL, 0, theta));
    return p;
}

static void test_crs_reference(void) {
    bl_crs_pool *p = reference_pool();
    double r[2], images[3];
    CHECK_OK(bl_crs_factors(p, labelled, 100, r, images));
    CHECK(r[0] == 1 && images[0] == 1); /* nothing is saved yet, lambda 0 */
    bl_crs_save(p, 40000);
    CHECK_NEAR(bl_crs_lambda(p), .2, 1e-15);
    CHECK_EQ(bl_crs_filled(p), 2);
    CHECK_OK(bl_crs_factors(p, labelled, 100, r, images));
    CHECK_NEAR(r[0], 1, 0);
    CHECK_NEAR(r[1], 2.020, 5e-4); /* f = .40192, .04901 */
    CHECK_NEAR(.2 / (r[1] * r[1]), .04901, 1e-5);
    CHECK_NEAR(images[0], 1, 0);
    CHECK_EQ(bl_repeat_copies(images[0], BL_ROUND_CEIL, 0, 0, 0), 1);
    bl_crs_save(p, 100001); /* nothing pending: only the ramp moves, up to alpha */
    CHECK_NEAR(bl_crs_lambda(p), .5, 0);
    CHECK_OK(bl_crs_factors(p, labelled, 100, r, images));
    CHECK_NEAR(r[1], 3.194, 5e-4);
    CHECK_NEAR(images[0], 1.118, 5e-4);
    CHECK_NEAR(images[1], 1, 0);
    CHECK_NEAR(images[2], 1, 0);
    CHECK_EQ(bl_repeat_copies(images[0], BL_ROUND_CEIL, 0, 0, 0), 2);
    bl_crs_destroy(p);
}

static void test_crs_latest_wins(void) {
    bl_crs_pool *p = reference_pool();
    bl_crs_save(p, 16001);
    CHECK_EQ(bl_crs_filled(p), 2);
    CHECK_OK(bl_crs_record(p, 17000, 0, NULL, NULL, 0, theta)); /* an empty record replaces too */
    CHECK_OK(bl_crs_record(p, 17001, 2, (int32_t[]){0}, (float[]){1}, 1, theta));
    CHECK_OK(bl_crs_record(p, 17002, 2, (int32_t[]){1}, (float[]){1}, 1, theta));
    CHECK_EQ(bl_crs_filled(p), 2); /* pending only */
    bl_crs_save(p, 20001);
    CHECK_EQ(bl_crs_filled(p), 2); /* images 1 and 2 */
    double r[2], images[3];
    CHECK_OK(bl_crs_factors(p, (int64_t[]){0, 0}, 100, r, images));
    CHECK_NEAR(r[0], 1, 0); /* class 0 has gone */
    CHECK_NEAR(r[1], sqrt(.5 * .20001 / (2 / 102.01)), 1e-12);
    bl_crs_destroy(p);
}

static void test_crs_timing(void) {
    bl_crs_pool *p = reference_pool();
    CHECK(!bl_crs_save_due(p, 4000) && bl_crs_save_due(p, 4001) && bl_crs_save_due(p, 1));
    CHECK(!bl_crs_rebuild_due(p, 1) && bl_crs_rebuild_due(p, 16001) &&
          !bl_crs_rebuild_due(p, 20001));
    bl_crs_destroy(p);
}

static void test_crs_state(void) {
    bl_crs_pool *p = reference_pool(), *q;
    bl_crs_save(p, 40000);
    CHECK_OK(bl_crs_record(p, 40001, 1, (int32_t[]){1, 0}, (float[]){.77f, .93f}, 2, theta));
    double data[64], again[64], bad[64];
    int64_t n = bl_crs_pack(p, NULL);
    CHECK(n > 10 && n < 64);
    CHECK_EQ(bl_crs_pack(p, data), n);
    bl_crs_config c = crs_config();
    CHECK_OK(bl_crs_create(&c, &q));
    CHECK_OK(bl_crs_unpack(q, data, n));
    CHECK_EQ(bl_crs_pack(q, again), n);
    CHECK(memcmp(data, again, (size_t)n * 8) == 0);
    for (int which = 0; which < 2; which++) bl_crs_save(which ? q : p, 44001);
    double f[3], g[3];
    CHECK_OK(bl_crs_factors(p, labelled, 100, NULL, f));
    CHECK_OK(bl_crs_factors(q, labelled, 100, NULL, g));
    CHECK(memcmp(f, g, sizeof f) == 0);
    n = bl_crs_pack(q, data);
    /* Damaged states are refused and leave the pool alone. */
    for (int64_t cut = 0; cut < n; cut++) {
        if (bl_crs_unpack(q, data, cut) == BL_OK) CHECK_OK(bl_crs_unpack(q, data, n));
    }
    static const double junk[] = {-1, 0.5, 1e300, NAN, INFINITY, 6};
    for (int64_t i = 1; i < n; i++) {
        for (int k = 0; k < 6; k++) {
            memcpy(bad, data, sizeof bad);
            bad[i] = junk[k];
            if (bl_crs_unpack(q, bad, n) != BL_OK) CHECK(strstr(bl_error(), "does not fit"));
        }
    }
    CHECK_OK(bl_crs_unpack(q, data, n));
    CHECK_FAILS(bl_crs_unpack(q, (double[]){0, 6, 0}, 3), BL_EFORMAT,
                "number 1"); /* 2 x 3 images */
    CHECK_EQ(bl_crs_pack(q, again), n);
    CHECK(memcmp(data, again, (size_t)n * 8) == 0);
    bl_crs_destroy(p);
    bl_crs_destroy(q);
}

static void test_crs_errors(void) {
    bl_crs_pool *p = reference_pool(), *q;
    CHECK_FAILS(bl_crs_record(p, 13000, 3, NULL, NULL, 0, theta), BL_EINVAL, "image 3");
    CHECK_FAILS(bl_crs_record(p, 13000, 0, (int32_t[]){2}, (float[]){1}, 1, theta), BL_EINVAL,
                "class 2");
    bl_crs_config c = crs_config();
    c.total = 0;
    CHECK_FAILS(bl_crs_create(&c, &q), BL_EINVAL, "total");
    bl_crs_destroy(p);
    bl_crs_destroy(NULL);
}

static void test_groups(void) {
    static const int64_t counts[5] = {10, 11, 100, 101, 1000};
    int32_t g[5];
    bl_rarity_assign(counts, 5, g);
    CHECK(g[0] == BL_RARE && g[1] == BL_COMMON && g[2] == BL_COMMON && g[3] == BL_FREQUENT &&
          g[4] == BL_FREQUENT);
    CHECK_OK(bl_groups_assign(BL_GROUP_BY_COUNT, 100, NULL, 0, counts, 5, g));
    CHECK(g[0] && g[1] && !g[2] && !g[3] && !g[4]);
    CHECK_OK(bl_groups_assign(BL_GROUP_BY_RATIO, 0.101, NULL, 0, counts, 5, g));
    CHECK(g[0] && g[1] && g[2] && !g[3] && !g[4]);
    CHECK_OK(bl_groups_assign(BL_GROUP_BY_LIST, 0, (int32_t[]){4, 1}, 2, NULL, 5, g));
    CHECK(!g[0] && g[1] && !g[2] && !g[3] && g[4]);
    CHECK_FAILS(bl_groups_assign(BL_GROUP_BY_LIST, 0, (int32_t[]){4, 4}, 2, NULL, 5, g), BL_EINVAL,
                "class 4");
    CHECK_FAILS(bl_groups_assign(BL_GROUP_BY_LIST, 0, (int32_t[]){5}, 1, NULL, 5, g), BL_EINVAL,
                "class 5");
    CHECK_FAILS(bl_groups_assign(BL_GROUP_BY_RATIO, 2, NULL, 0, counts, 5, g), BL_EINVAL, "ratio");
}

int main(void) {
    test_thresholds();
    test_score_statistics();
    test_repeat_factors();
    test_stochastic_rounding();
    test_crs_reference();
    test_crs_latest_wins();
    test_crs_timing();
    test_crs_state();
    test_crs_errors();
    test_groups();
    return 0;
}
