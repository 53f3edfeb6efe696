/* Batches of small images: what is in them, their order, and that neither threads nor resuming
 * change them. */
#include "datasets/loading/classification/loader.h"

#include <pthread.h>

#include "datasets/sets/generated.h"
#include "tests/check.h"

static bl_classify_set *make_set(int64_t n) {
    bl_classify_synth_config cfg = {.classes = 10,
                                    .pairs = -1,
                                    .train = n,
                                    .test = 10,
                                    .size = 16,
                                    .clutter = 1,
                                    .noise = 10,
                                    .seed = 3};
    bl_classify_set *s;
    CHECK_OK(bl_classify_synth(&cfg, BL_CLASSIFY_TRAIN, &s));
    return s;
}

static const bl_classify_view_config view_cfg = {.flip = 0.5,
                                                 .pad = -1,
                                                 .cutout = -1,
                                                 .crop_min = 0.2,
                                                 .jitter = 0.5,
                                                 .jitter_p = 0.8,
                                                 .grey_p = 0.2,
                                                 .blur_p = 0.5};

enum { LABELLED = 23, UNLABELLED = 40 };

typedef struct picks {
    int32_t labelled[LABELLED], unlabelled[UNLABELLED];
    uint8_t flags[UNLABELLED];
} picks;

static void make_groups(const bl_classify_set *s, picks *l, bl_classify_group g[2]) {
    for (int i = 0; i < LABELLED; i++) l->labelled[i] = 3 * i;
    for (int i = 0; i < UNLABELLED; i++) {
        l->unlabelled[i] = 2 * i;
        l->flags[i] = i % 3 == 0;
    }
    g[0] = (bl_classify_group){.set = s,
                               .n = LABELLED,
                               .images = l->labelled,
                               .labelled = true,
                               .batch = 7,
                               .n_views = 1,
                               .views = {BL_CLASSIFY_WEAK}};
    g[1] = (bl_classify_group){.set = s,
                               .n = UNLABELLED,
                               .images = l->unlabelled,
                               .is_labelled = l->flags,
                               .batch = 11,
                               .n_views = 4,
                               .views = {BL_CLASSIFY_WEAK, BL_CLASSIFY_STRONG, BL_CLASSIFY_ROTATION,
                                         BL_CLASSIFY_CONTRAST}};
}

static bl_classify_loader *make_loader(const bl_classify_group *g, int n, int workers,
                                       int prefetch) {
    bl_classify_loader *l;
    bl_classify_loader_config cfg = {.workers = workers, .prefetch = prefetch};
    CHECK_OK(bl_classify_loader_create(&cfg, &view_cfg, g, n, NULL, NULL, 5, &l));
    return l;
}

static uint64_t digest(const bl_classify_batch *b) {
    uint64_t h = (uint64_t)b->step;
    const uint32_t *p = (const uint32_t *)(const void *)b->pixels;
    size_t n = (size_t)b->rows * 3 * (size_t)b->height * (size_t)b->width;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001B3ull;
    for (int g = 0; g < b->n_groups; g++)
        for (int32_t k = 0; k < b->part[g].n; k++)
            h = bl_rng_key(h, (uint64_t)(b->part[g].item[k] + 7 * b->part[g].label[k]),
                           b->part[g].is_labelled[k]);
    return h;
}

static void run(bl_classify_loader *l, int steps, uint64_t *out) {
    for (int i = 0; i < steps; i++) {
        bl_classify_batch *b;
        CHECK_OK(bl_classify_loader_next(l, &b));
        out[i] = digest(b);
        bl_classify_loader_release(l, b);
    }
}

static void test_contents(void) {
    bl_classify_set *s = make_set(120);
    picks lists;
    bl_classify_group g[2];
    make_groups(s, &lists, g);
    bl_classify_loader *l = make_loader(g, 2, 2, 3);
    int seen[LABELLED] = {0}, turns[4] = {0};
    for (int step = 0; step < 23; step++) { /* 23 * 7 = 7 passes over 23 items */
        bl_classify_batch *b;
        CHECK_OK(bl_classify_loader_next(l, &b));
        CHECK_EQ(b->step, step);
        CHECK_EQ(b->n_groups, 2);
        CHECK_EQ(b->rows, 7 + 4 * 11);
        CHECK_EQ(b->height, 16);
        CHECK_EQ(b->part[0].first_row[0], 0);
        for (int v = 0; v < 4; v++) CHECK_EQ(b->part[1].first_row[v], 7 + 11 * v);
        for (int k = 0; k < 7; k++) {
            int32_t item = b->part[0].item[k];
            seen[item]++;
            CHECK_EQ(b->part[0].image[k], lists.labelled[item]);
            CHECK_EQ(b->part[0].label[k], s->labels[lists.labelled[item]]);
            CHECK_EQ(b->part[0].is_labelled[k], 1);
        }
        for (int k = 0; k < 11; k++) {
            CHECK_EQ(b->part[1].is_labelled[k], lists.flags[b->part[1].item[k]]);
            CHECK_EQ(b->part[1].turn[k], 0);
            turns[b->part[1].turn[2 * 11 + k]]++;
        }
        bl_classify_loader_release(l, b);
    }
    for (int i = 0; i < LABELLED; i++) CHECK_EQ(seen[i], 7);
    for (int t = 0; t < 4; t++) CHECK(turns[t] > 30); /* of 253 */
    bl_classify_loader_destroy(l);
    bl_classify_set_free(s);
}

static void test_threads_and_resume(void) {
    enum { STEPS = 30 };
    bl_classify_set *s = make_set(120);
    picks lists;
    bl_classify_group g[2];
    make_groups(s, &lists, g);
    uint64_t expected[STEPS], got[STEPS];
    bl_classify_loader *l = make_loader(g, 2, 0, 1);
    run(l, STEPS, expected);
    bl_classify_loader_destroy(l);
    for (int workers = 1; workers <= 3; workers++) {
        l = make_loader(g, 2, workers, workers + 1);
        run(l, STEPS, got);
        for (int i = 0; i < STEPS; i++) CHECK(got[i] == expected[i]);
        bl_classify_loader_destroy(l);
    }
    /* Going back, and a fresh loader put at the same place. */
    l = make_loader(g, 2, 2, 4);
    run(l, 17, got);
    bl_classify_pos pos = bl_classify_loader_tell(l);
    CHECK_EQ(pos.step, 17);
    run(l, 5, got);
    CHECK_OK(bl_classify_loader_seek(l, &pos));
    run(l, 3, got);
    for (int i = 0; i < 3; i++) CHECK(got[i] == expected[17 + i]);
    bl_classify_loader_destroy(l);
    l = make_loader(g, 2, 1, 2);
    CHECK_OK(bl_classify_loader_seek(l, &pos));
    run(l, STEPS - 17, got);
    for (int i = 0; i < STEPS - 17; i++) CHECK(got[i] == expected[17 + i]);
    pos.cursor[1] = -1;
    CHECK_FAILS(bl_classify_loader_seek(l, &pos), BL_EINVAL, "negative position");
    bl_classify_loader_destroy(l);
    bl_classify_set_free(s);
}

static void count_items(bl_classify_loader *l, int steps, int *count) {
    for (int i = 0; i < steps; i++) {
        bl_classify_batch *b;
        CHECK_OK(bl_classify_loader_next(l, &b));
        for (int k = 0; k < b->part[0].n; k++) count[b->part[0].item[k]]++;
        bl_classify_loader_release(l, b);
    }
}

/* Items 0..9 of class 0, 10..11 of class 1, 12 without a class. */
static void test_orders(void) {
    bl_classify_set *s;
    CHECK_OK(bl_classify_set_create("tiny", 13, 8, 8, 3, &s));
    for (int i = 0; i < 12; i++) s->labels[i] = i >= 10;
    bl_classify_group g = {
        .set = s, .n = 13, .batch = 10, .n_views = 1, .views = {BL_CLASSIFY_PLAIN}};

    g.order = BL_ORDER_SEQUENTIAL;
    bl_classify_loader *l = make_loader(&g, 1, 1, 2);
    CHECK_EQ(bl_classify_loader_pass(l, 0), 2);
    for (int step = 0; step < 3; step++) {
        bl_classify_batch *b;
        CHECK_OK(bl_classify_loader_next(l, &b));
        for (int k = 0; k < 10; k++) CHECK_EQ(b->part[0].item[k], (10 * step + k) % 13);
        bl_classify_loader_release(l, b);
    }
    /* Copies: item 3 twice, item 5 out, from the next pass. */
    int32_t copies[13];
    for (int i = 0; i < 13; i++) copies[i] = 1 + (i == 3) - (i == 5);
    CHECK_OK(bl_classify_loader_set_copies(l, 0, copies));
    CHECK_EQ(bl_classify_loader_tell(l).cursor[0], 3 * 13);
    int count[13] = {0};
    count_items(l, 13, count);
    for (int i = 0; i < 13; i++) CHECK_EQ(count[i], 10 * copies[i]);
    int32_t none[13] = {0};
    CHECK_FAILS(bl_classify_loader_set_copies(l, 0, none), BL_EINVAL, "0 copies");
    CHECK_FAILS(bl_classify_loader_set_copies(l, 1, copies), BL_EINVAL, "no group 1");

    /* Class-balanced: both classes equally often, the item without a class never. */
    CHECK_OK(bl_classify_loader_set_order(l, 0, BL_ORDER_BALANCED));
    memset(count, 0, sizeof count);
    count_items(l, 400, count);
    int tail = count[10] + count[11];
    CHECK(tail > 2000 - 150 && tail < 2000 + 150); /* 4.7 standard deviations */
    CHECK_EQ(count[12], 0);
    CHECK_EQ(count[5], 0);
    CHECK(count[3] > count[2] + 100); /* twice in the list */

    /* By weight. */
    double weights[13] = {0};
    weights[1] = 3;
    weights[12] = 1;
    CHECK_OK(bl_classify_loader_set_order(l, 0, BL_ORDER_REPLACEMENT));
    CHECK_OK(bl_classify_loader_set_weights(l, 0, weights));
    memset(count, 0, sizeof count);
    count_items(l, 400, count);
    CHECK_EQ(count[1] + count[12], 4000);
    CHECK(count[12] > 1000 - 130 && count[12] < 1000 + 130);
    weights[2] = -1;
    CHECK_FAILS(bl_classify_loader_set_weights(l, 0, weights), BL_EINVAL, "weight of item 2");
    CHECK_OK(bl_classify_loader_set_weights(l, 0, NULL));

    /* Pseudo-labels replace the labels. */
    int32_t labels[13];
    for (int i = 0; i < 13; i++) labels[i] = 2;
    CHECK_OK(bl_classify_loader_set_labels(l, 0, labels));
    bl_classify_batch *b;
    CHECK_OK(bl_classify_loader_next(l, &b));
    for (int k = 0; k < 10; k++) CHECK_EQ(b->part[0].label[k], 2);
    bl_classify_loader_release(l, b);
    bl_classify_loader_destroy(l);
    bl_classify_set_free(s);
}

static void test_arguments(void) {
    bl_classify_set *s = make_set(20), *other;
    CHECK_OK(bl_classify_set_create("wide", 4, 8, 12, 2, &other));
    bl_classify_loader_config cfg = {.workers = 0, .prefetch = 1};
    bl_classify_loader *l;
    int32_t images[2] = {0, 20};
    bl_classify_group g = {.set = s, .n = 2, .images = images, .batch = 1, .n_views = 1};
    CHECK_FAILS(bl_classify_loader_create(&cfg, &view_cfg, &g, 1, NULL, NULL, 1, &l), BL_EINVAL,
                "is image 20");
    images[1] = 3;
    g.n_views = 5;
    CHECK_FAILS(bl_classify_loader_create(&cfg, &view_cfg, &g, 1, NULL, NULL, 1, &l), BL_EINVAL,
                "5 views");
    bl_classify_group two[2] = {{.set = s, .n = 20, .batch = 1, .n_views = 1},
                                {.set = other, .n = 4, .batch = 1, .n_views = 1}};
    CHECK_FAILS(bl_classify_loader_create(&cfg, &view_cfg, two, 2, NULL, NULL, 1, &l), BL_EINVAL,
                "different sizes");
    two[0].order = BL_ORDER_BALANCED;
    for (int i = 0; i < 20; i++) s->labels[i] = BL_CLASSIFY_UNKNOWN;
    CHECK_FAILS(bl_classify_loader_create(&cfg, &view_cfg, two, 1, NULL, NULL, 1, &l), BL_EINVAL,
                "need labels");
    CHECK_OK(bl_classify_loader_create(&cfg, &view_cfg, two + 1, 1, NULL, NULL, 1, &l));
    bl_classify_batch *a, *b, *c;
    CHECK_OK(bl_classify_loader_next(l, &a));
    CHECK_OK(bl_classify_loader_next(l, &b));
    CHECK_FAILS(bl_classify_loader_next(l, &c), BL_EINVAL, "still held");
    bl_classify_loader_release(l, a);
    CHECK_OK(bl_classify_loader_next(l, &c));
    bl_classify_loader_destroy(l);
    bl_classify_set_free(s);
    bl_classify_set_free(other);
}

/* ---- what is told of batches when they are made ---- */

enum { PLACES = 4 };

typedef struct watch {
    pthread_mutex_t lock;
    uint64_t at[PLACES]; /* the digest of what a place holds */
    int calls;
    /* The batch that cannot be sent, however early or late it is made; -1: none */
    int64_t bad_step;
} watch;

static bl_status note(void *arg, const bl_classify_batch *b) {
    watch *w = arg;
    uint64_t h = digest(b);
    pthread_mutex_lock(&w->lock);
    CHECK(b->place >= 0 && b->place < PLACES);
    w->at[b->place] = h;
    w->calls++;
    pthread_mutex_unlock(&w->lock);
    return b->step == w->bad_step ? bl_fail(BL_EBACKEND, "not sent") : BL_OK;
}

/* The last that was told of a place is the batch that is handed out from it, also when the list of
 * images changes and what was made ahead is made anew. */
static void test_ready(void) {
    bl_classify_set *s = make_set(120);
    picks lists;
    bl_classify_group g[2];
    int32_t copies[LABELLED];
    make_groups(s, &lists, g);
    for (int i = 0; i < LABELLED; i++) copies[i] = i % 3;
    for (int workers = 0; workers <= 3; workers += 3) {
        watch w = {.lock = PTHREAD_MUTEX_INITIALIZER, .bad_step = -1};
        bl_classify_loader *l = make_loader(g, 2, workers, PLACES - 1);
        CHECK_EQ(bl_classify_loader_places(l), PLACES);
        bl_classify_loader_on_ready(l, note, &w);
        for (int step = 0; step < 16; step++) {
            bl_classify_batch *b;
            if (step % 5 == 4) CHECK_OK(bl_classify_loader_set_copies(l, 0, copies));
            CHECK_OK(bl_classify_loader_next(l, &b));
            pthread_mutex_lock(&w.lock);
            CHECK(w.at[b->place] == digest(b));
            pthread_mutex_unlock(&w.lock);
            bl_classify_loader_release(l, b);
        }
        CHECK(workers > 0 || w.calls == 16);
        bl_classify_loader_destroy(l);

        w.bad_step = 2; /* the batch that fails is the one it was said of */
        l = make_loader(g, 2, workers, 1);
        bl_classify_loader_on_ready(l, note, &w);
        bl_classify_batch *b;
        for (int step = 0; step < 2; step++) {
            CHECK_OK(bl_classify_loader_next(l, &b));
            bl_classify_loader_release(l, b);
        }
        CHECK_FAILS(bl_classify_loader_next(l, &b), BL_EBACKEND, "not sent");
        bl_classify_loader_destroy(l);
        pthread_mutex_destroy(&w.lock);
    }
    bl_classify_set_free(s);
}

int main(void) {
    test_contents();
    test_ready();
    test_threads_and_resume();
    test_orders();
    test_arguments();
    return 0;
}
