#include <json-c/json.h>
#include <string.h>

#include "core/fs.h"
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
        json_object_array_add(shape, json_object_new_int64(t->shape[k]));
    }
    json_object_array_add(span, json_object_new_int64(offset));
    json_object_array_add(span, json_object_new_int64(offset + (int64_t)t->bytes));
    json_object_object_add(o, "dtype", json_object_new_string(dtypes[t->dtype].name));
    json_object_object_add(o, "shape", shape);
    json_object_object_add(o, "data_offsets", span);
    return o;
}

static struct json_object *describe_metadata(const char *const *metadata, int n) {
    struct json_object *o = json_object_new_object();
    for (int i = 0; i < n; i++) {
        json_object_object_add(o, metadata[2 * i], json_object_new_string(metadata[2 * i + 1]));
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

static bl_status write_all(const char *path, const char *header, const bl_st_tensor *tensors,
                           const int *order, int n) {
    bl_outfile o;
    BL_TRY(bl_outfile_open(path, &o));
    size_t size = strlen(header), pad = (ALIGNMENT - size % ALIGNMENT) % ALIGNMENT;
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)((uint64_t)(size + pad) >> (8 * i));
    fwrite(prefix, 1, sizeof prefix, o.f);
    fwrite(header, 1, size, o.f);
    fwrite("        ", 1, pad, o.f);
    for (int i = 0; i < n; i++) {
        const bl_st_tensor *t = &tensors[order[i]];
        if (t->bytes > 0) fwrite(t->data, 1, t->bytes, o.f);
    }
    return bl_outfile_commit(&o); /* reports whatever failed above */
}

bl_status bl_st_write(const char *path, const bl_st_tensor *tensors, int n,
                      const char *const *metadata, int n_meta) {
    bl_arena *arena = bl_arena_create(0);
    if (!arena) return BL_ENOMEM;
    struct json_object *header = json_object_new_object();
    int *order = BL_NEW_ARRAY(arena, int, n);
    bl_strmap *keys = bl_strmap_create(arena);
    bl_status status = order && keys ? check_tensors(path, tensors, n, arena) : BL_ENOMEM;
    for (int i = 0; status == BL_OK && i < n_meta; i++) {
        status = check_unique(keys, path, metadata[2 * i], i);
    }
    if (status == BL_OK) {
        if (n_meta > 0) {
            json_object_object_add(header, "__metadata__", describe_metadata(metadata, n_meta));
        }
        sort_by_width(tensors, n, order);
        int64_t offset = 0;
        for (int i = 0; i < n; i++) {
            const bl_st_tensor *t = &tensors[order[i]];
            json_object_object_add(header, t->name, describe(t, offset));
            offset += (int64_t)t->bytes;
        }
        int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
        status = write_all(path, json_object_to_json_string_ext(header, flags), tensors, order, n);
    }
    json_object_put(header);
    bl_arena_destroy(arena);
    return status;
}
