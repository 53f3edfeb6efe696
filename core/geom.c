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

bl_box bl_affine_box(bl_affine a, bl_box b) {
    const float *m = a.m;
    float xs[4] = {b.x1, b.x2, b.x1, b.x2}, ys[4] = {b.y1, b.y1, b.y2, b.y2};
    bl_box hull = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    for (int i = 0; i < 4; i++) {
        float x = m[0] * xs[i] + m[1] * ys[i] + m[2];
        float y = m[3] * xs[i] + m[4] * ys[i] + m[5];
        hull.x1 = fminf(hull.x1, x), hull.x2 = fmaxf(hull.x2, x);
        hull.y1 = fminf(hull.y1, y), hull.y2 = fmaxf(hull.y2, y);
    }
    return hull;
}

bl_box bl_box_clip(bl_box b, float width, float height) {
    return (bl_box){fminf(fmaxf(b.x1, 0), width), fminf(fmaxf(b.y1, 0), height),
                    fminf(fmaxf(b.x2, 0), width), fminf(fmaxf(b.y2, 0), height)};
}

float bl_box_area(bl_box b) {
    float w = b.x2 - b.x1, h = b.y2 - b.y1;
    return w > 0 && h > 0 ? w * h : 0;
}

float bl_box_iou(bl_box a, bl_box b) {
    bl_box both = {fmaxf(a.x1, b.x1), fmaxf(a.y1, b.y1), fminf(a.x2, b.x2), fminf(a.y2, b.y2)};
    float inter = bl_box_area(both);
    float all = bl_box_area(a) + bl_box_area(b) - inter;
    return all > 0 ? inter / all : 0;
}
