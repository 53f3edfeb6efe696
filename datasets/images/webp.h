/* WebP through libwebp, where it was found when building. */
#ifndef BALLAST_DATASETS_IMAGES_WEBP_H
#define BALLAST_DATASETS_IMAGES_WEBP_H

#include <string.h>

#include "datasets/images/image.h"

/* Starts like a WebP. */
static inline int bl_webp_is(const uint8_t *data, size_t size) {
    return size >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0;
}

/* Lossy and lossless; alpha is dropped, animations are refused. `name` stands for the file in
 * messages. Without the library both fail with BL_EUNSUPPORTED and name its package. */
bl_status bl_webp_decode(const uint8_t *data, size_t size, const char *name, bl_image *out);
bl_status bl_webp_size(const uint8_t *data, size_t size, const char *name, int32_t *width,
                       int32_t *height);

#endif
