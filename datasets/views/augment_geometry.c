#include "datasets/views/augment_geometry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bl_affine bl_geometry_map(bl_geometry_op op, int width, int height, float a, float b) {
    const double rad = M_PI / 180;
    bl_affine m = bl_affine_identity();
    switch (op) {
    case BL_GEOMETRY_TRANSLATE_X:
        m.m[2] = a * (float)width;
        break;
    case BL_GEOMETRY_TRANSLATE_Y:
        m.m[5] = a * (float)height;
        break;
    case BL_GEOMETRY_ROTATE: {
        double c = cos(a * rad), s = sin(a * rad), cx = 0.5 * width, cy = 0.5 * height;
        m = (bl_affine){{(float)c, (float)-s, (float)(cx - c * cx + s * cy), (float)s, (float)c,
                         (float)(cy - s * cx - c * cy)}};
        break;
    }
    default: {
        bl_affine along_x = bl_affine_identity(), along_y = bl_affine_identity();
        along_x.m[1] = (float)tanh(-a * rad);
        along_y.m[3] = (float)tanh(b * rad);
        m = bl_affine_mul(along_y, along_x);
        break;
    }
    }
    return m;
}

bl_affine bl_geometry_random(int width, int height, float translate, float rotate, float shear,
                             bl_rng *rng) {
    bl_geometry_op op = (bl_geometry_op)bl_rng_below(rng, BL_GEOMETRY_OPS);
    float u = bl_rng_range(rng, -1, 1), v = bl_rng_range(rng, -1, 1);
    float reach = op == BL_GEOMETRY_ROTATE ? rotate : op == BL_GEOMETRY_SHEAR ? shear : translate;
    return bl_geometry_map(op, width, height, u * reach, v * reach);
}

enum { WEIGHT_BITS = 11, WEIGHT_ONE = 1 << WEIGHT_BITS };

/* Bilinear over taps a b / c d (3 channels each). */
static inline void mix(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d,
                       uint32_t fx, uint32_t fy, uint8_t *out) {
    uint32_t gx = WEIGHT_ONE - fx, gy = WEIGHT_ONE - fy;
    for (int k = 0; k < 3; k++) {
        uint32_t top = a[k] * gx + b[k] * fx, low = c[k] * gx + d[k] * fx;
        out[k] =
            (uint8_t)((top * gy + low * fy + (1u << (2 * WEIGHT_BITS - 1))) >> (2 * WEIGHT_BITS));
    }
}

/* A pixel with taps beyond the border. */
static void mix_border(const bl_image *src, int64_t ix, int64_t iy, uint32_t fx, uint32_t fy,
                       const uint8_t *fill, uint8_t *out) {
    const uint8_t *tap[4];
    for (int k = 0; k < 4; k++) {
        int64_t x = ix + (k & 1), y = iy + (k >> 1);
        bool inside = x >= 0 && y >= 0 && x < src->width && y < src->height;
        tap[k] = inside ? src->rgb + 3 * (y * src->width + x) : fill;
    }
    mix(tap[0], tap[1], tap[2], tap[3], fx, fy, out);
}

bl_status bl_image_warp(const bl_image *src, bl_affine map, uint8_t fill, bl_image *out) {
    bl_affine inv;
    if (!bl_affine_inverse(map, &inv)) return bl_fail(BL_EINVAL, "image warp: the map is singular");
    int w = src->width, h = src->height;
    BL_TRY(bl_image_alloc(w, h, out));
    const uint8_t border[3] = {fill, fill, fill};
    const double one = 4294967296.0;
    int64_t step_x = llrint(inv.m[0] * one), step_y = llrint(inv.m[3] * one);
    size_t row = (size_t)w * 3;
    for (int y = 0; y < h; y++) {
        double cy = y + 0.5;
        /* Source position of the pixel's centre, relative to the centre of source pixel (0, 0). */
        int64_t sx = llrint((inv.m[0] * 0.5 + inv.m[1] * cy + inv.m[2] - 0.5) * one);
        int64_t sy = llrint((inv.m[3] * 0.5 + inv.m[4] * cy + inv.m[5] - 0.5) * one);
        uint8_t *p = out->rgb + (size_t)y * row;
        for (int x = 0; x < w; x++, p += 3, sx += step_x, sy += step_y) {
            int64_t ix = sx >> 32, iy = sy >> 32;
            uint32_t fx = (uint32_t)sx >> (32 - WEIGHT_BITS),
                     fy = (uint32_t)sy >> (32 - WEIGHT_BITS);
            if ((uint64_t)ix < (uint64_t)(w - 1) && (uint64_t)iy < (uint64_t)(h - 1)) {
                const uint8_t *a = src->rgb + (size_t)iy * row + 3 * (size_t)ix;
                mix(a, a + 3, a + row, a + row + 3, fx, fy, p);
            } else if (ix < -1 || iy < -1 || ix >= w || iy >= h) {
                p[0] = p[1] = p[2] = fill;
            } else {
                mix_border(src, ix, iy, fx, fy, border, p);
            }
        }
    }
    return BL_OK;
}

static void mirror_row(const uint8_t *src, uint8_t *dst, int w) {
    for (int x = 0; x < w; x++) {
        const uint8_t *s = src + 3 * (w - 1 - x);
        dst[3 * x] = s[0];
        dst[3 * x + 1] = s[1];
        dst[3 * x + 2] = s[2];
    }
}

void bl_image_flip(bl_image *img) {
    for (int y = 0; y < img->height; y++) {
        uint8_t *l = img->rgb + (size_t)y * (size_t)img->width * 3,
                *r = l + 3 * (size_t)(img->width - 1);
        for (; l < r; l += 3, r -= 3)
            for (int c = 0; c < 3; c++) {
                uint8_t t = l[c];
                l[c] = r[c];
                r[c] = t;
            }
    }
}

bl_status bl_image_flip_copy(const bl_image *src, bl_image *out) {
    BL_TRY(bl_image_alloc(src->width, src->height, out));
    size_t row = (size_t)src->width * 3;
    for (int y = 0; y < src->height; y++)
        mirror_row(src->rgb + (size_t)y * row, out->rgb + (size_t)y * row, src->width);
    return BL_OK;
}

void bl_image_fill(bl_image *img, int x, int y, int w, int h, uint8_t value) {
    int x1 = x + w < img->width ? x + w : img->width,
        y1 = y + h < img->height ? y + h : img->height;
    x = x > 0 ? x : 0;
    y = y > 0 ? y : 0;
    if (x >= x1) return;
    for (; y < y1; y++)
        memset(img->rgb + 3 * ((size_t)y * (size_t)img->width + (size_t)x), value,
               3 * (size_t)(x1 - x));
}

void bl_image_erase_random(bl_image *img, int max_patches, float ratio, uint8_t fill, bl_rng *rng) {
    if (max_patches < 1) return;
    int n = 1 + (int)bl_rng_below(rng, (uint32_t)max_patches);
    for (int k = 0; k < n; k++) {
        float r = bl_rng_range(rng, 0, ratio);
        int w = (int)(r * (float)img->width), h = (int)(r * (float)img->height);
        int x = (int)bl_rng_below(rng, (uint32_t)(img->width - w + 1));
        int y = (int)bl_rng_below(rng, (uint32_t)(img->height - h + 1));
        bl_image_fill(img, x, y, w, h, fill);
    }
}
