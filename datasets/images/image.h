/* Decoded images and the one resize that training, evaluation and prediction share. */
#ifndef BALLAST_DATASETS_IMAGES_IMAGE_H
#define BALLAST_DATASETS_IMAGES_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* 8-bit RGB, row-major, interleaved, no padding between rows. */
typedef struct bl_image {
    int32_t width, height;
    uint8_t *rgb; /* width*height*3 bytes, malloc'd */
} bl_image;

enum { BL_IMAGE_MAX_SIDE = 32768, BL_IMAGE_MAX_PIXELS = 1 << 27 };

/* What a file says before its pixels. */
typedef struct bl_image_header {
    int32_t width, height; /* as stored */
    int orientation;       /* EXIF's, 1 to 8 (orientation.h) */
} bl_image_header;

/* JPEG (libjpeg-turbo, default integer DCT), PNG (libspng), BMP, TIFF (libtiff) or WebP (libwebp),
 * recognised by content; alpha dropped, grey expanded, 16 bit reduced. BL_EUNSUPPORTED for the last
 * two where their libraries were not found when building. `exif`: turned as EXIF's orientation says, as OpenCV,
 * mmdetection and detectron2 read images; else as stored. Truncated or corrupt data is BL_EFORMAT
 * with the path and the library's reason; a truncated JPEG is an error, not a grey half. */
bl_status bl_image_load(const char *path, bool exif, bl_image *out);
bl_status bl_image_decode(const uint8_t *data, size_t size, const char *name, bool exif,
                          bl_image *out);
/* The header alone: cheap, and says nothing about the pixels. */
bl_status bl_image_read_header(const char *path, bl_image_header *out);
/* Width and height of what bl_image_load would give. */
bl_status bl_image_size(const char *path, bool exif, int32_t *width, int32_t *height);
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
