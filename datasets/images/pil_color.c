#include "datasets/images/pil_color.h"

#include <math.h>
#include <string.h>

#include "kernels/shared/pixels.h"

enum { BLOCK = 512 /* pixels whose luma is held at once */ };

static void apply_luts(uint8_t *p, size_t n, const uint8_t *r, const uint8_t *g, const uint8_t *b) {
    for (; n > 0; n--, p += 3) {
        p[0] = r[p[0]];
        p[1] = g[p[1]];
        p[2] = b[p[2]];
    }
}

/* Two tables a channel, for neighbouring pixels: a run of one value does not wait for itself. */
static void histograms(const uint8_t *p, size_t n, uint32_t h[3][256]) {
    uint32_t other[3][256] = {{0}};
    memset(h, 0, 3 * 256 * sizeof(uint32_t));
    for (; n > 1; n -= 2, p += 6)
        for (int c = 0; c < 3; c++) {
            h[c][p[c]]++;
            other[c][p[3 + c]]++;
        }
    if (n)
        for (int c = 0; c < 3; c++) h[c][p[c]]++;
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++) h[c][i] += other[c][i];
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
    for (int i = 0; i < 256; i++) lut[i] = bl_px_stretch(i, scale, offset);
}

static void equalize_lut(const uint32_t *h, uint8_t *lut) {
    uint64_t sum = 0, last = 0;
    int used = 0;
    for (int i = 0; i < 256; i++)
        if (h[i]) {
            sum += h[i];
            last = h[i];
            used++;
        }
    uint64_t step = (sum - last) / 255, n = step / 2;
    if (used <= 1 || !step) {
        identity_lut(lut);
        return;
    }
    /* lut[i] = n / step; n grows by h[i] a time, so the quotient is found by small steps up. */
    uint64_t v = 0, next = step;
    for (int i = 0; i < 256; i++) {
        if (n >= next) {
            v = n / step;
            next = (v + 1) * step;
        }
        lut[i] = (uint8_t)(v > 255 ? 255 : v);
        n += h[i];
    }
}

static void per_channel(uint8_t *rgb, size_t n, void (*make)(const uint32_t *, uint8_t *)) {
    uint32_t h[3][256];
    uint8_t lut[3][256];
    histograms(rgb, n, h);
    for (int c = 0; c < 3; c++) make(h[c], lut[c]);
    apply_luts(rgb, n, lut[0], lut[1], lut[2]);
}

void bl_pil_autocontrast(uint8_t *rgb, size_t n) {
    per_channel(rgb, n, autocontrast_lut);
}

void bl_pil_equalize(uint8_t *rgb, size_t n) {
    per_channel(rgb, n, equalize_lut);
}

void bl_pil_invert(uint8_t *rgb, size_t n) {
    for (size_t i = 0; i < 3 * n; i++) rgb[i] = (uint8_t)(255 - rgb[i]);
}

void bl_pil_solarize(const bl_pixel_ops *ops, uint8_t *rgb, size_t n, double threshold) {
    int least = threshold > 256 ? 256 : threshold < 0 ? 0 : (int)ceil(threshold);
    ops->solarize(rgb, 3 * n, least);
}

void bl_pil_solarize_add(const bl_pixel_ops *ops, uint8_t *rgb, size_t n, int add) {
    for (size_t i = 0; i < 3 * n; i++) {
        int v = rgb[i] + add;
        rgb[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    ops->solarize(rgb, 3 * n, 128);
}

void bl_pil_posterize(const bl_pixel_ops *ops, uint8_t *rgb, size_t n, int bits) {
    if (bits < 8) ops->mask(rgb, 3 * n, (uint8_t) ~((1 << (8 - bits)) - 1));
}

/* Blends every byte with one value: a table, as there are only 256 results. */
static void blend_constant(uint8_t *rgb, size_t n, int from, float factor) {
    uint8_t lut[256];
    for (int i = 0; i < 256; i++) lut[i] = bl_px_blend(from, i, factor);
    for (size_t i = 0; i < 3 * n; i++) rgb[i] = lut[rgb[i]];
}

void bl_pil_brightness(uint8_t *rgb, size_t n, float factor) {
    blend_constant(rgb, n, 0, factor);
}

void bl_pil_contrast(const bl_pixel_ops *ops, uint8_t *rgb, size_t n, float factor) {
    uint8_t grey[3 * BLOCK];
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i += BLOCK)
        sum += ops->luma(rgb + 3 * i, n - i < BLOCK ? n - i : BLOCK, grey);
    blend_constant(rgb, n, bl_px_mean_luma(sum, n), factor);
}

void bl_pil_color(const bl_pixel_ops *ops, uint8_t *rgb, size_t n, float factor) {
    uint8_t grey[3 * BLOCK];
    for (size_t i = 0; i < n; i += BLOCK) {
        size_t m = n - i < BLOCK ? n - i : BLOCK;
        ops->luma(rgb + 3 * i, m, grey);
        ops->blend(rgb + 3 * i, grey, 3 * m, factor);
    }
}

void bl_pil_grey(const bl_pixel_ops *ops, uint8_t *rgb, size_t n) {
    uint8_t grey[3 * BLOCK];
    for (size_t i = 0; i < n; i += BLOCK) {
        size_t m = n - i < BLOCK ? n - i : BLOCK;
        ops->luma(rgb + 3 * i, m, grey);
        memcpy(rgb + 3 * i, grey, 3 * m);
    }
}

void bl_pil_sharpness(const bl_pixel_ops *ops, uint8_t *rgb, int width, int height, float factor,
                      uint8_t *rows) {
    if (width < 3 || height < 3) return; /* Pillow's filter copies such an image */
    size_t row = 3 * (size_t)width;
    uint8_t *above = rows, *here = rows + row, *smooth = rows + 2 * row;
    memcpy(above, rgb, row);
    for (int y = 1; y < height - 1; y++) {
        uint8_t *out = rgb + (size_t)y * row;
        memcpy(here, out, row);
        ops->smooth(above, here, out + row, row, smooth);
        ops->blend(out + 3, smooth + 3, row - 6, factor);
        uint8_t *t = above;
        above = here;
        here = t;
    }
}

static uint8_t clip(double v) {
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static uint8_t nearest(double v) { /* v >= 0 */
    return clip(v + 0.5);
}

/* Pillow's RGB -> HSV: single precision, the hue in sixths of a turn, both scaled to 255 and
 * truncated. */
static void to_hsv(const uint8_t *p, uint8_t *hue, uint8_t *sat, uint8_t *value) {
    int r = p[0], g = p[1], b = p[2];
    int top = r > g ? (r > b ? r : b) : (g > b ? g : b);
    int low = r < g ? (r < b ? r : b) : (g < b ? g : b);
    *value = (uint8_t)top;
    if (top == low) {
        *hue = *sat = 0;
        return;
    }
    float range = (float)(top - low), s = range / (float)top;
    float rc = (float)(top - r) / range, gc = (float)(top - g) / range,
          bc = (float)(top - b) / range;
    float h;
    if (r == top)
        h = bc - gc;
    else if (g == top)
        h = (float)(2.0 + (double)rc - (double)bc);
    else
        h = (float)(4.0 + (double)gc - (double)rc);
    double turn = (double)h / 6.0 + 1.0; /* in (0.8, 1.9): its fraction */
    h = (float)(turn >= 1 ? turn - 1 : turn);
    *hue = clip((double)h * 255.0);
    *sat = clip((double)s * 255.0);
}

static void from_hsv(uint8_t hue, uint8_t sat, uint8_t value, uint8_t *p) {
    if (sat == 0) {
        p[0] = p[1] = p[2] = value;
        return;
    }
    double sixth = (double)hue * 6.0 / 255.0;
    int i = (int)sixth;
    float f = (float)(sixth - (double)(float)i), fs = (float)((double)sat / 255.0);
    double v = value;
    uint8_t low = nearest(v * (1.0 - (double)fs));
    uint8_t down = nearest(v * (1.0 - (double)(fs * f)));
    uint8_t up = nearest(v * (1.0 - (double)fs * (1.0 - (double)f)));
    const uint8_t sides[6][3] = {{value, up, low},   {down, value, low}, {low, value, up},
                                 {low, down, value}, {up, low, value},   {value, low, down}};
    memcpy(p, sides[i % 6], 3);
}

void bl_pil_hue(uint8_t *rgb, size_t n, int shift) {
    for (; n > 0; n--, rgb += 3) {
        uint8_t h, s, v;
        to_hsv(rgb, &h, &s, &v);
        from_hsv((uint8_t)(h + shift), s, v, rgb);
    }
}
