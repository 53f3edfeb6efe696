/* The nine colour operations of the strong view, with the semantics of Pillow's ImageOps and
 * ImageEnhance (bit for bit: tests/golden/augment_pillow.txt), on 8-bit RGB, in place.
 *
 * RandAugment's set (Cubuk et al., 2020) as Soft Teacher (Xu et al., ICCV 2021) uses it: one
 * operation a view, magnitude 1..9. */
#ifndef BALLAST_DATASETS_VIEWS_AUGMENT_COLOR_H
#define BALLAST_DATASETS_VIEWS_AUGMENT_COLOR_H

#include "core/rng.h"
#include "datasets/images/image.h"

typedef enum bl_color_op {
    BL_COLOR_IDENTITY,
    BL_COLOR_AUTOCONTRAST, /* stretch each channel to 0..255 */
    BL_COLOR_EQUALIZE,     /* equalise each channel's histogram */
    BL_COLOR_SOLARIZE,     /* invert values >= floor(25.6 m) */
    BL_COLOR_SATURATION,   /* blend from the luma image, factor 0.18 m + 0.1 */
    BL_COLOR_CONTRAST,     /* blend from the mean luma, same factor */
    BL_COLOR_BRIGHTNESS,   /* blend from black, same factor */
    BL_COLOR_SHARPNESS,    /* blend from the 3x3 smoothed image, same factor */
    BL_COLOR_POSTERIZE,    /* keep the top 4 - floor(0.4 m) bits */
    BL_COLOR_OPS
} bl_color_op;

/* "identity", "autocontrast", ... */
const char *bl_color_name(bl_color_op op);

/* Applies `op` with magnitude 1..9 (ignored by the first three). BL_EINVAL outside these ranges. */
bl_status bl_color_apply(bl_image *img, bl_color_op op, int magnitude);

/* Draws an operation and a magnitude, both uniform, and applies it. */
bl_status bl_color_random(bl_image *img, bl_rng *rng);

#endif
