/* What a view of a small 8-bit RGB image is made of, once all its random numbers are drawn, and the
 * pixels that each step makes, for host and device code. datasets/ draws the steps (rand_augment.h,
 * datasets/views/classification/view.h) and performs them on the CPU; the slot `views` of
 * kernels/kernels.h performs the same steps on a device. */
#ifndef BALLAST_KERNELS_SHARED_VIEW_STEPS_H
#define BALLAST_KERNELS_SHARED_VIEW_STEPS_H

#include "kernels/shared/pixels.h"

/* The operation, and what v[] holds for it. */
typedef enum bl_view_op {
    BL_VIEW_AUTOCONTRAST,
    BL_VIEW_EQUALIZE,
    BL_VIEW_BRIGHTNESS, /* blend factor */
    BL_VIEW_CONTRAST,   /* blend factor */
    BL_VIEW_POSTERIZE,  /* bits kept */
    BL_VIEW_SOLARIZE,   /* threshold, 0..256 */
    BL_VIEW_INVERT,
    BL_VIEW_SOLARIZE_ADD,           /* added before inverting at 128 */
    BL_VIEW_TABLES,                 /* the operations before this one are a table a channel */
    BL_VIEW_COLOR = BL_VIEW_TABLES, /* blend factor */
    BL_VIEW_SHARPNESS,              /* blend factor */
    BL_VIEW_AFFINE,                 /* the map, as bl_affine */
    BL_VIEW_TURN,  /* counter-clockwise quarter turns, 0..3; odd ones of square images */
    BL_VIEW_CUTOUT /* first and last column, first and last row; `fill` */
} bl_view_op;

typedef struct bl_view_step {
    int32_t op; /* bl_view_op */
    uint8_t fill[4];
    double v[6];
} bl_view_step;

/* A view: image `image` cropped at (dx, dy) px and flipped, then the steps [first,
 * first + steps). */
typedef struct bl_view_plan {
    int32_t image, dx, dy; /* the crop starts dx px left of the image, dy above */
    int32_t flip, reflect; /* flags; outside of the image: mirrored, or black */
    int32_t first, steps;
} bl_view_plan;

/* The source pixel of pixel (x, y) of the crop; false: black. */
static inline BL_HD bool bl_view_crop(const bl_view_plan *p, int width, int height, int x, int y,
                                      int *sx, int *sy) {
    *sx = bl_px_crop(x, p->dx, width, p->reflect);
    *sy = bl_px_crop(y, p->dy, height, p->reflect);
    if (*sx < 0 || *sy < 0) return false;
    if (p->flip) *sx = width - 1 - *sx;
    return true;
}

/* ---- steps that are a table a channel ---- */

/* The least value whose inverse solarize gives. */
static inline BL_HD int bl_view_solarize_from(double threshold) {
    return threshold > 256 ? 256 : threshold < 0 ? 0 : (int)ceil(threshold);
}

static inline BL_HD int bl_view_stretched(const int32_t *count, int value) {
    int lo = 0, hi = 255;
    while (lo < 255 && !count[lo]) lo++;
    while (hi > 0 && !count[hi]) hi--;
    if (hi <= lo) return value;
    double scale = 255.0 / (hi - lo);
    return bl_px_stretch(value, scale, -lo * scale);
}

static inline BL_HD int bl_view_equalized(const int32_t *count, int value) {
    int64_t sum = 0, last = 0, below = 0;
    int used = 0;
    for (int i = 0; i < 256; i++) {
        if (!count[i]) continue;
        if (i < value) below += count[i];
        sum += last = count[i];
        used++;
    }
    int64_t step = (sum - last) / 255;
    if (used <= 1 || !step) return value;
    int64_t v = (step / 2 + below) / step;
    return (int)(v > 255 ? 255 : v);
}

/* What `value` becomes. count: the channel's histogram (autocontrast, equalize); mean: rounded mean
 * luma (contrast). */
static inline BL_HD uint8_t bl_view_table(const bl_view_step *s, const int32_t *count, int mean,
                                          int value) {
    switch (s->op) {
    case BL_VIEW_AUTOCONTRAST:
        return (uint8_t)bl_view_stretched(count, value);
    case BL_VIEW_EQUALIZE:
        return (uint8_t)bl_view_equalized(count, value);
    case BL_VIEW_BRIGHTNESS:
        return bl_px_blend(0, value, (float)s->v[0]);
    case BL_VIEW_CONTRAST:
        return bl_px_blend(mean, value, (float)s->v[0]);
    case BL_VIEW_POSTERIZE: {
        int bits = (int)s->v[0];
        return (uint8_t)(bits < 8 ? value & ~((1 << (8 - bits)) - 1) : value);
    }
    case BL_VIEW_SOLARIZE:
        return (uint8_t)(value >= bl_view_solarize_from(s->v[0]) ? 255 - value : value);
    case BL_VIEW_INVERT:
        return (uint8_t)(255 - value);
    case BL_VIEW_SOLARIZE_ADD: {
        int v = value + (int)s->v[0];
        v = v < 0 ? 0 : v > 255 ? 255 : v;
        return (uint8_t)(v >= 128 ? 255 - v : v);
    }
    default:
        return (uint8_t)value;
    }
}

/* ---- the others: pixel (x, y) of the result, read from the image before the step ---- */

static inline BL_HD uint8_t bl_view_sharpened(const uint8_t *p, int row, float factor) {
    const uint8_t *above = p - row, *below = p + row;
    uint32_t s = (uint32_t)above[-3] + above[0] + above[3] + p[-3] + 5u * p[0] + p[3] + below[-3] +
                 below[0] + below[3];
    return bl_px_blend(bl_px_smooth(s), p[0], factor);
}

/* map: of an affine step, bl_px_map_make(s->v, width, height). */
static inline BL_HD void bl_view_pixel(const bl_view_step *s, const bl_px_map *map,
                                       const uint8_t *image, int width, int height, int x, int y,
                                       uint8_t to[3]) {
    const uint8_t *from = image + 3 * ((int64_t)y * width + x);
    bool inside = true;
    int sx = x, sy = y;
    if (s->op == BL_VIEW_AFFINE) inside = bl_px_map_at(map, x, y, &sx, &sy);
    if (s->op == BL_VIEW_TURN) bl_px_turn((int)s->v[0], width, height, x, y, &sx, &sy);
    if (inside) from = image + 3 * ((int64_t)sy * width + sx);
    bool edge =
        x == 0 || y == 0 || x == width - 1 || y == height - 1; /* Pillow's filter copies it */
    bool cut = s->op == BL_VIEW_CUTOUT && x >= (int)s->v[0] && x <= (int)s->v[1] &&
               y >= (int)s->v[2] && y <= (int)s->v[3];
    int luma = s->op == BL_VIEW_COLOR ? (int)bl_px_luma(from[0], from[1], from[2]) : 0;
    for (int c = 0; c < 3; c++) {
        uint8_t v = inside ? from[c] : 0;
        if (cut) v = s->fill[c];
        if (s->op == BL_VIEW_COLOR) v = bl_px_blend(luma, v, (float)s->v[0]);
        if (s->op == BL_VIEW_SHARPNESS && !edge) {
            v = bl_view_sharpened(from + c, 3 * width, (float)s->v[0]);
        }
        to[c] = v;
    }
}

#endif
