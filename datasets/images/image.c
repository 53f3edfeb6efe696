#include "datasets/images/image.h"

#include <stdlib.h>

#include "core/fs.h"
#include "datasets/images/bmp.h"
#include "datasets/images/exif.h"
#include "datasets/images/jpeg.h"
#include "datasets/images/orientation.h"
#include "datasets/images/png.h"
#include "datasets/images/tiff.h"
#include "datasets/images/webp.h"

enum { MAX_FILE = 1 << 29 };

typedef struct format {
    int (*is)(const uint8_t *data, size_t size);
    bl_status (*decode)(const uint8_t *data, size_t size, const char *name, bl_image *out);
    bl_status (*size)(const uint8_t *data, size_t size, const char *name, int32_t *width,
                      int32_t *height);
    int (*orientation)(const uint8_t *data, size_t size);
} format;

static int upright(const uint8_t *data, size_t size) {
    (void)data;
    (void)size;
    return 1;
}

static const format formats[] = {{bl_jpeg_is, bl_jpeg_decode, bl_jpeg_size, bl_exif_of_jpeg},
                                 {bl_png_is, bl_png_decode, bl_png_size, bl_exif_of_png},
                                 {bl_bmp_is, bl_bmp_decode, bl_bmp_size, upright},
                                 {bl_tiff_is, bl_tiff_decode, bl_tiff_size, bl_exif_orientation},
                                 {bl_webp_is, bl_webp_decode, bl_webp_size, bl_exif_of_webp}};

static bl_status recognise(const uint8_t *data, size_t size, const char *name, const format **out) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        *out = &formats[i];
        if (formats[i].is(data, size)) return BL_OK;
    }
    if (size == 0) return bl_fail(BL_EFORMAT, "%s: the file is empty", name);
    return bl_fail(BL_EFORMAT, "%s: is not an image: neither JPEG, PNG, BMP, TIFF nor WebP", name);
}

bl_status bl_image_decode(const uint8_t *data, size_t size, const char *name, bool exif,
                          bl_image *out) {
    const format *f;
    *out = (bl_image){0};
    BL_TRY(recognise(data, size, name, &f));
    BL_TRY(f->decode(data, size, name, out));
    bl_status status = exif ? bl_orientation_image(f->orientation(data, size), out) : BL_OK;
    if (status != BL_OK) bl_image_free(out);
    return status;
}

bl_status bl_image_load(const char *path, bool exif, bl_image *out) {
    char *data;
    size_t size;
    *out = (bl_image){0};
    BL_TRY(bl_check_regular(path));
    BL_TRY(bl_read_file(path, MAX_FILE, &data, &size));
    bl_status status = bl_image_decode((const uint8_t *)data, size, path, exif, out);
    free(data);
    return status;
}

bl_status bl_image_read_header(const char *path, bl_image_header *out) {
    bl_map m;
    const format *f;
    *out = (bl_image_header){.orientation = 1};
    BL_TRY(bl_map_open(path, &m));
    bl_status status = recognise(m.data, m.size, path, &f);
    if (status == BL_OK) status = f->size(m.data, m.size, path, &out->width, &out->height);
    if (status == BL_OK) out->orientation = f->orientation(m.data, m.size);
    bl_map_close(&m);
    return status;
}

bl_status bl_image_size(const char *path, bool exif, int32_t *width, int32_t *height) {
    bl_image_header h;
    *width = *height = 0;
    BL_TRY(bl_image_read_header(path, &h));
    bool swap = exif && bl_orientation_swaps(h.orientation);
    *width = swap ? h.height : h.width;
    *height = swap ? h.width : h.height;
    return BL_OK;
}
