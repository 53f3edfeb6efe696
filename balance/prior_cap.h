/* A limit on pseudo-labels by the labelled class prior: thresholds under which a class would be
 * labelled more often than the labelled images say it occurs are raised.
 *
 * Thresholds that fall for rare classes feed on themselves where the model is sure and wrong: false
 * labels teach it more of the same. The limit needs no hidden labels. It keeps, per class, a
 * histogram of the scores of the last images (exponentially forgotten) and finds the score above
 * which detections come as often as expected[c] an image. The idea of setting thresholds from the
 * labelled distribution is LabelMatch's (Chen et al., "Label Matching Semi-Supervised Object
 * Detection", CVPR 2022), which does it in place of every other rule; here it bounds another rule
 * from below. It presumes that unlabelled images are like the labelled ones in what they hold. */
#ifndef BALLAST_BALANCE_PRIOR_CAP_H
#define BALLAST_BALANCE_PRIOR_CAP_H

#include <stdint.h>

#include "core/status.h"

enum { BL_PRIOR_CAP_BINS = 100 }; /* of [0, 1] */

typedef struct bl_prior_cap bl_prior_cap;

/* expected[n_classes]: labels an image may have of each class, > 0 (copied). window: images over
 * which scores are remembered, >= 1. */
bl_status bl_prior_cap_create(int n_classes, const double *expected, int64_t window,
                              bl_prior_cap **out);
void bl_prior_cap_destroy(bl_prior_cap *p);

/* The n detections (or the one label) of one more image: classes in [0, n_classes), scores in
 * [0, 1], else BL_EINVAL with nothing counted. */
bl_status bl_prior_cap_observe(bl_prior_cap *p, const int32_t *classes, const float *scores,
                               int64_t n);

/* theta[c] = max(theta[c], the least bin edge above which class c comes at most expected[c] times
 * an image; 1 when even the last bin holds more). No effect before the first image. */
void bl_prior_cap_raise(const bl_prior_cap *p, double *theta);

/* What a checkpoint keeps, readable and writable in place: *n numbers. */
double *bl_prior_cap_state(bl_prior_cap *p, int64_t *n);

#endif
