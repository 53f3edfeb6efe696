/* JPEG through libjpeg-turbo, with its errors and fatal warnings turned into statuses. */
#ifndef BALLAST_DATASETS_IMAGES_JPEG_H
#define BALLAST_DATASETS_IMAGES_JPEG_H

#include "datasets/images/image.h"

/* Starts like a JPEG. */
static inline int bl_jpeg_is(const uint8_t *data, size_t size) {
    return size >= 3 && data[0] == 0xFF && data[1] == 0xD8 && data[2] == 0xFF;
}

/* `name` stands for the file in messages. Grey, YCbCr, RGB, CMYK and YCCK become RGB. */
bl_status bl_jpeg_decode(const uint8_t *data, size_t size, const char *name, bl_image *out);
/* Reads the markers before the pixels only. */
bl_status bl_jpeg_size(const uint8_t *data, size_t size, const char *name, int32_t *width,
                       int32_t *height);

#endif
