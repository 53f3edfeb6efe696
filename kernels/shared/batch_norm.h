/* Batch norm's per-channel arithmetic, for host and device code: a handful of numbers a channel,
 * in double, because they multiply every element of it. */
#ifndef BALLAST_KERNELS_SHARED_BATCH_NORM_H
#define BALLAST_KERNELS_SHARED_BATCH_NORM_H

#include <math.h>
#include <stdint.h>

#include "kernels/shared/hd.h"

static inline BL_HD float bl_bn_rstd(float var, float eps) {
    return (float)(1.0 / sqrt((double)var + eps));
}

/* y = x*scale + shift is the normalisation. */
static inline BL_HD float bl_bn_shift(float beta, float scale, float mean) {
    return (float)(beta - (double)scale * mean);
}

/* The running statistics after a batch of `count` values a channel; the variance becomes the
 * unbiased one. They outlive the step: a channel that overflowed leaves its own alone. */
static inline BL_HD void bl_bn_running(float mean, float var, double count, float momentum,
                                       float *running_mean, float *running_var) {
    double unbias = count > 1 ? count / (count - 1) : 1, keep = 1.0 - momentum;
    float m = (float)(keep * *running_mean + (double)momentum * mean);
    float v = (float)(keep * *running_var + (double)momentum * var * unbias);
    if (isfinite(m) && isfinite(v)) *running_mean = m, *running_var = v;
}

/* The input gradient is dx = g*scale + x*b + k. */
typedef struct bl_bn_slope {
    float b, k;
} bl_bn_slope;
static inline BL_HD bl_bn_slope bl_bn_input_slope(float scale, float mean, float rstd, float sum_g,
                                                  float sum_gx, double count) {
    bl_bn_slope s;
    double slope = -(double)scale * rstd * sum_gx / count;
    s.b = (float)slope;
    s.k = (float)(-(double)scale * sum_g / count - slope * mean);
    return s;
}

#endif
