/* Feature memories, prototypes and what is contrasted with what. */
#include "balance/image_bank.h"
#include "balance/memory_bank.h"
#include "balance/prototypes.h"
#include "balance/reliable_negatives.h"
#include "balance/weighted_sampling.h"
#include "core/rng.h"
#include "tests/check.h"

static bl_memory_bank *bank(bl_bank_rule rule, int slots, bool exempt) {
    bl_bank_config c = {2, slots, 2, rule, exempt};
    bl_memory_bank *b;
    CHECK_OK(bl_bank_create(&c, &b));
    return b;
}

static void push(bl_memory_bank *b, int32_t label, float x, double confidence, int accepted) {
    int64_t n;
    float f[2] = {x, -x};
    CHECK_OK(bl_bank_push(b, f, &label, &confidence, NULL, 1, &n));
    CHECK_EQ(n, accepted);
}

static void test_fifo(void) {
    bl_memory_bank *b = bank(BL_BANK_FIFO, 3, false);
    float p[4];
    uint8_t present[2];
    CHECK_EQ(bl_bank_prototypes(b, p, present), 0);
    for (int i = 1; i <= 5; i++) push(b, 1, (float)i, 0, 1);
    CHECK_EQ(bl_bank_filled(b, 1), 3);
    CHECK_EQ(bl_bank_prototypes(b, p, present), 1);
    CHECK(!present[0] && present[1]);
    CHECK_NEAR(p[2], 4, 1e-6); /* 3, 4, 5 are left */
    CHECK_NEAR(p[3], -4, 1e-6);
    CHECK_NEAR(p[0], 0, 0);
    bl_bank_destroy(b);
}

static void test_confidence(void) {
    bl_memory_bank *b = bank(BL_BANK_CONFIDENCE, 2, false);
    push(b, 0, 1, 0, 0); /* an empty slot counts as confidence 0: not more confident */
    push(b, 0, 1, .8, 1);
    push(b, 0, 2, .9, 1);
    push(b, 0, 3, .8, 0); /* not more confident than the lowest */
    push(b, 0, 4, .85, 1);
    CHECK_EQ(bl_bank_filled(b, 0), 2);
    CHECK_NEAR(bl_bank_feature(b, 0, 0)[0], 4, 0); /* the feature moves with its confidence */
    CHECK_NEAR(bl_bank_confidence(b, 0, 0), .85, 0);
    CHECK_NEAR(bl_bank_feature(b, 0, 1)[0], 2, 0);
    bl_bank_decay(b, .5);
    CHECK_NEAR(bl_bank_confidence(b, 0, 1), .45, 1e-15);
    push(b, 0, 5, .44, 1); /* now more confident than .425 */
    CHECK_NEAR(bl_bank_feature(b, 0, 0)[0], 5, 0);
    bl_bank_destroy(b);

    b = bank(BL_BANK_CONFIDENCE, 2, true); /* the young are spared once */
    push(b, 0, 1, .8, 1);
    bl_bank_decay(b, .5);
    push(b, 0, 2, .6, 1);
    bl_bank_decay(b, .5);
    CHECK_NEAR(bl_bank_confidence(b, 0, 0), .4, 1e-15);
    CHECK_NEAR(bl_bank_confidence(b, 0, 1), .6, 1e-15);
    bl_bank_decay(b, .5);
    CHECK_NEAR(bl_bank_confidence(b, 0, 1), .3, 1e-15);
    bl_bank_destroy(b);
}

static void test_bank_errors_and_state(void) {
    bl_memory_bank *b = bank(BL_BANK_CONFIDENCE, 2, true), *c = bank(BL_BANK_CONFIDENCE, 2, true),
                   *other = bank(BL_BANK_FIFO, 2, true);
    static const float f[4] = {1, 2, NAN, 4};
    int64_t n;
    CHECK_FAILS(bl_bank_push(b, f, (int32_t[]){0, 0}, NULL, NULL, 2, &n), BL_ENUMERIC, "row 1");
    CHECK_EQ(bl_bank_filled(b, 0), 0); /* nothing was stored */
    CHECK_FAILS(bl_bank_push(b, f, (int32_t[]){0, 2}, NULL, NULL, 2, &n), BL_EINVAL, "label 2");
    CHECK_OK(bl_bank_push(b, f, (int32_t[]){0, 2}, NULL, (uint8_t[]){1, 0}, 2, &n));
    CHECK_EQ(n, 1);
    push(b, 0, 3, .7, 1);
    push(b, 1, 4, .6, 1);
    double state[64];
    n = bl_bank_pack(b, NULL);
    CHECK(n <= 64);
    CHECK_EQ(bl_bank_pack(b, state), n);
    CHECK_OK(bl_bank_unpack(c, state, n));
    push(b, 0, 5, .9, 1);
    push(c, 0, 5, .9, 1);
    bl_bank_decay(b, .5);
    bl_bank_decay(c, .5);
    double one[64], two[64];
    bl_bank_pack(b, one);
    bl_bank_pack(c, two);
    CHECK(memcmp(one, two, (size_t)n * sizeof *one) == 0);
    CHECK_FAILS(bl_bank_unpack(c, state, n - 1), BL_EFORMAT, "saved bank");
    CHECK_FAILS(bl_bank_unpack(other, state, n), BL_EFORMAT, "other settings");
    state[4] = 3; /* more entries than slots */
    CHECK_FAILS(bl_bank_unpack(c, state, n), BL_EFORMAT, "impossible");
    bl_bank_pack(c, one);
    CHECK(memcmp(one, two, (size_t)n * sizeof *one) == 0);
    bl_bank_destroy(b);
    CHECK_FAILS(bl_bank_create(&(bl_bank_config){0, 1, 1, BL_BANK_FIFO, false}, &b), BL_EINVAL,
                "at least 1");
    bl_bank_destroy(c);
    bl_bank_destroy(other);
}

/* The running sums against sums over all rows, through random writes. */
static void test_image_bank(void) {
    enum { ROWS = 23, K = 4, D = 3 };
    bl_image_bank *b, *copy;
    CHECK_OK(bl_image_bank_create(ROWS, K, D, &b));
    CHECK_OK(bl_image_bank_create(ROWS, K, D, &copy));
    bl_rng rng = bl_rng_make(3, 4);
    float centre[K * D];
    uint8_t present[K];
    CHECK_EQ(bl_image_bank_label(b, 5), -1);
    CHECK(bl_image_bank_feature(b, 5) == NULL);
    CHECK_EQ(bl_image_bank_centres(b, centre, present), 0);
    for (int step = 0; step < 400; step++) {
        int64_t rows[5];
        int32_t labels[5];
        uint8_t set_label[5], set_feature[5];
        float f[5 * D];
        for (int i = 0; i < 5; i++) {
            rows[i] = bl_rng_below(&rng, ROWS);             /* repeats happen */
            labels[i] = (int32_t)bl_rng_below(&rng, K - 1); /* class K-1 stays empty */
            set_label[i] = (uint8_t)bl_rng_below(&rng, 2);
            set_feature[i] = (uint8_t)bl_rng_below(&rng, 2);
            for (int d = 0; d < D; d++) f[i * D + d] = bl_rng_normal(&rng);
        }
        CHECK_OK(bl_image_bank_write(b, rows, 5, labels, set_label, f, set_feature));
        if (step == 200) { /* a copy goes on alike */
            int64_t n = bl_image_bank_pack(b, NULL);
            double *state = malloc((size_t)n * sizeof *state);
            CHECK_EQ(bl_image_bank_pack(b, state), n);
            CHECK_OK(bl_image_bank_unpack(copy, state, n));
            CHECK_FAILS(bl_image_bank_unpack(copy, state, n + 1), BL_EFORMAT, "data set");
            state[3] = K;
            CHECK_FAILS(bl_image_bank_unpack(copy, state, n), BL_EFORMAT, "impossible");
            free(state);
        } else if (step > 200) {
            CHECK_OK(bl_image_bank_write(copy, rows, 5, labels, set_label, f, set_feature));
        }
        double sum[K][D] = {{0}};
        int64_t members[K] = {0}, counts[K] = {0};
        for (int r = 0; r < ROWS; r++) {
            int32_t c = bl_image_bank_label(b, r);
            const float *x = bl_image_bank_feature(b, r);
            if (c < 0) continue;
            counts[c]++;
            if (!x) continue;
            members[c]++;
            for (int d = 0; d < D; d++) sum[c][d] += x[d];
        }
        bl_image_bank_centres(b, centre, present);
        for (int c = 0; c < K; c++) {
            CHECK_EQ(bl_image_bank_counts(b)[c], counts[c]);
            CHECK_EQ(present[c], members[c] > 0);
            for (int d = 0; d < D; d++) {
                double mean = members[c] ? sum[c][d] / (double)members[c] : 0;
                CHECK_NEAR(centre[c * D + d], mean, 1e-6);
            }
        }
    }
    int64_t n = bl_image_bank_pack(b, NULL);
    double *one = malloc((size_t)n * sizeof *one), *two = malloc((size_t)n * sizeof *two);
    bl_image_bank_pack(b, one);
    bl_image_bank_pack(copy, two);
    CHECK(memcmp(one, two, (size_t)n * sizeof *one) == 0);
    free(one);
    free(two);
    uint8_t yes = 1, no = 0;
    CHECK_FAILS(bl_image_bank_write(b, (int64_t[]){ROWS}, 1, (int32_t[]){0}, &yes, NULL, &no),
                BL_EINVAL, "sample 23");
    CHECK_FAILS(bl_image_bank_write(b, (int64_t[]){0}, 1, (int32_t[]){K}, &yes, NULL, &no),
                BL_EINVAL, "label 4");
    CHECK_FAILS(
        bl_image_bank_write(b, (int64_t[]){0}, 1, NULL, &no, (float[]){0, INFINITY, 0}, &yes),
        BL_ENUMERIC, "not finite");
    bl_image_bank_destroy(b);
    bl_image_bank_destroy(copy);
}

static void test_semantic_rows(void) {
    static const float z[2] = {3, 4}, c[6] = {3, 0, 0, 0, 3, 4};
    double p[3];
    /* distances 4, 5, 0 */
    bl_semantic_rows(BL_SIMILARITY_DISTANCE, z, 1, 2, c, NULL, 3, 2, p);
    double sum = exp(-2) + exp(-2.5) + 1;
    CHECK_NEAR(p[0], exp(-2) / sum, 1e-15);
    CHECK_NEAR(p[1], exp(-2.5) / sum, 1e-15);
    /* cosines 0.6, 0 (zero vector), 1 */
    bl_semantic_rows(BL_SIMILARITY_COSINE, z, 1, 2, c, NULL, 3, 0.5, p);
    sum = exp(1.2) + 1 + exp(2);
    CHECK_NEAR(p[0], exp(1.2) / sum, 1e-15);
    CHECK_NEAR(p[2], exp(2) / sum, 1e-15);
    bl_semantic_rows(BL_SIMILARITY_COSINE, z, 1, 2, c, (uint8_t[]){1, 0, 1}, 3, 0.5, p);
    CHECK_NEAR(p[1], 0, 0);
    CHECK_NEAR(p[0] + p[2], 1, 1e-15);
    bl_semantic_rows(BL_SIMILARITY_COSINE, z, 1, 2, c, (uint8_t[]){0, 0, 0}, 3, 0.5, p);
    CHECK_NEAR(p[0] + p[1] + p[2], 0, 0);
}

static void test_reliable_negatives(void) {
    static const int32_t labels[3] = {1, -1, 3};
    static const double p[12] = {0, 0, 0, 0, .1, .2, .3, .2, 0, 0, 0, 0};
    uint8_t negative[12];
    CHECK_OK(bl_reliable_negatives(labels, p, 3, 4, 2, negative));
    /* the unlabelled sample's top two are 2 and, of the equal 1 and 3, 1 */
    static const uint8_t want[12] = {1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 0};
    CHECK(memcmp(negative, want, sizeof want) == 0);
    CHECK_FAILS(bl_reliable_negatives(labels, p, 3, 4, 5, negative), BL_EINVAL, "top 5");
    CHECK_FAILS(bl_reliable_negatives((int32_t[]){4}, p, 1, 4, 3, negative), BL_EINVAL, "label 4");
    double tau[2];
    bl_balanced_temperatures((int64_t[]){4, 100}, 2, .1, .005, .5, tau);
    CHECK_NEAR(tau[0], .099975, 5.1e-13);
    CHECK_NEAR(tau[1], .1 * (1 - .25 * .005), 1e-15);
    bl_balanced_temperatures((int64_t[]){0, 0}, 2, .1, .005, .5, tau);
    CHECK_NEAR(tau[0], .1, 0);
}

static void test_weighted_draws(void) {
    static const int32_t labels[6] = {0, 0, 0, 0, 1, 2};
    static const double weight[3] = {1, 4, 0};
    enum { N = 16000 };
    static int64_t list[N], again[N];
    CHECK_OK(bl_weighted_draws(labels, 6, weight, 3, 1, 2, N, list));
    CHECK_OK(bl_weighted_draws(labels, 6, weight, 3, 1, 2, N, again));
    CHECK(memcmp(list, again, sizeof list) == 0);
    int64_t hits[6] = {0};
    for (int i = 0; i < N; i++) hits[list[i]]++;
    CHECK_EQ(hits[5], 0);
    CHECK(llabs(hits[4] - N / 2) < 300 && llabs(hits[2] - N / 8) < 200); /* over 4 sigma */
    CHECK_FAILS(bl_weighted_draws(labels, 6, (double[]){0, 0, 0}, 3, 1, 2, N, list), BL_EINVAL,
                "zero");
    CHECK_FAILS(bl_weighted_draws(labels, 6, (double[]){1, -1, 0}, 3, 1, 2, N, list), BL_EINVAL,
                "weight -1");

    /* class-aware: every class equally often, every sample of a class equally often */
    CHECK_OK(bl_class_aware_draws(labels, 6, 4, 4, 1, 2, 48, list));
    memset(hits, 0, sizeof hits);
    for (int i = 0; i < 48; i++) {
        hits[list[i]]++;
        CHECK_EQ(labels[list[i]], labels[list[i - i % 4]]); /* four of a kind */
    }
    for (int i = 0; i < 4; i++) CHECK_EQ(hits[i], 4);
    CHECK_EQ(hits[4], 16);
    CHECK_EQ(hits[5], 16);
    CHECK_FAILS(bl_class_aware_draws(labels, 6, 2, 4, 1, 2, 8, list), BL_EINVAL, "label 2");
}

int main(void) {
    test_fifo();
    test_confidence();
    test_bank_errors_and_state();
    test_image_bank();
    test_semantic_rows();
    test_reliable_negatives();
    test_weighted_draws();
    return 0;
}
