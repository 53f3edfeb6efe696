#include "datasets/image.h"

#include <stdlib.h>

#include "core/fs.h"
#include "datasets/jpeg.h"
#include "datasets/png.h"

enum { MAX_FILE = 1 << 29 };

static bl_status unknown(const char *name, size_t size) {
    if (size == 0) return bl_fail(BL_EFORMAT, "%s: the file is empty", name);
    return bl_fail(BL_EFORMAT, "%s: is neither a JPEG nor a PNG file", name);
}

bl_status bl_image_decode(const uint8_t *data, size_t size, const char *name, bl_image *out) {
    *out = (bl_image){0};
    if (bl_jpeg_is(data, size)) return bl_jpeg_decode(data, size, name, out);
    if (bl_png_is(data, size)) return bl_png_decode(data, size, name, out);
    return unknown(name, size);
}

bl_status bl_image_load(const char *path, bl_image *out) {
    char *data;
    size_t size;
    *out = (bl_image){0};
    BL_TRY(bl_check_regular(path));
    BL_TRY(bl_read_file(path, MAX_FILE, &data, &size));
    bl_status status = bl_image_decode((const uint8_t *)data, size, path, out);
    free(data);
    return status;
}

bl_status bl_image_size(const char *path, int32_t *width, int32_t *height) {
    bl_map m;
    *width = *height = 0;
    BL_TRY(bl_map_open(path, &m));
    bl_status status;
    if (bl_jpeg_is(m.data, m.size))
        status = bl_jpeg_size(m.data, m.size, path, width, height);
    else if (bl_png_is(m.data, m.size))
        status = bl_png_size(m.data, m.size, path, width, height);
    else
        status = unknown(path, m.size);
    bl_map_close(&m);
    return status;
}
