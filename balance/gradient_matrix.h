/* The class-to-class gradient matrix of a softmax classifier.
 *
 * A[k][j] (K x K, row-major) is the gradient that samples labelled k send to logit j: A[k][k] <= 0
 * pulls the logit of its own class up, A[k][j] >= 0 pushes the others down. Rows sum to (almost)
 * zero, so A is the generator of a Markov chain; its stationary vector is the class weighting that
 * makes the gradients of every class cancel (class_weights.h).
 *
 * Source: Li et al., "Gradient-based Sampling for Class Imbalanced Semi-supervised Object
 * Detection", ICCV 2023, supplement eq. 1 (their G~ is the transpose), and the released
 * implementation. */
#ifndef BALLAST_BALANCE_GRADIENT_MATRIX_H
#define BALLAST_BALANCE_GRADIENT_MATRIX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct bl_gradient_config {
    int n_classes;   /* K, background included where there is one */
    bool focal;      /* softmax focal loss; false: cross-entropy */
    double exponent; /* focal exponent e >= 0 (1 in the released code, 1.5 for Unbiased Teacher) */
    double offset;   /* added to every probability, not renormalised: 1e-5 */
    double scale;    /* constant factor on the matrix: 100 */
    int64_t warmup;  /* iterations averaged before the moving average starts */
    double decay;    /* of the moving average: 0.999 */
} bl_gradient_config;

/* The released constants: focal exponent 1, offset 1e-5, scale 100, decay 0.999. */
bl_gradient_config bl_gradient_config_default(int n_classes, int64_t warmup);

typedef struct bl_gradient_matrix bl_gradient_matrix;

bl_status bl_gradient_matrix_create(const bl_gradient_config *config, bl_gradient_matrix **out);
void bl_gradient_matrix_destroy(bl_gradient_matrix *g);

/* The contribution M of one batch of one branch, to `m` (K x K, overwritten):
 *     p_i = softmax(z_i) + offset,  t_i = p_i[y_i],  g_i = bl_focal_slope(t_i),
 *     M[y_i][y_i] -= scale lambda v_i g_i t_i (1 - t_i) / n
 *     M[y_i][j]   += scale lambda v_i g_i t_i p_i[j] / n,   j != y_i.
 * `logits`: n rows of K. `labels` in [0, K). `weights` v >= 0, NULL for ones. n = 0 gives zeros.
 * `lambda`: the branch's loss weight (1 labelled, 4 unlabelled). Sum the matrices of several
 * devices. BL_EINVAL for a label out of range, BL_ENUMERIC for a logit or weight that is not
 * finite. */
bl_status bl_gradient_matrix_measure(const bl_gradient_matrix *g, const float *logits,
                                     const int32_t *labels, const float *weights, int64_t n,
                                     double lambda, double *m);

/* Accumulates M at iteration t (from 0): A = (A t + M) / (t + 1) while t < warmup, afterwards
 * A = decay A + (1 - decay) M. Once for each branch, labelled first. */
void bl_gradient_matrix_update(bl_gradient_matrix *g, const double *m, int64_t t);

/* measure + update through a scratch matrix of its own. */
bl_status bl_gradient_matrix_add(bl_gradient_matrix *g, const float *logits, const int32_t *labels,
                                 const float *weights, int64_t n, double lambda, int64_t t);

/* A, K x K. */
const double *bl_gradient_matrix_values(const bl_gradient_matrix *g);

/* Everything a checkpoint must keep: K*K numbers (*n), readable and writable in place. */
double *bl_gradient_matrix_state(bl_gradient_matrix *g, int64_t *n);

/* Focal loss (1-t)^e (-ln t) and the size of its slope |d/dt| = (1-t)^e / t - e (1-t)^(e-1) ln t;
 * with focal = false -ln t and 1/t. Defined for t > 1 too (the offset may push it there by 1e-5):
 * 1-t counts as 0 then. */
double bl_focal_loss(bool focal, double exponent, double t);
double bl_focal_slope(bool focal, double exponent, double t);

#endif
