#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "interop/torch_file.h"

/* PyTorch stores entries and never compresses them; refusing others keeps a small file from asking
 * for much memory. */
static bl_status read_entry(const bl_torch_file *f, zip_t *zip, zip_uint64_t i,
                            const uint8_t **data, size_t *size) {
    zip_stat_t st;
    const zip_uint64_t all = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_NAME;
    if (zip_stat_index(zip, i, 0, &st) || (st.valid & all) != all)
        return bl_fail(BL_EFORMAT, "%s: damaged zip archive: entry %llu", f->name,
                       (unsigned long long)i);
    if (st.comp_method != ZIP_CM_STORE || st.size > f->size)
        return bl_fail(BL_EFORMAT, "%s: entry %.200s is compressed, which PyTorch never does",
                       f->name, st.name);
    uint8_t *to = BL_NEW_ARRAY(f->arena, uint8_t, st.size + 1);
    if (!to) return BL_ENOMEM;
    zip_file_t *entry = zip_fopen_index(zip, i, 0);
    zip_int64_t got = entry ? zip_fread(entry, to, st.size) : -1;
    bool bad = entry && zip_fclose(entry) != 0;
    if (bad || got != (zip_int64_t)st.size)
        return bl_fail(BL_EFORMAT, "%s: entry %.200s cannot be read whole (damaged, or cut short)",
                       f->name, st.name);
    *data = to;
    *size = (size_t)st.size;
    return BL_OK;
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* "NAME/data.pkl"; *prefix receives the length of "NAME/". */
static bl_status find_pickle(const bl_torch_file *f, zip_t *zip, zip_uint64_t *at, size_t *prefix) {
    zip_int64_t n = zip_get_num_entries(zip, 0);
    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = zip_get_name(zip, (zip_uint64_t)i, 0);
        if (!name || !ends_with(name, "data.pkl")) continue;
        if (strchr(name, '/') && !ends_with(name, "/data.pkl")) continue;
        *at = (zip_uint64_t)i;
        *prefix = strlen(name) - strlen("data.pkl");
        return BL_OK;
    }
    return bl_fail(BL_EFORMAT, "%s: a zip archive without data.pkl: not a file of weights",
                   f->name);
}

static bl_status check_byte_order(const bl_torch_file *f, zip_t *zip, const char *prefix,
                                  size_t n) {
    const uint8_t *order;
    size_t size;
    char *name = bl_arena_printf(f->arena, "%.*sbyteorder", (int)n, prefix);
    if (!name) return BL_ENOMEM;
    zip_int64_t i = zip_name_locate(zip, name, 0);
    if (i < 0) return BL_OK;
    BL_TRY(read_entry(f, zip, (zip_uint64_t)i, &order, &size));
    return size >= 6 && memcmp(order, "little", 6) == 0
               ? BL_OK
               : bl_fail(BL_EUNSUPPORTED, "%s: written on a big-endian machine", f->name);
}

static bl_status read_storages(bl_torch_file *f, zip_t *zip, const char *prefix, size_t n_prefix) {
    zip_int64_t n = zip_get_num_entries(zip, 0);
    f->storage = BL_NEW_ARRAY(f->arena, const uint8_t *, n);
    f->storage_size = BL_NEW_ARRAY(f->arena, size_t, n);
    f->key = BL_NEW_ARRAY(f->arena, const char *, n);
    if (!f->storage || !f->storage_size || !f->key) return BL_ENOMEM;
    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = zip_get_name(zip, (zip_uint64_t)i, 0);
        if (!name || strncmp(name, prefix, n_prefix) != 0) continue;
        if (strncmp(name + n_prefix, "data/", 5) != 0 || !name[n_prefix + 5]) continue;
        size_t k = f->n_keys++;
        f->key[k] = bl_arena_strdup(f->arena, name + n_prefix + 5);
        if (!f->key[k]) return BL_ENOMEM;
        BL_TRY(read_entry(f, zip, (zip_uint64_t)i, &f->storage[k], &f->storage_size[k]));
    }
    return BL_OK;
}

static bl_status read_archive(bl_torch_file *f, zip_t *zip) {
    zip_uint64_t at = 0;
    size_t n_prefix = 0, size = 0;
    const uint8_t *pickle;
    BL_TRY(find_pickle(f, zip, &at, &n_prefix));
    char *prefix = bl_arena_printf(f->arena, "%.*s", (int)n_prefix, zip_get_name(zip, at, 0));
    if (!prefix) return BL_ENOMEM;
    BL_TRY(check_byte_order(f, zip, prefix, n_prefix));
    BL_TRY(read_entry(f, zip, at, &pickle, &size));
    BL_TRY(bl_pickle_read(pickle, size, f->name, f->arena, &f->root, NULL));
    return read_storages(f, zip, prefix, n_prefix);
}

bl_status bl_torch_zip_read(bl_torch_file *f) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(f->data, f->size, 0, &error);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    if (!zip) {
        bl_status status = bl_fail(BL_EFORMAT, "%s: a damaged zip archive: %s", f->name,
                                   zip_error_strerror(&error));
        if (source) zip_source_free(source);
        zip_error_fini(&error);
        return status;
    }
    zip_error_fini(&error);
    bl_status status = read_archive(f, zip);
    zip_discard(zip);
    return status;
}
