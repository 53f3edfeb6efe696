/* Random erasing (Zhong et al., "Random Erasing Data Augmentation", AAAI 2020) with torchvision's
 * distributions. */
#ifndef BALLAST_DATASETS_VIEWS_RANDOM_ERASING_H
#define BALLAST_DATASETS_VIEWS_RANDOM_ERASING_H

#include "core/rng.h"
#include "datasets/images/image.h"

typedef struct bl_erasing {
    float p;                    /* probability that anything is erased */
    float area_min, area_max;   /* share of the image, uniform */
    float ratio_min, ratio_max; /* height over width, log-uniform */
} bl_erasing;

/* With probability e->p: a rectangle that fits (ten draws, else nothing) becomes noise, every byte
 * for itself. */
void bl_random_erasing(bl_image *img, const bl_erasing *e, bl_rng *rng);

#endif
