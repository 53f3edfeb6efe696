/* What one row sends to the logits under softmax and focal loss, for host and device code; the sums
 * that are made of it: bl_class_gradients in kernels/ops.h. In double: the sums steer class weights
 * over a whole run. */
#ifndef BALLAST_KERNELS_SHARED_CLASS_GRADIENT_H
#define BALLAST_KERNELS_SHARED_CLASS_GRADIENT_H

#include <math.h>

#include "kernels/ops.h"
#include "kernels/shared/hd.h"

/* p_j of a row with maximum `top` and sum of exponentials `sum`. */
static inline BL_HD double bl_class_probability(float z, float top, double sum, double offset) {
    return exp((double)z - top) / sum + offset;
}

/* |d/dt| of the focal loss (1-t)^e (-ln t): (1-t)^e / t - e (1-t)^(e-1) ln t. Defined for t > 1 too
 * (the offset may push it there): 1-t counts as 0 then. */
static inline BL_HD double bl_class_slope(double e, double t) {
    if (e == 0) return 1 / t;
    double rest = fmax(1 - t, 0.0);
    /* (1-t)^(e-1) ln t -> 0 as t -> 1 for every e > 0, but 0^(e-1) alone is infinite for e < 1. */
    double second = rest > 0 ? e * pow(rest, e - 1) * log(t) : 0;
    return pow(rest, e) / t - second;
}

/* What the row's probabilities are multiplied with; t is its own class's. */
static inline BL_HD double bl_class_push(const bl_class_gradient_attr *a, double t, double weight,
                                         int64_t n) {
    return a->scale * weight * bl_class_slope(a->focal, t) * t / (double)n;
}

#endif
