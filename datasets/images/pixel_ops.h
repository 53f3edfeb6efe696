/* Inner loops over bytes that the pixel operations share: plain C, and the same compiled for AVX2
 * or written for it. Both give the same bytes (tests/golden/test_datasets_pil.c). */
#ifndef BALLAST_DATASETS_IMAGES_PIXEL_OPS_H
#define BALLAST_DATASETS_IMAGES_PIXEL_OPS_H

#include <stddef.h>
#include <stdint.h>

typedef struct bl_pixel_ops {
    const char *name; /* "plain", "avx2" */
    /* p[i] = clip(trunc(from[i] + factor * (p[i] - from[i]))) in single precision: Image.blend. */
    void (*blend)(uint8_t *p, const uint8_t *from, size_t n, float factor);
    /* p[i] >= threshold ? 255 - p[i] : p[i]; threshold 0..256. */
    void (*solarize)(uint8_t *p, size_t n, int threshold);
    /* p[i] & mask */
    void (*mask)(uint8_t *p, size_t n, uint8_t mask);
    /* Luma of n pixels, (19595 R + 38470 G + 7471 B + 2^15) >> 16, to `grey` three times each;
     * returns their sum. */
    uint64_t (*luma)(const uint8_t *rgb, size_t n, uint8_t *grey);
    /* out[i] = round of the 3x3 kernel (1 1 1; 1 5 1; 1 1 1) / 13 at byte i of `here`, neighbours 3
     * bytes apart, for i in [3, n - 3); other bytes are not written. */
    void (*smooth)(const uint8_t *above, const uint8_t *here, const uint8_t *below, size_t n,
                   uint8_t *out);
    /* One row of a nearest-neighbour affine map: output pixel x takes the source pixel at
     * ((u0 + x du) >> 16, (v0 + x dv) >> 16), black outside. src and dst have BL_PIXEL_SLACK bytes
     * behind them. */
    void (*gather)(const uint8_t *src, int width, int height, int32_t u0, int32_t v0, int32_t du,
                   int32_t dv, int n, uint8_t *dst);
} bl_pixel_ops;

enum { BL_PIXEL_SLACK = 32 };

const bl_pixel_ops *bl_pixel_ops_plain(void);
/* The fastest that this machine has. */
const bl_pixel_ops *bl_pixel_ops_best(void);

#endif
