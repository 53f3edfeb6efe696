/* Pillow's colour operations (ImageOps, ImageEnhance) on 8-bit RGB, in place and to the bit
 * (tests/golden/augment_pillow.txt, rand_augment_pillow.txt). `n` counts pixels. */
#ifndef BALLAST_DATASETS_IMAGES_PIL_COLOR_H
#define BALLAST_DATASETS_IMAGES_PIL_COLOR_H

#include "datasets/images/pixel_ops.h"

/* Stretches each channel to 0..255 (ImageOps.autocontrast, no cut-off). */
void bl_pil_autocontrast(uint8_t *rgb, size_t n);
/* Flattens each channel's histogram (ImageOps.equalize). */
void bl_pil_equalize(uint8_t *rgb, size_t n);
void bl_pil_invert(uint8_t *rgb, size_t n);
/* Inverts values >= threshold (ImageOps.solarize). */
void bl_pil_solarize(const bl_pixel_ops *ops, uint8_t *rgb, size_t n, double threshold);
/* Adds `add`, clipped, then inverts values >= 128. */
void bl_pil_solarize_add(const bl_pixel_ops *ops, uint8_t *rgb, size_t n, int add);
/* Keeps the top `bits` bits, 0..8 (ImageOps.posterize). */
void bl_pil_posterize(const bl_pixel_ops *ops, uint8_t *rgb, size_t n, int bits);

/* ImageEnhance.X(image).enhance(factor): blends from black, from luma, from the rounded mean luma,
 * and from the image smoothed by (1 1 1; 1 5 1; 1 1 1) / 13 with its border kept. Factors above 1
 * extrapolate, clipped. */
void bl_pil_brightness(uint8_t *rgb, size_t n, float factor);
void bl_pil_color(const bl_pixel_ops *ops, uint8_t *rgb, size_t n, float factor);
void bl_pil_contrast(const bl_pixel_ops *ops, uint8_t *rgb, size_t n, float factor);
/* `rows`: 9 * width bytes of scratch. */
void bl_pil_sharpness(const bl_pixel_ops *ops, uint8_t *rgb, int width, int height, float factor,
                      uint8_t *rows);

/* Image.convert("L").convert("RGB"). */
void bl_pil_grey(const bl_pixel_ops *ops, uint8_t *rgb, size_t n);

/* Through Pillow's HSV and back, with `shift` added to the 8-bit hue modulo 256 (torchvision's
 * adjust_hue on a Pillow image: shift = trunc(255 hue_factor)). */
void bl_pil_hue(uint8_t *rgb, size_t n, int shift);

#endif
