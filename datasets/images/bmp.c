#include "datasets/images/bmp.h"

#include <string.h>

enum { FILE_HEADER = 14, OLD_HEADER = 12, HEADER = 40, RGB = 0, BITFIELDS = 3 };

typedef struct bmp {
    int32_t width, height;
    bool from_top;
    uint32_t bits, compression;
    size_t pixels, stride;  /* in the file: where the rows are, bytes of each */
    const uint8_t *palette; /* n_colours entries of entry_size bytes: blue, green, red */
    size_t n_colours, entry_size;
    int at[3]; /* bytes of red, green and blue in a pixel */
} bmp;

static uint32_t u16(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const uint8_t *p) {
    return u16(p) | u16(p + 2) << 16;
}

static bl_status broken(const char *name, const char *why) {
    return bl_fail(BL_EFORMAT, "%s: broken BMP: %s", name, why);
}

/* Which byte a mask selects; -1: none as a whole. */
static int byte_of(uint32_t mask) {
    for (int i = 0; i < 4; i++)
        if (mask == 0xFFu << 8 * i) return i;
    return -1;
}

static bl_status unsupported(const char *name, const bmp *b) {
    return bl_fail(BL_EFORMAT,
                   "%s: is a BMP of %u bits with compression %u; those of 8, 24 and 32 bits "
                   "without compression can be read: save it as PNG",
                   name, b->bits, b->compression);
}

/* Masks follow the header of 40 bytes, and are part of longer ones. */
static bl_status read_masks(const uint8_t *data, size_t size, const char *name, bmp *b) {
    if (b->compression == RGB) return BL_OK;
    if (size < FILE_HEADER + HEADER + 12) return broken(name, "the file ends early");
    for (int i = 0; i < 3; i++) {
        b->at[i] = byte_of(u32(data + FILE_HEADER + HEADER + 4 * i));
        if (b->at[i] < 0) return unsupported(name, b);
    }
    return BL_OK;
}

static bl_status read_header(const uint8_t *data, size_t size, const char *name, bmp *b) {
    if (size < FILE_HEADER + 4) return broken(name, "the file ends early");
    uint32_t header = u32(data + FILE_HEADER);
    const uint8_t *p = data + FILE_HEADER;
    bool old = header == OLD_HEADER;
    if (!old && (header < HEADER || header > 124)) return broken(name, "no header of a known kind");
    if (size < FILE_HEADER + (size_t)header) return broken(name, "the file ends early");
    int64_t height = old ? (int64_t)u16(p + 6) : (int32_t)u32(p + 8);
    int64_t width = old ? (int64_t)u16(p + 4) : (int32_t)u32(p + 4);
    BL_TRY(bl_image_check_size(name, width, height < 0 ? -height : height));
    *b = (bmp){.width = (int32_t)width,
               .height = (int32_t)(height < 0 ? -height : height),
               .from_top = height < 0,
               .bits = u16(p + (old ? 10 : 14)),
               .compression = old ? RGB : u32(p + 16),
               .pixels = u32(data + 10),
               .palette = p + header,
               .entry_size = old ? 3 : 4,
               .at = {2, 1, 0}};
    bool known = b->bits == 8 || b->bits == 24 || b->bits == 32;
    bool masks = b->compression == BITFIELDS && b->bits == 32;
    if (!known || (b->compression != RGB && !masks)) return unsupported(name, b);
    b->stride = ((size_t)b->width * b->bits / 8 + 3) / 4 * 4;
    b->n_colours = old || u32(p + 32) == 0 ? 256 : u32(p + 32);
    return read_masks(data, size, name, b);
}

/* The palette may be shorter than it says: it ends where the pixels begin. */
static bl_status check_room(size_t size, const char *name, const uint8_t *data, bmp *b) {
    if (b->pixels > size || (size - b->pixels) / b->stride < (size_t)b->height)
        return broken(name, "the file ends early");
    if (b->bits != 8) return BL_OK;
    size_t start = (size_t)(b->palette - data);
    if (b->pixels < start) return broken(name, "its pixels begin within the header");
    size_t most = (b->pixels - start) / b->entry_size;
    if (b->n_colours > most) b->n_colours = most;
    return BL_OK;
}

static bl_status decode_row(const bmp *b, const uint8_t *row, const char *name, uint8_t *rgb) {
    size_t step = b->bits / 8;
    for (int32_t x = 0; x < b->width; x++, row += step, rgb += 3) {
        const uint8_t *p = row;
        if (step == 1 && *row >= b->n_colours) return broken(name, "a pixel beyond its palette");
        if (step == 1) p = b->palette + *row * b->entry_size;
        for (int i = 0; i < 3; i++) rgb[i] = p[b->at[i]];
    }
    return BL_OK;
}

bl_status bl_bmp_decode(const uint8_t *data, size_t size, const char *name, bl_image *out) {
    bmp b;
    *out = (bl_image){0};
    BL_TRY(read_header(data, size, name, &b));
    BL_TRY(check_room(size, name, data, &b));
    BL_TRY(bl_image_alloc(b.width, b.height, out));
    bl_status status = BL_OK;
    for (int32_t y = 0; y < b.height && status == BL_OK; y++) {
        size_t line = (size_t)(b.from_top ? y : b.height - 1 - y);
        status = decode_row(&b, data + b.pixels + line * b.stride, name,
                            out->rgb + (size_t)y * (size_t)b.width * 3);
    }
    if (status != BL_OK) bl_image_free(out);
    return status;
}

bl_status bl_bmp_size(const uint8_t *data, size_t size, const char *name, int32_t *width,
                      int32_t *height) {
    bmp b;
    BL_TRY(read_header(data, size, name, &b));
    *width = b.width;
    *height = b.height;
    return BL_OK;
}
