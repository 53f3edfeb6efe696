#include "interop/pickled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 1024, MAX_DEPTH = 64 };

typedef struct walk {
    const char *file;
    bl_arena *arena;
    bl_pickled *v;
    size_t n, cap;
    const char *foreign;
    char path[MAX_NAME];
    size_t path_size;
} walk;

/* ---- types ---- */

static const struct type {
    const char *name; /* of a storage, without "Storage", and of a dtype */
    const char *dtype;
    bl_st_dtype type;
    size_t width;
} types[] = {
    {"Float", "float32", BL_ST_F32, 4},
    {"Half", "float16", BL_ST_F16, 2},
    {"BFloat16", "bfloat16", BL_ST_BF16, 2},
    {"Double", "float64", BL_ST_F64, 8},
    {"Long", "int64", BL_ST_I64, 8},
    {"Int", "int32", BL_ST_I32, 4},
    {"Short", "int16", BL_ST_OTHER, 2},
    {"Char", "int8", BL_ST_OTHER, 1},
    {"Byte", "uint8", BL_ST_U8, 1},
    {"Bool", "bool", BL_ST_OTHER, 1},
    {"Untyped", "", BL_ST_U8, 1},
    {"ComplexFloat", "complex64", BL_ST_OTHER, 8},
    {"ComplexDouble", "complex128", BL_ST_OTHER, 16},
};

/* "torch.FloatStorage", "torch.cuda.HalfStorage", "torch.storage.UntypedStorage" */
static const struct type *storage_type(const bl_pickle *global) {
    if (global->kind != BL_PICKLE_GLOBAL) return NULL;
    const char *name = strrchr(global->text, '.') + 1;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t n = strlen(types[i].name);
        if (strncmp(name, types[i].name, n) == 0 && strcmp(name + n, "Storage") == 0)
            return &types[i];
    }
    return NULL;
}

static const struct type *torch_dtype(const bl_pickle *global) {
    if (global->kind != BL_PICKLE_GLOBAL || strncmp(global->text, "torch.", 6) != 0) return NULL;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (*types[i].dtype && strcmp(global->text + 6, types[i].dtype) == 0) return &types[i];
    return NULL;
}

/* ---- parts of values ---- */

static const bl_pickle *at(const bl_pickle *v, size_t i) {
    static const bl_pickle none = {.kind = BL_PICKLE_NONE};
    bool sequence = v->kind == BL_PICKLE_TUPLE || v->kind == BL_PICKLE_LIST;
    return sequence && i < v->n ? v->item[i] : &none;
}

static bl_status wrong(const walk *w, const char *what) {
    return bl_fail(BL_EFORMAT, "%s: tensor \"%s\": %s", w->file, w->path, what);
}

static bl_status sizes(const walk *w, const bl_pickle *v, int64_t *out, int *n) {
    if (v->kind == BL_PICKLE_OBJECT) v = at(v->item[1], 0); /* torch.Size((...)) */
    if (v->kind != BL_PICKLE_TUPLE && v->kind != BL_PICKLE_LIST)
        return wrong(w, "its shape is not a tuple");
    if (v->n > BL_ST_MAX_DIMS) return wrong(w, "it has more than 8 dimensions");
    for (size_t i = 0; i < v->n; i++) {
        if (v->item[i]->kind != BL_PICKLE_INT || v->item[i]->i < 0)
            return wrong(w, "a size or stride is not an integer of at least 0");
        out[i] = v->item[i]->i;
    }
    *n = (int)v->n;
    return BL_OK;
}

/* Every element lies in the storage, and there are not more of them than it has: a small file
 * cannot ask for much memory by strides of 0. */
static bl_status check_extent(const walk *w, const bl_pickled *t) {
    int64_t count = 1, last = t->offset;
    for (int i = 0; i < t->ndim; i++)
        if (t->shape[i] == 0) return BL_OK;
    for (int i = 0; i < t->ndim; i++) {
        int64_t reach;
        if (__builtin_mul_overflow(count, t->shape[i], &count) ||
            __builtin_mul_overflow(t->shape[i] - 1, t->stride[i], &reach) ||
            __builtin_add_overflow(last, reach, &last))
            return wrong(w, "its shape is beyond all bounds");
    }
    if (t->offset < 0 || last >= t->storage || count > t->storage)
        return wrong(w, "its shape and strides do not fit its storage");
    return BL_OK;
}

static bl_status append(walk *w, const bl_pickled *t) {
    BL_TRY(check_extent(w, t));
    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 64;
        bl_pickled *v = BL_NEW_ARRAY(w->arena, bl_pickled, cap);
        if (!v) return BL_ENOMEM;
        if (w->n) memcpy(v, w->v, w->n * sizeof *v);
        w->v = v;
        w->cap = cap;
    }
    w->v[w->n] = *t;
    w->v[w->n].name = bl_arena_strdup(w->arena, w->path);
    return w->v[w->n++].name ? BL_OK : BL_ENOMEM;
}

/* ---- PyTorch ---- */

bl_status bl_pickled_storage_of(const bl_pickle *persistent, const char *file,
                                bl_pickled_storage *out) {
    const bl_pickle *id = persistent->kind == BL_PICKLE_PERSISTENT ? persistent->item[0] : NULL;
    if (!id || id->kind != BL_PICKLE_TUPLE || id->n < 5 || !bl_pickle_is(id->item[0], "storage"))
        return bl_fail(BL_EFORMAT, "%s: a tensor's storage is not described as PyTorch does", file);
    const struct type *type = storage_type(id->item[1]);
    const bl_pickle *key = id->item[2], *elements = id->item[4];
    if (!type || key->kind != BL_PICKLE_TEXT || elements->kind != BL_PICKLE_INT ||
        elements->i < 0 || elements->i > INT64_MAX / 16)
        return bl_fail(BL_EFORMAT, "%s: a tensor's storage is of an unknown type", file);
    *out = (bl_pickled_storage){key->text, key->size, type->width, elements->i};
    return BL_OK;
}

/* (storage, offset, size, stride, ...); of version 3 the dtype stands behind, and the storage
 * counts bytes. */
static bl_status torch_tensor(walk *w, const bl_pickle *args, bool v3) {
    const bl_pickle *storage = at(args, 0), *id = storage;
    bl_pickled_storage s = {0};
    bl_pickled t = {0};
    int n_stride = 0;
    BL_TRY(bl_pickled_storage_of(storage, w->file, &s));
    id = storage->item[0];
    const struct type *type = storage_type(id->item[1]);
    if (v3) type = torch_dtype(at(args, 6));
    if (!type) return wrong(w, "its type is unknown");
    t.dtype = type->type;
    t.width = type->width;
    t.key = s.key;
    t.key_size = s.key_size;
    t.storage = s.elements * (int64_t)s.width / (int64_t)type->width;
    if (at(args, 1)->kind != BL_PICKLE_INT) return wrong(w, "its offset is not an integer");
    t.offset = at(args, 1)->i;
    /* Of before PyTorch 0.4: a view of another storage (its key, first element, elements). */
    const bl_pickle *view = at(id, 5);
    if (view->kind == BL_PICKLE_TUPLE && at(view, 1)->kind == BL_PICKLE_INT &&
        __builtin_add_overflow(t.offset, at(view, 1)->i, &t.offset))
        return wrong(w, "its offset is beyond all bounds");
    BL_TRY(sizes(w, at(args, 2), t.shape, &t.ndim));
    BL_TRY(sizes(w, at(args, 3), t.stride, &n_stride));
    if (n_stride != t.ndim) return wrong(w, "shape and strides differ in length");
    return append(w, &t);
}

/* ---- NumPy ---- */

static bool made_by_either(const bl_pickle *v, const char *rest) {
    char old[96], new[96];
    snprintf(old, sizeof old, "numpy.core.%s", rest);
    snprintf(new, sizeof new, "numpy._core.%s", rest);
    return bl_pickle_made_by(v, old) || bl_pickle_made_by(v, new);
}

/* Bytes as protocol 2 writes them: latin-1 text to be encoded. Undone in place is not possible, so
 * the arena gets the bytes, which are not more than the text's. */
static bl_status raw_bytes(const walk *w, const bl_pickle *v, const uint8_t **data, size_t *size) {
    if (v->kind == BL_PICKLE_BYTES || v->kind == BL_PICKLE_TEXT) {
        *data = (const uint8_t *)v->text;
        *size = v->size;
        return BL_OK;
    }
    const bl_pickle *text = bl_pickle_made_by(v, "_codecs.encode") ? at(v->item[1], 0) : at(v, 0);
    if (text->kind != BL_PICKLE_TEXT) return wrong(w, "its bytes cannot be found");
    uint8_t *to = BL_NEW_ARRAY(w->arena, uint8_t, text->size + 1);
    if (!to) return BL_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < text->size; i++) {
        uint8_t c = (uint8_t)text->text[i];
        if (c >= 0x80) {
            if ((c & 0xfc) != 0xc0 || i + 1 >= text->size)
                return wrong(w, "its bytes are not latin-1");
            c = (uint8_t)((c & 3) << 6 | ((uint8_t)text->text[++i] & 0x3f));
        }
        to[n++] = c;
    }
    *data = to;
    *size = n;
    return BL_OK;
}

/* numpy.dtype("f4", ...) with state (3, "<", ...): little-endian kinds only. */
static const struct type *numpy_type(const bl_pickle *dtype) {
    static const struct {
        const char *code;
        int type;
    } codes[] = {{"f4", 0}, {"f2", 1}, {"f8", 3}, {"i8", 4}, {"i4", 5},
                 {"i2", 6}, {"i1", 7}, {"u1", 8}, {"b1", 9}};
    if (!bl_pickle_made_by(dtype, "numpy.dtype")) return NULL;
    const bl_pickle *code = at(dtype->item[1], 0);
    const bl_pickle *order = dtype->item[2] ? at(dtype->item[2], 1) : code;
    if (bl_pickle_is(order, ">")) return NULL;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (bl_pickle_is(code, codes[i].code)) return &types[codes[i].type];
    return NULL;
}

/* Row-major strides, or column-major ones of a Fortran array. */
static void dense_strides(bl_pickled *t, bool fortran) {
    int64_t step = 1;
    for (int k = 0; k < t->ndim; k++) {
        int i = fortran ? k : t->ndim - 1 - k;
        t->stride[i] = step;
        if (__builtin_mul_overflow(step, t->shape[i], &step)) step = INT64_MAX / 2;
    }
}

/* State (version, shape, dtype, is_fortran, bytes). Arrays of other things than numbers (objects,
 * texts) are no tensors. */
static bl_status numpy_array(walk *w, const bl_pickle *state) {
    bl_pickled t = {0};
    size_t size = 0;
    const struct type *type = numpy_type(at(state, 2));
    if (!type) return BL_OK;
    BL_TRY(sizes(w, at(state, 1), t.shape, &t.ndim));
    BL_TRY(raw_bytes(w, at(state, 4), &t.data, &size));
    t.dtype = type->type;
    t.width = type->width;
    t.storage = (int64_t)(size / type->width);
    dense_strides(&t, at(state, 3)->kind == BL_PICKLE_BOOL && at(state, 3)->i);
    return append(w, &t);
}

/* ---- the walk ---- */

static bl_status visit(walk *w, bl_pickle *v, int depth);

/* Below a key or a number, which joins the name while its value is visited. */
static bl_status below(walk *w, const char *key, size_t n, bl_pickle *v, int depth) {
    size_t held = w->path_size, dot = held ? 1 : 0;
    if (n + dot >= sizeof w->path - held)
        return bl_fail(BL_EFORMAT, "%s: a name is longer than %d bytes: %.80s...", w->file,
                       MAX_NAME - 1, w->path);
    if (dot) w->path[held] = '.';
    memcpy(w->path + held + dot, key, n);
    w->path_size = held + dot + n;
    w->path[w->path_size] = 0;
    bl_status status = memchr(key, 0, n) ? wrong(w, "its name holds a NUL byte") : BL_OK;
    if (status == BL_OK) status = visit(w, v, depth + 1);
    w->path_size = held;
    w->path[held] = 0;
    return status;
}

static bl_status entry(walk *w, const bl_pickle *key, bl_pickle *v, int depth) {
    char number[24];
    if (key->kind == BL_PICKLE_TEXT || key->kind == BL_PICKLE_BYTES)
        return below(w, key->text, key->size, v, depth);
    if (key->kind != BL_PICKLE_INT) return BL_OK;
    int n = snprintf(number, sizeof number, "%lld", (long long)key->i);
    return below(w, number, (size_t)n, v, depth);
}

static bl_status entries(walk *w, const bl_pickle *d, int depth) {
    for (size_t i = 0; i + 1 < d->n; i += 2) BL_TRY(entry(w, d->item[i], d->item[i + 1], depth));
    return BL_OK;
}

/* Python 2 makes an OrderedDict from a list of pairs, later versions set its entries. */
static bl_status ordered_dict(walk *w, bl_pickle *v, int depth) {
    const bl_pickle *args = v->item[1];
    bl_pickle *pairs = args->kind == BL_PICKLE_TUPLE && args->n ? args->item[0] : v->item[4];
    bool listed = pairs->kind == BL_PICKLE_LIST && !pairs->seen;
    if (listed) pairs->seen = true;
    for (size_t i = 0; listed && i < pairs->n; i++)
        if (at(pairs->item[i], 1)->kind != BL_PICKLE_NONE)
            BL_TRY(entry(w, pairs->item[i]->item[0], pairs->item[i]->item[1], depth));
    return visit(w, v->item[3], depth);
}

static bl_status elements(walk *w, const bl_pickle *l, int depth) {
    for (size_t i = 0; i < l->n; i++) {
        char number[24];
        int n = snprintf(number, sizeof number, "%zu", i);
        BL_TRY(below(w, number, (size_t)n, l->item[i], depth));
    }
    return BL_OK;
}

static bl_status object(walk *w, bl_pickle *v, int depth) {
    const bl_pickle *args = v->item[1];
    if (bl_pickle_made_by(v, "torch._utils._rebuild_tensor_v2") ||
        bl_pickle_made_by(v, "torch._utils._rebuild_tensor"))
        return torch_tensor(w, args, false);
    if (bl_pickle_made_by(v, "torch._utils._rebuild_tensor_v3")) return torch_tensor(w, args, true);
    if (bl_pickle_made_by(v, "torch._utils._rebuild_parameter") ||
        bl_pickle_made_by(v, "torch._utils._rebuild_parameter_with_state"))
        return args->n ? visit(w, args->item[0], depth + 1) : BL_OK;
    if (made_by_either(v, "multiarray._reconstruct") && v->item[2])
        return numpy_array(w, v->item[2]);
    if (bl_pickle_made_by(v, "collections.OrderedDict")) return ordered_dict(w, v, depth);
    if (bl_pickle_made_by(v, "collections.defaultdict")) return visit(w, v->item[3], depth);
    if (!w->foreign && v->item[0]->kind == BL_PICKLE_GLOBAL) w->foreign = v->item[0]->text;
    return BL_OK;
}

static bl_status visit(walk *w, bl_pickle *v, int depth) {
    bool container =
        v->kind == BL_PICKLE_DICT || v->kind == BL_PICKLE_LIST || v->kind == BL_PICKLE_TUPLE;
    if (depth > MAX_DEPTH)
        return bl_fail(BL_EFORMAT, "%s: values are nested more than %d deep", w->file, MAX_DEPTH);
    if (container) {
        /* A container is visited once: shared ones cannot multiply, circles end. */
        if (v->seen) return BL_OK;
        v->seen = true;
    }
    if (v->kind == BL_PICKLE_DICT) return entries(w, v, depth);
    if (container) return elements(w, v, depth);
    return v->kind == BL_PICKLE_OBJECT ? object(w, v, depth) : BL_OK;
}

bl_status bl_pickled_tensors(bl_pickle *root, const char *file, bl_arena *arena, bl_pickled **out,
                             size_t *n, const char **foreign) {
    walk *w = BL_NEW(arena, walk);
    if (!w) return BL_ENOMEM;
    *w = (walk){.file = file, .arena = arena};
    BL_TRY(visit(w, root, 0));
    *out = w->v;
    *n = w->n;
    if (foreign) *foreign = w->foreign;
    return BL_OK;
}
