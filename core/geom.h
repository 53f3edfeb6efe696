/* Boxes and affine maps in the pixel plane, shared by data, detector and evaluation.
 *
 * Coordinates are continuous: pixel (i,j) covers [j,j+1) x [i,i+1); width = x2 - x1 (no +1). */
#ifndef BALLAST_CORE_GEOM_H
#define BALLAST_CORE_GEOM_H

#include <stdbool.h>

typedef struct bl_box {
    float x1, y1, x2, y2;
} bl_box;

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
bl_box bl_affine_box(bl_affine a, bl_box b);

bl_box bl_box_clip(bl_box b, float width, float height);
float bl_box_area(bl_box b); /* 0 when degenerate */
float bl_box_iou(bl_box a, bl_box b);

#endif
