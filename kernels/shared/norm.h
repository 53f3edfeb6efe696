/* Normalisation per value and per channel, for host and device code. */
#ifndef BALLAST_KERNELS_SHARED_NORM_H
#define BALLAST_KERNELS_SHARED_NORM_H

#include <math.h>

#include "core/rng.h" /* BL_HD */

/* v where it is positive, else slope times it: 0 relu, 1 no activation. */
static inline BL_HD float bl_act_at(float v, float slope) {
    return v > 0 ? v : slope * v;
}
/* The gradient g behind an activation that returned y. */
static inline BL_HD float bl_act_grad_at(float y, float g, float slope) {
    return y > 0 ? g : slope * g;
}

static inline BL_HD float bl_rstd(double var, float eps) {
    return (float)(1.0 / sqrt(var + eps));
}

/* gamma * (x - mean) * rstd + beta = x * scale + shift. */
typedef struct bl_norm_map {
    float scale, shift;
} bl_norm_map;

static inline BL_HD bl_norm_map bl_norm_fold(float gamma, float beta, float mean, float rstd) {
    float scale = gamma * rstd;
    return (bl_norm_map){scale, (float)(beta - (double)scale * mean)};
}

/* The input gradient of one value of a group of `count` values: rstd * (g*gamma - s0/count -
 * xhat*s1/count), s0 and s1 the group's sums of g*gamma and of g*gamma*xhat. */
static inline BL_HD float bl_gn_grad_at(float g, float x, float gamma, double mean, double rstd,
                                        double s0, double s1, double count) {
    double xhat = (x - mean) * rstd;
    return (float)(rstd * (g * gamma - s0 / count - xhat * s1 / count));
}

#endif
