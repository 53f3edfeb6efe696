/* Sampling lists that change how often a class is seen: draws with replacement by class weight, and
 * class-aware cycling.
 *
 * Sources: re-sampling and deferred re-sampling (DRS): Cao et al., "LDAM", NeurIPS 2019;
 * class-aware sampling: Shen, Lin, Huang, "Relay Backpropagation", ECCV 2016, as used for
 * classifier re-training (Kang et al., "Decoupling Representation and Classifier", ICLR 2020). */
#ifndef BALLAST_BALANCE_WEIGHTED_SAMPLING_H
#define BALLAST_BALANCE_WEIGHTED_SAMPLING_H

#include <stdint.h>

#include "core/status.h"

/* `draws` samples with replacement, sample i with probability proportional to
 * class_weight[labels[i]] (e.g. bl_class_balanced_weights). A function of (seed, epoch) only.
 * BL_EINVAL for a label outside [0, n_classes), a negative weight, or no weight at all. */
bl_status bl_weighted_draws(const int32_t *labels, int64_t n, const double *class_weight,
                            int n_classes, uint64_t seed, uint64_t epoch, int64_t draws,
                            int64_t *list);

/* `draws` samples by cycling through a shuffled list of the classes that have samples; each class
 * drawn gives `per_class` (4) samples from its own shuffled list; a list that is used up is
 * shuffled anew. BL_EINVAL for a label outside [0, n_classes), per_class < 1 or n < 1. */
bl_status bl_class_aware_draws(const int32_t *labels, int64_t n, int n_classes, int per_class,
                               uint64_t seed, uint64_t epoch, int64_t draws, int64_t *list);

#endif
