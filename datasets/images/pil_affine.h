/* Pillow's nearest-neighbour affine transform of 8-bit RGB, to the bit: Image.transform(size,
 * AFFINE, a) and Image.rotate, black where the map leaves the image. */
#ifndef BALLAST_DATASETS_IMAGES_PIL_AFFINE_H
#define BALLAST_DATASETS_IMAGES_PIL_AFFINE_H

#include "datasets/images/pixel_ops.h"

/* Output pixel (x, y) takes the source pixel that contains
 *
 *   (a0 X + a1 Y + a2,  a3 X + a4 Y + a5),   X = x + 0.5,  Y = y + 0.5.
 *
 * As Pillow, coordinates are stepped in 16.16 fixed point; maps
 * without rotation or shear, and those that leave the 16-bit range, in double precision. src and
 * dst do not overlap and have BL_PIXEL_SLACK bytes behind them. */
void bl_pil_affine(const bl_pixel_ops *ops, const uint8_t *src, int width, int height,
                   const double a[6], uint8_t *dst);

/* The map of Image.rotate(degrees): counter-clockwise about (width/2, height/2). */
void bl_pil_rotation(double degrees, int width, int height, double a[6]);

/* By multiples of 90 degrees Pillow transposes instead of mapping. turns: counter-clockwise quarter
 * turns, 0..3. dst is height x width for odd ones. */
void bl_pil_quarter_turns(const uint8_t *src, int width, int height, int turns, uint8_t *dst);

#endif
