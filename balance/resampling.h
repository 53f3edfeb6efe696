/* Class-rebalancing sampling (CrS) of unlabelled images: images that hold confident pseudo-labels
 * of rare classes are listed more often.
 *
 * The teacher's confident detections of every image it sees go into a pool, as (class, margin) with
 * margin d = score - theta_c. The pool has two halves: what was gathered since the last save is
 * pending; a save merges it into the saved half, together with the ramp
 * lambda = min(alpha t / T, alpha). A rebuild of the sampling list reads the saved half:
 *
 *   n_c  = #labelled images with c + #unlabelled images whose entry has c
 *   N    = #labelled images + #unlabelled images with an entry that is not empty + 0.01
 *   r_c  = max(1, sqrt(lambda / (n_c / N)))
 *   r(I) = max(1, max over the entries of r_c d)
 *
 * and the list holds ceil(r(I)) copies of image I (repeat_factor.h makes it).
 *
 * Source: Li et al., "Gradient-based Sampling for Class Imbalanced Semi-supervised Object
 * Detection", ICCV 2023, as its released program has it. */
#ifndef BALLAST_BALANCE_RESAMPLING_H
#define BALLAST_BALANCE_RESAMPLING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct bl_crs_config {
    int n_classes;
    int64_t n_images;      /* unlabelled images */
    double alpha;          /* final lambda: 0.5 for COCO, 0.05 for LVIS and Objects365 */
    int64_t total;         /* T, iterations of the whole training */
    int64_t warmup;        /* nothing is recorded while t <= warmup */
    int64_t save_every;    /* 4000: saves when t mod save_every = 1 */
    int64_t rebuild_every; /* 16000: rebuilds when t mod rebuild_every = 1 and t > 10 */
} bl_crs_config;

typedef struct bl_crs_pool bl_crs_pool;

bl_status bl_crs_create(const bl_crs_config *config, bl_crs_pool **out);
void bl_crs_destroy(bl_crs_pool *pool);

/* Records the teacher's detections on unlabelled image `image` at iteration t: those with score >=
 * theta[class] are kept. Replaces an older record of the image, also by an empty one. `theta`:
 * n_classes. BL_EINVAL for an image or class out of range. */
bl_status bl_crs_record(bl_crs_pool *pool, int64_t t, int64_t image, const int32_t *classes,
                        const float *scores, int64_t n, const double *theta);

/* Where both are due at the same t, rebuild first: the released code reads the older save. */
bool bl_crs_rebuild_due(const bl_crs_pool *pool, int64_t t);
bool bl_crs_save_due(const bl_crs_pool *pool, int64_t t);

/* Merges the pending half into the saved half; lambda becomes that of iteration t. */
void bl_crs_save(bl_crs_pool *pool, int64_t t);

/* From the saved half: class factors r_c (n_classes) and image factors r(I) (n_images). Either may
 * be NULL. `labelled_counts[c]`: labelled images that contain class c, of `n_labelled` in all. */
bl_status bl_crs_factors(const bl_crs_pool *pool, const int64_t *labelled_counts,
                         int64_t n_labelled, double *class_factors, double *image_factors);

double bl_crs_lambda(const bl_crs_pool *pool);
/* Saved unlabelled images with an entry that is not empty. */
int64_t bl_crs_filled(const bl_crs_pool *pool);

/* Everything a checkpoint must keep. bl_crs_pack returns the number of doubles; `out` may be NULL
 * to ask for it. bl_crs_unpack refuses what does not fit the pool (BL_EFORMAT) and then leaves it
 * unchanged. */
int64_t bl_crs_pack(const bl_crs_pool *pool, double *out);
bl_status bl_crs_unpack(bl_crs_pool *pool, const double *data, int64_t n);

#endif
