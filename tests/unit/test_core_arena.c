#include <stdint.h>

#include "core/arena.h"
#include "core/strmap.h"
#include "tests/check.h"

static void test_alignment_and_zero(void) {
    bl_arena *a = bl_arena_create(1024);
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *p = bl_arena_alloc(a, n);
        CHECK(p && (uintptr_t)p % 64 == 0);
        for (size_t i = 0; i < n; i++) CHECK_EQ(p[i], 0);
        memset(p, 0xff, n);
    }
    bl_arena_destroy(a);
}

static void test_reuse_is_zeroed(void) {
    bl_arena *a = bl_arena_create(0);
    bl_arena_mark m = bl_arena_save(a);
    unsigned char *p = bl_arena_alloc(a, 1000), *q;
    memset(p, 0xaa, 1000);
    bl_arena_restore(a, m);
    CHECK_EQ(bl_arena_bytes(a), 0);
    q = bl_arena_alloc(a, 1000);
    CHECK(p == q); /* the chunk was kept */
    for (int i = 0; i < 1000; i++) CHECK_EQ(q[i], 0);
    bl_arena_destroy(a);
}

static void test_marks_across_chunks(void) {
    bl_arena *a = bl_arena_create(256);
    char *keep = bl_arena_strdup(a, "stays");
    size_t before = bl_arena_bytes(a);
    for (int round = 0; round < 3; round++) {
        bl_arena_mark m = bl_arena_save(a);
        for (int i = 0; i < 20; i++) memset(bl_arena_alloc(a, 200), i, 200);
        memset(bl_arena_alloc(a, 5000), 1, 5000); /* larger than a chunk */
        CHECK(bl_arena_bytes(a) >= before + 20 * 200 + 5000);
        bl_arena_restore(a, m);
        CHECK_EQ(bl_arena_bytes(a), before);
        CHECK_STR(keep, "stays");
    }
    bl_arena_reset(a);
    CHECK_EQ(bl_arena_bytes(a), 0);
    bl_arena_destroy(a);
}

static void test_strings_and_limits(void) {
    bl_arena *a = bl_arena_create(0);
    CHECK_STR(bl_arena_printf(a, "%s-%d", "x", 42), "x-42");
    CHECK(!bl_arena_array(a, SIZE_MAX / 4, 8));
    CHECK(strstr(bl_error(), "out of memory"));
    CHECK(!bl_arena_alloc(a, SIZE_MAX - 3));
    void *p = bl_arena_alloc(a, 0), *q = bl_arena_alloc(a, 0);
    CHECK(p && q && p != q);
    bl_arena_destroy(a);
    bl_arena_destroy(NULL);
}

static void test_strmap(void) {
    bl_arena *a = bl_arena_create(0);
    bl_strmap *m = bl_strmap_create(a);
    enum { N = 5000 };
    for (int i = 0; i < N; i++) CHECK_EQ(bl_strmap_add(m, 0, bl_arena_printf(a, "k%d", i), i), i);
    CHECK_EQ(bl_strmap_add(m, 0, "k77", 9), 77); /* the older value wins */
    CHECK_EQ(bl_strmap_get(m, 1, "k77"), -1);    /* another scope */
    CHECK_EQ(bl_strmap_add(m, 1, "k77", 9), 9);
    for (int i = 0; i < N; i++) CHECK_EQ(bl_strmap_get(m, 0, bl_arena_printf(a, "k%d", i)), i);
    CHECK_EQ(bl_strmap_get(m, 0, "k5000"), -1);
    CHECK_EQ(bl_strmap_get(m, 0, ""), -1);
    bl_arena_destroy(a);
}

int main(void) {
    test_alignment_and_zero();
    test_reuse_is_zeroed();
    test_marks_across_chunks();
    test_strings_and_limits();
    test_strmap();
    return 0;
}
