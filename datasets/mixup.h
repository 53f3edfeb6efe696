/* Mixup (Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018). */
#ifndef BALLAST_DATASETS_MIXUP_H
#define BALLAST_DATASETS_MIXUP_H

#include "core/rng.h"

/* lambda ~ Beta(alpha, alpha), in [0, 1]; alpha > 0. From two gamma variates (Marsaglia and Tsang,
 * "A simple method for generating gamma variables", 2000). */
float bl_mixup_lambda(double alpha, bl_rng *rng);

/* dst[i] = lambda a[i] + (1 - lambda) b[i]; dst may be a or b. For images and one-hot labels. */
void bl_mixup(const float *a, const float *b, float lambda, int64_t n, float *dst);

#endif
