/* ABC as a plug-in: an auxiliary head trained on a class-balanced share of the data, and used for
 * prediction.
 *
 *   labelled:   mean_i b_i H(y_i, S(a(x_i))),                 b_i ~ Bernoulli(N_min / N_y)
 *   unlabelled: mean_j [max q_j >= tau] b_j H(q_j, S(a(u_j^s))), q_j = S(a(u_j^w)),
 *               b_j ~ Bernoulli(1 - t/T (1 - N_min / N_c)),   c = argmax q_j
 *
 * over all strong views, divided by the full batch. Lee et al., "ABC: Auxiliary Balanced Classifier
 * for Class-imbalanced Semi-supervised Learning", NeurIPS 2021. The authors anneal by whole epochs
 * of 500 iterations; here t/T is the elapsed part of the run. */
#ifndef BALLAST_SSL_ABC_H
#define BALLAST_SSL_ABC_H

#include "core/schema.h"
#include "ssl/class_learner.h"

#define BL_ABC_HEAD "abc"

typedef struct bl_abc_config {
    double tau;    /* least confidence of a pseudo-label */
    double weight; /* of its losses */
    bool hard;     /* hard instead of soft pseudo-labels */
} bl_abc_config;
extern const bl_schema bl_abc_schema;
extern const bl_class_plugin_type bl_abc_plugin;

#endif
