/* torchvision's ColorJitter with Pillow's arithmetic, for strong views of either task. */
#ifndef BALLAST_DATASETS_VIEWS_COLOR_JITTER_H
#define BALLAST_DATASETS_VIEWS_COLOR_JITTER_H

#include <stddef.h>

#include "core/rng.h"
#include "datasets/images/pixel_ops.h"

/* Changes n pixels in place: brightness, contrast and saturation by factors uniform in 1 +- reach
 * (not below 0) and hue by up to `turn` of the circle either way, in a random order. */
void bl_color_jitter(const bl_pixel_ops *ops, uint8_t *rgb, size_t n, float reach, float turn,
                     bl_rng *rng);

#endif
