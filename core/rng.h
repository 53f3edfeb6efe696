/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011).
 *
 * A random number is a pure function of (seed, stream, index): no state is shared, so results do
 * not depend on the number of threads, on the order of work or on the device. A bl_rng is a small
 * value type that walks one stream; copy it freely. Streams are named by 64-bit keys made with
 * bl_rng_key() from whatever identifies the draw (epoch, image id, view, step, ...).
 *
 * Everything is inline C that also compiles as CUDA device code. */
#ifndef BALLAST_CORE_RNG_H
#define BALLAST_CORE_RNG_H

#include <math.h>
#include <stdint.h>

#include "core/hd.h"

typedef struct bl_rng {
    uint32_t key[2]; /* from the seed */
    uint32_t ctr[4]; /* [0..1] position, [2..3] stream */
    uint32_t out[4];
    uint32_t used; /* words of out[] already handed out; 4 = none left */
} bl_rng;

/* One Philox4x32-10 block. Test vectors: Random123 kat_vectors. */
static inline BL_HD void bl_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* SplitMix64 finaliser: a bijective mixer of 64 bits. */
static inline BL_HD uint64_t bl_mix64(uint64_t x) {
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

/* Names a stream from up to three identifiers; the order matters. */
static inline BL_HD uint64_t bl_rng_key(uint64_t a, uint64_t b, uint64_t c) {
    return bl_mix64(bl_mix64(bl_mix64(a) ^ b) ^ c);
}

/* The stream `stream` of `seed`, at its start. */
static inline BL_HD bl_rng bl_rng_make(uint64_t seed, uint64_t stream) {
    bl_rng r;
    r.key[0] = (uint32_t)seed;
    r.key[1] = (uint32_t)(seed >> 32);
    r.ctr[0] = 0;
    r.ctr[1] = 0;
    r.ctr[2] = (uint32_t)stream;
    r.ctr[3] = (uint32_t)(stream >> 32);
    r.out[0] = r.out[1] = r.out[2] = r.out[3] = 0;
    r.used = 4;
    return r;
}

static inline BL_HD uint32_t bl_rng_u32(bl_rng *r) {
    if (r->used == 4) {
        bl_philox(r->ctr, r->key, r->out);
        if (++r->ctr[0] == 0) r->ctr[1]++;
        r->used = 0;
    }
    return r->out[r->used++];
}

/* r as it will be after `words` more calls of bl_rng_u32; r must stand at its stream's start. */
static inline BL_HD bl_rng bl_rng_skip(const bl_rng *r, uint64_t words) {
    bl_rng at = *r;
    uint64_t block = words / 4;
    at.ctr[0] = (uint32_t)block;
    at.ctr[1] = (uint32_t)(block >> 32);
    if (words % 4 == 0) return at;
    bl_rng_u32(&at);
    at.used = (uint32_t)(words % 4);
    return at;
}

/* Uniform in [0, 1) with 24 bits: exactly representable, never 1. */
static inline BL_HD float bl_rng_uniform(bl_rng *r) {
    return (float)(bl_rng_u32(r) >> 8) * 0x1p-24f;
}
static inline BL_HD float bl_rng_range(bl_rng *r, float lo, float hi) {
    return lo + (hi - lo) * bl_rng_uniform(r);
}
/* Uniform integer in [0, n), n >= 1; multiply-shift (bias below n/2^32). */
static inline BL_HD uint32_t bl_rng_below(bl_rng *r, uint32_t n) {
    return (uint32_t)(((uint64_t)bl_rng_u32(r) * n) >> 32);
}
/* Standard normal by Box-Muller (uses two words a call). Host only where bit-equality matters:
 * device logf/cosf may differ in the last bit. */
static inline BL_HD float bl_rng_normal(bl_rng *r) {
    float u = ((float)(bl_rng_u32(r) >> 8) + 0.5f) * 0x1p-24f;
    float v = (float)(bl_rng_u32(r) >> 8) * 0x1p-24f;
    return sqrtf(-2.0f * logf(u)) * cosf(6.28318530717958647692f * v);
}

/* Fisher-Yates with the stream's numbers; n < 2^32. */
static inline void bl_rng_shuffle(bl_rng *r, int32_t *v, int64_t n) {
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = bl_rng_below(r, (uint32_t)(i + 1));
        int32_t t = v[i];
        v[i] = v[j];
        v[j] = t;
    }
}

#endif
