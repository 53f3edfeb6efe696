/* DARP's refinement of pseudo-labels (Kim et al., NeurIPS 2020): the matrix closest to given
 * predictions whose columns add up to wanted class counts.
 *
 * Denoising keeps of each column k only the floor(alpha M_k) largest entries, scaled so that they
 * add up to M_k. Then, over matrices R with row sums 1 and column sums M_k,
 *
 *     minimise sum_n w_n KL(R_n || P_n),   w_n = 1 / entropy(P_n),
 *
 * by alternating over the dual variables: with A = P / e and Y_nk = exp(-nu_k / w_n),
 * X_n = 1 / sum_k A_nk Y_nk; nu_k from sum_n A_nk X_n exp(-nu_k / w_n) = M_k; R = A X Y.
 * Each nu_k is found by Newton's method (the function falls and is convex). */
#ifndef BALLAST_BALANCE_DARP_H
#define BALLAST_BALANCE_DARP_H

#include <stdint.h>

#include "core/status.h"

typedef struct bl_darp_config {
    double alpha;     /* 0: no denoising */
    int rounds;       /* of the alternation */
    double tolerance; /* greatest last step of a nu_k */
} bl_darp_config;

/* The denoising alone, rows normalised again; p [n][k] in place, target [k] >= 0. */
bl_status bl_darp_denoise(double *p, int64_t n, int k, const double *target, double alpha);

/* p [n][k]: rows that sum to 1; r [n][k] receives the refined ones; p is left as it is. BL_EINVAL
 * when a target is negative, not finite, or all are zero; targets should add up to n. */
bl_status bl_darp_refine(const bl_darp_config *cfg, const double *p, int64_t n, int k,
                         const double *target, double *r);

#endif
