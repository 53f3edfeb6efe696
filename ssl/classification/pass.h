/* A model over a whole list of images, without augmentation and without gradient: evaluation,
 * pseudo-labelling of a set, selection between generations. */
#ifndef BALLAST_SSL_CLASSIFICATION_PASS_H
#define BALLAST_SSL_CLASSIFICATION_PASS_H

#include "ssl/classification/learner.h"

/* Logits [n][K] of the method's prediction (head or hook, post-hoc adjustment included) and
 * features [n][d] of images first..first+n-1 of the list. */
typedef bl_status (*bl_classify_pass_fn)(void *arg, int32_t first, int32_t n, const float *logits,
                                         const float *features);

/* model: 0 student, 1 EMA. Running batch-norm statistics. No step may be open on ctx: every batch
 * is one. In list order. */
bl_status bl_classify_pass(const bl_classify_world *w, bl_ctx *ctx, int model,
                           const bl_classify_items *items, int64_t batch, bl_classify_pass_fn fn,
                           void *arg);

#endif
