/* What BaCon contrasts with what: reliable negatives of every class and temperatures that follow
 * class frequency.
 *
 * A sample is a reliable negative of class c when c cannot be its class: a labelled one with
 * another label, or an unlabelled one whose `top` (3) most probable classes do not contain c.
 *
 * Balanced temperature adjusting: tau_c = tau0 (1 - (1 - progress)^2 eta sqrt(n_c / max n)):
 * frequent classes get the lower temperature early in training.
 *
 * Source: Feng et al., "BaCon: Boosting Imbalanced Semi-supervised Learning via Balanced
 * Feature-Level Contrastive Learning", AAAI 2024, sections 3.4 and 3.5. */
#ifndef BALLAST_BALANCE_RELIABLE_NEGATIVES_H
#define BALLAST_BALANCE_RELIABLE_NEGATIVES_H

#include <stdint.h>

#include "core/status.h"

/* negative[c * n + i] = 1 when sample i is a reliable negative of class c. `labels[i]` in [0,
 * n_classes): the true label; -1: unlabelled, judged by its row of p (n rows of n_classes; rows of
 * labelled samples are not read). Ties in p: the lower class ranks first. BL_EINVAL for another
 * label or top outside [1, n_classes]. */
bl_status bl_reliable_negatives(const int32_t *labels, const double *p, int64_t n, int n_classes,
                                int top, uint8_t *negative);

/* tau[c] from class counts; progress t/T in [0, 1]. Without any count all are tau0. */
void bl_balanced_temperatures(const int64_t *counts, int n_classes, double tau0, double eta,
                              double progress, double *tau);

#endif
