/* Bernoulli masks that thin frequent classes out of an auxiliary classifier's loss.
 *
 * A labelled sample of class y takes part with probability N_min / N_y. A pseudo-labelled one of
 * class c with 1 - progress (1 - N_min / N_c): at first all take part, at the end as many as of the
 * rarest class. Draws are a function of (seed, step, stream, sample), so a resumed run repeats
 * them.
 *
 * Source: Lee et al., "ABC: Auxiliary Balanced Classifier for Class-imbalanced Semi-supervised
 * Learning", NeurIPS 2021, eq. 1-5. */
#ifndef BALLAST_BALANCE_BALANCE_MASK_H
#define BALLAST_BALANCE_BALANCE_MASK_H

#include <stdint.h>

#include "core/status.h"

/* keep[k] = N_min / N_k, N_min the smallest count. BL_EINVAL when a class has no sample. */
bl_status bl_balance_rates(const int64_t *counts, int n_classes, double *keep);

/* keep[k] <- 1 - progress (1 - keep[k]); progress in [0, 1] (larger counts as 1): elapsed part of
 * the training. */
void bl_balance_anneal(const double *rates, int n_classes, double progress, double *keep);

/* mask[i] = 1 with probability keep[labels[i]], else 0; labels outside [0, n_classes) give 0.
 * `step` and `stream` name the draw: streams for labelled and unlabelled samples must differ. */
void bl_balance_mask(const double *keep, int n_classes, const int32_t *labels, int64_t n,
                     uint64_t seed, uint64_t step, uint64_t stream, uint8_t *mask);

#endif
