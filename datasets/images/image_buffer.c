/* The memory of images. */
#include <stdlib.h>
#include <string.h>

#include "datasets/images/image.h"

bl_status bl_image_check_size(const char *name, int64_t width, int64_t height) {
    if (width < 1 || height < 1 || width > BL_IMAGE_MAX_SIDE || height > BL_IMAGE_MAX_SIDE ||
        width * height > BL_IMAGE_MAX_PIXELS)
        return bl_fail(
            BL_EFORMAT,
            "%s: image of %lldx%lld pixels; sides of 1 to %d and at most %d million pixels "
            "are supported",
            name, (long long)width, (long long)height, BL_IMAGE_MAX_SIDE,
            BL_IMAGE_MAX_PIXELS / 1000000);
    return BL_OK;
}

bl_status bl_image_alloc(int32_t width, int32_t height, bl_image *out) {
    *out = (bl_image){0};
    BL_TRY(bl_image_check_size("image", width, height));
    uint8_t *rgb = calloc((size_t)width * (size_t)height, 3);
    if (!rgb) return bl_no_memory("for an image of %dx%d", width, height);
    *out = (bl_image){width, height, rgb};
    return BL_OK;
}

bl_status bl_image_copy(const bl_image *src, bl_image *out) {
    BL_TRY(bl_image_alloc(src->width, src->height, out));
    memcpy(out->rgb, src->rgb, (size_t)src->width * (size_t)src->height * 3);
    return BL_OK;
}

void bl_image_free(bl_image *img) {
    free(img->rgb);
    *img = (bl_image){0};
}
