#include "detector/box_coder.h"

#include <math.h>

void bl_box_encode(const bl_box_coder *c, bl_box f, bl_box t, float d[4]) {
    float fw = fmaxf(f.x2 - f.x1, 1e-6f), fh = fmaxf(f.y2 - f.y1, 1e-6f);
    float tw = fmaxf(t.x2 - t.x1, 1e-6f), th = fmaxf(t.y2 - t.y1, 1e-6f);
    float fx = (f.x1 + f.x2) * 0.5f, fy = (f.y1 + f.y2) * 0.5f;
    float tx = (t.x1 + t.x2) * 0.5f, ty = (t.y1 + t.y2) * 0.5f;
    d[0] = (tx - fx) / fw / c->std[0];
    d[1] = (ty - fy) / fh / c->std[1];
    d[2] = logf(tw / fw) / c->std[2];
    d[3] = logf(th / fh) / c->std[3];
}

static float bounded(const bl_box_coder *c, float v) {
    if (v > c->max_log_ratio) return c->max_log_ratio;
    if (c->symmetric && v < -c->max_log_ratio) return -c->max_log_ratio;
    return v;
}

bl_box bl_box_decode(const bl_box_coder *c, bl_box f, const float d[4]) {
    float fw = f.x2 - f.x1, fh = f.y2 - f.y1;
    float x = (f.x1 + f.x2) * 0.5f + fw * (d[0] * c->std[0]);
    float y = (f.y1 + f.y2) * 0.5f + fh * (d[1] * c->std[1]);
    float w = fw * expf(bounded(c, d[2] * c->std[2]));
    float h = fh * expf(bounded(c, d[3] * c->std[3]));
    return (bl_box){x - 0.5f * w, y - 0.5f * h, x + 0.5f * w, y + 0.5f * h};
}
