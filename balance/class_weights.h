/* Class weights that balance the gradients of a softmax classifier, and their use in the loss.
 *
 * Wanted: w > 0 with sum_k w_k A[k][j] = 0 for every class j and sum w = K, for the gradient matrix
 * A (gradient_matrix.h). Two solvers:
 *
 * - online: w = K softmax(a); a follows the Jacobi iteration of the system by one step of SGD with
 *   momentum on L_w = (1/K) sum_j (ln T_j - a_j)^2 an iteration, where
 *       T_j = sum_k w_k A[k][j] / (guard - A[j][j]) + w_j,
 *       background: T_n = K - sum_{j<n} T_j   (of the unclamped T_j),
 *       T_j clamped to [target_min, target_max], T_n to [target_min, background_max];
 * - direct: the stationary vector of the Markov generator A, by elimination, at every measurement.
 *
 * Source: Li et al., "Gradient-based Sampling for Class Imbalanced Semi-supervised Object
 * Detection", ICCV 2023, supplement sections 1-2, and the released implementation.
 *
 * Use in iteration t, for the labelled and then for the unlabelled branch: bl_class_weights_apply()
 * (the weights of the previous call), bl_gradient_matrix_update(), bl_class_weights_pull(); once at
 * the end bl_class_weights_step() beside the optimiser's step. */
#ifndef BALLAST_BALANCE_CLASS_WEIGHTS_H
#define BALLAST_BALANCE_CLASS_WEIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef enum bl_weight_solver { BL_SOLVER_ONLINE, BL_SOLVER_DIRECT } bl_weight_solver;

typedef struct bl_class_weights_config {
    int n_classes;   /* K, background included where there is one */
    bool background; /* the last class is background and closes the sum; false: a classifier */
    bl_weight_solver solver;
    int64_t warmup; /* weights are 1 up to and including this iteration */
    double target_min, target_max,
        background_max;            /* 1/3, 5, 1; also the clamp of the loss weights */
    double guard;                  /* 1e-6 */
    double momentum, weight_decay; /* of a: 0.9, 1e-4 */
    double mean_decay;             /* of the running mean of the loss weights: 0.999 */
} bl_class_weights_config;

/* The released constants, online solver. */
bl_class_weights_config bl_class_weights_config_default(int n_classes, bool background,
                                                        int64_t warmup);

typedef struct bl_class_weights bl_class_weights;

bl_status bl_class_weights_create(const bl_class_weights_config *config, bl_class_weights **out);
void bl_class_weights_destroy(bl_class_weights *cw);

/* The Jacobi target T for weights w (K each); `clamp` false gives the raw T (with neither the
 * background rule nor clamps). */
void bl_class_weights_target(const bl_class_weights_config *config, const double *a,
                             const double *w, bool clamp, double *target);

/* After the matrix A (K x K) was updated at iteration t. Does nothing while t <= warmup. Online:
 * adds lambda dL_w/da to the gradient of a, for the labelled copy with lambda 1, for the unlabelled
 * copy with its loss weight (4). Direct: solves. Either way the weights for the next
 * bl_class_weights_apply() are refreshed. *loss (may be NULL) receives L_w, 0 if there is none. */
bl_status bl_class_weights_pull(bl_class_weights *cw, const double *a, double lambda, int64_t t,
                                double *loss);

/* One optimiser step: v = momentum v + (gradient + weight_decay a); a = a - lr v; gradient = 0.
 * Call it in every iteration, also during warm-up (when it changes nothing). */
void bl_class_weights_step(bl_class_weights *cw, double lr);

/* The loss weights u of n samples:
 *
 *     u_i = clamp(w[y_i], target_min, target_max)^beta
 *     m   = mean_decay m + (1 - mean_decay) mean_i(u_i)
 *     u_i = u_i / m
 *
 * `beta`: 1 on the unlabelled branch, below 1 (0.5, 0.8) on the labelled one. m is shared by both.
 * With n = 0 nothing changes. BL_EINVAL for a label outside [0, K). */
bl_status bl_class_weights_apply(bl_class_weights *cw, const int32_t *labels, int64_t n,
                                 double beta, float *u);

/* w as of now (K), unclamped: K softmax(a), or the direct solution; ones during warm-up. This is
 * what thresholds divide by. */
const double *bl_class_weights_values(const bl_class_weights *cw);
double bl_class_weights_mean(const bl_class_weights *cw);          /* m */
const double *bl_class_weights_logits(const bl_class_weights *cw); /* a, K */

/* Everything a checkpoint must keep: 4 K + 1 numbers (*n), readable and writable in place. */
double *bl_class_weights_state(bl_class_weights *cw, int64_t *n);

/* The direct solver by itself: w >= 0 with w A = 0, by the elimination of Grassmann, Taksar and
 * Heyman ("Regenerative analysis and steady state distributions for Markov chains", Operations
 * Research
 * 33, 1985), which subtracts nothing and so never turns negative. Rows of A sum to zero only up to
 * the probability offset, so the system is overdetermined by a hair: with `background` the last
 * class closes the sum, as in the online rule (its measured column is replaced by what makes every
 * row sum to zero); without, all classes are treated alike (the measured diagonal is replaced).
 * Classes that never pulled (|A[j][j]| <= guard: never seen as a label) are absorbing states and
 * would take everything: they get `cap`, and the rest is solved without them, with sum w = the
 * number of the remaining classes. Blocks of classes that do not push each other share in
 * proportion to a vanishing uniform coupling. BL_ENUMERIC when A is not finite. */
bl_status bl_stationary_weights(const double *a, int n_classes, bool background, double guard,
                                double cap, double *w);

#endif
