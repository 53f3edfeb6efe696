/* Decoded images and the one resize that training, evaluation and prediction share. */
#ifndef BALLAST_DATASETS_IMAGE_H
#define BALLAST_DATASETS_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* 8-bit RGB, row-major, interleaved, no padding between rows. */
typedef struct bl_image {
    int32_t width, height;
    uint8_t *rgb; /* width*height*3 bytes, malloc'd */
} bl_image;

enum { BL_IMAGE_MAX_SIDE = 32768, BL_IMAGE_MAX_PIXELS = 1 << 27 };

/* JPEG (libjpeg-turbo, default integer DCT, EXIF orientation ignored as COCO's annotations expect)
 * or PNG (libspng; alpha dropped, grey expanded, 16 bit reduced), recognised by content. Truncated
 * or corrupt data is BL_EFORMAT with the path and the library's reason; a truncated JPEG is an
 * error, not a grey half. */
bl_status bl_image_load(const char *path, bl_image *out);
bl_status bl_image_decode(const uint8_t *data, size_t size, const char *name, bl_image *out);
/* Width and height from the header alone: cheap, and says nothing about the pixels. */
bl_status bl_image_size(const char *path, int32_t *width, int32_t *height);
/* BL_EFORMAT unless 1 <= sides <= BL_IMAGE_MAX_SIDE and the product is
 * at most BL_IMAGE_MAX_PIXELS. */
bl_status bl_image_check_size(const char *name, int64_t width, int64_t height);
bl_status bl_image_alloc(int32_t width, int32_t height, bl_image *out); /* zeroed */
bl_status bl_image_copy(const bl_image *src, bl_image *out);
void bl_image_free(bl_image *img);

/* Bilinear with half-pixel centres, edge-clamped, no antialiasing (OpenCV INTER_LINEAR, the
 * mmdetection convention), 11-bit fixed-point weights. Vectorised; out is allocated. */
bl_status bl_image_resize(const bl_image *src, int32_t width, int32_t height, bl_image *out);

bl_status bl_jpeg_write(const char *path, const bl_image *img, int quality); /* 4:4:4, atomic */
bl_status bl_png_write(const char *path, const bl_image *img);               /* atomic */
/* malloc'd JPEG bytes (for data: URIs in reports). */
bl_status bl_jpeg_encode(const bl_image *img, int quality, uint8_t **data, size_t *size);

#endif
