/* Gradient-based balancing on a classifier: GbR and GbT of Li et al., "Gradient-based Sampling for
 * Class Imbalanced Semi-supervised Object Detection", ICCV 2023, with the same statistics
 * (balance/gradient_matrix.h, class_weights.h, thresholds.h) that the detector uses, and without a
 * background class.
 *
 *   GbR  weights both losses by class so that class gradients on the standard head balance
 *   GbT  per-class thresholds of pseudo-labels from the weights and the mean confidence */
#ifndef BALLAST_SSL_GRADIENT_BALANCE_H
#define BALLAST_SSL_GRADIENT_BALANCE_H

#include "ssl/class_learner.h"
#include "ssl/method.h"

typedef struct bl_gradient_balance_config {
    double focal; /* exponent that the gradient matrix assumes; 0 = cross-entropy */
    double base;  /* threshold that GbT starts from */
    bl_gbr_section gbr;
    bl_gbt_section gbt;
} bl_gradient_balance_config;

#endif
