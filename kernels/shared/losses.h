/* Pointwise losses and their derivatives, and what softmax losses do with a row once its sums are
 * known, for host and device code. */
#ifndef BALLAST_KERNELS_SHARED_LOSSES_H
#define BALLAST_KERNELS_SHARED_LOSSES_H

#include <math.h>
#include <stdbool.h>

#include "kernels/shared/hd.h"

typedef struct bl_loss_at {
    float value, slope; /* slope: derivative with respect to the input */
} bl_loss_at;

/* Smooth L1 (Girshick, "Fast R-CNN", ICCV 2015, with transition point beta) of d = x - target; beta
 * 0 is L1, whose slope at 0 is 0. */
static inline BL_HD bl_loss_at bl_smooth_l1_at(float d, float beta) {
    float a = fabsf(d);
    if (a < beta) return (bl_loss_at){0.5f * d * d / beta, d / beta};
    return (bl_loss_at){a - 0.5f * beta, d > 0 ? 1.0f : d < 0 ? -1.0f : 0.0f};
}

/* Binary cross-entropy of sigmoid(x) against target in [0,1], stable for every x. */
static inline BL_HD bl_loss_at bl_sigmoid_bce_at(float x, float target) {
    float e = expf(-fabsf(x)), p = x >= 0 ? 1.0f / (1.0f + e) : e / (1.0f + e);
    return (bl_loss_at){(x > 0 ? x : 0) - x * target + log1pf(e), p - target};
}

/* Focal loss (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017) of the true class's
 * probability q:
 *
 *   value          (1-q)^gamma * nll,   nll = -ln q
 *   dL/dlogit_j    slope * (p_j - [j is the true class]);   slope = 1 for gamma = 0
 *
 * `rest` = 1-q, computed without cancellation. */
static inline BL_HD bl_loss_at bl_focal_at(float nll, float rest, float gamma) {
    if (gamma == 0) return (bl_loss_at){nll, 1.0f};
    if (rest <= 0) return (bl_loss_at){0, 0};
    float power = powf(rest, gamma);
    return (bl_loss_at){power * nll, power + gamma * (power / rest) * (1.0f - rest) * nll};
}

/* What may happen to a logit before the softmax (bl_softmax_attr in kernels/ops.h). */
static inline BL_HD float bl_adjusted_logit(float x, float margin, float bias, float gain) {
    return gain * (x - margin) + bias;
}

typedef struct bl_row_loss {
    double value;
    float slope; /* gradient of logit j = slope * p_j, and -slope * rest for the true class */
} bl_row_loss;

/* Hard labels: nll = -ln of the true class's probability q, rest = 1 - q, w = the row's weight. */
static inline BL_HD bl_row_loss bl_hard_row(float nll, double rest, float w, float scale,
                                            float gain, float focal, bool weight_in_focal) {
    float outer = scale * w, inner = weight_in_focal ? w * nll : nll;
    bl_loss_at f = bl_focal_at(inner, weight_in_focal ? -expm1f(-inner) : (float)rest, focal);
    double factor = weight_in_focal ? scale : outer;
    return (bl_row_loss){factor * f.value, outer * f.slope * gain};
}

/* Soft targets: log_total = ln of the row's sum of exponentials, mass = sum of targets, cross = sum
 * of target * logit, w = weight * scale; and the gradient of one logit. */
static inline BL_HD double bl_soft_row(double log_total, double mass, double cross, float w) {
    return w * (mass * log_total - cross);
}
static inline BL_HD float bl_soft_slope(float p, float target, double mass, float w, float gain) {
    return (float)((double)w * gain * (mass * p - target));
}

/* Entropy: one probability's term of it, p = e^(logit - log_total); and the gradient of one logit,
 * dH/dz = p (-ln p - H). */
static inline BL_HD double bl_entropy_term(float p, float logit, double log_total) {
    return p * (log_total - logit);
}
static inline BL_HD float bl_entropy_slope(float p, float logit, double log_total, double entropy,
                                           float w) {
    return (float)(w * p * (log_total - logit - entropy));
}

#endif
