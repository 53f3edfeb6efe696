/* L2 normalisation of a row once its sums are known, for host and device code. */
#ifndef BALLAST_KERNELS_SHARED_ROWS_H
#define BALLAST_KERNELS_SHARED_ROWS_H

#include <math.h>

#include "kernels/shared/hd.h"

/* max(|x|, eps) of a row with this sum of squares, negative where eps was larger: then the norm is
 * a constant to the backward pass. */
static inline BL_HD float bl_l2_norm(double square, float eps) {
    float norm = (float)sqrt(square);
    return norm >= eps ? norm : -eps;
}

static inline BL_HD float bl_l2_value(float x, float norm) {
    return x / fabsf(norm);
}

/* dL/dx of one element; dot = <y, dy>, 0 where norm is negative. */
static inline BL_HD float bl_l2_slope(float y, float dy, double dot, float norm) {
    return (float)((dy - y * dot) / fabsf(norm));
}

#endif
