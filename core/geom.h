/* Boxes and affine maps in the pixel plane, shared by data, detector and evaluation.
 *
 * Coordinates are continuous: pixel (i,j) covers [j,j+1) x [i,i+1); width = x2 - x1 (no +1). */
#ifndef BALLAST_CORE_GEOM_H
#define BALLAST_CORE_GEOM_H

#include <math.h>
#include <stdbool.h>

#include "core/hd.h"

typedef struct bl_box {
    float x1, y1, x2, y2;
} bl_box;
typedef struct bl_size {
    float w, h; /* valid part of a padded image, px */
} bl_size;

/* x' = m[0] x + m[1] y + m[2];  y' = m[3] x + m[4] y + m[5]. */
typedef struct bl_affine {
    float m[6];
} bl_affine;

bl_affine bl_affine_identity(void);
/* First b, then a (matrix product a*b). */
bl_affine bl_affine_mul(bl_affine a, bl_affine b);
/* false when singular (|det| < 1e-12); *inv is then the identity. */
bool bl_affine_inverse(bl_affine a, bl_affine *inv);
/* Axis-aligned hull of the four mapped corners (not clipped). */
static inline BL_HD bl_box bl_affine_box(bl_affine a, bl_box b) {
    const float *m = a.m;
    float xs[4] = {b.x1, b.x2, b.x1, b.x2}, ys[4] = {b.y1, b.y1, b.y2, b.y2};
    bl_box hull = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    for (int i = 0; i < 4; i++) {
        float x = m[0] * xs[i] + m[1] * ys[i] + m[2];
        float y = m[3] * xs[i] + m[4] * ys[i] + m[5];
        hull.x1 = fminf(hull.x1, x);
        hull.x2 = fmaxf(hull.x2, x);
        hull.y1 = fminf(hull.y1, y);
        hull.y2 = fmaxf(hull.y2, y);
    }
    return hull;
}

static inline BL_HD bl_box bl_box_clip(bl_box b, float width, float height) {
    bl_box c = {fminf(fmaxf(b.x1, 0), width), fminf(fmaxf(b.y1, 0), height),
                fminf(fmaxf(b.x2, 0), width), fminf(fmaxf(b.y2, 0), height)};
    return c;
}
/* 0 when degenerate. */
static inline BL_HD float bl_box_area(bl_box b) {
    float w = b.x2 - b.x1, h = b.y2 - b.y1;
    return w > 0 && h > 0 ? w * h : 0;
}
float bl_box_iou(bl_box a, bl_box b);

#endif
