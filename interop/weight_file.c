#include "interop/weight_file.h"

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/strmap.h"
#include "interop/shards.h"
#include "interop/torch_file.h"

typedef struct source {
    bl_arena *arena;
    bl_map map; /* of a file; empty for memory */
} source;

static void release(void *owner) {
    source *s = owner;
    bl_map_close(&s->map);
    bl_arena_destroy(s->arena);
    free(s);
}

const char *bl_weight_file_kind_name(bl_weight_file_kind kind) {
    static const char *const name[] = {"safetensors", "safetensors in shards", "PyTorch file (zip)",
                                       "PyTorch file (before 1.6)", "pickle of arrays"};
    return name[kind];
}

/* ---- what a file is ---- */

static bool starts(const uint8_t *data, size_t size, const char *with, size_t n) {
    return size >= n && memcmp(data, with, n) == 0;
}

static bl_status tell_kind(const uint8_t *data, size_t size, const char *name,
                           bl_weight_file_kind *kind) {
    *kind = BL_WEIGHT_FILE_SAFETENSORS;
    if (starts(data, size, "PK\3\4", 4))
        *kind = BL_WEIGHT_FILE_TORCH_ZIP;
    else if (bl_torch_is_legacy(data, size))
        *kind = BL_WEIGHT_FILE_TORCH_LEGACY;
    else if (size > 2 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5 &&
             (size < 9 || data[8] != '{'))
        *kind = BL_WEIGHT_FILE_PICKLE;
    else if (size > 262 && memcmp(data + 257, "ustar", 5) == 0)
        return bl_fail(
            BL_EUNSUPPORTED,
            "%s: a tar archive, PyTorch's format of before 0.1.10; open it with a PyTorch "
            "that still reads it and save it anew",
            name);
    else if (starts(data, size, "\x89HDF", 4))
        return bl_fail(BL_EUNSUPPORTED, "%s: an HDF5 file (Keras?), which is not read", name);
    return BL_OK;
}

/* ---- tensors of pickles ---- */

/* Rows of a tensor that is not laid out densely, one after the other. */
static void gather(const bl_pickled *t, const uint8_t *from, int dim, uint8_t **to) {
    if (dim == t->ndim) {
        memcpy(*to, from, t->width);
        *to += t->width;
        return;
    }
    for (int64_t i = 0; i < t->shape[dim]; i++)
        gather(t, from + (size_t)(i * t->stride[dim]) * t->width, dim + 1, to);
}

static bool is_dense(const bl_pickled *t) {
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && t->stride[i] != step) return false;
        step *= t->shape[i];
    }
    return true;
}

static bl_status place(const bl_pickled *t, const uint8_t *storage, bl_arena *arena,
                       bl_st_tensor *out) {
    int64_t count = 1;
    for (int i = 0; i < t->ndim; i++)
        if (t->shape[i] == 0) count = 0;
    for (int i = 0; i < t->ndim && count; i++) count *= t->shape[i];
    *out = (bl_st_tensor){.name = t->name, .dtype = t->dtype, .ndim = t->ndim};
    memcpy(out->shape, t->shape, sizeof out->shape);
    out->bytes = (size_t)count * t->width;
    const uint8_t *from = count ? storage + (size_t)t->offset * t->width : storage;
    out->data = from;
    if (count == 0 || is_dense(t)) return BL_OK;
    uint8_t *copy = BL_NEW_ARRAY(arena, uint8_t, out->bytes);
    if (!copy) return BL_ENOMEM;
    out->data = copy;
    gather(t, from, 0, &copy);
    return BL_OK;
}

/* Where a described tensor's bytes are; their number is checked against the description. */
static bl_status find_bytes(const bl_torch_file *f, const bl_strmap *keys, const bl_pickled *t,
                            const uint8_t **data) {
    *data = t->data;
    if (!t->key) return BL_OK;
    char *key = bl_arena_printf(f->arena, "%.*s", (int)t->key_size, t->key);
    if (!key) return BL_ENOMEM;
    int64_t k = bl_strmap_get(keys, 0, key);
    if (k < 0)
        return bl_fail(BL_EFORMAT, "%s: tensor \"%s\": its storage %.40s is missing", f->name,
                       t->name, key);
    if (f->storage_size[k] / t->width < (size_t)t->storage)
        return bl_fail(BL_EFORMAT, "%s: tensor \"%s\": its storage %.40s is too short", f->name,
                       t->name, key);
    *data = f->storage[k];
    return BL_OK;
}

static bl_status collect(bl_torch_file *f, bl_st_tensor **out, size_t *n) {
    bl_pickled *t;
    const char *foreign;
    bl_strmap *keys = bl_strmap_create(f->arena);
    if (!keys) return BL_ENOMEM;
    for (size_t i = 0; i < f->n_keys; i++)
        if (bl_strmap_add(keys, 0, f->key[i], (int64_t)i) < 0) return BL_ENOMEM;
    BL_TRY(bl_pickled_tensors(f->root, f->name, f->arena, &t, n, &foreign));
    if (*n == 0)
        return bl_fail(BL_EFORMAT, "%s: holds no tensors%s%s%s", f->name,
                       foreign ? " outside of objects of class " : "", foreign ? foreign : "",
                       foreign ? ", which are not read; save the state_dict() alone" : "");
    *out = BL_NEW_ARRAY(f->arena, bl_st_tensor, *n);
    if (!*out) return BL_ENOMEM;
    for (size_t i = 0; i < *n; i++) {
        const uint8_t *data;
        BL_TRY(find_bytes(f, keys, &t[i], &data));
        BL_TRY(place(&t[i], data, f->arena, &(*out)[i]));
    }
    return BL_OK;
}

static bl_status read_pickled(bl_torch_file *f, bl_weight_file_kind kind, bl_st_tensor **out,
                              size_t *n) {
    if (kind == BL_WEIGHT_FILE_TORCH_ZIP)
        BL_TRY(bl_torch_zip_read(f));
    else if (kind == BL_WEIGHT_FILE_TORCH_LEGACY)
        BL_TRY(bl_torch_legacy_read(f));
    else
        BL_TRY(bl_pickle_read(f->data, f->size, f->name, f->arena, &f->root, NULL));
    return collect(f, out, n);
}

static bl_status open_pickled(const uint8_t *data, size_t size, const char *name,
                              bl_weight_file_kind kind, source *s, bl_st_file **out) {
    bl_torch_file f = {.name = name, .data = data, .size = size, .arena = s->arena};
    bl_st_tensor *tensors = NULL;
    size_t n = 0;
    bl_status status = read_pickled(&f, kind, &tensors, &n);
    if (status != BL_OK) {
        release(s);
        return status;
    }
    return bl_st_wrap(name, tensors, (int)n, release, s, out);
}

static bl_status open_data(const uint8_t *data, size_t size, const char *name,
                           bl_weight_file_kind kind, bl_map map, bl_st_file **out) {
    source *s = calloc(1, sizeof *s);
    if (s) s->arena = bl_arena_create(1 << 16);
    if (!s || !s->arena) {
        free(s);
        bl_map_close(&map);
        return bl_no_memory("for %s", name);
    }
    s->map = map;
    return open_pickled(data, size, name, kind, s, out);
}

bl_status bl_weight_file_open_memory(const void *data, size_t size, const char *name,
                                     bl_st_file **out, bl_weight_file_kind *kind) {
    bl_weight_file_kind found;
    *out = NULL;
    BL_TRY(tell_kind(data, size, name, &found));
    if (kind) *kind = found;
    if (found == BL_WEIGHT_FILE_SAFETENSORS) return bl_st_open_memory(data, size, name, out);
    return open_data(data, size, name, found, (bl_map){0}, out);
}

bl_status bl_weight_file_open(const char *path, bl_st_file **out, bl_weight_file_kind *kind) {
    bl_map map;
    bl_weight_file_kind found;
    *out = NULL;
    if (bl_shards_is_index(path)) {
        if (kind) *kind = BL_WEIGHT_FILE_SHARDS;
        return bl_shards_open(path, out);
    }
    BL_TRY(bl_map_open(path, &map));
    bl_status status = tell_kind(map.data, map.size, path, &found);
    if (status == BL_OK && kind) *kind = found;
    if (status != BL_OK || found == BL_WEIGHT_FILE_SAFETENSORS) {
        bl_map_close(&map);
        return status == BL_OK ? bl_st_open(path, out) : status;
    }
    return open_data(map.data, map.size, path, found, map, out);
}
