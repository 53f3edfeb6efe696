/* Status messages, geometry, random numbers and parallel loops. */
#include <sched.h>
#include <stdatomic.h>

#include "core/geom.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "tests/check.h"

static void test_status(void) {
    CHECK_STR(bl_error(), "");
    CHECK_EQ(bl_fail(BL_EIO, "a.txt: %d", 3), BL_EIO);
    CHECK_EQ(bl_fail_context(BL_ECONFIG, "line %d", 7), BL_ECONFIG);
    CHECK_STR(bl_error(), "line 7: a.txt: 3");
    bl_fail(BL_EIO, "again: %s", bl_error()); /* its own message as argument */
    CHECK_STR(bl_error(), "again: line 7: a.txt: 3");
    char big[20000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    bl_fail(BL_EIO, "%s", big);
    bl_fail_context(BL_EIO, "%s", big);
    CHECK(strlen(bl_error()) > 1000 && strlen(bl_error()) < sizeof big);
    bl_error_clear();
    CHECK_STR(bl_error(), "");
    for (int s = 0; s >= BL_ECANCELLED; s--) {
        CHECK(strcmp(bl_status_name((bl_status)s), "unknown status") != 0);
    }
    CHECK_STR(bl_status_name((bl_status)-99), "unknown status");
}

static void test_affine(void) {
    bl_affine scale = {{2, 0, 0, 0, 3, 0}}, shift = {{1, 0, 5, 0, 1, -7}};
    bl_affine both = bl_affine_mul(shift, scale); /* first scale, then shift */
    bl_box b = bl_affine_box(both, (bl_box){1, 2, 3, 4});
    CHECK_NEAR(b.x1, 7, 0);
    CHECK_NEAR(b.y1, -1, 0);
    CHECK_NEAR(b.x2, 11, 0);
    CHECK_NEAR(b.y2, 5, 0);
    bl_affine turn = {{0.6f, -0.8f, 3, 0.8f, 0.6f, 4}}, inv;
    CHECK(bl_affine_inverse(turn, &inv));
    bl_affine one = bl_affine_mul(turn, inv), id = bl_affine_identity();
    for (int i = 0; i < 6; i++) CHECK_NEAR(one.m[i], id.m[i], 1e-5);
    CHECK(!bl_affine_inverse((bl_affine){{1, 2, 0, 2, 4, 0}}, &inv));
    CHECK_NEAR(inv.m[0], 1, 0);
    CHECK(!bl_affine_inverse((bl_affine){{NAN, 2, 0, 2, 4, 0}}, &inv));
    /* A square turned by 45 degrees has a hull sqrt(2) times as wide. */
    float r = sqrtf(0.5f);
    b = bl_affine_box((bl_affine){{r, -r, 0, r, r, 0}}, (bl_box){-1, -1, 1, 1});
    CHECK_NEAR(b.x2 - b.x1, 2 * sqrt(2), 1e-6);
}

static void test_boxes(void) {
    bl_box a = {0, 0, 10, 10}, b = {5, 5, 15, 15}, inverted = {4, 4, 2, 8};
    CHECK_NEAR(bl_box_area(a), 100, 0);
    CHECK_NEAR(bl_box_area(inverted), 0, 0);
    CHECK_NEAR(bl_box_iou(a, b), 25.0 / 175, 1e-7);
    CHECK_NEAR(bl_box_iou(a, a), 1, 0);
    CHECK_NEAR(bl_box_iou(inverted, inverted), 0, 0);
    bl_box c = bl_box_clip((bl_box){-3, 2, 20, 40}, 16, 8);
    CHECK_NEAR(c.x1, 0, 0);
    CHECK_NEAR(c.y1, 2, 0);
    CHECK_NEAR(c.x2, 16, 0);
    CHECK_NEAR(c.y2, 8, 0);
}

/* Random123 kat_vectors: philox4x32 10 rounds. */
static void test_philox(void) {
    static const struct {
        uint32_t ctr[4], key[2], out[4];
    } kat[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        bl_philox(kat[i].ctr, kat[i].key, out);
        for (int k = 0; k < 4; k++) CHECK_EQ(out[k], kat[i].out[k]);
    }
}

static void test_rng(void) {
    bl_rng a = bl_rng_make(1, bl_rng_key(1, 2, 3)), b = a, c = bl_rng_make(1, bl_rng_key(1, 3, 2));
    int differ = 0;
    for (int i = 0; i < 100; i++) {
        uint32_t x = bl_rng_u32(&a);
        CHECK_EQ(x, bl_rng_u32(&b));
        differ += x != bl_rng_u32(&c);
    }
    CHECK(differ > 95);
    double sum = 0, squares = 0, normal = 0, normal2 = 0;
    enum { N = 40000 };
    for (int i = 0; i < N; i++) {
        double u = bl_rng_uniform(&a), g = bl_rng_normal(&b);
        CHECK(u >= 0 && u < 1);
        sum += u;
        squares += u * u;
        normal += g;
        normal2 += g * g;
    }
    CHECK_NEAR(sum / N, 0.5, 0.01);
    CHECK_NEAR(squares / N, 1.0 / 3, 0.01);
    CHECK_NEAR(normal / N, 0, 0.03);
    CHECK_NEAR(normal2 / N, 1, 0.04);
    int32_t v[50], seen[50] = {0};
    for (int i = 0; i < 50; i++) v[i] = i;
    bl_rng_shuffle(&a, v, 50);
    int moved = 0;
    for (int i = 0; i < 50; i++) {
        seen[v[i]]++;
        moved += v[i] != i;
    }
    for (int i = 0; i < 50; i++) CHECK_EQ(seen[i], 1);
    CHECK(moved > 30);
}

typedef struct visits {
    atomic_int *count;
    atomic_int calls;
    int64_t smallest;
    int nested;
} visits;

static void nested_range(void *arg, int64_t begin, int64_t end) {
    atomic_fetch_add((atomic_int *)arg, (int)(end - begin));
}

static void visit(void *arg, int64_t begin, int64_t end) {
    visits *v = arg;
    atomic_fetch_add(&v->calls, 1);
    for (int64_t i = begin; i < end; i++) {
        if (v->nested) {
            bl_parallel_for(3, 1, nested_range, &v->count[i]);
        } else {
            atomic_fetch_add(&v->count[i], 1);
        }
    }
}

static void test_parallel(void) {
    enum { N = 1003 };
    static atomic_int count[N];
    static const int threads[] = {1, 2, 3, 7};
    for (int t = 0; t < 4; t++) {
        bl_set_threads(threads[t]);
        CHECK_EQ(bl_threads(), threads[t]);
        for (int nested = 0; nested < 2; nested++) {
            visits v = {count, 0, 0, nested};
            for (int i = 0; i < N; i++) count[i] = 0;
            bl_parallel_for(N, 1, visit, &v);
            CHECK(v.calls <= 4 * threads[t]);
            for (int i = 0; i < N; i++) CHECK_EQ(count[i], nested ? 3 : 1);
        }
        visits v = {count, 0, 0, 0};
        bl_parallel_for(N, N, visit, &v); /* the grain forbids splitting */
        CHECK_EQ(v.calls, 1);
        bl_parallel_for(0, 1, visit, &v);
        CHECK_EQ(v.calls, 1);
    }
    bl_set_threads(0);
    CHECK(bl_threads() >= 1);
}

/* The first range waits until all others are done: somebody else must take those of its thread. */
static void wait_for_others(void *arg, int64_t begin, int64_t end) {
    atomic_int *done = arg;
    if (begin > 0) {
        atomic_fetch_add(done, (int)(end - begin));
        return;
    }
    for (int64_t i = 0; atomic_load(done) < 8 - end && i < 100000000; i++) sched_yield();
    if (atomic_load(done) == 8 - end) atomic_fetch_add(done, (int)end);
}

static void test_late_thread(void) {
    atomic_int done = 0;
    bl_set_threads(2);
    bl_parallel_for(8, 1, wait_for_others, &done);
    CHECK_EQ(done, 8);
    bl_set_threads(0);
}

int main(void) {
    test_status();
    test_affine();
    test_boxes();
    test_philox();
    test_rng();
    test_parallel();
    test_late_thread();
    return 0;
}
