/* The class balancing of a two-branch (labelled, unlabelled) learner: owns the statistics of
 * balance/ and decides when each of them acts.
 *
 *   GbR  class weights in the classification loss, from the class-gradient matrix
 *   GbT  per-class pseudo-label thresholds
 *   CrS  repeats of unlabelled images that hold confident rare pseudo boxes
 *   RFS  repeats of labelled images with rare classes
 *
 * Li et al., "Gradient-based Sampling for Class Imbalanced Semi-supervised Object Detection", ICCV
 * 2023. Knows class indices and image indices, no boxes. Everything is inert unless enabled in the
 * configuration. */
#ifndef BALLAST_SSL_BALANCER_H
#define BALLAST_SSL_BALANCER_H

#include "ssl/method.h"

typedef enum bl_branch { BL_BRANCH_LABELLED, BL_BRANCH_UNLABELLED } bl_branch;

typedef struct bl_balancer bl_balancer;

/* n_classes foreground classes; class n_classes is the background. */
bl_status bl_balancer_create(const bl_method_config *cfg, int32_t n_classes,
                             const bl_learner_env *env, bl_balancer **out);
void bl_balancer_destroy(bl_balancer *b);

/* Loss factors of the rows of one branch, (n) on the device: u(label[i]) = clamp(w)^beta / m, where
 * m is a running mean over rows. label (n) BL_I32, unused rows (-1) last. NULL: 1 for every row (no
 * GbR). Reads the labels, since m needs them. Call before bl_balancer_observe of the same rows (the
 * weights lag by one call). */
bl_status bl_balancer_factors(bl_balancer *b, bl_ctx *ctx, bl_branch branch, const bl_tensor *label,
                              bl_tensor **u);
/* Adds the class gradients of the rows of `logits` (n, n_classes+1), weighted by v (n), and reads
 * them. No effect unless GbR or GbT needs them, nor when a logit is not finite. */
bl_status bl_balancer_observe(bl_balancer *b, bl_ctx *ctx, bl_branch branch, int64_t t,
                              bl_tensor *logits, const bl_tensor *label, const bl_tensor *v);
/* The weight solver's step at the end of an iteration with the detector's learning rate. */
bl_status bl_balancer_step(bl_balancer *b, double lr);

/* Teacher detections (score > 0.05, after NMS) of one unlabelled image: score statistics and, after
 * the warm-up, its pool entry. */
bl_status bl_balancer_detections(bl_balancer *b, int64_t t, int32_t image, const int32_t *label,
                                 const float *score, int32_t n);
/* The pseudo-label threshold of a class at iteration t. Fixed during one iteration: call
 * bl_balancer_begin first. */
double bl_balancer_threshold(const bl_balancer *b, int32_t cls);
/* Recomputes thresholds, merges the pool when due. */
bl_status bl_balancer_begin(bl_balancer *b, int64_t t);

/* Rebuilds the unlabelled repeat list when that is due before iteration t; call before
 * bl_balancer_begin. */
bl_status bl_balancer_resample(bl_balancer *b, int64_t t, bool *changed);
/* true when the labelled repeats start before iteration t (deferred re-sampling; Cao et al., LDAM,
 * NeurIPS 2019). */
bool bl_balancer_labelled_due(const bl_balancer *b, int64_t t);
/* Copies of each image of a group in force during iteration t; false = one each. The unlabelled
 * ones are those of the last rebuild. */
bool bl_balancer_copies(const bl_balancer *b, int64_t t, bool labelled, int32_t *copies);

/* Current weights [n_classes+1] and thresholds [n_classes] for the log. */
void bl_balancer_weights(const bl_balancer *b, double *w);
/* "pool" line after a rebuild since the last call, if any. */
bl_status bl_balancer_report(bl_balancer *b, bl_metrics *lines);

bl_status bl_balancer_state(bl_balancer *b, bl_state_io *io);

#endif
