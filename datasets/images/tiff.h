/* TIFF through libtiff, where it was found when building. */
#ifndef BALLAST_DATASETS_IMAGES_TIFF_H
#define BALLAST_DATASETS_IMAGES_TIFF_H

#include <string.h>

#include "datasets/images/image.h"

/* Starts like a TIFF of either byte order; 43 is BigTIFF. */
static inline int bl_tiff_is(const uint8_t *data, size_t size) {
    return size >= 4 && (memcmp(data, "II*\0", 4) == 0 || memcmp(data, "MM\0*", 4) == 0 ||
                         memcmp(data, "II+\0", 4) == 0 || memcmp(data, "MM\0+", 4) == 0);
}

/* The first picture of the file, in any kind that libtiff turns into RGB; alpha is dropped. `name`
 * stands for the file in messages. Without the library both fail with BL_EUNSUPPORTED and name its
 * package. */
bl_status bl_tiff_decode(const uint8_t *data, size_t size, const char *name, bl_image *out);
bl_status bl_tiff_size(const uint8_t *data, size_t size, const char *name, int32_t *width,
                       int32_t *height);

#endif
