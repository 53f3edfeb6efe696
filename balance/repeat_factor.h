/* Repeat-factor sampling: images with rare classes are listed several times in an epoch.
 *
 *   f_c = fraction of images that contain class c
 *   r_c = max(1, sqrt(tau / f_c))
 *
 * and an image's factor is the largest r_c of its classes. Source: Gupta, Dollar, Girshick, "LVIS:
 * A dataset for large
 * vocabulary instance segmentation", CVPR 2019, section 5.1. */
#ifndef BALLAST_BALANCE_REPEAT_FACTOR_H
#define BALLAST_BALANCE_REPEAT_FACTOR_H

#include <stdint.h>

#include "core/status.h"

/* Which classes occur in which image: image i has classes[offsets[i]] to classes[offsets[i+1] - 1],
 * repetitions allowed. offsets has n_images + 1 entries. Nothing is owned. */
typedef struct bl_image_classes {
    int64_t n_images;
    const int64_t *offsets;
    const int32_t *classes;
} bl_image_classes;

typedef enum bl_rounding {
    BL_ROUND_CEIL,      /* ceil(r), as the CI-SSOD release does */
    BL_ROUND_STOCHASTIC /* floor(r), and one more with the probability of the fraction (LVIS) */
} bl_rounding;

/* counts[c] = number of images that contain class c at least once. BL_EINVAL for a class outside
 * [0, n_classes). */
bl_status bl_classify_image_counts(const bl_image_classes *images, int n_classes, int64_t *counts);

/* r_c = max(1, sqrt(tau / f_c)) with f_c = counts[c] / total; 1 for a class with no image. */
void bl_repeat_factors(const int64_t *counts, int n_classes, double total, double tau, double *r);

/* factors[i] = max over the image's classes of r_c, 1 for an image without classes. Classes must
 * have passed bl_classify_image_counts. */
void bl_image_factors(const bl_image_classes *images, const double *r, double *factors);

/* Times image `image` is listed. Stochastic rounding draws from (seed, epoch, image) only, so it
 * does not depend on the other images. */
int64_t bl_repeat_copies(double factor, bl_rounding rounding, uint64_t seed, uint64_t epoch,
                         int64_t image);

/* The epoch's list: every image `copies` times, in image order. Returns the length; `list` may be
 * NULL to ask for it. */
int64_t bl_repeat_list(const double *factors, int64_t n_images, bl_rounding rounding, uint64_t seed,
                       uint64_t epoch, int64_t *list);

#endif
