/* Pseudo-labels blended from a classifier's (linear) and the prototypes' (semantic) distribution.
 *
 * DASO (Oh et al., CVPR 2022, eq. 4-5), one weight for the whole row, chosen by the linear label:
 *     p'  = (1 - v_c) p + v_c q,   c = argmax p.
 * SeMi (arXiv 2501.06004, eq. 8), one weight for every class:
 *     p'_k = (1 - v w_k) p_k + v w_k q_k;
 * its rows need not sum to 1. */
#ifndef BALLAST_BALANCE_LABEL_BLEND_H
#define BALLAST_BALANCE_LABEL_BLEND_H

#include <stdint.h>

/* In place on n rows of n_classes; v: n_classes weights in [0, 1]. */
void bl_blend_by_label(double *linear, const double *semantic, int64_t n, int n_classes,
                       const double *v);

/* In place on n rows; w: n_classes weights; v: a factor for all. Classes with present[k] == 0
 * (NULL: none) keep their linear value. */
void bl_blend_by_class(double *linear, const double *semantic, int64_t n, int n_classes, double v,
                       const double *w, const uint8_t *present);

#endif
