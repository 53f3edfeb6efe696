#include "core/geom.h"

#include <math.h>

bl_affine bl_affine_identity(void) {
    return (bl_affine){{1, 0, 0, 0, 1, 0}};
}

bl_affine bl_affine_mul(bl_affine a, bl_affine b) {
    const float *p = a.m, *q = b.m;
    return (bl_affine){{p[0] * q[0] + p[1] * q[3], p[0] * q[1] + p[1] * q[4],
                        p[0] * q[2] + p[1] * q[5] + p[2], p[3] * q[0] + p[4] * q[3],
                        p[3] * q[1] + p[4] * q[4], p[3] * q[2] + p[4] * q[5] + p[5]}};
}

bool bl_affine_inverse(bl_affine a, bl_affine *inv) {
    const float *m = a.m;
    double det = (double)m[0] * m[4] - (double)m[1] * m[3];
    /* Negated so that a NaN counts as singular too. */
    if (!(fabs(det) >= 1e-12)) {
        *inv = bl_affine_identity();
        return false;
    }
    double i0 = m[4] / det, i1 = -m[1] / det, i3 = -m[3] / det, i4 = m[0] / det;
    *inv = (bl_affine){{(float)i0, (float)i1, (float)-(i0 * m[2] + i1 * m[5]), (float)i3, (float)i4,
                        (float)-(i3 * m[2] + i4 * m[5])}};
    return true;
}

float bl_box_iou(bl_box a, bl_box b) {
    bl_box both = {fmaxf(a.x1, b.x1), fmaxf(a.y1, b.y1), fminf(a.x2, b.x2), fminf(a.y2, b.y2)};
    float inter = bl_box_area(both);
    float all = bl_box_area(a) + bl_box_area(b) - inter;
    return all > 0 ? inter / all : 0;
}
