/* PNG through libspng, with limits on sizes. */
#ifndef BALLAST_DATASETS_IMAGES_PNG_H
#define BALLAST_DATASETS_IMAGES_PNG_H

#include "datasets/images/image.h"

/* Starts like a PNG. */
static inline int bl_png_is(const uint8_t *data, size_t size) {
    return size >= 4 && data[0] == 0x89 && data[1] == 'P' && data[2] == 'N' && data[3] == 'G';
}

/* `name` stands for the file in messages. Palette and grey are expanded, alpha is dropped, 16 bit
 * keeps the upper 8. The whole file up to IEND is checked. */
bl_status bl_png_decode(const uint8_t *data, size_t size, const char *name, bl_image *out);
bl_status bl_png_size(const uint8_t *data, size_t size, const char *name, int32_t *width,
                      int32_t *height);

#endif
