/* The parity harness of kernel tables (after dav1d's checkasm): random inputs, every table level
 * against the plain C table, outputs inside guard zones, padding channels checked to stay zero. */
#ifndef BALLAST_TESTS_KERNELS_PARITY_H
#define BALLAST_TESTS_KERNELS_PARITY_H

#include "core/parallel.h"
#include "core/rng.h"
#include "kernels/cpu/cpu.h"
#include "tests/check.h"

/* ---- memory with guard zones ---- */

enum { GUARD = 64, POOL_MAX = 1024 };
#define CANARY 0x7fc0beefu /* a NaN: what reads beyond the end shows up, too */

typedef struct guarded {
    uint32_t *base;
    size_t words;
} guarded;
static guarded pool[POOL_MAX];
static int pool_used;

/* n 4-byte words, 64-byte aligned, filled with canaries; freed by guards_check(). */
static inline void *guarded_new(int64_t n) {
    CHECK(pool_used < POOL_MAX);
    size_t words = (size_t)n + 2 * GUARD;
    uint32_t *p = aligned_alloc(64, (words * 4 + 63) / 64 * 64);
    CHECK(p);
    for (size_t i = 0; i < words; i++) p[i] = CANARY;
    pool[pool_used++] = (guarded){p, words};
    return p + GUARD;
}

/* Every guard zone is untouched; frees everything. */
static inline void guards_check(const char *what) {
    for (int i = 0; i < pool_used; i++) {
        for (int g = 0; g < GUARD; g++) {
            uint32_t *p = pool[i].base;
            if (p[g] != CANARY || p[pool[i].words - 1 - (size_t)g] != CANARY) {
                fprintf(stderr, "%s: wrote outside buffer %d (guard word %d)\n", what, i, g);
                exit(1);
            }
        }
        free(pool[i].base);
    }
    pool_used = 0;
}

/* ---- random content ---- */

static inline int64_t pick(bl_rng *r, int64_t lo, int64_t hi) { /* inclusive */
    return lo + (int64_t)(bl_rng_u32(r) % (uint32_t)(hi - lo + 1));
}
static inline void fill(bl_rng *r, float *p, int64_t n, float lo, float hi) {
    for (int64_t i = 0; i < n; i++) p[i] = bl_rng_range(r, lo, hi);
}
static inline float *random_floats(bl_rng *r, int64_t n, float lo, float hi) {
    float *p = guarded_new(n);
    fill(r, p, n, lo, hi);
    return p;
}
static inline float *copy_floats(const float *src, int64_t n) {
    float *p = guarded_new(n);
    for (int64_t i = 0; i < n; i++) p[i] = src[i];
    return p;
}

/* An uninitialised (canaries) tensor; a random one with zero padding; a copy. */
static inline bl_tensor tensor_new(int64_t n, int64_t c, int64_t h, int64_t w, int32_t cb) {
    bl_tensor t = {.n = n, .c = c, .h = h, .w = w, .cb = cb, .dtype = BL_F32};
    t.data = guarded_new(bl_storage(&t));
    return t;
}
static inline bl_tensor tensor_random(bl_rng *r, int64_t n, int64_t c, int64_t h, int64_t w,
                                      int32_t cb, float lo, float hi) {
    bl_tensor t = tensor_new(n, c, h, w, cb);
    memset(t.data, 0, (size_t)bl_storage(&t) * sizeof(float));
    for (int64_t i = 0; i < n * c; i++) {
        for (int64_t p = 0; p < h * w; p++) {
            bl_f32(&t)[bl_index(&t, i / c, i % c, p / w, p % w)] = bl_rng_range(r, lo, hi);
        }
    }
    return t;
}
static inline bl_tensor tensor_copy(const bl_tensor *src) {
    bl_tensor t = *src;
    t.data = copy_floats(bl_f32(src), bl_storage(src));
    return t;
}

/* ---- comparison ---- */

/* |got - want| <= tol * the largest |want| (NaN must meet NaN). */
static inline void compare(const char *what, const float *want, const float *got, int64_t n,
                           double tol) {
    double scale = 1e-30;
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(want[i]) && fabs(want[i]) > scale) scale = fabs(want[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        bool same = want[i] == got[i] || (isnan(want[i]) && isnan(got[i]));
        if (same || fabs((double)want[i] - got[i]) <= tol * scale) continue;
        fprintf(stderr,
                "%s: [%lld of %lld] = %.9g, expected %.9g (scale %.3g, off by %.2g of it)\n", what,
                (long long)i, (long long)n, got[i], want[i], scale, fabs(want[i] - got[i]) / scale);
        exit(1);
    }
}
static inline void compare_tensors(const char *what, const bl_tensor *want, const bl_tensor *got,
                                   double tol) {
    compare(what, bl_f32(want), bl_f32(got), bl_storage(want), tol);
    int64_t blocks = bl_blocks(got), pixels = got->h * got->w, used = got->c % got->cb;
    for (int64_t n = 0; used && n < got->n; n++) {
        for (int64_t p = 0; p < pixels; p++) {
            for (int64_t l = used; l < got->cb; l++) {
                float v = bl_f32(got)[((n * blocks + blocks - 1) * pixels + p) * got->cb + l];
                if (v != 0.0f) {
                    fprintf(stderr, "%s: padding lane %lld of image %lld, pixel %lld is %g\n", what,
                            (long long)l, (long long)n, (long long)p, v);
                    exit(1);
                }
            }
        }
    }
}
static inline void compare_bits(const char *what, const void *a, const void *b, size_t bytes) {
    if (memcmp(a, b, bytes) != 0) {
        fprintf(stderr, "%s: results differ between thread counts\n", what);
        exit(1);
    }
}

/* ---- levels ---- */

typedef void (*level_fn)(const bl_kernels *ref, const bl_kernels *got, bl_rng *r);

/* Runs fn for every level this processor has; the highest once more with 2 threads. */
static inline void for_levels(level_fn fn, uint64_t seed) {
    bl_kernels ref;
    bl_kernels_init_ref(&ref);
    for (int level = BL_ISA_BASE; level <= (int)bl_cpu_isa(); level++) {
        bl_kernels got;
        bl_kernels_init_ref(&got);
        bl_kernels_init_isa(&got, (bl_isa)level);
        for (int threads = 1; threads <= (level == (int)bl_cpu_isa() ? 2 : 1); threads++) {
            bl_rng r = bl_rng_make(seed, (uint64_t)level);
            bl_set_threads(threads);
            fn(&ref, &got, &r);
        }
        printf("%s: ok\n", got.name);
    }
}

#endif
