#include "datasets/views/augment_color.h"

#include <stdlib.h>

#include "datasets/images/pil_color.h"

static const char *const names[BL_COLOR_OPS] = {"identity",   "autocontrast", "equalize",
                                                "solarize",   "color",        "contrast",
                                                "brightness", "sharpness",    "posterize"};

const char *bl_color_name(bl_color_op op) {
    return names[op];
}

static bl_status sharpness(const bl_pixel_ops *ops, bl_image *img, float factor) {
    uint8_t *rows = malloc(9 * (size_t)img->width);
    if (!rows) return bl_no_memory("for rows of %d pixels (sharpness)", img->width);
    bl_pil_sharpness(ops, img->rgb, img->width, img->height, factor, rows);
    free(rows);
    return BL_OK;
}

bl_status bl_color_apply(bl_image *img, bl_color_op op, int magnitude) {
    if (magnitude < 1 || magnitude > 9)
        return bl_fail(BL_EINVAL, "colour operation: magnitude %d is not in 1..9", magnitude);
    const bl_pixel_ops *ops = bl_pixel_ops_best();
    size_t n = (size_t)img->width * (size_t)img->height;
    float factor = (float)(0.18 * magnitude + 0.1);
    switch (op) {
    case BL_COLOR_IDENTITY:
        return BL_OK;
    case BL_COLOR_AUTOCONTRAST:
        bl_pil_autocontrast(img->rgb, n);
        return BL_OK;
    case BL_COLOR_EQUALIZE:
        bl_pil_equalize(img->rgb, n);
        return BL_OK;
    case BL_COLOR_SOLARIZE:
        bl_pil_solarize(ops, img->rgb, n, 256 * magnitude / 10);
        return BL_OK;
    case BL_COLOR_SATURATION:
        bl_pil_color(ops, img->rgb, n, factor);
        return BL_OK;
    case BL_COLOR_CONTRAST:
        bl_pil_contrast(ops, img->rgb, n, factor);
        return BL_OK;
    case BL_COLOR_BRIGHTNESS:
        bl_pil_brightness(img->rgb, n, factor);
        return BL_OK;
    case BL_COLOR_SHARPNESS:
        return sharpness(ops, img, factor);
    case BL_COLOR_POSTERIZE:
        bl_pil_posterize(ops, img->rgb, n, 4 - 4 * magnitude / 10);
        return BL_OK;
    default:
        return bl_fail(BL_EINVAL, "colour operation %d does not exist (0..%d)", (int)op,
                       BL_COLOR_OPS - 1);
    }
}

bl_status bl_color_random(bl_image *img, bl_rng *rng) {
    bl_color_op op = (bl_color_op)bl_rng_below(rng, BL_COLOR_OPS);
    int magnitude = 1 + (int)bl_rng_below(rng, 9);
    return bl_color_apply(img, op, magnitude);
}
