#include "core/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#endif
#if defined(ARENA_ASAN)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum { ALIGNMENT = 64, DEFAULT_CHUNK = 256 << 10 };

typedef struct chunk {
    struct chunk *next;
    size_t size, used; /* bytes after the header */
    char pad[ALIGNMENT - 3 * sizeof(size_t)];
} chunk;

_Static_assert(sizeof(chunk) == ALIGNMENT, "the payload must start aligned");

/* Chunks after `current` are empty and wait for reuse. */
struct bl_arena {
    chunk *first, *current;
    size_t chunk_bytes;
};

static char *payload(chunk *c) {
    return (char *)(c + 1);
}

static size_t round_up(size_t n) {
    return (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

bl_arena *bl_arena_create(size_t chunk_bytes) {
    bl_arena *a = calloc(1, sizeof *a);
    if (!a) {
        bl_no_memory("to create an arena");
        return NULL;
    }
    a->chunk_bytes = chunk_bytes ? chunk_bytes : DEFAULT_CHUNK;
    return a;
}

void bl_arena_destroy(bl_arena *a) {
    if (!a) return;
    for (chunk *c = a->first; c;) {
        chunk *next = c->next;
        UNPOISON(payload(c), c->size);
        free(c);
        c = next;
    }
    free(a);
}

/* Makes `current` a chunk with `need` free bytes; false when out of memory. */
static int next_chunk(bl_arena *a, size_t need) {
    chunk *next = a->current ? a->current->next : a->first;
    if (!next || next->size < need) {
        size_t size = need > a->chunk_bytes ? need : round_up(a->chunk_bytes);
        chunk *fresh = aligned_alloc(ALIGNMENT, sizeof(chunk) + size);
        if (!fresh) return 0;
        fresh->next = next;
        fresh->size = size;
        fresh->used = 0;
        POISON(payload(fresh), size);
        if (a->current) {
            a->current->next = fresh;
        } else {
            a->first = fresh;
        }
        next = fresh;
    }
    a->current = next;
    return 1;
}

void *bl_arena_alloc(bl_arena *a, size_t bytes) {
    if (bytes > SIZE_MAX / 2) {
        bl_no_memory("for arena block of %zu bytes", bytes);
        return NULL;
    }
    size_t need = round_up(bytes ? bytes : 1);
    if (!a->current || a->current->size - a->current->used < need) {
        if (!next_chunk(a, need)) {
            bl_no_memory("for arena block of %zu bytes", bytes);
            return NULL;
        }
    }
    char *p = payload(a->current) + a->current->used;
    a->current->used += need;
    /* The rounding tail stays poisoned, so that small overruns are seen. */
    UNPOISON(p, bytes);
    memset(p, 0, bytes);
    return p;
}

void *bl_arena_array(bl_arena *a, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        bl_no_memory("for arena array of %zu x %zu bytes", count, size);
        return NULL;
    }
    return bl_arena_alloc(a, bytes);
}

char *bl_arena_strdup(bl_arena *a, const char *s) {
    size_t n = strlen(s) + 1;
    char *p = bl_arena_alloc(a, n);
    if (p) memcpy(p, s, n);
    return p;
}

char *bl_arena_printf(bl_arena *a, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        bl_fail(BL_EINVAL, "bl_arena_printf: bad format \"%s\"", fmt);
        return NULL;
    }
    char *p = bl_arena_alloc(a, (size_t)n + 1);
    if (!p) return NULL;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}

bl_arena_mark bl_arena_save(const bl_arena *a) {
    return (bl_arena_mark){a->current, a->current ? a->current->used : 0};
}

void bl_arena_restore(bl_arena *a, bl_arena_mark m) {
    chunk *keep = m.chunk;
    for (chunk *c = keep ? keep->next : a->first; c; c = c->next) {
        POISON(payload(c), c->used);
        c->used = 0;
    }
    if (keep) {
        POISON(payload(keep) + m.used, keep->used - m.used);
        keep->used = m.used;
    }
    a->current = keep;
}

void bl_arena_reset(bl_arena *a) {
    bl_arena_restore(a, (bl_arena_mark){NULL, 0});
}

size_t bl_arena_bytes(const bl_arena *a) {
    size_t sum = 0;
    for (const chunk *c = a->first; c; c = c->next) sum += c->used;
    return sum;
}
