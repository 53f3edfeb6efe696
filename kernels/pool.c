#include "kernels/pool.h"

#include <stdint.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#endif
#if defined(POOL_ASAN)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

/* Classes are 2^k * {4,5,6,7}/4 from 64 bytes up: at most a fifth of a buffer is slack. */
enum { MIN_SHIFT = 6, MAX_SHIFT = 47, STEPS = 4, CLASSES = (MAX_SHIFT - MIN_SHIFT) * STEPS };

struct bl_pool {
    bl_device *dev;
    bl_buf *free_list[CLASSES];
    bl_pool_stats stats;
};

static size_t class_bytes(int c) {
    return ((size_t)(STEPS + c % STEPS) << (MIN_SHIFT + c / STEPS)) / STEPS;
}

/* The smallest class that holds `bytes`; -1 when none does. */
static int class_of(size_t bytes) {
    if (bytes <= (size_t)1 << MIN_SHIFT) return 0;
    if (bytes > (size_t)1 << (MAX_SHIFT - 1)) return -1;
    int shift = 63 - __builtin_clzll((unsigned long long)(bytes - 1));
    int c = (shift - MIN_SHIFT) * STEPS;
    while (class_bytes(c) < bytes) c++;
    return c;
}

bl_status bl_pool_create(bl_device *dev, bl_pool **out) {
    bl_pool *p = *out = calloc(1, sizeof *p);
    if (!p) return bl_no_memory("to create a pool");
    p->dev = dev;
    return BL_OK;
}

void bl_pool_destroy(bl_pool *p) {
    if (!p) return;
    bl_pool_trim(p);
    free(p);
}

/* Memory straight from the device; on failure the cache is given back and the
 * device asked again. */
static bl_status fresh(bl_pool *p, size_t bytes, bl_buf **out) {
    bl_buf *b = malloc(sizeof *b);
    if (!b) return bl_no_memory("to describe a buffer");
    bl_status status = p->dev->alloc(p->dev, bytes, &b->data);
    if (status == BL_ENOMEM && p->stats.cached) {
        bl_pool_trim(p);
        status = p->dev->alloc(p->dev, bytes, &b->data);
    }
    if (status != BL_OK) {
        free(b);
        return status;
    }
    b->bytes = bytes;
    b->pool = p;
    *out = b;
    return BL_OK;
}

bl_status bl_buf_new(bl_pool *p, size_t bytes, bl_buf **out) {
    *out = NULL;
    int c = class_of(bytes);
    if (c < 0) return bl_fail(BL_ENOMEM, "a buffer of %zu bytes is too large", bytes);
    bl_buf *b = p->free_list[c];
    if (b) {
        p->free_list[c] = b->next;
        p->stats.cached -= b->bytes;
        UNPOISON(b->data, b->bytes);
    } else {
        BL_TRY(fresh(p, class_bytes(c), &b));
    }
    b->refs = 1;
    b->next = NULL;
    p->stats.live += b->bytes;
    if (p->stats.live > p->stats.peak) p->stats.peak = p->stats.live;
    *out = b;
    return BL_OK;
}

void bl_buf_retain(bl_buf *b) {
    if (b) b->refs++;
}

void bl_buf_release(bl_buf *b) {
    if (!b || --b->refs > 0) return;
    bl_pool *p = b->pool;
    int c = class_of(b->bytes);
    p->stats.live -= b->bytes;
    p->stats.cached += b->bytes;
    b->next = p->free_list[c];
    p->free_list[c] = b;
    if (p->dev->host_memory) POISON(b->data, b->bytes);
}

/* Merges two sorted lists. */
static bl_buf *merge(bl_buf *a, bl_buf *b) {
    bl_buf *first = NULL, **end = &first;
    while (a && b) {
        bl_buf **least = (uintptr_t)a->data < (uintptr_t)b->data ? &a : &b;
        *end = *least;
        *least = (*least)->next;
        end = &(*end)->next;
    }
    *end = a ? a : b;
    return first;
}

static bl_buf *sort(bl_buf *list) {
    if (!list || !list->next) return list;
    bl_buf *slow = list, *fast = list->next;
    while (fast && fast->next) {
        slow = slow->next;
        fast = fast->next->next;
    }
    bl_buf *second = slow->next;
    slow->next = NULL;
    return merge(sort(list), sort(second));
}

void bl_pool_settle(bl_pool *p) {
    for (int c = 0; c < CLASSES; c++) p->free_list[c] = sort(p->free_list[c]);
}

void bl_pool_trim(bl_pool *p) {
    for (int c = 0; c < CLASSES; c++) {
        while (p->free_list[c]) {
            bl_buf *b = p->free_list[c];
            p->free_list[c] = b->next;
            p->stats.cached -= b->bytes;
            if (p->dev->host_memory) UNPOISON(b->data, b->bytes);
            p->dev->free(p->dev, b->data);
            free(b);
        }
    }
}

bl_pool_stats bl_pool_get_stats(const bl_pool *p) {
    return p->stats;
}

void bl_pool_reset_peak(bl_pool *p) {
    p->stats.peak = p->stats.live;
}
