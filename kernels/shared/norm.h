/* Normalisation per value and per channel, for host and device code. */
#ifndef BALLAST_KERNELS_SHARED_NORM_H
#define BALLAST_KERNELS_SHARED_NORM_H

#include <math.h>

#include "kernels/shared/hd.h"

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

/* The running statistics after a batch of `count` values a channel; the variance becomes the
 * unbiased one. They outlive the step: a channel that overflowed leaves its own alone. */
static inline BL_HD void bl_bn_running_at(float mean, float var, double count, float momentum,
                                          float *running_mean, float *running_var) {
    double unbias = count > 1 ? count / (count - 1) : 1, keep = 1.0 - momentum;
    float m = (float)(keep * *running_mean + (double)momentum * mean);
    float v = (float)(keep * *running_var + (double)momentum * var * unbias);
    if (isfinite(m) && isfinite(v)) {
        *running_mean = m;
        *running_var = v;
    }
}

/* Through batch statistics the input gradient is dx = g*scale + x*b + k. */
typedef struct bl_bn_slope {
    float b, k;
} bl_bn_slope;

static inline BL_HD bl_bn_slope bl_bn_slope_at(float scale, float mean, float rstd, float sum_g,
                                               float sum_gx, double count) {
    double slope = -(double)scale * rstd * sum_gx / count;
    return (bl_bn_slope){(float)slope, (float)(-(double)scale * sum_g / count - slope * mean)};
}

#endif
