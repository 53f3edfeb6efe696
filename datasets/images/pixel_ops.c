#include "datasets/images/pixel_ops.h"

#include <stdbool.h>
#include <string.h>

#include "kernels/shared/pixels.h"

/* One source for both instruction sets: the loops are inlined into a plain function and into one
 * compiled for AVX2, where the compiler vectorises them eight or more wide. */
#define LOOP static inline __attribute__((always_inline))

LOOP void blend_loop(uint8_t *restrict p, const uint8_t *restrict from, size_t n, float factor) {
    for (size_t i = 0; i < n; i++) p[i] = bl_px_blend(from[i], p[i], factor);
}

LOOP void solarize_loop(uint8_t *p, size_t n, int threshold) {
    uint8_t last = (uint8_t)(threshold - 1); /* the greatest value that stays */
    for (size_t i = 0; i < n; i++) p[i] = p[i] > last ? (uint8_t)(255 - p[i]) : p[i];
}

static void solarize_any(uint8_t *p, size_t n, int threshold, void (*run)(uint8_t *, size_t, int)) {
    if (threshold > 255) return;
    if (threshold > 0)
        run(p, n, threshold);
    else
        for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(255 - p[i]);
}

LOOP void mask_loop(uint8_t *p, size_t n, uint8_t mask) {
    for (size_t i = 0; i < n; i++) p[i] &= mask;
}

LOOP uint64_t luma_loop(const uint8_t *restrict rgb, size_t n, uint8_t *restrict grey) {
    uint64_t total = 0;
    for (size_t at = 0; at < n;) { /* blocks, so that the inner sum fits 32 bits */
        size_t end = n - at > 4096 ? at + 4096 : n;
        uint32_t sum = 0;
        for (size_t i = at; i < end; i++) {
            uint32_t l = bl_px_luma(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]);
            sum += l;
            grey[3 * i] = grey[3 * i + 1] = grey[3 * i + 2] = (uint8_t)l;
        }
        total += sum;
        at = end;
    }
    return total;
}

LOOP void smooth_loop(const uint8_t *above, const uint8_t *here, const uint8_t *below, size_t n,
                      uint8_t *restrict out) {
    for (size_t i = 3; i + 3 < n; i++) {
        unsigned s = above[i - 3] + above[i] + above[i + 3] + here[i - 3] + 5u * here[i] +
                     here[i + 3] + below[i - 3] + below[i] + below[i + 3];
        out[i] = bl_px_smooth(s);
    }
}

static void gather_plain_from(const uint8_t *src, int width, int height, int32_t u, int32_t v,
                              int32_t du, int32_t dv, int from, int n, uint8_t *dst) {
    for (int x = from; x < n; x++) {
        int32_t sx = (int32_t)((uint32_t)u + (uint32_t)x * (uint32_t)du) >> 16;
        int32_t sy = (int32_t)((uint32_t)v + (uint32_t)x * (uint32_t)dv) >> 16;
        uint8_t *p = dst + 3 * x;
        if (sx >= 0 && sy >= 0 && sx < width && sy < height)
            memcpy(p, src + 3 * ((size_t)sy * (size_t)width + (size_t)sx), 3);
        else
            p[0] = p[1] = p[2] = 0;
    }
}

static void blend_plain(uint8_t *p, const uint8_t *from, size_t n, float factor) {
    blend_loop(p, from, n, factor);
}
static void solarize_run_plain(uint8_t *p, size_t n, int threshold) {
    solarize_loop(p, n, threshold);
}
static void solarize_plain(uint8_t *p, size_t n, int threshold) {
    solarize_any(p, n, threshold, solarize_run_plain);
}
static void mask_plain(uint8_t *p, size_t n, uint8_t mask) {
    mask_loop(p, n, mask);
}
static uint64_t luma_plain(const uint8_t *rgb, size_t n, uint8_t *grey) {
    return luma_loop(rgb, n, grey);
}
static void smooth_plain(const uint8_t *above, const uint8_t *here, const uint8_t *below, size_t n,
                         uint8_t *out) {
    smooth_loop(above, here, below, n, out);
}
static void gather_plain(const uint8_t *src, int width, int height, int32_t u0, int32_t v0,
                         int32_t du, int32_t dv, int n, uint8_t *dst) {
    gather_plain_from(src, width, height, u0, v0, du, dv, 0, n, dst);
}

static const bl_pixel_ops plain = {"plain",    blend_plain,  solarize_plain, mask_plain,
                                   luma_plain, smooth_plain, gather_plain};

const bl_pixel_ops *bl_pixel_ops_plain(void) {
    return &plain;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2"))) static

AVX2 void blend_avx2(uint8_t *p, const uint8_t *from, size_t n, float factor) {
    blend_loop(p, from, n, factor);
}
AVX2 void solarize_run_avx2(uint8_t *p, size_t n, int threshold) {
    solarize_loop(p, n, threshold);
}
static void solarize_avx2(uint8_t *p, size_t n, int threshold) {
    solarize_any(p, n, threshold, solarize_run_avx2);
}
AVX2 void mask_avx2(uint8_t *p, size_t n, uint8_t mask) {
    mask_loop(p, n, mask);
}
AVX2 uint64_t luma_avx2(const uint8_t *rgb, size_t n, uint8_t *grey) {
    return luma_loop(rgb, n, grey);
}
AVX2 void smooth_avx2(const uint8_t *above, const uint8_t *here, const uint8_t *below, size_t n,
                      uint8_t *out) {
    smooth_loop(above, here, below, n, out);
}

/* Eight pixels a turn: coordinates, a masked gather of 4 bytes each, the fourth byte dropped. */
AVX2 void gather_avx2(const uint8_t *src, int width, int height, int32_t u0, int32_t v0, int32_t du,
                      int32_t dv, int n, uint8_t *dst) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i w = _mm256_set1_epi32(width), h = _mm256_set1_epi32(height);
    const __m256i minus = _mm256_set1_epi32(-1), three = _mm256_set1_epi32(3);
    const __m256i pack = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    __m256i u =
        _mm256_add_epi32(_mm256_set1_epi32(u0), _mm256_mullo_epi32(lane, _mm256_set1_epi32(du)));
    __m256i v =
        _mm256_add_epi32(_mm256_set1_epi32(v0), _mm256_mullo_epi32(lane, _mm256_set1_epi32(dv)));
    const __m256i du8 = _mm256_set1_epi32((int32_t)(8u * (uint32_t)du));
    const __m256i dv8 = _mm256_set1_epi32((int32_t)(8u * (uint32_t)dv));
    int x = 0;
    for (; x + 8 <= n; x += 8) {
        __m256i sx = _mm256_srai_epi32(u, 16), sy = _mm256_srai_epi32(v, 16);
        __m256i inside = _mm256_and_si256(
            _mm256_and_si256(_mm256_cmpgt_epi32(sx, minus), _mm256_cmpgt_epi32(sy, minus)),
            _mm256_and_si256(_mm256_cmpgt_epi32(w, sx), _mm256_cmpgt_epi32(h, sy)));
        __m256i at = _mm256_mullo_epi32(_mm256_add_epi32(_mm256_mullo_epi32(sy, w), sx), three);
        __m256i p = _mm256_mask_i32gather_epi32(_mm256_setzero_si256(),
                                                (const int *)(const void *)src, at, inside, 1);
        p = _mm256_shuffle_epi8(p, pack);
        _mm_storeu_si128((__m128i *)(dst + 3 * x), _mm256_castsi256_si128(p));
        _mm_storeu_si128((__m128i *)(dst + 3 * x + 12), _mm256_extracti128_si256(p, 1));
        u = _mm256_add_epi32(u, du8);
        v = _mm256_add_epi32(v, dv8);
    }
    gather_plain_from(src, width, height, u0, v0, du, dv, x, n, dst);
}

static const bl_pixel_ops avx2 = {"avx2",    blend_avx2,  solarize_avx2, mask_avx2,
                                  luma_avx2, smooth_avx2, gather_avx2};

const bl_pixel_ops *bl_pixel_ops_best(void) {
    return __builtin_cpu_supports("avx2") ? &avx2 : &plain;
}
#else
const bl_pixel_ops *bl_pixel_ops_best(void) {
    return &plain;
}
#endif
