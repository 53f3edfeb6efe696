#include "datasets/augment_color.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[BL_COLOR_OPS] = {"identity",   "autocontrast", "equalize",
                                                "solarize",   "color",        "contrast",
                                                "brightness", "sharpness",    "posterize"};

const char *bl_color_name(bl_color_op op) {
    return names[op];
}

static size_t pixels_of(const bl_image *img) {
    return (size_t)img->width * (size_t)img->height;
}

/* Pillow's Image.blend of two bytes: single precision, truncated; clipped only when extrapolating,
 * which changes nothing in range, so one rule serves both. */
static inline uint8_t blend(int from, int to, float factor) {
    float v = (float)from + factor * (float)(to - from);
    v = v < 0 ? 0 : v;
    v = v > 255 ? 255 : v;
    return (uint8_t)(int)v;
}

/* Pillow's RGB -> L: ITU-R 601 in 16-bit fixed point. */
static inline int luma(const uint8_t *p) {
    return (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16;
}

static void apply_lut(bl_image *img, const uint8_t *r, const uint8_t *g, const uint8_t *b) {
    uint8_t *p = img->rgb;
    for (size_t n = pixels_of(img); n > 0; n--, p += 3) {
        p[0] = r[p[0]];
        p[1] = g[p[1]];
        p[2] = b[p[2]];
    }
}

static void histograms(const bl_image *img, uint32_t h[3][256]) {
    memset(h, 0, 3 * 256 * sizeof(uint32_t));
    const uint8_t *p = img->rgb;
    for (size_t n = pixels_of(img); n > 0; n--, p += 3) {
        h[0][p[0]]++;
        h[1][p[1]]++;
        h[2][p[2]]++;
    }
}

static void identity_lut(uint8_t *lut) {
    for (int i = 0; i < 256; i++) lut[i] = (uint8_t)i;
}

static void autocontrast_lut(const uint32_t *h, uint8_t *lut) {
    int lo = 0, hi = 255;
    while (lo < 255 && !h[lo]) lo++;
    while (hi > 0 && !h[hi]) hi--;
    if (hi <= lo) {
        identity_lut(lut);
        return;
    }
    double scale = 255.0 / (hi - lo), offset = -lo * scale;
    for (int i = 0; i < 256; i++) {
        int v = (int)(i * scale + offset);
        lut[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

static void equalize_lut(const uint32_t *h, uint8_t *lut) {
    uint64_t sum = 0, last = 0;
    int used = 0;
    for (int i = 0; i < 256; i++)
        if (h[i]) sum += h[i], last = h[i], used++;
    uint64_t step = (sum - last) / 255, n = step / 2;
    if (used <= 1 || !step) {
        identity_lut(lut);
        return;
    }
    for (int i = 0; i < 256; i++) {
        uint64_t v = n / step;
        lut[i] = (uint8_t)(v > 255 ? 255 : v);
        n += h[i];
    }
}

static void per_channel(bl_image *img, void (*make)(const uint32_t *, uint8_t *)) {
    uint32_t h[3][256];
    uint8_t lut[3][256];
    histograms(img, h);
    for (int c = 0; c < 3; c++) make(h[c], lut[c]);
    apply_lut(img, lut[0], lut[1], lut[2]);
}

/* In blocks, with the luma spread to the three channels first, so that the blend runs over flat
 * bytes. */
static void saturation(bl_image *img, float factor) {
    enum { BLOCK = 256 };
    uint8_t grey[3 * BLOCK], *p = img->rgb;
    for (size_t left = pixels_of(img); left > 0;) {
        size_t n = left < BLOCK ? left : BLOCK;
        for (size_t i = 0; i < n; i++)
            grey[3 * i] = grey[3 * i + 1] = grey[3 * i + 2] = (uint8_t)luma(p + 3 * i);
        for (size_t i = 0; i < 3 * n; i++) p[i] = blend(grey[i], p[i], factor);
        p += 3 * n;
        left -= n;
    }
}

static int mean_luma(const bl_image *img) {
    uint64_t sum = 0;
    size_t n = pixels_of(img);
    for (size_t i = 0; i < n; i++) sum += (uint64_t)luma(img->rgb + 3 * i);
    return (int)((double)sum / (double)n + 0.5);
}

/* Blends with the 3x3 kernel (1 1 1; 1 5 1; 1 1 1)/13; the border keeps its values. Two saved rows
 * make it work in place. */
static bl_status sharpness(bl_image *img, float factor) {
    int w = img->width, h = img->height;
    if (w < 3 || h < 3) return BL_OK; /* Pillow's filter copies such an image */
    size_t row = (size_t)w * 3;
    uint8_t *saved = malloc(2 * row);
    if (!saved) return bl_fail(BL_ENOMEM, "sharpness: no memory for two rows of %d pixels", w);
    uint8_t *above = saved, *here = saved + row;
    memcpy(above, img->rgb, row);
    for (int y = 1; y < h - 1; y++) {
        uint8_t *out = img->rgb + (size_t)y * row;
        const uint8_t *below = out + row;
        memcpy(here, out, row);
        for (size_t i = 3; i < row - 3; i++) {
            int s = above[i - 3] + above[i] + above[i + 3] + here[i - 3] + 5 * here[i] +
                    here[i + 3] + below[i - 3] + below[i] + below[i + 3];
            /* Pillow rounds s/13 in floating point; s/13 is never half-way, so integers agree. */
            out[i] = blend((2 * s + 13) / 26, here[i], factor);
        }
        uint8_t *t = above;
        above = here, here = t;
    }
    free(saved);
    return BL_OK;
}

static void one_lut(bl_image *img, const uint8_t *lut) {
    apply_lut(img, lut, lut, lut);
}

bl_status bl_color_apply(bl_image *img, bl_color_op op, int magnitude) {
    if (magnitude < 1 || magnitude > 9)
        return bl_fail(BL_EINVAL, "colour operation: magnitude %d is not in 1..9", magnitude);
    uint8_t lut[256];
    float factor = (float)(0.18 * magnitude + 0.1);
    switch (op) {
    case BL_COLOR_IDENTITY:
        return BL_OK;
    case BL_COLOR_AUTOCONTRAST:
        per_channel(img, autocontrast_lut);
        return BL_OK;
    case BL_COLOR_EQUALIZE:
        per_channel(img, equalize_lut);
        return BL_OK;
    case BL_COLOR_SOLARIZE: {
        int threshold = 256 * magnitude / 10;
        for (int i = 0; i < 256; i++) lut[i] = (uint8_t)(i < threshold ? i : 255 - i);
        one_lut(img, lut);
        return BL_OK;
    }
    case BL_COLOR_SATURATION:
        saturation(img, factor);
        return BL_OK;
    case BL_COLOR_CONTRAST: {
        int mean = mean_luma(img);
        for (int i = 0; i < 256; i++) lut[i] = blend(mean, i, factor);
        one_lut(img, lut);
        return BL_OK;
    }
    case BL_COLOR_BRIGHTNESS:
        for (int i = 0; i < 256; i++) lut[i] = blend(0, i, factor);
        one_lut(img, lut);
        return BL_OK;
    case BL_COLOR_SHARPNESS:
        return sharpness(img, factor);
    case BL_COLOR_POSTERIZE: {
        int bits = 4 - 4 * magnitude / 10;
        for (int i = 0; i < 256; i++) lut[i] = (uint8_t)(i & ~((1 << (8 - bits)) - 1));
        one_lut(img, lut);
        return BL_OK;
    }
    default:
        return bl_fail(BL_EINVAL, "colour operation %d does not exist (0..%d)", (int)op,
                       BL_COLOR_OPS - 1);
    }
}

bl_status bl_color_random(bl_image *img, bl_rng *rng) {
    bl_color_op op = (bl_color_op)bl_rng_below(rng, BL_COLOR_OPS);
    int magnitude = 1 + (int)bl_rng_below(rng, 9);
    return bl_color_apply(img, op, magnitude);
}
