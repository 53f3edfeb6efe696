/* Bilinear resizing with the arithmetic of OpenCV's INTER_LINEAR on 8-bit images, to the bit:
 * 11-bit weights; a horizontal pass to 15 bits (rows kept >> 4), then, vertically,
 *
 *   (((b0 * row0) >> 16) + ((b1 * row1) >> 16) + 2) >> 2 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "datasets/images/image.h"

enum { ONE = 2048 };

/* One output coordinate: taps at `at` and at + 1 (clamped by the caller) with weights w0 + w1 =
 * 2048. */
typedef struct tap {
    int32_t at;
    int16_t w0, w1;
} tap;

/* src = (dst + 1/2) * scale - 1/2 in OpenCV's mixture of double and float. */
static tap tap_at(int32_t i, int32_t from, int32_t to) {
    double scale = 1.0 / ((double)to / from);
    float f = (float)((i + 0.5) * scale - 0.5);
    float base = floorf(f);
    f -= base;
    return (tap){(int32_t)base, (int16_t)lrintf((1.0f - f) * ONE), (int16_t)lrintf(f * ONE)};
}

static int32_t clamp(int32_t v, int32_t hi) {
    return v < 0 ? 0 : v > hi ? hi : v;
}

/* Horizontal taps: outside the image one pixel counts in full. */
static tap tap_x(int32_t i, int32_t from, int32_t to) {
    tap t = tap_at(i, from, to);
    if (t.at < 0) return (tap){0, ONE, 0};
    if (t.at >= from - 1) return (tap){from - 1, ONE, 0};
    return t;
}

/* ---- one row, horizontally: n output pixels to out[3 n] ---- */

static void row_plain(const uint8_t *src, const tap *taps, int32_t begin, int32_t end,
                      int16_t *out) {
    for (int32_t i = begin; i < end; i++) {
        const uint8_t *p = src + 3 * taps[i].at;
        /* A tap on the last pixel has no right neighbour, and weight 0 for it. */
        const uint8_t *q = taps[i].w1 ? p + 3 : p;
        for (int c = 0; c < 3; c++)
            out[3 * i + c] = (int16_t)((p[c] * taps[i].w0 + q[c] * taps[i].w1) >> 4);
    }
}

/* ---- two rows to one, vertically: n bytes ---- */

static void column_plain(const int16_t *a, const int16_t *b, int w0, int w1, int64_t begin,
                         int64_t n, uint8_t *out) {
    for (int64_t i = begin; i < n; i++) {
        int v = (((a[i] * w0) >> 16) + ((b[i] * w1) >> 16) + 2) >> 2;
        out[i] = (uint8_t)(v > 255 ? 255 : v);
    }
}

#if defined(__x86_64__)
/* Pixel pairs are six neighbouring bytes: one shuffle brings them to (p0 p1) word pairs, one
 * multiply-add applies the weights. `safe`: outputs before it may load 8 bytes at their tap.
 * Returns outputs done. */
__attribute__((target("avx2"))) static int32_t row_avx2(const uint8_t *src, const tap *taps,
                                                        int32_t safe, int16_t *out) {
    const __m128i pairs = _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
    const __m256i pairs2 = _mm256_broadcastsi128_si256(pairs);
    int32_t i = 0;
    for (; i + 2 <= safe; i += 2) {
        const tap *t = &taps[i];
        int32_t wa, wb;
        memcpy(&wa, &t[0].w0, 4);
        memcpy(&wb, &t[1].w0, 4);
        __m128i a = _mm_loadl_epi64((const __m128i *)(src + 3 * t[0].at));
        __m128i b = _mm_loadl_epi64((const __m128i *)(src + 3 * t[1].at));
        __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
        __m256i w = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_set1_epi32(wa)),
                                            _mm_set1_epi32(wb), 1);
        v = _mm256_srai_epi32(_mm256_madd_epi16(_mm256_shuffle_epi8(v, pairs2), w), 4);
        v = _mm256_packs_epi32(v, v);
        /* four words stored for three: the fourth is overwritten next, or is the row's padding */
        _mm_storel_epi64((__m128i *)(out + 3 * i), _mm256_castsi256_si128(v));
        _mm_storel_epi64((__m128i *)(out + 3 * i + 3), _mm256_extracti128_si256(v, 1));
    }
    return i;
}

__attribute__((target("avx2"))) static int64_t
column_avx2(const int16_t *a, const int16_t *b, int w0, int w1, int64_t n, uint8_t *out) {
    const __m256i u = _mm256_set1_epi16((int16_t)w0), v = _mm256_set1_epi16((int16_t)w1);
    const __m256i two = _mm256_set1_epi16(2);
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i r[2];
        for (int k = 0; k < 2; k++) {
            __m256i x = _mm256_loadu_si256((const __m256i *)(a + i + 16 * k));
            __m256i y = _mm256_loadu_si256((const __m256i *)(b + i + 16 * k));
            x = _mm256_add_epi16(_mm256_mulhi_epi16(x, u), _mm256_mulhi_epi16(y, v));
            r[k] = _mm256_srai_epi16(_mm256_add_epi16(x, two), 2);
        }
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(r[0], r[1]), 0xD8);
        _mm256_storeu_si256((__m256i *)(out + i), packed);
    }
    return i;
}

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2");
}
#else
static int32_t row_avx2(const uint8_t *src, const tap *taps, int32_t safe, int16_t *out) {
    return 0;
}
static int64_t column_avx2(const int16_t *a, const int16_t *b, int w0, int w1, int64_t n,
                           uint8_t *out) {
    return 0;
}
static bool has_avx2(void) {
    return false;
}
#endif

typedef struct plan {
    const bl_image *src;
    tap *taps; /* horizontal, one per output column */
    int16_t *rows[2];
    int32_t row_of[2]; /* source row that rows[k] holds; -1: none */
    int32_t width, height, safe;
    bool avx2;
} plan;

/* The horizontally resized source row y; keeps the two used last. */
static const int16_t *fetch(plan *p, int32_t y, int32_t keep) {
    for (int k = 0; k < 2; k++)
        if (p->row_of[k] == y) return p->rows[k];
    int k = p->row_of[0] == keep ? 1 : 0;
    const uint8_t *src = p->src->rgb + (size_t)y * (size_t)p->src->width * 3;
    int32_t done = p->avx2 ? row_avx2(src, p->taps, p->safe, p->rows[k]) : 0;
    row_plain(src, p->taps, done, p->width, p->rows[k]);
    p->row_of[k] = y;
    return p->rows[k];
}

static bl_status prepare(plan *p, const bl_image *src, int32_t width, int32_t height) {
    *p = (plan){
        .src = src, .row_of = {-1, -1}, .width = width, .height = height, .avx2 = has_avx2()};
    size_t row = (size_t)width * 3 + 8;
    p->taps = malloc((size_t)width * sizeof *p->taps);
    p->rows[0] = malloc(2 * row * sizeof *p->rows[0]);
    if (!p->taps || !p->rows[0]) return bl_no_memory("to resize to %dx%d", width, height);
    p->rows[1] = p->rows[0] + row;
    for (int32_t i = 0; i < width; i++) {
        p->taps[i] = tap_x(i, src->width, width);
        /* taps ascend: `safe` outputs may load 8 bytes without leaving the row */
        if (3 * (int64_t)p->taps[i].at + 8 <= 3 * (int64_t)src->width) p->safe = i + 1;
    }
    return BL_OK;
}

bl_status bl_image_resize(const bl_image *src, int32_t width, int32_t height, bl_image *out) {
    *out = (bl_image){0};
    BL_TRY(bl_image_check_size("resize", width, height));
    if (width == src->width && height == src->height) return bl_image_copy(src, out);
    plan p;
    bl_status status = prepare(&p, src, width, height);
    if (status == BL_OK) status = bl_image_alloc(width, height, out);
    for (int32_t y = 0; status == BL_OK && y < height; y++) {
        /* Vertically the weights stay and only the rows are clamped. */
        tap t = tap_at(y, src->height, height);
        int32_t y0 = clamp(t.at, src->height - 1), y1 = clamp(t.at + 1, src->height - 1);
        const int16_t *a = fetch(&p, y0, y1), *b = fetch(&p, y1, y0);
        uint8_t *row = out->rgb + (size_t)y * (size_t)width * 3;
        int64_t n = 3 * (int64_t)width, done = 0;
        if (p.avx2) done = column_avx2(a, b, t.w0, t.w1, n, row);
        column_plain(a, b, t.w0, t.w1, done, n, row);
    }
    free(p.taps);
    free(p.rows[0]);
    return status;
}
