/* PyTorch's two containers. Both hold one pickle, whose tensors are slices of storages that lie
 * elsewhere in the file. Internal to interop/. */
#ifndef BALLAST_INTEROP_TORCH_FILE_H
#define BALLAST_INTEROP_TORCH_FILE_H

#include "interop/pickled.h"

/* A file while it is read. Everything found belongs to the arena or lies in `data`. */
typedef struct bl_torch_file {
    const char *name; /* for messages */
    const uint8_t *data;
    size_t size;
    bl_arena *arena;
    /* Results: the pickled object and where storages are: */
    bl_pickle *root;
    const uint8_t **storage; /* [n_keys] */
    size_t *storage_size;    /* bytes */
    const char **key;        /* NUL-terminated */
    size_t n_keys;
} bl_torch_file;

/* 1.6 and later: a zip archive with data.pkl and one stored entry a storage. */
bl_status bl_torch_zip_read(bl_torch_file *f);

/* Before: pickles of a magic number, version, system, object and storage keys, then for each key a
 * 64-bit count and the elements. */
bool bl_torch_is_legacy(const uint8_t *data, size_t size);
bl_status bl_torch_legacy_read(bl_torch_file *f);

#endif
