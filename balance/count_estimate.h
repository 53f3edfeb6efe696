/* How many images of each class an unlabelled set holds, estimated from a classifier's predictions
 * on it and its errors on held-out labelled images.
 *
 * With a_k the mean predicted distribution over held-out images of class k and q the sum of the
 * predicted distributions over the unlabelled set, the counts M solve sum_k M_k a_k = q.
 *
 * Source: Kim et al., "Distribution Aligning Refinery of Pseudo-label", NeurIPS 2020, appendix on
 * estimating the unlabelled distribution; after Lipton et al., "Detecting and Correcting for Label
 * Shift with Black Box Predictors", ICML 2018. */
#ifndef BALLAST_BALANCE_COUNT_ESTIMATE_H
#define BALLAST_BALANCE_COUNT_ESTIMATE_H

#include "core/status.h"

/* mean [k][k]: row j is a_j; sum [k] is q. counts [k] receives M, entries below 0 included;
 * *condition the ratio of the matrix's greatest and least singular value: beyond 100 or so M is
 * noise. A singular matrix gives *condition = INFINITY and no counts. Singular values by one-sided
 * Jacobi rotations: k^3 a sweep, a handful of sweeps. */
bl_status bl_count_estimate(const double *mean, const double *sum, int k, double *counts,
                            double *condition);

#endif
