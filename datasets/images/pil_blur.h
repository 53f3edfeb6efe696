/* Pillow's ImageFilter.GaussianBlur on 8-bit RGB, in place and to the bit: three box blurs with a
 * fractional radius (Gwosdek et al., "Theoretical foundations of Gaussian convolution by extended
 * box filtering", SSVM 2011), along rows, then along columns, edges repeated. */
#ifndef BALLAST_DATASETS_IMAGES_PIL_BLUR_H
#define BALLAST_DATASETS_IMAGES_PIL_BLUR_H

#include <stddef.h>
#include <stdint.h>

/* sigma in px, >= 0. `scratch`: 6 * max(width, height) bytes. */
void bl_pil_gaussian_blur(uint8_t *rgb, int width, int height, float sigma, uint8_t *scratch);

#endif
