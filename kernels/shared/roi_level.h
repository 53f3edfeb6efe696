/* Which pyramid level pools a RoI (Lin et al., CVPR 2017, eq. 1), for host and device code. */
#ifndef BALLAST_KERNELS_SHARED_ROI_LEVEL_H
#define BALLAST_KERNELS_SHARED_ROI_LEVEL_H

#include <math.h>
#include <stdint.h>

#include "core/geom.h"
#include "kernels/shared/hd.h"

/* level = floor(log2(sqrt(area)/finest + eps_in) + eps_out), within [0, levels). */
typedef struct bl_level_rule {
    float finest, eps_in, eps_out;
    int32_t levels;
} bl_level_rule;

static inline BL_HD int32_t bl_level_of(const bl_level_rule *r, bl_box roi) {
    float v = floorf(log2f(sqrtf(bl_box_area(roi)) / r->finest + r->eps_in) + r->eps_out);
    /* Compared as floats: an empty box gives -inf, which must not be converted. */
    if (!(v > 0)) return 0;
    return v < (float)(r->levels - 1) ? (int32_t)v : r->levels - 1;
}

#endif
