/* SoftMatch as a plug-in (Chen et al., ICLR 2023): every pseudo-label teaches, with a weight that
 * falls off below the mean confidence.
 *
 *   c_j      max of q_j aligned to the uniform distribution (running mean of q, rate `decay`)
 *   mu, var  running mean and unbiased variance of c over the batches, from 1/K and 1, this step's
 *            included
 *   w_j      exp(-min(0, c_j - mu)^2 / (2 var / n_sigma^2))
 *
 * Labels come from q itself. It replaces FixMatch's tau. */
#ifndef BALLAST_SSL_CLASSIFICATION_SOFTMATCH_H
#define BALLAST_SSL_CLASSIFICATION_SOFTMATCH_H

#include "core/schema.h"
#include "ssl/classification/learner.h"

typedef struct bl_softmatch_config {
    double decay, n_sigma;
} bl_softmatch_config;

/* w_j of a confidence. */
double bl_softmatch_weight(double confidence, double mean, double variance, double n_sigma);

#endif
