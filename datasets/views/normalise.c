/* bl_view_normalise: 8-bit interleaved RGB to float planes. */
#include <string.h>

#include "datasets/views/normalise.h"
#include "kernels/shared/pixels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef struct planes {
    float *dst[3]; /* by source channel */
    const float *mean, *std;
} planes;

static void row_plain(const uint8_t *p, int from, int to, const planes *o) {
    for (int x = from; x < to; x++)
        for (int c = 0; c < 3; c++)
            o->dst[c][x] = bl_px_normalised(p[3 * x + c], o->mean[c], o->std[c]);
}

#if defined(__x86_64__)
/* Eight pixels a turn: two overlapping 16-byte loads, a byte shuffle a channel. Returns the pixels
 * done. The division is kept, so that the result is the plain loop's to the last bit. */
__attribute__((target("avx2"))) static int row_avx2(const uint8_t *p, int width, const planes *o) {
    /* Channel c's bytes 3k+c: k < 4 from the first load (bytes 0..15), k >= 4 from the second
     * (8..23). */
    __m128i pick_lo[3], pick_hi[3];
    for (int c = 0; c < 3; c++) {
        char lo[16], hi[16];
        memset(lo, -128, sizeof lo);
        memset(hi, -128, sizeof hi);
        for (int k = 0; k < 4; k++) {
            lo[k] = (char)(3 * k + c);
            hi[k + 4] = (char)(3 * (k + 4) + c - 8);
        }
        pick_lo[c] = _mm_loadu_si128((const __m128i *)lo);
        pick_hi[c] = _mm_loadu_si128((const __m128i *)hi);
    }
    int x = 0;
    for (; x + 8 <= width; x += 8) {
        __m128i a = _mm_loadu_si128((const __m128i *)(p + 3 * x));
        __m128i b = _mm_loadu_si128((const __m128i *)(p + 3 * x + 8));
        for (int c = 0; c < 3; c++) {
            __m128i bytes =
                _mm_or_si128(_mm_shuffle_epi8(a, pick_lo[c]), _mm_shuffle_epi8(b, pick_hi[c]));
            __m256 v = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
            v = _mm256_div_ps(_mm256_sub_ps(v, _mm256_set1_ps(o->mean[c])),
                              _mm256_set1_ps(o->std[c]));
            _mm256_storeu_ps(o->dst[c] + x, v);
        }
    }
    return x;
}
#endif

static void row(const uint8_t *p, int width, const planes *o, bool avx2) {
    int done = 0;
#if defined(__x86_64__)
    if (avx2) done = row_avx2(p, width, o);
#endif
    row_plain(p, done, width, o);
}

static bool has_avx2(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

static int round_up(int v, int multiple) {
    return multiple > 1 ? (v + multiple - 1) / multiple * multiple : v;
}

void bl_view_normalise(const bl_image *img, const float mean[3], const float std[3], bool bgr,
                       int multiple, int32_t pad_w, int32_t pad_h, float *dst) {
    int in_w = round_up(img->width, multiple), in_h = round_up(img->height, multiple);
    if (in_w > pad_w) in_w = pad_w;
    if (in_h > pad_h) in_h = pad_h;
    int w = img->width < pad_w ? img->width : pad_w;
    size_t plane = (size_t)pad_w * (size_t)pad_h;
    bool avx2 = has_avx2();
    /* mean and std are given in the order of the output planes. */
    float m[3], s[3];
    for (int c = 0; c < 3; c++) {
        m[c] = mean[bgr ? 2 - c : c];
        s[c] = std[bgr ? 2 - c : c];
    }
    for (int32_t y = 0; y < pad_h; y++) {
        planes o = {.mean = m, .std = s};
        for (int c = 0; c < 3; c++)
            o.dst[c] = dst + (size_t)(bgr ? 2 - c : c) * plane + (size_t)y * (size_t)pad_w;
        int from = 0; /* columns that hold a value of the image */
        if (y < img->height) {
            row(img->rgb + 3 * (size_t)y * (size_t)img->width, w, &o, avx2);
            from = w;
        }
        int until = y < in_h ? in_w : 0;
        for (int c = 0; c < 3; c++) {
            for (int x = from; x < until; x++) o.dst[c][x] = bl_px_normalised(0, m[c], s[c]);
            if (from < until)
                memset(o.dst[c] + until, 0, (size_t)(pad_w - until) * sizeof(float));
            else
                memset(o.dst[c] + from, 0, (size_t)(pad_w - from) * sizeof(float));
        }
    }
}
