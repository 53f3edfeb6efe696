/* Bilinear sampling along one axis and the sampling grid of RoIAlign (He et al., "Mask R-CNN", ICCV
 * 2017), shared by host and device code. A two-dimensional sample is the product of a row tap and a
 * column tap. */
#ifndef BALLAST_KERNELS_SHARED_BILINEAR_H
#define BALLAST_KERNELS_SHARED_BILINEAR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/geom.h"
#include "kernels/shared/hd.h"

typedef struct bl_tap {
    int32_t lo, hi; /* neighbouring indices, equal at the border */
    float wlo, whi; /* their weights, sum 1 */
} bl_tap;

/* The tap of position p on an axis of `size` >= 1 elements. false: p lies more than one element
 * outside (or is not a number) and the sample counts as zero. */
static inline BL_HD bool bl_tap_at(float p, int32_t size, bl_tap *t) {
    if (!(p >= -1.0f && p <= (float)size)) return false;
    if (p < 0) p = 0;
    int32_t lo = (int32_t)p;
    if (lo >= size - 1) {
        *t = (bl_tap){size - 1, size - 1, 1, 0};
        return true;
    }
    float f = p - (float)lo;
    *t = (bl_tap){lo, lo + 1, 1.0f - f, f};
    return true;
}

/* One axis of a RoI: position of sample s of bin b = start + b*bin + (s + 0.5)*bin/grid. */
typedef struct bl_roi_axis {
    float start, bin;
    int32_t grid;
} bl_roi_axis;

/* lo, hi: the box's edges in image pixels; size: bins; sampling: samples per bin, 0 = ceil(bin). */
static inline BL_HD bl_roi_axis bl_roi_axis_make(float lo, float hi, float scale, int32_t size,
                                                 int32_t sampling, bool aligned) {
    float offset = aligned ? 0.5f : 0.0f;
    float start = lo * scale - offset, end = hi * scale - offset, extent = end - start;
    if (!aligned && extent < 1.0f) extent = 1.0f;
    float bin = extent / (float)size;
    int32_t grid = sampling > 0 ? sampling : (int32_t)ceilf(bin);
    return (bl_roi_axis){start, bin, grid > 0 ? grid : 0};
}

static inline BL_HD float bl_roi_axis_sample(const bl_roi_axis *a, int32_t bin, int32_t sample) {
    return a->start + (float)bin * a->bin + ((float)sample + 0.5f) * a->bin / (float)a->grid;
}

/* Weight of element p of an axis of `size` elements in bin b: its share of all
 * the bin's samples. */
static inline BL_HD float bl_roi_axis_weight(const bl_roi_axis *a, int32_t bin, int32_t p,
                                             int32_t size) {
    float sum = 0;
    for (int32_t s = 0; s < a->grid; s++) {
        bl_tap t;
        if (!bl_tap_at(bl_roi_axis_sample(a, bin, s), size, &t)) continue;
        sum += (t.lo == p ? t.wlo : 0) + (t.hi == p ? t.whi : 0);
    }
    return sum;
}

/* A RoI on its map. */
typedef struct bl_roi_frame {
    bl_roi_axis y, x;
    float norm; /* 1 / samples per bin */
} bl_roi_frame;

static inline BL_HD bl_roi_frame bl_roi_frame_make(bl_box b, float scale, int32_t size,
                                                   int32_t sampling, bool aligned) {
    bl_roi_frame f = {bl_roi_axis_make(b.y1, b.y2, scale, size, sampling, aligned),
                      bl_roi_axis_make(b.x1, b.x2, scale, size, sampling, aligned), 1};
    float samples = (float)f.y.grid * (float)f.x.grid;
    if (samples > 1) f.norm = 1.0f / samples;
    return f;
}

/* The four pixels of a sample on a plane of this width, and what each of them counts for times
 * norm. */
typedef struct bl_corners {
    int64_t at[4];
    float weight[4];
} bl_corners;

static inline BL_HD bl_corners bl_corners_of(bl_tap y, bl_tap x, int64_t width, float norm) {
    return (bl_corners){
        {y.lo * width + x.lo, y.lo * width + x.hi, y.hi * width + x.lo, y.hi * width + x.hi},
        {y.wlo * x.wlo * norm, y.wlo * x.whi * norm, y.whi * x.wlo * norm, y.whi * x.whi * norm}};
}

#endif
