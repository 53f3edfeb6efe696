#include "datasets/images/png.h"

#include <spng.h>
#include <stdlib.h>

#include "core/fs.h"

/* Ancillary chunks (profiles, text) hold nothing for us, but are parsed. */
enum { MAX_CHUNK = 1 << 24, MAX_CHUNKS = 1 << 26 };

static bl_status damaged(const char *name, int code) {
    return bl_fail(code == SPNG_EMEM ? BL_ENOMEM : BL_EFORMAT, "%s: broken PNG: %s", name,
                   spng_strerror(code));
}

static bl_status open_png(const uint8_t *data, size_t size, const char *name, spng_ctx **out,
                          struct spng_ihdr *head) {
    spng_ctx *c = *out = spng_ctx_new(0);
    if (!c) return bl_no_memory("for %s", name);
    int e = spng_set_crc_action(c, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
    if (!e) e = spng_set_chunk_limits(c, MAX_CHUNK, MAX_CHUNKS);
    if (!e) e = spng_set_png_buffer(c, data, size);
    if (!e) e = spng_get_ihdr(c, head);
    if (e) return damaged(name, e);
    return bl_image_check_size(name, head->width, head->height);
}

bl_status bl_png_decode(const uint8_t *data, size_t size, const char *name, bl_image *out) {
    spng_ctx *c;
    struct spng_ihdr head;
    *out = (bl_image){0};
    bl_status status;
    BL_TRY_DONE(open_png(data, size, name, &c, &head));
    BL_TRY_DONE(bl_image_alloc((int32_t)head.width, (int32_t)head.height, out));
    int e = spng_decode_image(c, out->rgb, (size_t)head.width * head.height * 3, SPNG_FMT_RGB8, 0);
    if (!e) e = spng_decode_chunks(c);
    if (e) status = damaged(name, e);
done:
    spng_ctx_free(c);
    if (status != BL_OK) bl_image_free(out);
    return status;
}

bl_status bl_png_size(const uint8_t *data, size_t size, const char *name, int32_t *width,
                      int32_t *height) {
    spng_ctx *c;
    struct spng_ihdr head;
    bl_status status = open_png(data, size, name, &c, &head);
    if (status == BL_OK) {
        *width = (int32_t)head.width;
        *height = (int32_t)head.height;
    }
    spng_ctx_free(c);
    return status;
}

bl_status bl_png_write(const char *path, const bl_image *img) {
    BL_TRY(bl_image_check_size(path, img->width, img->height));
    spng_ctx *c = spng_ctx_new(SPNG_CTX_ENCODER);
    if (!c) return bl_no_memory("for %s", path);
    struct spng_ihdr head = {.width = (uint32_t)img->width,
                             .height = (uint32_t)img->height,
                             .bit_depth = 8,
                             .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    void *data = NULL;
    size_t size = 0;
    int e = spng_set_ihdr(c, &head);
    if (!e) e = spng_set_option(c, SPNG_ENCODE_TO_BUFFER, 1);
    if (!e)
        e = spng_encode_image(c, img->rgb, (size_t)img->width * (size_t)img->height * 3,
                              SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    if (!e) data = spng_get_png_buffer(c, &size, &e);
    bl_status status =
        e ? bl_fail(BL_EINVAL, "%s: cannot encode as PNG: %s", path, spng_strerror(e))
          : bl_write_file(path, data, size);
    free(data);
    spng_ctx_free(c);
    return status;
}
