/* How many images of a mixed batch are labelled: batch minus Binomial(batch, p), forced to leave at
 * least one of each kind, as Soft Teacher's semi-supervised balanced sampler does (Xu et al.,
 * "End-to-end semi-supervised object detection with Soft Teacher", ICCV 2021, released
 * implementation). */
#ifndef BALLAST_BALANCE_BATCH_MIX_H
#define BALLAST_BALANCE_BATCH_MIX_H

#include "core/rng.h"

/* One draw, in [1, batch - 1]; batch >= 2, p_unlabelled in [0, 1]. Uses `batch` numbers of the
 * stream. */
int bl_batch_mix_draw(bl_rng *rng, int batch, double p_unlabelled);

/* The mean of that draw, exactly (1.3274 for batch 5 and p = 0.8). */
double bl_batch_mix_mean(int batch, double p_unlabelled);

#endif
