#include "datasets/images/webp.h"

#ifdef BALLAST_WEBP

#include <webp/decode.h>

static bl_status damaged(const char *name, VP8StatusCode code) {
    static const char *const reasons[] = {[VP8_STATUS_OUT_OF_MEMORY] = "out of memory",
                                          [VP8_STATUS_INVALID_PARAM] = "invalid parameters",
                                          [VP8_STATUS_BITSTREAM_ERROR] = "the data are corrupt",
                                          [VP8_STATUS_UNSUPPORTED_FEATURE] = "an unknown feature",
                                          [VP8_STATUS_SUSPENDED] = "the file ends early",
                                          [VP8_STATUS_USER_ABORT] = "stopped",
                                          [VP8_STATUS_NOT_ENOUGH_DATA] = "the file ends early"};
    bool known = code > 0 && (size_t)code < sizeof reasons / sizeof *reasons;
    return bl_fail(code == VP8_STATUS_OUT_OF_MEMORY ? BL_ENOMEM : BL_EFORMAT, "%s: broken WebP: %s",
                   name, known ? reasons[code] : "unknown reason");
}

static bl_status open_webp(const uint8_t *data, size_t size, const char *name,
                           WebPBitstreamFeatures *head) {
    VP8StatusCode code = WebPGetFeatures(data, size, head);
    if (code != VP8_STATUS_OK) return damaged(name, code);
    if (head->has_animation)
        return bl_fail(BL_EFORMAT, "%s: is an animated WebP; save one picture of it", name);
    return bl_image_check_size(name, head->width, head->height);
}

bl_status bl_webp_decode(const uint8_t *data, size_t size, const char *name, bl_image *out) {
    WebPDecoderConfig c;
    *out = (bl_image){0};
    if (!WebPInitDecoderConfig(&c))
        return bl_fail(BL_EUNSUPPORTED, "%s: libwebp is of another version than its headers", name);
    BL_TRY(open_webp(data, size, name, &c.input));
    BL_TRY(bl_image_alloc(c.input.width, c.input.height, out));
    c.output.colorspace = MODE_RGB;
    c.output.is_external_memory = 1;
    c.output.u.RGBA =
        (WebPRGBABuffer){out->rgb, 3 * out->width, 3 * (size_t)out->width * (size_t)out->height};
    VP8StatusCode code = WebPDecode(data, size, &c);
    WebPFreeDecBuffer(&c.output);
    if (code == VP8_STATUS_OK) return BL_OK;
    bl_image_free(out);
    return damaged(name, code);
}

bl_status bl_webp_size(const uint8_t *data, size_t size, const char *name, int32_t *width,
                       int32_t *height) {
    WebPBitstreamFeatures head;
    BL_TRY(open_webp(data, size, name, &head));
    *width = head.width;
    *height = head.height;
    return BL_OK;
}

#else

static bl_status absent(const char *name) {
    return bl_fail(BL_EUNSUPPORTED,
                   "%s: is a WebP image, and this program was built without libwebp; install "
                   "libwebp-dev and build it again, or save the image as PNG",
                   name);
}

bl_status bl_webp_decode(const uint8_t *data, size_t size, const char *name, bl_image *out) {
    (void)data;
    (void)size;
    *out = (bl_image){0};
    return absent(name);
}

bl_status bl_webp_size(const uint8_t *data, size_t size, const char *name, int32_t *width,
                       int32_t *height) {
    (void)data;
    (void)size;
    *width = *height = 0;
    return absent(name);
}

#endif
