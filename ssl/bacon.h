/* BaCon as a plug-in on ABC (list "abc" first): a contrastive loss on a small projection that pulls
 * samples to balanced class centres and away from reliable negatives.
 *
 * With a = ABC's head, e = projection of the labelled and the weak unlabelled views:
 *   y_i     true label, or argmax a(u^w);  r_i = [max S(a) >= reliable]
 *   C_c     mean feature of class c over a bank with one row a training image, before this step
 *   tau_c   = tau0 (1 - (1 - t/T)^2 eta sqrt(n_c / max n)), n_c the bank's labels
 *   L_con   see balance/contrast.h, negatives as in balance/reliable_negatives.h
 * from iteration start * T on. After the loss the bank takes the labels (true ones, or
 * pseudo-labels with max S(a) >= label) and the features of reliable samples.
 *
 * Feng et al., "BaCon: Boosting Imbalanced Semi-supervised Learning via Balanced Feature-Level
 * Contrastive Learning", AAAI 2024. Of the authors' code two slips are not kept: confidence is the
 * softmax (not the raw logit), and labelled rows are written in every step. */
#ifndef BALLAST_SSL_BACON_H
#define BALLAST_SSL_BACON_H

#include "core/schema.h"
#include "ssl/class_learner.h"

typedef struct bl_bacon_config {
    int64_t projection; /* outputs of the linear projection */
    double weight;      /* of L_con */
    double start;       /* part of the run without it */
    double label;       /* least confidence of a label in the bank */
    double reliable;    /* ... of a feature in the bank, and of an anchor */
    int64_t top;        /* a class among so many best is no negative's class */
    double temperature; /* tau0 */
    double eta;
    double negative_temperature;
    double negative_factor;
} bl_bacon_config;
extern const bl_schema bl_bacon_schema;
extern const bl_class_plugin_type bl_bacon_plugin;

#endif
