/* Geometric operations of the views: flip, affine warp, erase.
 *
 * Maps act on continuous coordinates (pixel (i,j) covers [j,j+1) x [i,i+1)), so that one bl_affine
 * moves both pixels and boxes. */
#ifndef BALLAST_DATASETS_VIEWS_AUGMENT_GEOMETRY_H
#define BALLAST_DATASETS_VIEWS_AUGMENT_GEOMETRY_H

#include "core/geom.h"
#include "core/rng.h"
#include "datasets/images/image.h"

typedef enum bl_geometry_op {
    BL_GEOMETRY_TRANSLATE_X,
    BL_GEOMETRY_TRANSLATE_Y,
    BL_GEOMETRY_ROTATE, /* about the centre */
    BL_GEOMETRY_SHEAR,  /* along x, then along y */
    BL_GEOMETRY_OPS
} bl_geometry_op;

/* The map of `op` on a width x height image. Translations: a is a fraction of the side. Rotation: a
 * in degrees, clockwise on the screen (y points down). Shear: x' = x + tanh(-a pi/180) y, then y' =
 * y + tanh(b pi/180) x', as Soft Teacher does it (tanh, not tan). */
bl_affine bl_geometry_map(bl_geometry_op op, int width, int height, float a, float b);

/* Draws an operation and its amount, uniform in +-translate (fraction), +-rotate, +-shear
 * (degrees). */
bl_affine bl_geometry_random(int width, int height, float translate, float rotate, float shear,
                             bl_rng *rng);

/* out (allocated, size of src) at p = src at map^-1 p, bilinear; outside counts as `fill` in all
 * channels and is interpolated with, as OpenCV's constant border is. Source coordinates are stepped
 * along a row in 2^-32 px, weights have 11 bits. BL_EINVAL for a singular map. */
bl_status bl_image_warp(const bl_image *src, bl_affine map, uint8_t fill, bl_image *out);

/* Mirrors left-right, in place; the map of a width w image is x' = w - x. */
void bl_image_flip(bl_image *img);
/* The same into a copy. */
bl_status bl_image_flip_copy(const bl_image *src, bl_image *out);

/* Fills a rectangle (clipped to the image). */
void bl_image_fill(bl_image *img, int x, int y, int w, int h, uint8_t value);

/* Erases 1..max_patches patches, each of ratio r ~ U(0, ratio) of both sides, placed uniformly
 * inside. */
void bl_image_erase_random(bl_image *img, int max_patches, float ratio, uint8_t fill, bl_rng *rng);

#endif
