/* Per-class pseudo-label thresholds.
 *
 * theta is the base threshold, w the class weights of class_weights.h, s_c the running score
 * statistic:
 *
 *   fixed     theta_c = theta
 *   weights   theta_c = clamp(theta / w_c, low, high)
 *   code      theta_c = clamp(min(theta s_c / mean(s), theta / w_c), low, high)
 *   score     theta_c = clamp(theta s_c / mean(s), low, high)
 *
 * with theta for theta s_c / mean(s) before the first observation.
 *
 * Source: the program released with Li et al., "Gradient-based Sampling for Class Imbalanced
 * Semi-supervised Object Detection", ICCV 2023: "code" is its COCO configuration, "score" those of
 * LVIS and Objects365, which leave its switch GbT off. The paper's own equation is not known to us;
 * "weights" is what remains of "code" without score statistics. */
#ifndef BALLAST_BALANCE_THRESHOLDS_H
#define BALLAST_BALANCE_THRESHOLDS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef enum bl_threshold_mode {
    BL_THRESHOLD_FIXED,
    BL_THRESHOLD_WEIGHTS,
    BL_THRESHOLD_CODE,
    BL_THRESHOLD_SCORE
} bl_threshold_mode;

static inline bool bl_threshold_weighs(int mode) {
    return mode == BL_THRESHOLD_WEIGHTS || mode == BL_THRESHOLD_CODE;
}

typedef struct bl_thresholds_config {
    int n_classes; /* foreground classes, or all of a classifier */
    bl_threshold_mode mode;
    double base;      /* theta: 0.9 */
    double low, high; /* 0.5, 0.9 */
    int64_t warmup;   /* theta_c = theta while t < warmup */
    int64_t count;    /* observations a class is averaged over before the moving average: 1000 */
} bl_thresholds_config;

/* The released constants, mode code. */
bl_thresholds_config bl_thresholds_config_default(int n_classes, int64_t warmup);

typedef struct bl_thresholds bl_thresholds;

bl_status bl_thresholds_create(const bl_thresholds_config *config, bl_thresholds **out);
void bl_thresholds_destroy(bl_thresholds *th);

/* Updates s_c with detections in the given order, every one the teacher kept before any
 * pseudo-label filter: s += x / count for the first `count` of a class (so a class seen less has a
 * smaller s), then s = (1 - 1/count) s + x / count. Classes outside [0, n_classes): BL_EINVAL;
 * scores that are not finite: BL_ENUMERIC; nothing is changed then. */
bl_status bl_thresholds_observe(bl_thresholds *th, const int32_t *classes, const float *scores,
                                int64_t n);

/* theta_c of iteration t for all classes. `w`: at least n_classes weights (background, if any,
 * comes last and is ignored); may be NULL where the mode uses none. */
bl_status bl_thresholds_get(const bl_thresholds *th, const double *w, int64_t t, double *theta);

/* s_c, n_classes numbers. */
const double *bl_thresholds_scores(const bl_thresholds *th);

/* Everything a checkpoint must keep: s_c, then the counts: 2 n_classes numbers (*n), readable and
 * writable in place. */
double *bl_thresholds_state(bl_thresholds *th, int64_t *n);

#endif
