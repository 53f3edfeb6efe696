/* FixMatch (Sohn et al., NeurIPS 2020) with one or two strong views.
 *
 *   L_x = mean_i H(y_i, softmax f(x_i))
 *   q_j = softmax f(u_j weak), yhat_j = argmax q_j, m_j = [max q_j >= tau]
 *   L_u = (1 / (B_u V)) sum_v sum_j m_j H(yhat_j, softmax f(u_j strong v))
 *
 * q comes from the trained model itself. By default all views go through one forward pass and share
 * batch statistics. */
#ifndef BALLAST_SSL_CLASSIFICATION_FIXMATCH_H
#define BALLAST_SSL_CLASSIFICATION_FIXMATCH_H

#include "core/schema.h"
#include "ssl/classification/learner.h"

typedef enum bl_fixmatch_forward {
    BL_FORWARD_JOINT,      /* one pass over labelled, weak and strong images */
    BL_FORWARD_WEAK_APART, /* the weak images in a pass of their own, without gradient */
    BL_FORWARD_SEPARATE    /* labelled, weak (without gradient) and each strong view apart */
} bl_fixmatch_forward;

typedef struct bl_fixmatch_config {
    double tau;      /* least confidence of a pseudo-label */
    double weight;   /* lambda_u */
    int64_t strong;  /* strong views, 1 or 2 */
    int32_t forward; /* bl_fixmatch_forward */
} bl_fixmatch_config;

/* Pseudo-labels and losses of a step whose features (or logits) are made. */
bl_status bl_fixmatch_teach(const bl_fixmatch_config *cfg, bl_classify_step *s);

#endif
