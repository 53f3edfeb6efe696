#include "datasets/images/jpeg.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

#include "core/fs.h"

/* A progressive file may hold any number of scans, each of which costs a pass over the image. Real
 * encoders write about ten. */
enum { MAX_SCANS = 100 };

typedef struct guard {
    struct jpeg_error_mgr mgr;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    char text[JMSG_LENGTH_MAX];
} guard;

static void on_error(j_common_ptr c) {
    guard *g = (guard *)c->err;
    c->err->format_message(c, g->text);
    longjmp(g->jump, 1);
}

/* libjpeg goes on after these with invented pixels; training must not see them. */
static bool fatal(int code) {
    return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
           code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
}

static void on_message(j_common_ptr c, int level) {
    if (level < 0 && fatal(c->err->msg_code)) on_error(c);
}

static void on_progress(j_common_ptr c) {
    j_decompress_ptr d = (j_decompress_ptr)c;
    guard *g = (guard *)c->err;
    if (d->input_scan_number <= MAX_SCANS) return;
    snprintf(g->text, sizeof g->text, "more than %d progressive scans", MAX_SCANS);
    longjmp(g->jump, 1);
}

static void arm(struct jpeg_common_struct *c, guard *g) {
    c->err = jpeg_std_error(&g->mgr);
    g->mgr.error_exit = on_error;
    g->mgr.emit_message = on_message;
    g->text[0] = 0;
}

/* The statements that libjpeg may jump out of; everything that must be freed lives
 * in the caller. */
static bool decode_header(struct jpeg_decompress_struct *c, guard *g, const uint8_t *data,
                          size_t size) {
    if (setjmp(g->jump)) return false;
    jpeg_create_decompress(c);
    g->progress.progress_monitor = on_progress;
    c->progress = &g->progress;
    jpeg_mem_src(c, data, size);
    jpeg_read_header(c, TRUE);
    return true;
}

/* Stored inks are inverted: 255 is none of it. That is Adobe's convention, which its marker stands
 * for; files without the marker follow it too, and Pillow and OpenCV read them so. Rounded as in
 * Pillow: paper left by black, less the ink's share of it. */
static void inks_to_rgb(const uint8_t inks[4], uint8_t rgb[3]) {
    unsigned white = inks[3];
    for (int i = 0; i < 3; i++) {
        unsigned t = (255u - inks[i]) * white + 128;
        rgb[i] = (uint8_t)(white - (((t >> 8) + t) >> 8));
    }
}

static bool decode_pixels(struct jpeg_decompress_struct *c, guard *g, uint8_t *rgb, uint8_t *cmyk) {
    if (setjmp(g->jump)) return false;
    c->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    c->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(c);
    size_t stride = (size_t)c->output_width * 3;
    while (c->output_scanline < c->output_height) {
        uint8_t *row = rgb + c->output_scanline * stride;
        JSAMPROW to = cmyk ? cmyk : row;
        jpeg_read_scanlines(c, &to, 1);
        if (!cmyk) continue;
        for (size_t x = 0; x < c->output_width; x++) inks_to_rgb(cmyk + 4 * x, row + 3 * x);
    }
    jpeg_finish_decompress(c);
    return true;
}

static bl_status damaged(const char *name, const guard *g) {
    return bl_fail(BL_EFORMAT, "%s: broken JPEG: %s", name, g->text);
}

bl_status bl_jpeg_decode(const uint8_t *data, size_t size, const char *name, bl_image *out) {
    struct jpeg_decompress_struct c = {0};
    guard g = {0};
    uint8_t *cmyk = NULL;
    bl_status status = BL_OK;
    *out = (bl_image){0};
    arm((j_common_ptr)&c, &g);
    if (!decode_header(&c, &g, data, size)) {
        status = damaged(name, &g);
        goto done;
    }
    BL_TRY_DONE(bl_image_check_size(name, c.image_width, c.image_height));
    BL_TRY_DONE(bl_image_alloc((int32_t)c.image_width, (int32_t)c.image_height, out));
    if (c.jpeg_color_space == JCS_CMYK || c.jpeg_color_space == JCS_YCCK) {
        cmyk = malloc((size_t)c.image_width * 4);
        if (!cmyk) {
            status = bl_no_memory("for %s", name);
            goto done;
        }
    }
    if (!decode_pixels(&c, &g, out->rgb, cmyk)) status = damaged(name, &g);
done:
    free(cmyk);
    jpeg_destroy_decompress(&c);
    if (status != BL_OK) bl_image_free(out);
    return status;
}

bl_status bl_jpeg_size(const uint8_t *data, size_t size, const char *name, int32_t *width,
                       int32_t *height) {
    struct jpeg_decompress_struct c = {0};
    guard g = {0};
    arm((j_common_ptr)&c, &g);
    bl_status status = decode_header(&c, &g, data, size)
                           ? bl_image_check_size(name, c.image_width, c.image_height)
                           : damaged(name, &g);
    if (status == BL_OK) {
        *width = (int32_t)c.image_width;
        *height = (int32_t)c.image_height;
    }
    jpeg_destroy_decompress(&c);
    return status;
}

static bool encode(struct jpeg_compress_struct *c, guard *g, const bl_image *img, int quality,
                   uint8_t **data, unsigned long *size) {
    if (setjmp(g->jump)) return false;
    jpeg_create_compress(c);
    jpeg_mem_dest(c, data, size);
    c->image_width = (JDIMENSION)img->width;
    c->image_height = (JDIMENSION)img->height;
    c->input_components = 3;
    c->in_color_space = JCS_RGB;
    jpeg_set_defaults(c);
    jpeg_set_quality(c, quality, TRUE);
    c->dct_method = JDCT_ISLOW;
    for (int i = 0; i < 3; i++) /* 4:4:4 */
        c->comp_info[i].h_samp_factor = c->comp_info[i].v_samp_factor = 1;
    jpeg_start_compress(c, TRUE);
    while (c->next_scanline < c->image_height) {
        JSAMPROW row = img->rgb + (size_t)c->next_scanline * (size_t)img->width * 3;
        jpeg_write_scanlines(c, &row, 1);
    }
    jpeg_finish_compress(c);
    return true;
}

bl_status bl_jpeg_encode(const bl_image *img, int quality, uint8_t **data, size_t *size) {
    struct jpeg_compress_struct c = {0};
    guard g = {0};
    *data = NULL;
    *size = 0;
    if (quality < 1 || quality > 100)
        return bl_fail(BL_EINVAL, "JPEG quality is %d, expected 1 to 100", quality);
    BL_TRY(bl_image_check_size("image", img->width, img->height));
    /* libjpeg writes into our buffer and moves to one of its own when that is too small. */
    unsigned long bytes = 4096 + (unsigned long)img->width * (unsigned long)img->height;
    uint8_t *ours = malloc(bytes), *result = ours;
    if (!ours) return bl_no_memory("for a JPEG of %lu bytes", bytes);
    arm((j_common_ptr)&c, &g);
    bool ok = encode(&c, &g, img, quality, &result, &bytes);
    jpeg_destroy_compress(&c);
    if (!ok || result != ours) free(ours);
    if (!ok)
        return bl_fail(BL_EINVAL, "cannot encode an image of %dx%d as JPEG: %s", img->width,
                       img->height, g.text);
    *data = result;
    *size = bytes;
    return BL_OK;
}

bl_status bl_jpeg_write(const char *path, const bl_image *img, int quality) {
    uint8_t *data;
    size_t size;
    BL_TRY(bl_jpeg_encode(img, quality, &data, &size));
    bl_status status = bl_write_file(path, data, size);
    free(data);
    return status;
}
