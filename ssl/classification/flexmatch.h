/* FlexMatch as a plug-in (Zhang et al., NeurIPS 2021): a threshold of its own for each class, from
 * how many unlabelled images it has been sure of.
 *
 *   s_j      last label of unlabelled image j with confidence >= tau, none at first
 *   beta_c   |{j: s_j = c}| / max over classes, and while images without a label are more, over
 * those m_j      [max q_j >= tau beta_c / (2 - beta_c)], c = argmax q_j
 *
 * tau is FixMatch's. A step is masked with the betas of the steps before it. */
#ifndef BALLAST_SSL_CLASSIFICATION_FLEXMATCH_H
#define BALLAST_SSL_CLASSIFICATION_FLEXMATCH_H

#include "core/schema.h"
#include "ssl/classification/learner.h"

typedef struct bl_flexmatch_config {
    bool warmup; /* images without a label count for the maximum */
} bl_flexmatch_config;

/* tau beta / (2 - beta). */
double bl_flexmatch_threshold(double tau, double beta);

#endif
