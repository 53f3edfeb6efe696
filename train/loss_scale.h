/* Dynamic loss scaling (Micikevicius et al., "Mixed Precision Training", ICLR 2018, section 3.2).
 *
 * With run.precision=fp16 the gradients of activations are fp16, which loses what is smaller than
 * 2^-24. So the losses are multiplied by a scale before backward and the gradients divided by it in
 * the optimiser. A gradient that overflows halves the scale, and its step is left out; after enough
 * steps without one the scale doubles. Nothing here happens in other precisions, whose range is
 * that of fp32. */
#ifndef BALLAST_TRAIN_LOSS_SCALE_H
#define BALLAST_TRAIN_LOSS_SCALE_H

#include "core/schema.h"

/* Section "optim.loss_scale". */
typedef struct bl_loss_scale_config {
    double initial, minimum;
    int64_t steps; /* without overflow until it doubles */
} bl_loss_scale_config;
extern const bl_schema bl_loss_scale_schema;

/* What a run remembers; zero: no scaling. */
typedef struct bl_loss_scale {
    double scale;
    double good; /* steps since it changed */
} bl_loss_scale;

/* Begins with the initial scale where scaling is wanted and has not begun (a checkpoint may have
 * brought a scale); ends it where it is not. */
void bl_loss_scale_begin(bl_loss_scale *s, const bl_loss_scale_config *c, bool wanted);
/* The factor on the losses; 1 without scaling. */
double bl_loss_scale_factor(const bl_loss_scale *s);
/* After a step whose gradients are not finite: true when a smaller scale may cure it, false when
 * there is no scaling or the scale is at its minimum already. */
bool bl_loss_scale_overflow(bl_loss_scale *s, const bl_loss_scale_config *c);
/* After a step with finite gradients. */
void bl_loss_scale_good(bl_loss_scale *s, const bl_loss_scale_config *c);

#endif
