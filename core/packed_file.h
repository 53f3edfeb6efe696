/* Whole files that may be stored in xz compression. */
#ifndef BALLAST_CORE_PACKED_FILE_H
#define BALLAST_CORE_PACKED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fs.h"

/* A file's content, read-only: the mapped file, or what was unpacked from it. */
typedef struct bl_packed {
    const uint8_t *data;
    size_t size;
    char *name; /* of the file that was found, for messages */
    bl_map map;
    uint8_t *heap;
} bl_packed;

/* Opens `path`, or, when it does not exist, `path`.xz, unpacked (at most max_bytes; the decoder may
 * use 256 MiB). BL_EIO when neither is there, BL_EFORMAT when compressed data is damaged or ends
 * early. *p is empty on failure. */
bl_status bl_packed_open(const char *path, size_t max_bytes, bl_packed *p);
void bl_packed_close(bl_packed *p); /* safe on an empty one */

/* One of the two is there. */
bool bl_packed_exists(const char *path);

/* Unpacks xz data in memory; `name` for messages. */
bl_status bl_xz_unpack(const uint8_t *packed, size_t packed_size, const char *name,
                       size_t max_bytes, uint8_t **data, size_t *size);

#endif
