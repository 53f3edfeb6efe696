/* Intersection over union of two boxes, for host and device code. */
#ifndef BALLAST_KERNELS_SHARED_IOU_H
#define BALLAST_KERNELS_SHARED_IOU_H

#include "core/geom.h"
#include "kernels/shared/hd.h"

/* 0 when the union is empty. Areas use width = x2 - x1 (no +1). */
static inline BL_HD float bl_iou(bl_box a, bl_box b) {
    float x1 = a.x1 > b.x1 ? a.x1 : b.x1, x2 = a.x2 < b.x2 ? a.x2 : b.x2;
    float y1 = a.y1 > b.y1 ? a.y1 : b.y1, y2 = a.y2 < b.y2 ? a.y2 : b.y2;
    float w = x2 > x1 ? x2 - x1 : 0, h = y2 > y1 ? y2 - y1 : 0, inter = w * h;
    float all = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - inter;
    return all > 0 ? inter / all : 0;
}

#endif
