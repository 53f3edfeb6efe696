/* 8-bit images that lie on the device, as a network's input. */
#include "kernels/internal.h"

_Static_assert(sizeof(bl_device_image) % 4 == 0, "lists are copied in words");

bl_status bl_make_inputs(bl_ctx *ctx, const bl_device_image *image, int64_t n,
                         const bl_input_attr *attr, int64_t h, int64_t w, bl_tensor **out) {
    bl_tensor *y, *list;
    *out = NULL;
    if (attr->multiple < 1 || h > INT32_MAX || w > INT32_MAX) {
        return bl_fail(BL_EINVAL, "make_inputs: %lldx%lld px in multiples of %d are not possible",
                       (long long)w, (long long)h, attr->multiple);
    }
    for (int64_t i = 0; i < n; i++) {
        if (image[i].width < 1 || image[i].height < 1 || image[i].width > w ||
            image[i].height > h) {
            return bl_fail(BL_EINVAL, "make_inputs: image %lld of %dx%d px does not fit %lldx%lld",
                           (long long)i, image[i].width, image[i].height, (long long)w,
                           (long long)h);
        }
    }
    BL_TRY(bl_tensor_new(ctx, n, 3, h, w, ctx->cb == 0 ? 3 : 1, BL_F32, &y));
    BL_TRY(bl_upload(ctx, BL_I32, n, sizeof *image / 4, image, &list));
    if (bl_storage(y) > 0) ctx->k->inputs(list->data, attr, y);
    bl_tensor_drop(ctx, list);
    *out = y;
    return BL_OK;
}
