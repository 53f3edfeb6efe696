#include "kernels/plan_cache.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 512 };

typedef struct entry {
    struct entry *next;
    uint64_t used; /* the cache's clock at the last use */
    void *plan;
    int32_t key[];
} entry;

struct bl_plan_cache {
    int bytes, max, count;
    void (*drop)(void *plan);
    uint64_t clock;
    entry *bucket[BUCKETS];
};

bl_status bl_plan_cache_create(int bytes, int max, void (*drop)(void *plan), bl_plan_cache **out) {
    bl_plan_cache *c = *out = calloc(1, sizeof *c);
    if (!c) return bl_no_memory("for the plan cache");
    c->bytes = bytes;
    c->max = max;
    c->drop = drop;
    return BL_OK;
}

void bl_plan_cache_destroy(bl_plan_cache *c) {
    for (int i = 0; c && i < BUCKETS; i++) {
        while (c->bucket[i]) {
            entry *e = c->bucket[i];
            c->bucket[i] = e->next;
            c->drop(e->plan);
            free(e);
        }
    }
    free(c);
}

/* FNV-1a over the key's words. */
static entry **bucket_of(bl_plan_cache *c, const void *key) {
    uint32_t h = 2166136261u;
    for (int i = 0; i < c->bytes; i += (int)sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, (const char *)key + i, sizeof word);
        h = (h ^ word) * 16777619u;
    }
    return &c->bucket[(h ^ (h >> 15)) % BUCKETS];
}

void *bl_plan_cache_find(bl_plan_cache *c, const void *key) {
    for (entry *e = *bucket_of(c, key); e; e = e->next) {
        if (memcmp(e->key, key, (size_t)c->bytes) == 0) {
            e->used = ++c->clock;
            return e->plan;
        }
    }
    return NULL;
}

static void evict_oldest(bl_plan_cache *c) {
    entry **oldest = NULL;
    for (int i = 0; i < BUCKETS; i++) {
        for (entry **at = &c->bucket[i]; *at; at = &(*at)->next) {
            if (!oldest || (*at)->used < (*oldest)->used) oldest = at;
        }
    }
    if (!oldest) return;
    entry *e = *oldest;
    *oldest = e->next;
    c->drop(e->plan);
    free(e);
    c->count--;
}

bl_status bl_plan_cache_insert(bl_plan_cache *c, const void *key, void *plan) {
    entry *e = malloc(sizeof *e + (size_t)c->bytes);
    if (!e) {
        c->drop(plan);
        return bl_no_memory("for the plan cache");
    }
    if (c->count >= c->max) evict_oldest(c);
    entry **at = bucket_of(c, key);
    *e = (entry){*at, ++c->clock, plan};
    memcpy(e->key, key, (size_t)c->bytes);
    *at = e;
    c->count++;
    return BL_OK;
}

void bl_plan_cache_each(const bl_plan_cache *c, void (*fn)(void *arg, const void *plan),
                        void *arg) {
    for (int i = 0; i < BUCKETS; i++) {
        for (const entry *e = c->bucket[i]; e; e = e->next) fn(arg, e->plan);
    }
}
