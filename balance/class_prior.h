/* Class priors from counts, effective numbers of samples and the class weights made from them.
 *
 * Sources: class-balanced weights: Cui et al., "Class-Balanced Loss Based on Effective Number of
 * Samples", CVPR 2019; deferred re-weighting: Cao et al., "Learning Imbalanced Datasets with
 * Label-Distribution-Aware Margin Loss", NeurIPS 2019. */
#ifndef BALLAST_BALANCE_CLASS_PRIOR_H
#define BALLAST_BALANCE_CLASS_PRIOR_H

#include <stdint.h>

#include "core/status.h"

/* pi_k = counts[k] / sum. BL_EINVAL for a negative count or when all are zero. */
bl_status bl_class_prior(const int64_t *counts, int n_classes, double *pi);

/* out proportional to pi^exponent, sum 1: a flattened target (CReST+ anneals exponent from 1 to
 * 0.5); 0 gives the uniform distribution over all classes, empty ones included. */
void bl_prior_power(const double *pi, int n_classes, double exponent, double *out);

/* Classes by descending count, ties by index: order[0] is the head. */
void bl_classes_by_count(const int64_t *counts, int n_classes, int32_t *order);

/* E_k = (1 - beta^n_k) / (1 - beta), beta in [0, 1); 0 for an empty class. */
double bl_effective_number(int64_t count, double beta);

/* w_k = 1 / E_k, rescaled to sum K; beta = 0 gives ones. A class without samples gets weight 0 and
 * does not count in K. BL_EINVAL for beta outside [0, 1) or when all counts are zero. */
bl_status bl_class_balanced_weights(const int64_t *counts, int n_classes, double beta, double *w);

/* Deferred re-weighting (DRW): ones while epoch < start (epochs count from 0; 160 of 200), then the
 * class-balanced weights. Deferred re-sampling (DRS) changes its sampler at the same epoch. */
bl_status bl_deferred_weights(const int64_t *counts, int n_classes, double beta, int64_t epoch,
                              int64_t start, double *w);

#endif
