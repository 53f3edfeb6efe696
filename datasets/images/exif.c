#include "datasets/images/exif.h"

#include <stdbool.h>
#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_BYTE = 1, TYPE_SHORT = 3, TYPE_LONG = 4 };

static uint32_t number(const uint8_t *p, int bytes, bool big) {
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | p[big ? i : bytes - 1 - i];
    return v;
}

/* The value of an entry of 12 bytes: tag, type, count, value. */
static uint32_t entry_value(const uint8_t *p, bool big) {
    switch (number(p + 2, 2, big)) {
    case TYPE_BYTE:
        return p[8];
    case TYPE_SHORT:
        return number(p + 8, 2, big);
    case TYPE_LONG:
        return number(p + 8, 4, big);
    default:
        return 0;
    }
}

int bl_exif_orientation(const uint8_t *data, size_t size) {
    if (size < 8 || (memcmp(data, "II", 2) != 0 && memcmp(data, "MM", 2) != 0)) return 1;
    bool big = data[0] == 'M';
    size_t at = number(data + 4, 4, big);
    if (number(data + 2, 2, big) != 42 || at > size - 2) return 1;
    uint32_t n = number(data + at, 2, big);
    at += 2;
    for (uint32_t i = 0; i < n && size - at >= 12; i++, at += 12) {
        if (number(data + at, 2, big) != TAG_ORIENTATION) continue;
        uint32_t v = entry_value(data + at, big);
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 1;
}

/* Segments up to the first scan: FF, marker, two bytes of length that count themselves. */
int bl_exif_of_jpeg(const uint8_t *data, size_t size) {
    enum { APP1 = 0xE1, SCAN = 0xDA, END = 0xD9, FILL = 0xFF, HEAD = 6 };
    size_t at = 2;
    while (at + 4 <= size && data[at] == 0xFF) {
        uint8_t marker = data[at + 1];
        if (marker == FILL) {
            at++;
            continue;
        }
        if (marker == SCAN || marker == END) return 1;
        size_t n = number(data + at + 2, 2, true);
        if (n < 2 || n > size - at - 2) return 1;
        const uint8_t *body = data + at + 4;
        if (marker == APP1 && n - 2 >= HEAD && memcmp(body, "Exif\0\0", HEAD) == 0)
            return bl_exif_orientation(body + HEAD, n - 2 - HEAD);
        at += 2 + n;
    }
    return 1;
}

/* Chunks: four bytes of length, name, content, checksum. The tag's may stand behind the pixels. */
int bl_exif_of_png(const uint8_t *data, size_t size) {
    size_t at = 8;
    while (at <= size && size - at >= 12) {
        size_t n = number(data + at, 4, true);
        if (n > size - at - 12) return 1;
        if (memcmp(data + at + 4, "eXIf", 4) == 0) return bl_exif_orientation(data + at + 8, n);
        at += 12 + n;
    }
    return 1;
}

/* RIFF chunks behind a header of 12 bytes: name, length, content padded to an even length. Some
 * writers put JPEG's "Exif" before the block. */
int bl_exif_of_webp(const uint8_t *data, size_t size) {
    enum { HEAD = 6 };
    size_t at = 12;
    while (at <= size && size - at >= 8) {
        size_t n = number(data + at + 4, 4, false);
        const uint8_t *body = data + at + 8;
        if (n > size - at - 8) return 1;
        bool headed = n >= HEAD && memcmp(body, "Exif\0\0", HEAD) == 0;
        if (memcmp(data + at, "EXIF", 4) == 0)
            return headed ? bl_exif_orientation(body + HEAD, n - HEAD)
                          : bl_exif_orientation(body, n);
        at += 8 + n + n % 2;
    }
    return 1;
}
