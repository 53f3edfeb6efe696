#include "datasets/images/pil_resize.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { BITS = 22, HALF = 1 << (BITS - 1) };

typedef struct bl_pil_taps taps;

void bl_pil_resizer_free(bl_pil_resizer *r) {
    for (int k = 0; k < 2; k++) {
        free(r->taps[k].first);
        free(r->taps[k].count);
        free(r->taps[k].weights);
        free(r->taps[k].exact);
    }
    free(r->rows);
    *r = (bl_pil_resizer){0};
}

static double support_of(bl_pil_filter f) {
    return f == BL_PIL_BOX ? 0.5 : f == BL_PIL_BILINEAR ? 1.0 : 2.0;
}

static double weight(bl_pil_filter f, double x) {
    if (f == BL_PIL_BOX) return x > -0.5 && x <= 0.5;
    if (x < 0) x = -x;
    if (f == BL_PIL_BILINEAR) return x < 1 ? 1 - x : 0;
    const double a = -0.5; /* Keys' cubic */
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

/* Room for `n` outputs of `most` weights. */
static bl_status reserve(taps *t, int n, int most) {
    size_t outputs = (size_t)n, weights = outputs * (size_t)most;
    if (outputs > t->room) {
        free(t->first);
        free(t->count);
        t->first = malloc(outputs * sizeof *t->first);
        t->count = malloc(outputs * sizeof *t->count);
        t->room = t->first && t->count ? outputs : 0;
    }
    if (weights > t->weight_room) {
        free(t->weights);
        t->weights = malloc(weights * sizeof *t->weights);
        t->weight_room = t->weights ? weights : 0;
    }
    if ((size_t)most > t->exact_room) {
        free(t->exact);
        t->exact = malloc((size_t)most * sizeof *t->exact);
        t->exact_room = t->exact ? (size_t)most : 0;
    }
    if (t->room < outputs || t->weight_room < weights || t->exact_room < (size_t)most)
        return bl_no_memory("for %zu weights (resize)", weights);
    t->most = most;
    return BL_OK;
}

/* The filter's reach in source pixels. */
static double reach(int in, int out, bl_pil_filter f) {
    double scale = (double)in / out;
    return support_of(f) * (scale < 1 ? 1 : scale);
}

static int most_taps(int in, int out, bl_pil_filter f) {
    return (int)ceil(reach(in, out, f)) * 2 + 1;
}

static bl_status make_taps(taps *t, int in, int out, bl_pil_filter f) {
    double scale = (double)in / out, support = reach(in, out, f),
           narrow = 1 / (scale < 1 ? 1 : scale);
    BL_TRY(reserve(t, out, most_taps(in, out, f)));
    double *w = t->exact;
    for (int i = 0; i < out; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int first = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
        if (first < 0) first = 0;
        if (end > in) end = in;
        int n = end - first;
        for (int k = 0; k < n; k++) {
            w[k] = weight(f, (k + first - centre + 0.5) * narrow);
            sum += w[k];
        }
        int32_t *fixed = t->weights + (size_t)i * (size_t)t->most;
        for (int k = 0; k < n; k++) {
            double v = (sum != 0 ? w[k] / sum : w[k]) * (1 << BITS);
            fixed[k] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
        }
        t->first[i] = first;
        t->count[i] = n;
    }
    return BL_OK;
}

static uint8_t clip(int32_t v) {
    v >>= BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* ---- one row across ---- */

static void across_plain(const taps *t, const uint8_t *src, int from, int n, uint8_t *dst) {
    for (int i = from; i < n; i++) {
        const int32_t *w = t->weights + (size_t)i * (size_t)t->most;
        const uint8_t *p = src + 3 * (size_t)t->first[i];
        int32_t s[3] = {HALF, HALF, HALF};
        for (int k = 0; k < t->count[i]; k++, p += 3)
            for (int c = 0; c < 3; c++) s[c] += p[c] * w[k];
        for (int c = 0; c < 3; c++) dst[3 * i + c] = clip(s[c]);
    }
}

/* ---- rows into one, down ---- */

static inline __attribute__((always_inline)) void down_loop(const int32_t *w, int count,
                                                            const uint8_t *src, size_t stride,
                                                            size_t n, uint8_t *restrict dst) {
    enum { BLOCK = 64 };
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t m = n - at < BLOCK ? n - at : BLOCK;
        int32_t s[BLOCK];
        for (size_t i = 0; i < BLOCK; i++) s[i] = HALF;
        for (int k = 0; k < count; k++) {
            const uint8_t *p = src + (size_t)k * stride + at;
            if (m == BLOCK)
                for (size_t i = 0; i < BLOCK; i++) s[i] += p[i] * w[k];
            else
                for (size_t i = 0; i < m; i++) s[i] += p[i] * w[k];
        }
        for (size_t i = 0; i < m; i++) {
            int32_t v = s[i] >> BITS;
            v = v < 0 ? 0 : v;
            dst[at + i] = (uint8_t)(v > 255 ? 255 : v);
        }
    }
}

static void down_plain(const int32_t *w, int count, const uint8_t *src, size_t stride, size_t n,
                       uint8_t *dst) {
    down_loop(w, count, src, stride, n, dst);
}

#if defined(__x86_64__)
/* A pixel's three channels side by side; two outputs a turn would need their taps to match. Loads 4
 * bytes a pixel: the row's last pixel is left to the plain loop. Returns the outputs done. */
__attribute__((target("avx2"))) static int across_avx2(const taps *t, const uint8_t *src, int width,
                                                       int n, uint8_t *dst) {
    int i = 0;
    for (; i + 1 < n && t->first[i] + t->count[i] < width; i++) {
        const int32_t *w = t->weights + (size_t)i * (size_t)t->most;
        const uint8_t *p = src + 3 * (size_t)t->first[i];
        __m128i s = _mm_set1_epi32(HALF);
        for (int k = 0; k < t->count[i]; k++, p += 3) {
            int32_t four;
            memcpy(&four, p, 4);
            __m128i v = _mm_cvtepu8_epi32(_mm_cvtsi32_si128(four));
            s = _mm_add_epi32(s, _mm_mullo_epi32(v, _mm_set1_epi32(w[k])));
        }
        s = _mm_srai_epi32(s, BITS);
        s = _mm_packus_epi16(_mm_packs_epi32(s, s), s);
        int32_t four = _mm_cvtsi128_si32(s); /* the fourth byte is overwritten by the next output */
        memcpy(dst + 3 * i, &four, 4);
    }
    return i;
}

__attribute__((target("avx2"))) static void
down_avx2(const int32_t *w, int count, const uint8_t *src, size_t stride, size_t n, uint8_t *dst) {
    down_loop(w, count, src, stride, n, dst);
}
#endif

static bool has_avx2(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

static void across(const taps *t, const uint8_t *src, int width, int n, uint8_t *dst, bool avx2) {
    int done = 0;
#if defined(__x86_64__)
    if (avx2) done = across_avx2(t, src, width, n, dst);
#endif
    across_plain(t, src, done, n, dst);
}

static void down(const int32_t *w, int count, const uint8_t *src, size_t stride, size_t n,
                 uint8_t *dst, bool avx2) {
#if defined(__x86_64__)
    if (avx2) {
        down_avx2(w, count, src, stride, n, dst);
        return;
    }
#endif
    down_plain(w, count, src, stride, n, dst);
}

static bl_status reserve_rows(bl_pil_resizer *r, size_t bytes) {
    if (bytes <= r->rows_room) return BL_OK;
    free(r->rows);
    r->rows = malloc(bytes);
    r->rows_room = r->rows ? bytes : 0;
    return r->rows ? BL_OK : bl_no_memory("for %zu bytes of rows (resize)", bytes);
}

/* Which pass comes first: rounding between them makes it matter. Rows, unless the height shrinks by
 * more than twice what the width does (Pillow 13). */
static bool down_first(int width, int height, int out_width, int out_height) {
    return height > out_height && height - out_height > 2 * (width - out_width);
}

bl_status bl_pil_resizer_reserve(bl_pil_resizer *r, int width, int height, bl_pil_filter filter,
                                 int out_width, int out_height) {
    BL_TRY(reserve(&r->taps[0], out_width, most_taps(width, out_width, filter)));
    BL_TRY(reserve(&r->taps[1], out_height, most_taps(height, out_height, filter)));
    size_t across_first = (size_t)out_width * (size_t)height;
    size_t down_first_rows = (size_t)width * (size_t)out_height;
    return reserve_rows(r, 3 * (across_first > down_first_rows ? across_first : down_first_rows));
}

/* All rows across: height rows of `width` pixels to rows of out_width. */
static bl_status pass_across(bl_pil_resizer *r, const uint8_t *src, size_t stride, int width,
                             int height, bl_pil_filter filter, int out_width, uint8_t *dst) {
    BL_TRY(make_taps(&r->taps[0], width, out_width, filter));
    bool avx2 = !r->plain && has_avx2();
    for (int y = 0; y < height; y++)
        across(&r->taps[0], src + (size_t)y * stride, width, out_width,
               dst + 3 * (size_t)y * (size_t)out_width, avx2);
    return BL_OK;
}

/* All columns down: height rows of `width` pixels to out_height rows. */
static bl_status pass_down(bl_pil_resizer *r, const uint8_t *src, size_t stride, int width,
                           int height, bl_pil_filter filter, int out_height, uint8_t *dst) {
    BL_TRY(make_taps(&r->taps[1], height, out_height, filter));
    const taps *t = &r->taps[1];
    size_t row = 3 * (size_t)width;
    bool avx2 = !r->plain && has_avx2();
    for (int y = 0; y < out_height; y++)
        down(t->weights + (size_t)y * (size_t)t->most, t->count[y],
             src + (size_t)t->first[y] * stride, stride, row, dst + (size_t)y * row, avx2);
    return BL_OK;
}

bl_status bl_pil_resize(bl_pil_resizer *r, const uint8_t *src, size_t stride, int width, int height,
                        bl_pil_filter filter, uint8_t *dst, int out_width, int out_height) {
    /* A pass that would change nothing is left out, as Pillow does. */
    if (width == out_width && height == out_height) {
        size_t row = 3 * (size_t)width;
        for (int y = 0; y < height; y++)
            memcpy(dst + (size_t)y * row, src + (size_t)y * stride, row);
        return BL_OK;
    }
    if (height == out_height)
        return pass_across(r, src, stride, width, height, filter, out_width, dst);
    if (width == out_width)
        return pass_down(r, src, stride, width, height, filter, out_height, dst);
    if (down_first(width, height, out_width, out_height)) {
        size_t row = 3 * (size_t)width;
        BL_TRY(reserve_rows(r, row * (size_t)out_height));
        BL_TRY(pass_down(r, src, stride, width, height, filter, out_height, r->rows));
        return pass_across(r, r->rows, row, width, out_height, filter, out_width, dst);
    }
    size_t row = 3 * (size_t)out_width;
    BL_TRY(reserve_rows(r, row * (size_t)height));
    BL_TRY(pass_across(r, src, stride, width, height, filter, out_width, r->rows));
    return pass_down(r, r->rows, row, out_width, height, filter, out_height, dst);
}

bl_status bl_pil_resize_image(const bl_image *src, int32_t width, int32_t height,
                              bl_pil_filter filter, bl_image *out) {
    bl_pil_resizer r = {0};
    *out = (bl_image){0};
    BL_TRY(bl_image_check_size("resize", width, height));
    BL_TRY(bl_image_alloc(width, height, out));
    bl_status status = bl_pil_resize(&r, src->rgb, 3 * (size_t)src->width, src->width, src->height,
                                     filter, out->rgb, width, height);
    bl_pil_resizer_free(&r);
    if (status != BL_OK) bl_image_free(out);
    return status;
}
