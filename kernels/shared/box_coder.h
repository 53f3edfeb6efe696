/* Box regression targets (Girshick et al., CVPR 2014, eq. 6-9) with normalisation and bounded
 * scales, for host and device code. */
#ifndef BALLAST_KERNELS_SHARED_BOX_CODER_H
#define BALLAST_KERNELS_SHARED_BOX_CODER_H

#include <math.h>
#include <stdbool.h>

#include "core/geom.h"
#include "kernels/shared/hd.h"

typedef struct bl_box_coder {
    float std[4];        /* deltas are divided by these */
    float max_log_ratio; /* bound of dw and dh when decoding */
    bool symmetric;      /* also bounded below */
} bl_box_coder;

/* (dx, dy, dw, dh) that take `f` to `t`. A side below 1e-6 px counts as 1e-6, so the result is
 * finite. */
static inline BL_HD void bl_box_encode(const bl_box_coder *c, bl_box f, bl_box t, float d[4]) {
    float fw = fmaxf(f.x2 - f.x1, 1e-6f), fh = fmaxf(f.y2 - f.y1, 1e-6f);
    float tw = fmaxf(t.x2 - t.x1, 1e-6f), th = fmaxf(t.y2 - t.y1, 1e-6f);
    float fx = (f.x1 + f.x2) * 0.5f, fy = (f.y1 + f.y2) * 0.5f;
    float tx = (t.x1 + t.x2) * 0.5f, ty = (t.y1 + t.y2) * 0.5f;
    d[0] = (tx - fx) / fw / c->std[0];
    d[1] = (ty - fy) / fh / c->std[1];
    d[2] = logf(tw / fw) / c->std[2];
    d[3] = logf(th / fh) / c->std[3];
}

static inline BL_HD float bl_box_log_ratio(const bl_box_coder *c, float v) {
    if (v > c->max_log_ratio) return c->max_log_ratio;
    if (c->symmetric && v < -c->max_log_ratio) return -c->max_log_ratio;
    return v;
}

/* The inverse, unclipped. NaN deltas give NaN boxes. */
static inline BL_HD bl_box bl_box_decode(const bl_box_coder *c, bl_box f, const float d[4]) {
    float fw = f.x2 - f.x1, fh = f.y2 - f.y1;
    float x = (f.x1 + f.x2) * 0.5f + fw * (d[0] * c->std[0]);
    float y = (f.y1 + f.y2) * 0.5f + fh * (d[1] * c->std[1]);
    float w = fw * expf(bl_box_log_ratio(c, d[2] * c->std[2]));
    float h = fh * expf(bl_box_log_ratio(c, d[3] * c->std[3]));
    bl_box b = {x - 0.5f * w, y - 0.5f * h, x + 0.5f * w, y + 0.5f * h};
    return b;
}

#endif
