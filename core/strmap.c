#include "core/strmap.h"

#include <string.h>

#include "core/rng.h"
#include "core/status.h"

typedef struct entry {
    const char *key; /* NULL: free */
    uint64_t hash;
    int64_t value;
    uint32_t scope;
} entry;

struct bl_strmap {
    bl_arena *arena;
    entry *entries;
    size_t capacity, count; /* capacity is a power of two, at most half full */
};

/* FNV-1a, then mixed with the scope. */
static uint64_t hash_key(uint32_t scope, const char *key) {
    uint64_t h = 0xcbf29ce484222325ull;
    for (const unsigned char *p = (const unsigned char *)key; *p; p++) {
        h = (h ^ *p) * 0x100000001b3ull;
    }
    return bl_rng_key(h, scope, 0);
}

/* The entry of the key, or the free one where it belongs. */
static entry *find(entry *entries, size_t capacity, uint64_t hash, uint32_t scope,
                   const char *key) {
    for (size_t i = hash & (capacity - 1);; i = (i + 1) & (capacity - 1)) {
        entry *e = &entries[i];
        if (!e->key) return e;
        if (e->hash == hash && e->scope == scope && strcmp(e->key, key) == 0) return e;
    }
}

bl_strmap *bl_strmap_create(bl_arena *arena) {
    bl_strmap *m = BL_NEW(arena, bl_strmap);
    if (!m) return NULL;
    m->arena = arena;
    m->capacity = 16;
    m->entries = BL_NEW_ARRAY(arena, entry, m->capacity);
    return m->entries ? m : NULL;
}

static bl_status grow(bl_strmap *m) {
    size_t capacity = 2 * m->capacity;
    entry *entries = BL_NEW_ARRAY(m->arena, entry, capacity);
    if (!entries) return BL_ENOMEM;
    for (size_t i = 0; i < m->capacity; i++) {
        const entry *e = &m->entries[i];
        if (e->key) *find(entries, capacity, e->hash, e->scope, e->key) = *e;
    }
    m->entries = entries;
    m->capacity = capacity;
    return BL_OK;
}

int64_t bl_strmap_add(bl_strmap *m, uint32_t scope, const char *key, int64_t value) {
    if (2 * (m->count + 1) > m->capacity && grow(m) != BL_OK) return -1;
    uint64_t hash = hash_key(scope, key);
    entry *e = find(m->entries, m->capacity, hash, scope, key);
    if (!e->key) {
        *e = (entry){key, hash, value, scope};
        m->count++;
    }
    return e->value;
}

int64_t bl_strmap_get(const bl_strmap *m, uint32_t scope, const char *key) {
    const entry *e = find(m->entries, m->capacity, hash_key(scope, key), scope, key);
    return e->key ? e->value : -1;
}
