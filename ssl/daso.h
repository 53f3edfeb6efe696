/* DASO as a plug-in: pseudo-labels blended from the classifier and from prototypes, more of the
 * latter for classes that are predicted often; and alignment of strong views with the prototypes.
 *
 *   c_k      mean of the last `queue` labelled features of class k under the EMA encoder
 *   q_j      = S(cos(z(u_j^w), c) / T_proto)                          semantic distribution
 *   p'_j     = (1 - v_c) p_j + v_c q_j,  c = argmax p_j               for every head's p
 *   v_k      = m_k^(1/T_dist) / max, m the labels given to all images in the last window
 *   L_align  = mean_j H(q_j, S(cos(z(u_j^s), c) / T_proto))
 *
 * Plain pseudo-labels until iteration `pretrain` and until every class has a prototype. With ABC in
 * the list its head's distributions are blended with the same v and q (m counts the standard
 * head's). Oh et al., "DASO: Distribution-Aware Semantics-Oriented Pseudo-label for Imbalanced
 * Semi-Supervised Learning", CVPR 2022. */
#ifndef BALLAST_SSL_DASO_H
#define BALLAST_SSL_DASO_H

#include "core/schema.h"
#include "ssl/class_learner.h"

typedef struct bl_daso_config {
    int64_t queue;            /* features a class */
    double proto_temperature; /* T_proto */
    double dist_temperature;  /* T_dist */
    int64_t window;           /* iterations a label histogram is gathered over */
    int64_t pretrain;         /* iterations without blending and alignment */
    double align;             /* weight of L_align */
    bool batch_statistics;    /* EMA features with batch statistics, as the authors' code */
} bl_daso_config;
extern const bl_schema bl_daso_schema;
extern const bl_class_plugin_type bl_daso_plugin;

#endif
