/* Contrast of feature rows with class centres against reliable negatives (reliable_negatives.h).
 *
 * Row i of class c = label[i], with cosines of rows e and centres C:
 *     pos_i = exp(cos(e_i, C_c) / temperature[c])
 *     neg_c = mean over all pairs (m, j), label[m] = c, negative[c][j], of exp(cos(e_m, e_j) / T)
 *     l_i   = -ln(pos_i / (pos_i + factor neg_c + 1e-8))
 *     loss  = sum_i weight[i] l_i / (sum_i weight[i] + 1e-8),
 * rows without a centre (present[c] == 0) or without any negative left out of both sums. Gradients
 * flow through the rows, also as negatives; centres are constants.
 *
 * Source: Feng et al., "BaCon: Boosting Imbalanced Semi-supervised Learning via Balanced
 * Feature-Level Contrastive Learning", AAAI 2024, section 3.4. */
#ifndef BALLAST_BALANCE_CONTRAST_H
#define BALLAST_BALANCE_CONTRAST_H

#include <stdint.h>

#include "core/status.h"

typedef struct bl_contrast {
    int64_t n; /* rows */
    int dim;   /* their length */
    int n_classes;
    const int32_t *label;        /* [n] in [0, n_classes) */
    const double *weight;        /* [n] >= 0 */
    const uint8_t *negative;     /* [n_classes][n] */
    const float *centre;         /* [n_classes][dim] */
    const uint8_t *present;      /* [n_classes] */
    const double *temperature;   /* [n_classes], > 0 */
    double negative_temperature; /* T: 0.1 */
    double factor;               /* 64: the labelled batch of the released code */
} bl_contrast;

/* *loss, and its gradient with respect to the rows e (n x dim) in `gradient` (n x dim,
 * overwritten). */
bl_status bl_contrast_loss(const bl_contrast *c, const float *e, double *loss, float *gradient);

#endif
