#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/safetensors.h"
#include "core/strmap.h"

enum { ALIGNMENT = 8 };

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {[BL_ST_F32] = {"F32", 4}, [BL_ST_F16] = {"F16", 2}, [BL_ST_BF16] = {"BF16", 2},
              [BL_ST_F64] = {"F64", 8}, [BL_ST_I32] = {"I32", 4}, [BL_ST_I64] = {"I64", 8},
              [BL_ST_U8] = {"U8", 1}};

/* A name that occurs twice gives a file that no reader accepts: refuse. */
static bl_status check_unique(bl_strmap *seen, const char *path, const char *name, int i) {
    int64_t held = bl_strmap_add(seen, 0, name, i);
    if (held < 0) return BL_ENOMEM;
    if (held != i) return bl_fail(BL_EINVAL, "%s: \"%s\" is written twice", path, name);
    return BL_OK;
}

static bl_status check_tensors(const char *path, const bl_st_tensor *tensors, int n,
                               bl_arena *arena) {
    bl_strmap *seen = bl_strmap_create(arena);
    if (!seen) return BL_ENOMEM;
    for (int i = 0; i < n; i++) {
        const bl_st_tensor *t = &tensors[i];
        if ((unsigned)t->dtype >= BL_ST_OTHER || t->ndim < 0 || t->ndim > BL_ST_MAX_DIMS) {
            return bl_fail(BL_EINVAL, "%s: tensor \"%s\": bad dtype or number of dimensions", path,
                           t->name);
        }
        size_t bytes = dtypes[t->dtype].size;
        for (int k = 0; k < t->ndim; k++) {
            if (t->shape[k] < 0 || __builtin_mul_overflow(bytes, (size_t)t->shape[k], &bytes)) {
                return bl_fail(BL_EINVAL, "%s: tensor \"%s\": bad shape", path, t->name);
            }
        }
        if (bytes != t->bytes) {
            return bl_fail(BL_EINVAL, "%s: tensor \"%s\": %zu bytes given, the shape needs %zu",
                           path, t->name, t->bytes, bytes);
        }
        if (strcmp(t->name, "__metadata__") == 0) {
            return bl_fail(BL_EINVAL, "%s: a tensor cannot be called \"__metadata__\"", path);
        }
        BL_TRY(check_unique(seen, path, t->name, i));
    }
    return BL_OK;
}

static struct json_object *describe(const bl_st_tensor *t, int64_t offset) {
    struct json_object *o = json_object_new_object(), *shape = json_object_new_array(),
                       *span = json_object_new_array();
    for (int k = 0; k < t->ndim; k++) {
        bl_json_append(&shape, json_object_new_int64(t->shape[k]));
    }
    bl_json_append(&span, json_object_new_int64(offset));
    bl_json_append(&span, json_object_new_int64(offset + (int64_t)t->bytes));
    bl_json_add(&o, "dtype", json_object_new_string(dtypes[t->dtype].name));
    bl_json_add(&o, "shape", shape);
    bl_json_add(&o, "data_offsets", span);
    return o;
}

static struct json_object *describe_metadata(const char *const *metadata, int n) {
    struct json_object *o = json_object_new_object();
    for (int i = 0; i < n; i++) {
        bl_json_add(&o, metadata[2 * i], json_object_new_string(metadata[2 * i + 1]));
    }
    return o;
}

/* Wide elements first, otherwise in the given order: then every tensor is aligned
 * to its element. */
static void sort_by_width(const bl_st_tensor *tensors, int n, int *order) {
    int k = 0;
    for (size_t width = 8; width > 0; width /= 2) {
        for (int i = 0; i < n; i++) {
            if (dtypes[tensors[i].dtype].size == width) order[k++] = i;
        }
    }
}

/* An output file and the checksum of what went into it. */
typedef struct {
    bl_outfile file;
    uLong sum;
} stream;

static void put(stream *s, const void *data, size_t size) {
    if (size == 0) return;
    fwrite(data, 1, size, s->file.f);
    s->sum = crc32_z(s->sum, data, size);
}

static void put_little_endian(stream *s, uint64_t v, int bytes) {
    unsigned char b[8];
    for (int i = 0; i < bytes; i++) b[i] = (unsigned char)(v >> (8 * i));
    put(s, b, (size_t)bytes);
}

/* A tensor without data is the seal, which comes last. */
static bl_status write_all(const char *path, const char *header, const bl_st_tensor *tensors,
                           const int *order, int n) {
    stream s = {.sum = 0};
    BL_TRY(bl_outfile_open(path, &s.file));
    size_t size = strlen(header), pad = (ALIGNMENT - size % ALIGNMENT) % ALIGNMENT;
    put_little_endian(&s, size + pad, 8);
    put(&s, header, size);
    put(&s, "        ", pad);
    for (int i = 0; i < n; i++) {
        const bl_st_tensor *t = &tensors[order[i]];
        if (t->data || t->bytes == 0) {
            put(&s, t->data, t->bytes);
        } else {
            put_little_endian(&s, s.sum, (int)t->bytes);
        }
    }
    return bl_outfile_commit(&s.file); /* reports whatever failed above */
}

/* The header's text; names and sizes have been checked. */
static struct json_object *describe_all(const bl_st_tensor *tensors, const int *order, int n,
                                        const char *const *metadata, int n_meta) {
    struct json_object *header = json_object_new_object();
    if (n_meta > 0) {
        bl_json_add(&header, "__metadata__", describe_metadata(metadata, n_meta));
    }
    int64_t offset = 0;
    for (int i = 0; i < n; i++) {
        const bl_st_tensor *t = &tensors[order[i]];
        bl_json_add(&header, t->name, describe(t, offset));
        offset += (int64_t)t->bytes;
    }
    return header;
}

bl_status bl_st_write(const char *path, const bl_st_tensor *tensors, int n,
                      const char *const *metadata, int n_meta) {
    bl_arena *arena = bl_arena_create(0);
    if (!arena) return BL_ENOMEM;
    int *order = BL_NEW_ARRAY(arena, int, n);
    bl_strmap *keys = bl_strmap_create(arena);
    bl_status status = order && keys ? check_tensors(path, tensors, n, arena) : BL_ENOMEM;
    for (int i = 0; status == BL_OK && i < n_meta; i++) {
        status = check_unique(keys, path, metadata[2 * i], i);
    }
    if (status == BL_OK) {
        sort_by_width(tensors, n, order);
        struct json_object *header = describe_all(tensors, order, n, metadata, n_meta);
        int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
        const char *text = header ? json_object_to_json_string_ext(header, flags) : NULL;
        status = text ? write_all(path, text, tensors, order, n)
                      : bl_no_memory("for %s (the header)", path);
        json_object_put(header);
    }
    bl_arena_destroy(arena);
    return status;
}

bl_status bl_st_write_sealed(const char *path, const bl_st_tensor *tensors, int n,
                             const char *const *metadata, int n_meta) {
    bl_st_tensor *all = malloc(((size_t)n + 1) * sizeof *all);
    if (!all) return bl_no_memory("for %s", path);
    if (n > 0) memcpy(all, tensors, (size_t)n * sizeof *all);
    all[n] =
        (bl_st_tensor){.name = BL_ST_SEAL, .dtype = BL_ST_U8, .ndim = 1, .shape = {4}, .bytes = 4};
    bl_status status = bl_st_write(path, all, n + 1, metadata, n_meta);
    free(all);
    return status;
}
