#include "core/packed_file.h"

#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DECODER_MEMORY = 256 << 20 };

static const char *reason(lzma_ret r) {
    switch (r) {
    case LZMA_MEM_ERROR:
        return "out of memory";
    case LZMA_MEMLIMIT_ERROR:
        return "it needs more than 256 MiB to unpack";
    case LZMA_FORMAT_ERROR:
        return "it is not an xz file";
    case LZMA_OPTIONS_ERROR:
        return "it uses an xz filter that is not supported";
    case LZMA_BUF_ERROR:
        return "it ends early";
    default:
        return "its content is damaged";
    }
}

bl_status bl_xz_unpack(const uint8_t *packed, size_t packed_size, const char *name,
                       size_t max_bytes, uint8_t **data, size_t *size) {
    lzma_stream z = LZMA_STREAM_INIT;
    lzma_ret r = lzma_stream_decoder(&z, DECODER_MEMORY, LZMA_CONCATENATED);
    size_t room = packed_size < ((size_t)1 << 20) ? (size_t)1 << 20 : packed_size * 2;
    if (room > max_bytes) room = max_bytes;
    uint8_t *buffer = NULL;
    bl_status status = BL_OK;
    z.next_in = packed;
    z.avail_in = packed_size;
    size_t done = 0;
    while (r == LZMA_OK && status == BL_OK) {
        if (!buffer || done == room) {
            size_t more = buffer ? (room > max_bytes / 2 ? max_bytes : room * 2) : room;
            uint8_t *grown = more > done || !buffer ? realloc(buffer, more + 1) : NULL;
            if (!grown) {
                status = more > done ? bl_no_memory("for %s", name)
                                     : bl_fail(BL_EFORMAT,
                                               "%s: unpacks to more than the %zu bytes that such a "
                                               "file may have",
                                               name, max_bytes);
                break;
            }
            buffer = grown;
            room = more;
        }
        z.next_out = buffer + done;
        z.avail_out = room - done;
        r = lzma_code(&z, LZMA_FINISH);
        done = room - z.avail_out;
    }
    if (status == BL_OK && r != LZMA_STREAM_END)
        status = bl_fail(r == LZMA_MEM_ERROR ? BL_ENOMEM : BL_EFORMAT,
                         "%s: cannot be unpacked at byte %llu: %s", name,
                         (unsigned long long)z.total_in, reason(r));
    lzma_end(&z);
    if (status != BL_OK) {
        free(buffer);
        return status;
    }
    *data = buffer;
    *size = done;
    return BL_OK;
}

static char *packed_name(const char *path) {
    char *name = NULL;
    return asprintf(&name, "%s.xz", path) < 0 ? NULL : name;
}

bool bl_packed_exists(const char *path) {
    if (bl_exists(path)) return true;
    char *packed = packed_name(path);
    bool there = packed && bl_exists(packed);
    free(packed);
    return there;
}

void bl_packed_close(bl_packed *p) {
    if (p->map.data) bl_map_close(&p->map);
    free(p->heap);
    free(p->name);
    *p = (bl_packed){0};
}

static bl_status open_named(const char *path, char *packed, size_t max_bytes, bl_packed *p) {
    bool plain = bl_exists(path) || !bl_exists(packed);
    p->name = strdup(plain ? path : packed);
    if (!p->name) return bl_no_memory("for %s", path);
    BL_TRY(bl_map_open(p->name, &p->map));
    p->data = p->map.data;
    p->size = p->map.size;
    if (plain) return BL_OK;
    BL_TRY(bl_xz_unpack(p->map.data, p->map.size, p->name, max_bytes, &p->heap, &p->size));
    bl_map_close(&p->map);
    p->map = (bl_map){0};
    p->data = p->heap;
    return BL_OK;
}

bl_status bl_packed_open(const char *path, size_t max_bytes, bl_packed *p) {
    *p = (bl_packed){0};
    char *packed = packed_name(path);
    bl_status status =
        packed ? open_named(path, packed, max_bytes, p) : bl_no_memory("for %s", path);
    free(packed);
    if (status != BL_OK) bl_packed_close(p);
    return status;
}
