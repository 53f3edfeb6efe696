/* One weight's step of an optimiser or average, for host and device code; the formulas stand with
 * the slots in kernels.h. */
#ifndef BALLAST_KERNELS_SHARED_STORE_H
#define BALLAST_KERNELS_SHARED_STORE_H

#include <math.h>
#include <stdbool.h>

#include "kernels/kernels.h"
#include "kernels/shared/hd.h"

static inline BL_HD void bl_sgd_at(float *w, float *m, float gradient, float lr, float mu,
                                   float decay, float gscale, bool nesterov) {
    float g = gradient * gscale + decay * *w, v = mu * *m + g;
    *m = v;
    *w -= lr * (nesterov ? g + mu * v : v);
}

static inline BL_HD void bl_adam_at(float *w, float *m, float *v, float gradient,
                                    const bl_adam_kernel *a) {
    float g = gradient * a->gscale + a->decay * *w;
    float first = a->beta1 * *m + (1.0f - a->beta1) * g;
    float second = a->beta2 * *v + (1.0f - a->beta2) * g * g;
    *m = first;
    *v = second;
    *w -= a->lr * first / (sqrtf(second * a->square_fix) + a->epsilon);
}

static inline BL_HD float bl_ema_at(float t, float s, float keep) {
    return keep * t + (1.0f - keep) * s;
}

#endif
