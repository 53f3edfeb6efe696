/* Self-training in generations with class-rebalanced choice (CReST): after each generation, images
 * with confident pseudo-labels join the labelled ones, the more of a class the rarer it is.
 *
 * With the classes in descending order of their labelled counts N_1 >= ... >= N_K, of the images
 * predicted as the class of rank r the most confident share
 *
 *     mu_r = (N_{K+1-r} / N_1)^(1/alpha)
 *
 * is taken: all of the rarest class, the fewest of the most frequent one, whose predictions are
 * plenty and least precise. CReST+ aligns pseudo-labels to the labelled prior to the power t_g,
 * which falls from 1 in the first generation to t_min in the last.
 *
 * Source: Wei et al., "CReST: A Class-Rebalancing Self-Training Framework", CVPR 2021, sections 3.2
 * and 3.3. */
#ifndef BALLAST_BALANCE_GENERATIONS_H
#define BALLAST_BALANCE_GENERATIONS_H

#include <stdint.h>

#include "core/status.h"

/* rate [K] receives mu by class, from labelled counts [K], whatever order the classes stand in
 * (equal counts: the lower index ranks first). BL_EINVAL unless alpha > 0 and some count is > 0. */
bl_status bl_generation_rates(const int64_t *counts, int n_classes, double alpha, double *rate);

/* t_g of generation g = 0..generations-1. */
double bl_generation_power(int64_t g, int64_t generations, double t_min);

/* Of each class's images by label [n] (negative: of no class) the floor(rate * number) of highest
 * confidence [n] keep their label, the others get `none`; of equals the earlier image. BL_EINVAL
 * for a label out of range. */
bl_status bl_generation_choose(const double *confidence, int64_t n, const double *rate,
                               int n_classes, int32_t none, int32_t *label);

#endif
