/* Pillow's arithmetic on single 8-bit pixels, to the bit, for host and device code: what the image
 * operations of datasets/ (pil_color.h, pil_affine.h) and the kernels that make views
 * are built of. */
#ifndef BALLAST_KERNELS_SHARED_PIXELS_H
#define BALLAST_KERNELS_SHARED_PIXELS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernels/shared/hd.h"

/* Image.blend of two bytes: clip(trunc(from + factor * (to - from))) in single precision. */
static inline BL_HD uint8_t bl_px_blend(int from, int to, float factor) {
    float v = (float)from + factor * (float)(to - from);
    v = v < 0 ? 0 : v;
    v = v > 255 ? 255 : v;
    return (uint8_t)(int)v;
}

static inline BL_HD uint32_t bl_px_luma(uint32_t r, uint32_t g, uint32_t b) {
    return (r * 19595u + g * 38470u + b * 7471u + 0x8000u) >> 16;
}

/* The rounded mean of n luma values: what ImageEnhance.Contrast blends from. */
static inline BL_HD int bl_px_mean_luma(uint64_t sum, uint64_t n) {
    return (int)((double)sum / (double)n + 0.5);
}

/* s / 13, where s is the sum of a byte's eight neighbours and five times itself. Pillow rounds in
 * floating point; s / 13 is never half-way, so (2 s + 13) div 26 agrees, and so does this product
 * (s <= 3315). */
static inline BL_HD uint8_t bl_px_smooth(uint32_t s) {
    return (uint8_t)(((s + 6) * 20165u) >> 18);
}

/* ImageOps.autocontrast of byte i, where scale = 255 / (hi - lo), offset = -lo * scale. */
static inline BL_HD uint8_t bl_px_stretch(int i, double scale, double offset) {
    int v = (int)(i * scale + offset);
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* A byte as a network sees it; mean and std in the same units. */
static inline BL_HD float bl_px_normalised(uint8_t p, float mean, float std) {
    return ((float)p - mean) / std;
}

/* ---- images as a network's input ---- */

/* An image of interleaved RGB, on the device. */
typedef struct bl_device_image {
    const uint8_t *rgb;
    int32_t width, height;
} bl_device_image;

typedef struct bl_input_attr {
    float mean[3], std[3]; /* in pixel units, in the order of the output's channels */
    int32_t bgr;           /* the output's channels are blue, green, red */
    int32_t multiple;      /* the image is padded with black to a multiple of this many px */
} bl_input_attr;

/* Channel c of pixel (x, y): the image and its black padding normalised, 0 beyond them. */
static inline BL_HD float bl_px_input(const bl_device_image *m, const bl_input_attr *a, int x,
                                      int y, int c) {
    if (x < m->width && y < m->height) {
        int64_t at = 3 * ((int64_t)y * m->width + x) + (a->bgr ? 2 - c : c);
        return bl_px_normalised(m->rgb[at], a->mean[c], a->std[c]);
    }
    int k = a->multiple;
    if (x >= (m->width + k - 1) / k * k || y >= (m->height + k - 1) / k * k) return 0;
    return bl_px_normalised(0, a->mean[c], a->std[c]);
}

/* Where coordinate i of a crop that starts `shift` px before an image of n px comes from: mirrored
 * outside of it (the edge not repeated), or -1. */
static inline BL_HD int bl_px_crop(int i, int shift, int n, bool reflect) {
    int s = i - shift;
    if (s >= 0 && s < n) return s;
    if (!reflect) return -1;
    return s < 0 ? -s : 2 * (n - 1) - s;
}

/* ---- nearest-neighbour affine maps: Image.transform(size, AFFINE, a) ---- */

typedef enum bl_px_map_kind {
    BL_PX_AXES,  /* no rotation, no shear: stepped in double precision along each axis */
    BL_PX_FIXED, /* stepped in 16.16 fixed point */
    BL_PX_DOUBLE /* leaves the 16-bit range: stepped in double precision */
} bl_px_map_kind;

typedef struct bl_px_map {
    bl_px_map_kind kind;
    int width, height;
    uint32_t u, v;          /* FIXED: of pixel (0, 0) */
    int32_t du, dv, ru, rv; /* a step to the right; a step down */
    double fx, fy, a[6];    /* AXES, DOUBLE: of pixel (0, 0); and the map */
} bl_px_map;

static inline BL_HD bool bl_px_fits(const double a[6], double x, double y) {
    return fabs(a[0] * x + a[1] * y + a[2]) < 32768.0 && fabs(a[3] * x + a[4] * y + a[5]) < 32768.0;
}

static inline BL_HD int32_t bl_px_fixed(double v) {
    return (int32_t)(uint32_t)(int64_t)floor(v * 65536.0 + 0.5);
}

static inline BL_HD bl_px_map bl_px_map_make(const double a[6], int width, int height) {
    bl_px_map m;
    m.width = width;
    m.height = height;
    for (int i = 0; i < 6; i++) m.a[i] = a[i];
    m.u = m.v = 0;
    m.du = m.dv = m.ru = m.rv = 0;
    m.fx = a[2] + a[1] * 0.5 + a[0] * 0.5;
    m.fy = a[5] + a[4] * 0.5 + a[3] * 0.5;
    m.kind = BL_PX_DOUBLE;
    if (a[1] == 0 && a[3] == 0) {
        m.kind = BL_PX_AXES;
        m.fx = a[2] + a[0] * 0.5;
        m.fy = a[5] + a[4] * 0.5;
    } else if (bl_px_fits(a, 0, 0) && bl_px_fits(a, width, height) && bl_px_fits(a, 0, height) &&
               bl_px_fits(a, width, 0)) {
        m.kind = BL_PX_FIXED;
        m.u = (uint32_t)bl_px_fixed(a[2] + a[0] * 0.5 + a[1] * 0.5);
        m.v = (uint32_t)bl_px_fixed(a[5] + a[3] * 0.5 + a[4] * 0.5);
        m.du = bl_px_fixed(a[0]);
        m.dv = bl_px_fixed(a[3]);
        m.ru = bl_px_fixed(a[1]);
        m.rv = bl_px_fixed(a[4]);
    }
    return m;
}

/* The pixel that contains a coordinate of either precision, or -1 where the image has none. */
static inline BL_HD int bl_px_cell(double f, int n) {
    int64_t i = f < 0 ? -1 : f < n ? (int64_t)f : n;
    return i < n ? (int)i : -1;
}
static inline BL_HD int bl_px_cell_fixed(uint32_t f, int n) {
    int32_t i = (int32_t)f >> 16;
    return i >= 0 && i < n ? i : -1;
}

/* start + step + step + ..., n times: rounded as Pillow rounds it. */
static inline BL_HD double bl_px_walk(double start, double step, int n) {
    for (int i = 0; i < n; i++) start += step;
    return start;
}

/* The source pixel of output pixel (x, y); false: black. */
static inline BL_HD bool bl_px_map_at(const bl_px_map *m, int x, int y, int *sx, int *sy) {
    if (m->kind == BL_PX_FIXED) {
        *sx = bl_px_cell_fixed(m->u + (uint32_t)y * (uint32_t)m->ru + (uint32_t)x * (uint32_t)m->du,
                               m->width);
        *sy = bl_px_cell_fixed(m->v + (uint32_t)y * (uint32_t)m->rv + (uint32_t)x * (uint32_t)m->dv,
                               m->height);
    } else {
        double fx = m->fx, fy = bl_px_walk(m->fy, m->a[4], y);
        if (m->kind == BL_PX_DOUBLE) {
            fx = bl_px_walk(fx, m->a[1], y);
            fy = bl_px_walk(fy, m->a[3], x);
        }
        *sx = bl_px_cell(bl_px_walk(fx, m->a[0], x), m->width);
        *sy = bl_px_cell(fy, m->height);
    }
    return *sx >= 0 && *sy >= 0;
}

/* The source pixel of output pixel (x, y) of a quarter turn (turns: counter-clockwise, 0..3) of an
 * image of width x height px. */
static inline BL_HD void bl_px_turn(int turns, int width, int height, int x, int y, int *sx,
                                    int *sy) {
    *sx = turns == 0 ? x : turns == 1 ? width - 1 - y : turns == 2 ? width - 1 - x : y;
    *sy = turns == 0 ? y : turns == 1 ? x : turns == 2 ? height - 1 - y : height - 1 - x;
}

#endif
