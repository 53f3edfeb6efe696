/* Pillow's Image.resize on 8-bit RGB, to the bit: separable filters with antialiasing (the filter
 * is widened when shrinking), 22-bit fixed-point weights, rounding to bytes between
 * the two passes. */
#ifndef BALLAST_DATASETS_IMAGES_PIL_RESIZE_H
#define BALLAST_DATASETS_IMAGES_PIL_RESIZE_H

#include <stdbool.h>

#include "datasets/images/image.h"

typedef enum bl_pil_filter { BL_PIL_BOX, BL_PIL_BILINEAR, BL_PIL_BICUBIC } bl_pil_filter;

/* Weights and intermediate rows, kept from call to call and grown as needed; zero it to start. One
 * thread at a time. */
typedef struct bl_pil_resizer {
    struct bl_pil_taps {
        int32_t *first, *count; /* of each output coordinate */
        int32_t *weights;       /* [outputs][most] */
        int most;
        double *exact; /* [most]: one output's weights before rounding */
        size_t room, weight_room, exact_room;
    } taps[2];
    uint8_t *rows;
    size_t rows_room;
    bool plain; /* keep to plain C: for tests */
} bl_pil_resizer;
void bl_pil_resizer_free(bl_pil_resizer *r);

/* Makes room for every resize of at most width x height pixels to this size, so that it cannot run
 * out of memory. */
bl_status bl_pil_resizer_reserve(bl_pil_resizer *r, int width, int height, bl_pil_filter filter,
                                 int out_width, int out_height);

/* src: width x height, rows `stride` bytes apart (a crop of a larger image resizes as Pillow's crop
 * does); dst: out_width x out_height, rows without gaps. */
bl_status bl_pil_resize(bl_pil_resizer *r, const uint8_t *src, size_t stride, int width, int height,
                        bl_pil_filter filter, uint8_t *dst, int out_width, int out_height);

/* The whole of it for an image; out is allocated. */
bl_status bl_pil_resize_image(const bl_image *src, int32_t width, int32_t height,
                              bl_pil_filter filter, bl_image *out);

#endif
