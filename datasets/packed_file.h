/* Whole files that may be stored in xz compression. */
#ifndef BALLAST_DATASETS_PACKED_FILE_H
#define BALLAST_DATASETS_PACKED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Reads `path`, or, when it does not exist, `path`.xz unpacked. At most max_bytes of content;
 * decompression is bounded in memory too (256 MiB). The caller frees *data. BL_EIO when neither is
 * there, BL_EFORMAT when the compressed data is damaged or ends early. */
bl_status bl_packed_read(const char *path, size_t max_bytes, uint8_t **data, size_t *size);

/* One of the two is there. */
bool bl_packed_exists(const char *path);

/* Unpacks xz data in memory; `name` for messages. */
bl_status bl_xz_unpack(const uint8_t *packed, size_t packed_size, const char *name,
                       size_t max_bytes, uint8_t **data, size_t *size);

#endif
