/* The plan cache: found by key, least recently used goes first, every plan dropped once. */
#include <stdbool.h>
#include <stdint.h>

#include "kernels/plan_cache.h"
#include "tests/check.h"

typedef struct key {
    int32_t a, b, c;
} key;

static int dropped[64];

static void drop(void *plan) {
    dropped[*(int *)plan]++;
}

static void count(void *arg, const void *plan) {
    (*(int *)arg)++;
}

int main(void) {
    enum { MAX = 8, N = 20 };
    static int plan[N];
    bl_plan_cache *c;
    CHECK_OK(bl_plan_cache_create(sizeof(key), MAX, drop, &c));
    CHECK(!bl_plan_cache_find(c, &(key){0, 0, 0}));
    for (int i = 0; i < N; i++) {
        plan[i] = i;
        key k = {i, -i, 7};
        CHECK(!bl_plan_cache_find(c, &k));
        CHECK_OK(bl_plan_cache_insert(c, &k, &plan[i]));
        CHECK(bl_plan_cache_find(c, &k) == &plan[i]);
        CHECK(bl_plan_cache_find(c, &(key){0, 0, 7}) == &plan[0]); /* kept by being used */
        CHECK(!bl_plan_cache_find(c, &(key){i, -i, 8}));
        int n = 0;
        bl_plan_cache_each(c, count, &n);
        CHECK_EQ(n, i < MAX ? i + 1 : MAX);
    }
    for (int i = 0; i < N; i++) {
        bool kept = i == 0 || i > N - MAX; /* the oldest but the first are gone */
        CHECK_EQ(dropped[i], kept ? 0 : 1);
        CHECK((bl_plan_cache_find(c, &(key){i, -i, 7}) != NULL) == kept);
    }
    bl_plan_cache_destroy(c);
    for (int i = 0; i < N; i++) CHECK_EQ(dropped[i], 1);
    bl_plan_cache_destroy(NULL);
    return 0;
}
