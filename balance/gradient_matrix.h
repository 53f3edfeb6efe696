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

#include <stdint.h>

#include "core/status.h"

typedef struct bl_gradient_config {
    int n_classes;  /* K, background included where there is one */
    int64_t warmup; /* iterations averaged before the moving average starts */
    double decay;   /* of the moving average */
} bl_gradient_config;

/* The released decay: 0.999. */
bl_gradient_config bl_gradient_config_default(int n_classes, int64_t warmup);

typedef struct bl_gradient_matrix bl_gradient_matrix;

bl_status bl_gradient_matrix_create(const bl_gradient_config *config, bl_gradient_matrix **out);
void bl_gradient_matrix_destroy(bl_gradient_matrix *g);

/* Accumulates M (K x K), the contribution of one batch of one branch (bl_class_gradients in
 * kernels/ops.h; its scale holds the branch's loss weight, 1 labelled, 4 unlabelled; the matrices
 * of several devices are added), at iteration t (from 0): A = (A t + M) / (t + 1) while t < warmup,
 * afterwards A = decay A + (1 - decay) M. Once for each branch, labelled first. */
void bl_gradient_matrix_update(bl_gradient_matrix *g, const double *m, int64_t t);

/* A, K x K. */
const double *bl_gradient_matrix_values(const bl_gradient_matrix *g);

/* Everything a checkpoint must keep: K*K numbers (*n), readable and writable in place. */
double *bl_gradient_matrix_state(bl_gradient_matrix *g, int64_t *n);

#endif
