/* What the learners of detection have in common: the views they want and the thresholds of their
 * pseudo boxes. First member of each one's own struct. */
#ifndef BALLAST_SSL_DETECTION_LEARNER_H
#define BALLAST_SSL_DETECTION_LEARNER_H

#include "ssl/learner.h"

typedef struct bl_detection_learner {
    bl_learner base;
    /* Views the loader shall make. */
    bl_view_kind labelled_views[BL_LOADER_MAX_VIEWS], unlabelled_views[BL_LOADER_MAX_VIEWS];
    int n_labelled_views, n_unlabelled_views;
    /* Current pseudo-box thresholds [n_classes], for example images. */
    void (*thresholds)(const bl_learner *l, double *theta);
} bl_detection_learner;

#endif
