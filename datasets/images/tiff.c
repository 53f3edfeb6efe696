#include "datasets/images/tiff.h"

#ifdef BALLAST_TIFF

#include <stdio.h>
#include <stdlib.h>

#include <tiffio.h>

/* No part of a picture of BL_IMAGE_MAX_PIXELS needs more, so a file that asks for it is a bomb. */
static const tmsize_t max_alloc = (tmsize_t)BL_IMAGE_MAX_PIXELS * 8;

/* A file in memory, and libtiff's first complaint about it. */
typedef struct source {
    const uint8_t *data;
    size_t size, at;
    char why[256];
} source;

static tmsize_t on_read(thandle_t h, void *to, tmsize_t n) {
    source *s = h;
    size_t left = s->at < s->size ? s->size - s->at : 0;
    if ((size_t)n > left) n = (tmsize_t)left;
    memcpy(to, s->data + s->at, (size_t)n);
    s->at += (size_t)n;
    return n;
}

static tmsize_t on_write(thandle_t h, void *from, tmsize_t n) {
    (void)h;
    (void)from;
    (void)n;
    return 0;
}

static toff_t on_seek(thandle_t h, toff_t to, int whence) {
    source *s = h;
    if (whence == SEEK_CUR) to += s->at;
    if (whence == SEEK_END) to += s->size;
    s->at = (size_t)to;
    return to;
}

static int on_close(thandle_t h) {
    (void)h;
    return 0;
}

static toff_t on_size(thandle_t h) {
    return ((source *)h)->size;
}

static int on_error(TIFF *t, void *arg, const char *module, const char *format, va_list values) {
    source *s = arg;
    (void)t;
    (void)module;
    if (!*s->why) vsnprintf(s->why, sizeof s->why, format, values);
    return 1;
}

static int on_warning(TIFF *t, void *arg, const char *module, const char *format, va_list values) {
    (void)t;
    (void)arg;
    (void)module;
    (void)format;
    (void)values;
    return 1;
}

static bl_status damaged(const char *name, const source *s) {
    return bl_fail(BL_EFORMAT, "%s: broken TIFF: %s", name, *s->why ? s->why : "no reason given");
}

static bl_status check_size(TIFF *t, const char *name, int32_t *width, int32_t *height) {
    uint32_t w = 0, h = 0;
    TIFFGetField(t, TIFFTAG_IMAGEWIDTH, &w);
    TIFFGetField(t, TIFFTAG_IMAGELENGTH, &h);
    BL_TRY(bl_image_check_size(name, w, h));
    *width = (int32_t)w;
    *height = (int32_t)h;
    return BL_OK;
}

/* "m": no mapping, since the file is in memory already. */
static bl_status open_tiff(source *s, const char *name, int32_t *width, int32_t *height,
                           TIFF **out) {
    TIFFOpenOptions *o = TIFFOpenOptionsAlloc();
    *out = NULL;
    if (!o) return bl_no_memory("for %s", name);
    TIFFOpenOptionsSetErrorHandlerExtR(o, on_error, s);
    TIFFOpenOptionsSetWarningHandlerExtR(o, on_warning, s);
    TIFFOpenOptionsSetMaxSingleMemAlloc(o, max_alloc);
    *out = TIFFClientOpenExt(name, "rm", s, on_read, on_write, on_seek, on_close, on_size, NULL,
                             NULL, o);
    TIFFOpenOptionsFree(o);
    return *out ? check_size(*out, name, width, height) : damaged(name, s);
}

/* libtiff multiplies colours by an alpha that they are not multiplied by yet; as alpha is dropped,
 * it is told that they are. */
static void keep_colours(TIFF *t) {
    uint16_t n = 0, *kinds = NULL, associated = EXTRASAMPLE_ASSOCALPHA;
    if (TIFFGetField(t, TIFFTAG_EXTRASAMPLES, &n, &kinds) && n == 1 &&
        kinds[0] == EXTRASAMPLE_UNASSALPHA)
        TIFFSetField(t, TIFFTAG_EXTRASAMPLES, 1, &associated);
}

/* Stored pixels, whatever the orientation: libtiff mirrors, but does not transpose. */
static bool read_pixels(TIFF *t, source *s, uint32_t *raster, int32_t width, int32_t height) {
    TIFFRGBAImage img;
    char why[1024] = "";
    keep_colours(t);
    bool ok = TIFFRGBAImageOK(t, why) && TIFFRGBAImageBegin(&img, t, 1, why);
    if (ok) {
        img.orientation = img.req_orientation = ORIENTATION_TOPLEFT;
        ok = TIFFRGBAImageGet(&img, raster, (uint32_t)width, (uint32_t)height);
        TIFFRGBAImageEnd(&img);
    }
    if (!ok && !*s->why) snprintf(s->why, sizeof s->why, "%.255s", why);
    return ok && !*s->why;
}

static bl_status decode(TIFF *t, source *s, const char *name, bl_image *out) {
    size_t n = (size_t)out->width * (size_t)out->height;
    uint32_t *raster = malloc(n * sizeof *raster);
    if (!raster) return bl_no_memory("for %s", name);
    bool ok = read_pixels(t, s, raster, out->width, out->height);
    for (size_t i = 0; ok && i < n; i++) {
        out->rgb[3 * i] = (uint8_t)TIFFGetR(raster[i]);
        out->rgb[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
        out->rgb[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
    }
    free(raster);
    return ok ? BL_OK : damaged(name, s);
}

bl_status bl_tiff_decode(const uint8_t *data, size_t size, const char *name, bl_image *out) {
    source s = {.data = data, .size = size};
    int32_t width, height;
    TIFF *t;
    *out = (bl_image){0};
    bl_status status = open_tiff(&s, name, &width, &height, &t);
    if (status == BL_OK) status = bl_image_alloc(width, height, out);
    if (status == BL_OK) status = decode(t, &s, name, out);
    if (t) TIFFClose(t);
    if (status != BL_OK) bl_image_free(out);
    return status;
}

bl_status bl_tiff_size(const uint8_t *data, size_t size, const char *name, int32_t *width,
                       int32_t *height) {
    source s = {.data = data, .size = size};
    TIFF *t;
    bl_status status = open_tiff(&s, name, width, height, &t);
    if (t) TIFFClose(t);
    return status;
}

#else

static bl_status absent(const char *name) {
    return bl_fail(BL_EUNSUPPORTED,
                   "%s: is a TIFF image, and this program was built without libtiff 4.5 or newer; "
                   "install libtiff-dev and build it again, or save the image as PNG",
                   name);
}

bl_status bl_tiff_decode(const uint8_t *data, size_t size, const char *name, bl_image *out) {
    (void)data;
    (void)size;
    *out = (bl_image){0};
    return absent(name);
}

bl_status bl_tiff_size(const uint8_t *data, size_t size, const char *name, int32_t *width,
                       int32_t *height) {
    (void)data;
    (void)size;
    *width = *height = 0;
    return absent(name);
}

#endif
