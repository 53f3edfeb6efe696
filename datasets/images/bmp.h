/* Windows bitmaps without compression, the only ones in use: own code, since what libraries there
 * are read other things. */
#ifndef BALLAST_DATASETS_IMAGES_BMP_H
#define BALLAST_DATASETS_IMAGES_BMP_H

#include "datasets/images/image.h"

/* Starts like a BMP. */
static inline int bl_bmp_is(const uint8_t *data, size_t size) {
    return size >= 2 && data[0] == 'B' && data[1] == 'M';
}

/* 8 bits with a palette, 24 bits, and 32 bits with any masks of whole bytes, whose alpha is dropped;
 * rows from the bottom or from the top. Anything else is BL_EFORMAT and named. `name` stands for the
 * file in messages. */
bl_status bl_bmp_decode(const uint8_t *data, size_t size, const char *name, bl_image *out);
bl_status bl_bmp_size(const uint8_t *data, size_t size, const char *name, int32_t *width,
                      int32_t *height);

#endif
