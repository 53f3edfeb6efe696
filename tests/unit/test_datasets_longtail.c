/* Long-tailed sets: the counts of the literature's tables, which images are picked, and the file of
 * indices. */
#include "datasets/splits/longtail.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/mt19937.h"
#include "tests/check.h"

static int64_t sum(const int64_t *v, int n) {
    int64_t s = 0;
    for (int i = 0; i < n; i++) s += v[i];
    return s;
}

static void test_tables(void) {
    static const struct {
        int head;
        double ratio;
        int64_t counts[10];
        int64_t total;
    } rows[] = {
        {500, 100, {500, 299, 179, 107, 64, 38, 23, 13, 8, 5}, 1236},
        {1500, 100, {1500, 899, 539, 323, 193, 116, 69, 41, 25, 15}, 3720},
        {4000, 100, {4000, 2397, 1437, 861, 516, 309, 185, 111, 66, 40}, 9922},
        {3000, 100, {3000, 1798, 1078, 646, 387, 232, 139, 83, 50, 30}, 7443},
        {1000, 100, {1000, 599, 359, 215, 129, 77, 46, 27, 16, 10}, 2478},
        {500, 150, {500, 286, 164, 94, 53, 30, 17, 10, 5, 3}, 1162},
        {1500, 150, {1500, 859, 492, 282, 161, 92, 53, 30, 17, 10}, 3496},
        {4000, 150, {4000, 2292, 1313, 752, 431, 247, 141, 81, 46, 26}, 9329},
        {3000, 150, {3000, 1719, 985, 564, 323, 185, 106, 60, 34, 20}, 6996},
        {150, 10, {150, 116, 89, 69, 53, 41, 32, 25, 19, 15}, 609},
        {450, 10, {450, 348, 269, 208, 161, 125, 96, 75, 58, 45}, 1835},
        {150, 20, {150, 107, 77, 55, 39, 28, 20, 14, 10, 7}, 507},
        {450, 20, {450, 322, 231, 165, 118, 85, 61, 43, 31, 22}, 1528},
        {5000, 100, {5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50}, 12406},
        {5000, 50, {5000, 3237, 2096, 1357, 878, 568, 368, 238, 154, 100}, 13996},
        {5000, 10, {5000, 3871, 2997, 2320, 1796, 1391, 1077, 834, 645, 500}, 20431},
        {1000, 50, {1000, 647, 419, 271, 175, 113, 73, 47, 30, 20}, 2795},
        {1000, 10, {1000, 774, 599, 464, 359, 278, 215, 166, 129, 100}, 4084},
        {750, 100, {750, 449, 269, 161, 96, 58, 34, 20, 12, 7}, 1856},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        int64_t n[10];
        CHECK_OK(bl_longtail_counts(BL_LONGTAIL_EXPONENTIAL, rows[r].head, rows[r].ratio, 10, n));
        for (int k = 0; k < 10; k++) CHECK_EQ(n[k], rows[r].counts[k]);
        CHECK_EQ(sum(n, 10), rows[r].total);
    }
    static const struct {
        int head;
        double ratio;
        int64_t total;
    } hundred[] = {{50, 10, 1911},    {150, 10, 5835},  {400, 10, 15651}, {300, 10, 11720},
                   {50, 20, 1545},    {150, 20, 4741},  {400, 20, 12719}, {300, 20, 9527},
                   {500, 100, 10847}, {500, 50, 12608}, {500, 10, 19573}};
    for (size_t r = 0; r < sizeof hundred / sizeof *hundred; r++) {
        int64_t n[100];
        CHECK_OK(
            bl_longtail_counts(BL_LONGTAIL_EXPONENTIAL, hundred[r].head, hundred[r].ratio, 100, n));
        CHECK_EQ(sum(n, 100), hundred[r].total);
    }
    int64_t n[100];
    CHECK_OK(bl_longtail_counts(BL_LONGTAIL_EXPONENTIAL, 500, 100, 100, n));
    static const int64_t head[5] = {500, 477, 455, 434, 415}, tail[5] = {6, 5, 5, 5, 5};
    for (int k = 0; k < 5; k++) CHECK(n[k] == head[k] && n[95 + k] == tail[k]);
    /* Step. */
    static const struct {
        int head, classes;
        double ratio;
        int64_t total;
    } steps[] = {{5000, 10, 100, 25250}, {5000, 10, 50, 25500}, {5000, 10, 10, 27500},
                 {500, 100, 100, 25250}, {500, 100, 50, 25500}, {500, 100, 10, 27500},
                 {1000, 10, 100, 5050},  {1000, 10, 50, 5100},  {1000, 10, 10, 5500}};
    for (size_t r = 0; r < sizeof steps / sizeof *steps; r++) {
        CHECK_OK(bl_longtail_counts(BL_LONGTAIL_STEP, steps[r].head, steps[r].ratio,
                                    steps[r].classes, n));
        CHECK_EQ(sum(n, steps[r].classes), steps[r].total);
        CHECK_EQ(n[steps[r].classes / 2 - 1], steps[r].head);
        CHECK_EQ(n[steps[r].classes / 2], (int64_t)(steps[r].head / steps[r].ratio));
    }
    CHECK_OK(bl_longtail_counts(BL_LONGTAIL_EXPONENTIAL, 7, 100, 1, n));
    CHECK_EQ(n[0], 7);
    CHECK_FAILS(bl_longtail_counts(BL_LONGTAIL_EXPONENTIAL, 5, 0.01, 10, n), BL_ECONFIG,
                "reversed");
}

/* D_U at five times the labelled size. */
static void test_multiple(void) {
    static const struct {
        int head;
        double rho, rho_u;
        int64_t counts[10];
        int64_t total;
    } rows[] = {
        {5000, 100, 1, {6203, 6203, 6203, 6203, 6203, 6203, 6203, 6203, 6203, 6203}, 62030},
        {5000, 100, 50, {22159, 14346, 9288, 6012, 3893, 2518, 1632, 1053, 682, 442}, 62025},
        {5000, 100, 100, {24999, 14984, 8983, 5384, 3228, 1934, 1156, 693, 415, 249}, 62025},
        {5000, 100, 200, {27687, 15363, 8529, 4731, 2624, 1455, 807, 446, 245, 138}, 62025},
        {5000, 50, 1, {6998, 6998, 6998, 6998, 6998, 6998, 6998, 6998, 6998, 6998}, 69980},
        {5000, 50, 25, {21651, 15138, 10587, 7403, 5176, 3619, 2530, 1769, 1237, 863}, 69973},
        {5000, 50, 50, {24999, 16186, 10477, 6784, 4390, 2843, 1839, 1189, 771, 496}, 69974},
        {5000, 50, 100, {28208, 16909, 10133, 6074, 3639, 2180, 1306, 781, 467, 278}, 69975},
        {5000,
         10,
         1,
         {10215, 10215, 10215, 10215, 10215, 10215, 10215, 10215, 10215, 10215},
         102150},
        {5000, 10, 5, {20088, 16798, 14047, 11746, 9823, 8214, 6869, 5744, 4804, 4017}, 102150},
        {5000, 10, 10, {24997, 19354, 14984, 11602, 8983, 6954, 5383, 4167, 3227, 2498}, 102149},
        {5000, 10, 20, {30003, 21506, 15417, 11052, 7921, 5677, 4070, 2916, 2091, 1497}, 102150},
        {1000, 100, 100, {5000, 2994, 1795, 1073, 645, 383, 230, 137, 80, 48}, 12385},
        {1000, 50, 50, {4998, 3234, 2093, 1355, 876, 565, 364, 236, 153, 96}, 13970},
        {1000, 10, 10, {4999, 3870, 2996, 2318, 1794, 1390, 1074, 832, 643, 499}, 20415},
        {750, 100, 1, {928, 928, 928, 928, 928, 928, 928, 928, 928, 928}, 9280},
        {750, 100, 100, {3747, 2245, 1344, 803, 480, 286, 173, 100, 60, 36}, 9274},
        {750, 100, 200, {4148, 2302, 1273, 706, 393, 214, 120, 67, 35, 17}, 9275},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        int64_t n[10], m[10];
        CHECK_OK(bl_longtail_counts(BL_LONGTAIL_EXPONENTIAL, rows[r].head, rows[r].rho, 10, n));
        CHECK_OK(bl_longtail_multiple(5, rows[r].rho_u, 10, n, m));
        for (int k = 0; k < 10; k++) CHECK_EQ(m[k], rows[r].counts[k]);
        CHECK_EQ(sum(m, 10), rows[r].total);
    }
}

static void test_arrange(void) {
    static const int ranks[][10] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
                                    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
                                    {9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
                                    {8, 6, 4, 2, 0, 1, 3, 5, 7, 9},
                                    {1, 3, 5, 7, 9, 8, 6, 4, 2, 0}};
    for (int order = 0; order <= BL_LONGTAIL_HEAD_TAIL; order++) {
        int64_t n[10], falling[10];
        CHECK_OK(bl_longtail_counts(BL_LONGTAIL_EXPONENTIAL, 4000, 100, 10, falling));
        memcpy(n, falling, sizeof n);
        CHECK_OK(bl_longtail_arrange((bl_longtail_order)order, 1, 10, n));
        for (int c = 0; c < 10; c++) CHECK_EQ(n[c], falling[ranks[order][c]]);
    }
    /* Odd numbers of classes. */
    int64_t five[5] = {50, 40, 30, 20, 10}, copy[5];
    static const int64_t middle[5] = {10, 30, 50, 40, 20}, ends[5] = {40, 20, 10, 30, 50};
    memcpy(copy, five, sizeof copy);
    CHECK_OK(bl_longtail_arrange(BL_LONGTAIL_MIDDLE, 1, 5, copy));
    CHECK(!memcmp(copy, middle, sizeof copy));
    memcpy(copy, five, sizeof copy);
    CHECK_OK(bl_longtail_arrange(BL_LONGTAIL_HEAD_TAIL, 1, 5, copy));
    CHECK(!memcmp(copy, ends, sizeof copy));
    /* A random order is a permutation that the seed decides. */
    int64_t a[100], b[100], c[100];
    for (int k = 0; k < 100; k++) a[k] = b[k] = c[k] = 100 - k;
    CHECK_OK(bl_longtail_arrange(BL_LONGTAIL_RANDOM, 1, 100, a));
    CHECK_OK(bl_longtail_arrange(BL_LONGTAIL_RANDOM, 1, 100, b));
    CHECK_OK(bl_longtail_arrange(BL_LONGTAIL_RANDOM, 2, 100, c));
    CHECK(!memcmp(a, b, sizeof a) && memcmp(a, c, sizeof a));
    CHECK_EQ(sum(a, 100), 5050);
}

/* 40 images of each of 5 classes, in a mixed order; 30 of none. */
static bl_classify_set *make_set(void) {
    bl_classify_set *s;
    CHECK_OK(bl_classify_set_create("set", 230, 8, 8, 5, &s));
    for (int i = 0; i < 200; i++) s->labels[i] = (i * 7 + i / 5) % 5;
    int64_t counts[5];
    bl_classify_set_counts(s, counts);
    for (int c = 0; c < 5; c++) CHECK_EQ(counts[c], 40);
    return s;
}

static void check_lists(const bl_longtail *l, const bl_classify_set *s, bool own_pool) {
    int64_t labelled[5] = {0}, unlabelled[5] = {0};
    int seen[230] = {0}, in_labelled[230] = {0};
    for (int i = 0; i < l->n_labelled; i++) {
        CHECK_EQ(in_labelled[l->labelled[i]]++, 0);
        labelled[s->labels[l->labelled[i]]]++;
        if (i > 0) CHECK(s->labels[l->labelled[i]] >= s->labels[l->labelled[i - 1]]);
    }
    for (int i = 0; i < l->n_unlabelled; i++) {
        CHECK_EQ(seen[l->unlabelled[i]]++, 0);
        if (s->labels[l->unlabelled[i]] >= 0) unlabelled[s->labels[l->unlabelled[i]]]++;
        CHECK_EQ(l->is_labelled[i], own_pool ? in_labelled[l->unlabelled[i]] : 0);
    }
    for (int c = 0; c < 5; c++) {
        CHECK_EQ(labelled[c], l->labelled_counts[c]);
        CHECK_EQ(unlabelled[c], l->unlabelled_counts[c]);
    }
}

static const bl_longtail_config base = {
    .labelled_head = 10, .labelled_ratio = 10, .unlabelled_head = 20, .relevance = 1, .seed = 4};

static void test_make(void) {
    bl_classify_set *s = make_set();
    bl_longtail *l, *other;
    bl_longtail_config cfg = base;
    static const int64_t n[5] = {10, 5, 3, 1, 1}, m[5] = {20, 11, 6, 3, 2};
    CHECK_OK(bl_longtail_make(&cfg, s, NULL, &l));
    check_lists(l, s, true);
    for (int c = 0; c < 5; c++)
        CHECK(l->labelled_counts[c] == n[c] && l->unlabelled_counts[c] == m[c]);
    for (int i = 0; i < l->n_unlabelled; i++) CHECK_EQ(l->is_labelled[i], 0);

    /* The seed decides; a larger draw of the same seed contains the smaller one. */
    cfg.seed = 5;
    CHECK_OK(bl_longtail_make(&cfg, s, NULL, &other));
    CHECK(memcmp(l->labelled, other->labelled, 10 * sizeof(int32_t)) != 0);
    bl_longtail_free(other);
    cfg.seed = 4;
    cfg.labelled_head = 12;
    CHECK_OK(bl_longtail_make(&cfg, s, NULL, &other));
    CHECK(!memcmp(l->labelled, other->labelled, 10 * sizeof(int32_t)));
    bl_longtail_free(other);

    /* Included: the same labelled images, then as many others. */
    cfg = base;
    cfg.unlabelled_includes_labelled = true;
    CHECK_OK(bl_longtail_make(&cfg, s, NULL, &other));
    check_lists(other, s, true);
    CHECK(!memcmp(l->labelled, other->labelled, (size_t)l->n_labelled * sizeof(int32_t)));
    for (int c = 0; c < 5; c++) CHECK_EQ(other->unlabelled_counts[c], n[c] + m[c]);
    int flags = 0;
    for (int i = 0; i < other->n_unlabelled; i++) flags += other->is_labelled[i];
    CHECK_EQ(flags, other->n_labelled);
    CHECK(!memcmp(other->unlabelled, l->labelled, 10 * sizeof(int32_t)));
    CHECK(!memcmp(other->unlabelled + 10, l->unlabelled, 20 * sizeof(int32_t)));
    bl_longtail_free(other);
    bl_longtail_free(l);

    /* File order: the first N_k, then the next M_k; reversed. */
    cfg = base;
    cfg.pick = BL_LONGTAIL_FILE_ORDER;
    cfg.unlabelled_order = BL_LONGTAIL_REVERSED;
    CHECK_OK(bl_longtail_make(&cfg, s, NULL, &l));
    check_lists(l, s, true);
    int32_t last = -1, at = 0;
    for (int i = 0; i < 10; i++, last = l->labelled[i - 1]) CHECK(l->labelled[i] > last);
    for (int i = 0; i < 200 && at < 12; i++) {
        if (s->labels[i] != 0) continue;
        CHECK_EQ(at < 10 ? l->labelled[at] : l->unlabelled[at - 10], i);
        at++;
    }
    for (int c = 0; c < 5; c++) CHECK_EQ(l->unlabelled_counts[c], m[4 - c]);
    bl_longtail_free(l);

    /* A share of every class, and everything else unlabelled (ImageNet-127). */
    cfg = base;
    cfg.labelled_fraction = 0.1;
    cfg.unlabelled_rest = true;
    cfg.unlabelled_includes_labelled = true;
    CHECK_OK(bl_longtail_make(&cfg, s, NULL, &l));
    check_lists(l, s, true);
    CHECK_EQ(l->n_labelled, 20);
    CHECK_EQ(l->n_unlabelled, 230);
    bl_longtail_free(l);

    /* All labelled. */
    cfg = (bl_longtail_config){.labelled_ratio = 1, .relevance = 1};
    CHECK_OK(bl_longtail_make(&cfg, s, NULL, &l));
    CHECK_EQ(l->n_labelled, 200);
    CHECK_EQ(l->n_unlabelled, 0);
    bl_longtail_free(l);

    /* D_U with a share of images of no class, which come last. */
    cfg = base;
    cfg.unlabelled_multiple = 2;
    cfg.relevance = 0.4;
    cfg.unlabelled_ratio = 2;
    CHECK_OK(bl_longtail_make(&cfg, s, NULL, &l));
    check_lists(l, s, true);
    int64_t relevant[5], labelled[5];
    memcpy(labelled, l->labelled_counts, sizeof labelled);
    CHECK_OK(bl_longtail_multiple(0.8, 2, 5, labelled, relevant));
    for (int c = 0; c < 5; c++) CHECK_EQ(l->unlabelled_counts[c], relevant[c]);
    CHECK_EQ(l->n_unlabelled, sum(relevant, 5) + 24); /* 0.6 of 40 */
    for (int i = 0; i < 24; i++)
        CHECK_EQ(s->labels[l->unlabelled[l->n_unlabelled - 1 - i]], BL_CLASSIFY_UNKNOWN);
    bl_longtail_free(l);
    bl_classify_set_free(s);
}

/* A tenth set aside: in no other list, balanced, and the rest is picked as without. */
static void test_validation(void) {
    bl_classify_set *s = make_set();
    for (int pick = BL_LONGTAIL_SHUFFLED; pick <= BL_LONGTAIL_NUMPY; pick++) {
        bl_longtail *l, *plain, *back;
        bl_longtail_config cfg = base;
        cfg.pick = pick;
        cfg.unlabelled_head = 26;
        CHECK_OK(bl_longtail_make(&cfg, s, NULL, &plain));
        CHECK_EQ(plain->n_validation, 0);
        cfg.validation = 0.1; /* class 0: 10 + 26 + 4 */
        CHECK_OK(bl_longtail_make(&cfg, s, NULL, &l));
        check_lists(l, s, true);
        CHECK_EQ(l->n_validation, 20);
        int uses[230] = {0}, of_class[5] = {0};
        for (int i = 0; i < l->n_labelled; i++) uses[l->labelled[i]]++;
        for (int i = 0; i < l->n_unlabelled; i++) uses[l->unlabelled[i]]++;
        for (int i = 0; i < 20; i++) {
            CHECK_EQ(uses[l->validation[i]]++, 0);
            of_class[s->labels[l->validation[i]]]++;
        }
        for (int c = 0; c < 5; c++) CHECK_EQ(of_class[c], 4);
        /* (numpy's one generator goes on differently after the first class) */
        int same = pick == BL_LONGTAIL_NUMPY ? 10 : l->n_labelled;
        CHECK(!memcmp(l->labelled, plain->labelled, (size_t)same * sizeof(int32_t)));
        if (pick != BL_LONGTAIL_NUMPY)
            CHECK(!memcmp(l->unlabelled, plain->unlabelled,
                          (size_t)l->n_unlabelled * sizeof(int32_t)));
        CHECK_OK(bl_longtail_write(l, &cfg, s, NULL, "longtail_validation.json"));
        CHECK_OK(bl_longtail_read("longtail_validation.json", s, NULL, &back));
        CHECK_EQ(back->n_validation, 20);
        CHECK(!memcmp(back->validation, l->validation, 20 * sizeof(int32_t)));
        unlink("longtail_validation.json");
        bl_longtail_free(back);
        bl_longtail_free(plain);
        bl_longtail_free(l);
    }
    /* What is set aside is not there to be picked. */
    bl_longtail *l;
    bl_longtail_config cfg = base;
    cfg.validation = 0.1;
    cfg.unlabelled_head = 27;
    CHECK_FAILS(bl_longtail_make(&cfg, s, NULL, &l), BL_ECONFIG, "has 26 images left, 27");
    cfg.labelled_head = 37;
    CHECK_FAILS(bl_longtail_make(&cfg, s, NULL, &l), BL_ECONFIG, "beside those for validation");
    cfg.labelled_head = 0;
    cfg.unlabelled_head = 0;
    CHECK_OK(bl_longtail_make(&cfg, s, NULL, &l));
    CHECK_EQ(l->n_labelled, 180);
    bl_longtail_free(l);
    bl_classify_set_free(s);
}

static void test_pool(void) {
    bl_classify_set *s = make_set(), *pool = make_set();
    bl_longtail *l;
    bl_longtail_config cfg = base;
    cfg.unlabelled_head = 40;
    CHECK_OK(bl_longtail_make(&cfg, s, pool, &l));
    check_lists(l, pool, false);
    CHECK_EQ(l->unlabelled_counts[0], 40);
    bl_longtail_free(l);
    for (int i = 0; i < pool->n; i++) pool->labels[i] = BL_CLASSIFY_UNKNOWN;
    CHECK_OK(bl_longtail_make(&cfg, s, pool, &l)); /* as STL-10 */
    CHECK_EQ(l->n_unlabelled, 230);
    CHECK_EQ(l->unlabelled_counts[0], 0);
    bl_longtail_free(l);
    cfg.unlabelled_includes_labelled = true;
    CHECK_FAILS(bl_longtail_make(&cfg, s, pool, &l), BL_ECONFIG, "a set of their own");
    bl_classify_set_free(s);
    bl_classify_set_free(pool);
}

static void test_refusals(void) {
    bl_classify_set *s = make_set();
    bl_longtail *l;
    bl_longtail_config cfg = base;
    cfg.labelled_head = 41;
    CHECK_FAILS(bl_longtail_make(&cfg, s, NULL, &l), BL_ECONFIG,
                "class 0 of set has 40 images, 41");
    cfg = base;
    cfg.unlabelled_head = 31;
    CHECK_FAILS(bl_longtail_make(&cfg, s, NULL, &l), BL_ECONFIG, "has 30 images left, 31");
    cfg = base;
    cfg.unlabelled_ratio = 0.5;
    CHECK_FAILS(bl_longtail_make(&cfg, s, NULL, &l), BL_ECONFIG, "unlabelled_ratio");
    cfg = base;
    cfg.relevance = 0.5;
    CHECK_FAILS(bl_longtail_make(&cfg, s, NULL, &l), BL_ECONFIG, "unlabelled_multiple");
    bl_classify_set_free(s);
}

static void rewrite(const char *path, const char *from, const char *to) {
    char *text, *at;
    size_t size;
    CHECK_OK(bl_read_file(path, 1 << 20, &text, &size));
    CHECK(strlen(from) == strlen(to) && (at = strstr(text, from)));
    memcpy(at, to, strlen(to));
    CHECK_OK(bl_write_file("longtail_bad.json", text, size));
    free(text);
}

static void test_file(void) {
    bl_classify_set *s = make_set(), *pool = make_set();
    bl_longtail *l, *back;
    bl_longtail_config cfg = base;
    cfg.unlabelled_includes_labelled = true;
    CHECK_OK(bl_longtail_make(&cfg, s, NULL, &l));
    CHECK_OK(bl_longtail_write(l, &cfg, s, NULL, "longtail_test.json"));
    CHECK_OK(bl_longtail_read("longtail_test.json", s, NULL, &back));
    CHECK_EQ(back->n_labelled, l->n_labelled);
    CHECK_EQ(back->n_unlabelled, l->n_unlabelled);
    CHECK(!memcmp(back->labelled, l->labelled, (size_t)l->n_labelled * sizeof(int32_t)));
    CHECK(!memcmp(back->unlabelled, l->unlabelled, (size_t)l->n_unlabelled * sizeof(int32_t)));
    CHECK(!memcmp(back->is_labelled, l->is_labelled, (size_t)l->n_unlabelled));
    check_lists(back, s, true);
    bl_longtail_free(back);

    rewrite("longtail_test.json", "ballast-longtail-1", "ballast-longtail-9");
    CHECK_FAILS(bl_longtail_read("longtail_bad.json", s, NULL, &back), BL_EFORMAT, "longtail-9");
    rewrite("longtail_test.json", "\"labelled\": [", "\"labelled\":2[");
    CHECK(bl_longtail_read("longtail_bad.json", s, NULL, &back) != BL_OK);
    char first[64], second[64];
    snprintf(first, sizeof first, "[%d, %d,", l->labelled[0], l->labelled[1]);
    snprintf(second, sizeof second, "[%d, %0*d,", l->labelled[0],
             (int)strlen(first) - (int)(strchr(first, ' ') - first) - 2, 999);
    if (strlen(first) == strlen(second)) {
        rewrite("longtail_test.json", first, second);
        CHECK_FAILS(bl_longtail_read("longtail_bad.json", s, NULL, &back), BL_EFORMAT,
                    "is not an index below 230");
    }
    rewrite("longtail_test.json", "\"labelled_counts\": [10,", "\"labelled_counts\": [11,");
    CHECK_FAILS(bl_longtail_read("longtail_bad.json", s, NULL, &back), BL_EFORMAT,
                "does not count");
    s->labels[3] = (s->labels[3] + 1) % 5;
    CHECK_FAILS(bl_longtail_read("longtail_test.json", s, NULL, &back), BL_EFORMAT, "other labels");
    s->labels[3] = (s->labels[3] + 4) % 5;
    bl_longtail_free(l);

    cfg.unlabelled_includes_labelled = false;
    CHECK_OK(bl_longtail_make(&cfg, s, pool, &l));
    CHECK_OK(bl_longtail_write(l, &cfg, s, pool, "longtail_test.json"));
    CHECK_OK(bl_longtail_read("longtail_test.json", s, pool, &back));
    check_lists(back, pool, false);
    bl_longtail_free(back);
    bl_longtail_free(l);
    bl_classify_set_free(s);
    bl_classify_set_free(pool);
    unlink("longtail_test.json");
    unlink("longtail_bad.json");
}

/* First outputs for seed 5489 and the shuffle of numpy.random.seed(0) on range(10). */
static void test_mt19937(void) {
    bl_mt19937 m;
    bl_mt19937_seed(&m, 5489);
    CHECK_EQ(bl_mt19937_u32(&m), 3499211612u);
    CHECK_EQ(bl_mt19937_u32(&m), 581869302u);
    for (int i = 2; i < 9999; i++) bl_mt19937_u32(&m);
    CHECK_EQ(bl_mt19937_u32(&m), 4123659995u); /* the 10,000th */
    int32_t v[10];
    static const int32_t expected[10] = {2, 8, 4, 9, 1, 6, 7, 3, 0, 5};
    for (int i = 0; i < 10; i++) v[i] = i;
    bl_mt19937_seed(&m, 0);
    bl_mt19937_shuffle(&m, v, 10);
    CHECK(!memcmp(v, expected, sizeof v));
}

int main(void) {
    char dir[] = "/tmp/ballast_longtail_XXXXXX"; /* for the files of two runs at a time */
    CHECK(mkdtemp(dir) && chdir(dir) == 0);
    test_tables();
    test_multiple();
    test_arrange();
    test_make();
    test_validation();
    test_pool();
    test_refusals();
    test_file();
    test_mt19937();
    CHECK(rmdir(dir) == 0);
    return 0;
}
