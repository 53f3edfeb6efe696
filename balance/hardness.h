/* Hardness weights: uncertain pseudo-labels count more.
 *
 *     w = s H(p) / ln K + (1 - s),   in [1 - s, 1] for a distribution p.
 *
 * Source: "SeMi: When Imbalanced Semi-Supervised Learning Meets Mining Hard Examples", arXiv
 * 2501.06004, eq. 3-4 (s = 0.75). */
#ifndef BALLAST_BALANCE_HARDNESS_H
#define BALLAST_BALANCE_HARDNESS_H

#include <stdint.h>

/* w[i] for n rows of n_classes >= 2; the entropy clamps as bl_entropy does. */
void bl_hardness_weights(const double *p, int64_t n, int n_classes, double s, double *w);

#endif
