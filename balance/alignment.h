/* Distribution alignment: pseudo-labels are rescaled so that their running mean follows a target.
 *
 *     q~ proportional to q (P_target + 1e-6) / (P_model + 1e-6),
 *
 * P_model the running mean of the model's predictions q on unlabelled images, the current batch
 * included. Three ways to run the mean:
 *   batches: mean of the means of the last `window` batches (ReMixMatch's queue of 128);
 *   rows:    mean of all rows of the last `window` batches: batches count by their size;
 *   average: exponential moving average of batch means, started by the first batch.
 * P_target: the labelled prior, uniform, or a flattened prior (bl_prior_power; CReST+).
 *
 * Sources: Berthelot et al., "ReMixMatch", ICLR 2020, section 3.1; Wei et al., "CReST", CVPR 2021,
 * section 3.3 (the flattened target). */
#ifndef BALLAST_BALANCE_ALIGNMENT_H
#define BALLAST_BALANCE_ALIGNMENT_H

#include <stdint.h>

#include "core/status.h"

typedef enum bl_alignment_mean {
    BL_ALIGN_BATCHES,
    BL_ALIGN_ROWS,
    BL_ALIGN_AVERAGE
} bl_alignment_mean;

typedef struct bl_alignment_config {
    int n_classes;
    bl_alignment_mean mean;
    int window;   /* batches remembered: 128 */
    double decay; /* of the moving average: 0.999 */
} bl_alignment_config;

typedef struct bl_alignment bl_alignment;

/* Starts empty with a uniform target. */
bl_status bl_alignment_create(const bl_alignment_config *config, bl_alignment **out);
void bl_alignment_destroy(bl_alignment *a);

/* Replaces the target (n_classes numbers >= 0, copied and normalised). BL_EINVAL when one is
 * negative or not finite, or all are zero. */
bl_status bl_alignment_set_target(bl_alignment *a, const double *target);

/* Adds the batch of n rows `p` to the running mean. n = 0 changes nothing. */
void bl_alignment_observe(bl_alignment *a, const double *p, int64_t n);

/* Rescales n rows in place with the mean as it stands (observe the batch first). Without any
 * observation the rows stay as they are. */
void bl_alignment_apply(const bl_alignment *a, double *p, int64_t n);

/* P_model (n_classes); zeros before the first observation. */
const double *bl_alignment_model(const bl_alignment *a);

/* Forgets all observations, keeps the target (a new generation of CReST). */
void bl_alignment_reset(bl_alignment *a);

/* Everything a checkpoint must keep (*n numbers), readable and writable in place. */
double *bl_alignment_state(bl_alignment *a, int64_t *n);

#endif
