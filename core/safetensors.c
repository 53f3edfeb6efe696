#include "core/safetensors.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/arena.h"
#include "core/fs.h"
#include "core/json_scan.h"
#include "core/strmap.h"

enum { PREFIX = 8, SEAL_BYTES = 4, MAX_HEADER = 100 * 1000 * 1000 };

static const struct dtype {
    const char *name;
    bl_st_dtype type;
    size_t size;
} dtypes[] = {
    {"F32", BL_ST_F32, 4},   {"F16", BL_ST_F16, 2},       {"BF16", BL_ST_BF16, 2},
    {"F64", BL_ST_F64, 8},   {"I32", BL_ST_I32, 4},       {"I64", BL_ST_I64, 8},
    {"U8", BL_ST_U8, 1},     {"I8", BL_ST_OTHER, 1},      {"BOOL", BL_ST_OTHER, 1},
    {"I16", BL_ST_OTHER, 2}, {"U16", BL_ST_OTHER, 2},     {"U32", BL_ST_OTHER, 4},
    {"U64", BL_ST_OTHER, 8}, {"F8_E4M3", BL_ST_OTHER, 1}, {"F8_E5M2", BL_ST_OTHER, 1},
};

struct bl_st_file {
    bl_arena *arena;
    bl_map map; /* of a file; empty for memory */
    const char *name;
    const uint8_t *start, *body; /* of the file; after its header */
    size_t body_size;
    bl_st_tensor *tensors;
    size_t count, cap;   /* without the seal */
    const uint8_t *seal; /* NULL: not sealed */
    bl_strmap *names;    /* tensor name -> index */
    bl_strmap *meta;     /* key -> index into values */
    const char **values;
    size_t n_values, values_cap;
    void (*release)(void *owner); /* of wrapped tensors */
    void *owner;
};

static const struct dtype *find_dtype(const char *name) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(dtypes[i].name, name) == 0) return &dtypes[i];
    }
    return NULL;
}

/* Grows a malloc'd array by doubling. */
static bl_status reserve(void **v, size_t *cap, size_t need, size_t width) {
    if (need <= *cap) return BL_OK;
    size_t more = *cap ? 2 * *cap : 64;
    void *p = realloc(*v, more * width);
    if (!p) return bl_no_memory("for a safetensors header");
    *v = p;
    *cap = more;
    return BL_OK;
}

/* A number that is a non-negative integer. */
static bl_status scan_size(bl_scan *s, const char *tensor, int64_t *out) {
    bl_scan_num n;
    BL_TRY(bl_scan_number(s, &n));
    if (!n.is_int || n.i < 0) {
        return bl_scan_fail(s, "tensor \"%.200s\": sizes and offsets must be integers >= 0",
                            tensor);
    }
    *out = n.i;
    return BL_OK;
}

/* [n, n, ...] of at most `max` sizes. */
static bl_status scan_sizes(bl_scan *s, const char *tensor, int max, int64_t *v, int *n) {
    BL_TRY(bl_scan_expect(s, '['));
    *n = 0;
    bool more = bl_scan_peek(s) != ']';
    if (!more) s->p++;
    while (more) {
        if (*n == max) {
            return bl_scan_fail(s, "tensor \"%.200s\": more than %d numbers in an array", tensor,
                                max);
        }
        BL_TRY(scan_size(s, tensor, &v[(*n)++]));
        BL_TRY(bl_scan_more(s, ']', &more));
    }
    return BL_OK;
}

/* Shape, dtype and span must tell the same size; the span must lie in the body. */
static bl_status check_tensor(bl_scan *s, const bl_st_file *f, bl_st_tensor *t,
                              const struct dtype *type, const int64_t span[2]) {
    int64_t bytes = (int64_t)type->size;
    bool overflow = false;
    for (int i = 0; i < t->ndim; i++) {
        overflow = __builtin_mul_overflow(bytes, t->shape[i], &bytes) || overflow;
    }
    /* A zero dimension makes the product 0 whatever overflowed before it. */
    for (int i = 0; i < t->ndim; i++) {
        if (t->shape[i] == 0) {
            overflow = false;
            bytes = 0;
        }
    }
    if (span[0] > span[1] || (uint64_t)span[1] > f->body_size) {
        return bl_scan_fail(
            s, "tensor \"%.200s\": data_offsets [%lld, %lld] are outside the %zu bytes of data",
            t->name, (long long)span[0], (long long)span[1], f->body_size);
    }
    if (overflow || bytes != span[1] - span[0]) {
        return bl_scan_fail(
            s, "tensor \"%.200s\": the shape needs another size than the %lld bytes given", t->name,
            (long long)(span[1] - span[0]));
    }
    t->dtype = type->type;
    t->data = f->body + span[0];
    t->bytes = (size_t)bytes;
    return BL_OK;
}

static bl_status scan_tensor(bl_scan *s, bl_st_file *f, const char *name) {
    bl_st_tensor t = {.name = name};
    const struct dtype *type = NULL;
    int64_t span[2] = {0, 0};
    int n_span = -1;
    bool has_shape = false, more = true;
    BL_TRY(bl_scan_expect(s, '{'));
    if (bl_scan_peek(s) == '}') {
        more = false;
        s->p++;
    }
    while (more) {
        char key[16];
        BL_TRY(bl_scan_string(s));
        snprintf(key, sizeof key, "%s", s->text_size < sizeof key ? s->text : "");
        BL_TRY(bl_scan_expect(s, ':'));
        if (strcmp(key, "dtype") == 0 && !type) {
            BL_TRY(bl_scan_string(s));
            type = find_dtype(s->text);
            if (!type) {
                return bl_scan_fail(s, "tensor \"%.200s\": unknown dtype \"%.40s\"", name, s->text);
            }
        } else if (strcmp(key, "shape") == 0 && !has_shape) {
            has_shape = true;
            BL_TRY(scan_sizes(s, name, BL_ST_MAX_DIMS, t.shape, &t.ndim));
        } else if (strcmp(key, "data_offsets") == 0 && n_span < 0) {
            BL_TRY(scan_sizes(s, name, 2, span, &n_span));
        } else {
            return bl_scan_fail(s, "tensor \"%.200s\": unknown or duplicate key \"%s\"", name, key);
        }
        BL_TRY(bl_scan_more(s, '}', &more));
    }
    if (!type || !has_shape || n_span != 2) {
        return bl_scan_fail(s, "tensor \"%.200s\": needs dtype, shape and two data_offsets", name);
    }
    BL_TRY(check_tensor(s, f, &t, type, span));
    void *v = f->tensors;
    bl_status status = reserve(&v, &f->cap, f->count + 1, sizeof *f->tensors);
    f->tensors = v;
    BL_TRY(status);
    f->tensors[f->count++] = t;
    return BL_OK;
}

static bl_status scan_metadata(bl_scan *s, bl_st_file *f) {
    BL_TRY(bl_scan_expect(s, '{'));
    bool more = bl_scan_peek(s) != '}';
    if (!more) s->p++;
    while (more) {
        BL_TRY(bl_scan_string(s));
        char *key = bl_arena_strdup(f->arena, s->text);
        BL_TRY(bl_scan_expect(s, ':'));
        BL_TRY(bl_scan_string(s));
        char *value = bl_arena_strdup(f->arena, s->text);
        if (!key || !value) return BL_ENOMEM;
        void *v = f->values;
        bl_status status = reserve(&v, &f->values_cap, f->n_values + 1, sizeof *f->values);
        f->values = v;
        BL_TRY(status);
        int64_t held = bl_strmap_add(f->meta, 0, key, (int64_t)f->n_values);
        if (held < 0) return BL_ENOMEM;
        if (held != (int64_t)f->n_values) {
            return bl_scan_fail(s, "duplicate metadata key \"%.200s\"", key);
        }
        f->values[f->n_values++] = value;
        BL_TRY(bl_scan_more(s, '}', &more));
    }
    return BL_OK;
}

static bl_status scan_header(bl_scan *s, bl_st_file *f) {
    bool has_meta = false;
    BL_TRY(bl_scan_expect(s, '{'));
    bool more = bl_scan_peek(s) != '}';
    if (!more) s->p++;
    while (more) {
        BL_TRY(bl_scan_string(s));
        char *name = bl_arena_strdup(f->arena, s->text);
        if (!name) return BL_ENOMEM;
        BL_TRY(bl_scan_expect(s, ':'));
        if (strcmp(name, "__metadata__") == 0) {
            if (has_meta) return bl_scan_fail(s, "duplicate \"__metadata__\"");
            has_meta = true;
            BL_TRY(scan_metadata(s, f));
        } else {
            int64_t held = bl_strmap_add(f->names, 0, name, (int64_t)f->count);
            if (held < 0) return BL_ENOMEM;
            if (held != (int64_t)f->count) {
                return bl_scan_fail(s, "duplicate tensor \"%.200s\"", name);
            }
            BL_TRY(scan_tensor(s, f, name));
        }
        BL_TRY(bl_scan_more(s, '}', &more));
    }
    return bl_scan_finish(s);
}

static int by_place(const void *a, const void *b) {
    const bl_st_tensor *x = *(const bl_st_tensor *const *)a, *y = *(const bl_st_tensor *const *)b;
    if (x->data != y->data) return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* The spans must tile the body: no overlap, no hole, nothing left over. */
static bl_status check_tiling(const bl_st_file *f) {
    const bl_st_tensor **order = malloc((f->count + 1) * sizeof *order);
    if (!order) return bl_no_memory("for %s", f->name);
    for (size_t i = 0; i < f->count; i++) order[i] = &f->tensors[i];
    qsort(order, f->count, sizeof *order, by_place);
    bl_status status = BL_OK;
    const uint8_t *at = f->body;
    for (size_t i = 0; i < f->count && status == BL_OK; i++) {
        const uint8_t *p = order[i]->data;
        if (p != at) {
            status =
                bl_fail(BL_EFORMAT, "%s: tensor \"%.200s\": its bytes %s", f->name, order[i]->name,
                        p < at ? "overlap another tensor's" : "follow a hole in the data");
        }
        at = p + order[i]->bytes;
    }
    if (status == BL_OK && at != f->body + f->body_size) {
        status = bl_fail(BL_EFORMAT, "%s: %zu bytes of data belong to no tensor", f->name,
                         (size_t)(f->body + f->body_size - at));
    }
    free(order);
    return status;
}

/* The writer puts the seal last, in the header and in the data; elsewhere the name is anybody's. */
static void take_seal(bl_st_file *f) {
    if (f->count == 0) return;
    const bl_st_tensor *last = &f->tensors[f->count - 1];
    const uint8_t *end = f->body + f->body_size;
    if (strcmp(last->name, BL_ST_SEAL) != 0 || last->dtype != BL_ST_U8 ||
        last->bytes != SEAL_BYTES || (const uint8_t *)last->data + SEAL_BYTES != end)
        return;
    f->seal = last->data;
    f->count--;
}

static uint64_t load_le64(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

/* What a file that is no safetensors file seems to be. */
static bl_status wrong_kind(const uint8_t *data, size_t size, const char *name) {
    const char *convert = "; convert it once with PyTorch and safetensors (docs/weights.md)";
    if (size >= 4 && memcmp(data, "PK\3\4", 4) == 0)
        return bl_fail(BL_EFORMAT, "%s: a PyTorch file (or another zip archive), not safetensors%s",
                       name, convert);
    if (size >= 2 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5)
        return bl_fail(BL_EFORMAT, "%s: a PyTorch file (a Python pickle), not safetensors%s", name,
                       convert);
    if (size >= 4 && memcmp(data, "\x89HDF", 4) == 0)
        return bl_fail(BL_EFORMAT, "%s: an HDF5 file, not safetensors%s", name, convert);
    if (size < PREFIX)
        return bl_fail(BL_EFORMAT, "%s: %zu bytes are too few for a safetensors file", name, size);
    return bl_fail(BL_EFORMAT,
                   "%s: the header claims %llu bytes; the file has %zu, the limit is %d", name,
                   (unsigned long long)load_le64(data), size - PREFIX, MAX_HEADER);
}

static bl_status parse(bl_st_file *f, const uint8_t *data, size_t size, const char *name) {
    f->arena = bl_arena_create(16 << 10);
    if (!f->arena) return BL_ENOMEM;
    f->name = bl_arena_strdup(f->arena, name);
    f->names = bl_strmap_create(f->arena);
    f->meta = bl_strmap_create(f->arena);
    if (!f->name || !f->names || !f->meta) return BL_ENOMEM;
    uint64_t header = size < PREFIX ? 0 : load_le64(data);
    if (size < PREFIX || header > size - PREFIX || header > MAX_HEADER)
        return wrong_kind(data, size, name);
    f->start = data;
    f->body = data + PREFIX + header;
    f->body_size = size - PREFIX - header;
    bl_scan s;
    bl_scan_begin(&s, (const char *)data + PREFIX, header, f->name);
    bl_status status = scan_header(&s, f);
    bl_scan_end(&s);
    BL_TRY(status);
    BL_TRY(check_tiling(f));
    take_seal(f);
    return BL_OK;
}

bl_status bl_st_open_memory(const void *data, size_t size, const char *name, bl_st_file **out) {
    *out = NULL;
    bl_st_file *f = calloc(1, sizeof *f);
    if (!f) return bl_no_memory("for %s", name);
    bl_status status = parse(f, data, size, name);
    if (status != BL_OK) {
        bl_st_close(f);
        return status;
    }
    *out = f;
    return BL_OK;
}

bl_status bl_st_open(const char *path, bl_st_file **out) {
    bl_map map;
    *out = NULL;
    BL_TRY(bl_map_open(path, &map));
    bl_status status = bl_st_open_memory(map.data, map.size, path, out);
    if (status == BL_OK) {
        (*out)->map = map;
    } else {
        bl_map_close(&map);
    }
    return status;
}

static bl_status wrap(bl_st_file *f, const char *name, const bl_st_tensor *tensors, int n) {
    f->arena = bl_arena_create(16 << 10);
    if (!f->arena) return BL_ENOMEM;
    f->name = bl_arena_strdup(f->arena, name);
    f->names = bl_strmap_create(f->arena);
    f->meta = bl_strmap_create(f->arena);
    if (!f->name || !f->names || !f->meta) return BL_ENOMEM;
    f->tensors = malloc(sizeof *f->tensors * ((size_t)n + 1));
    if (!f->tensors) return bl_no_memory("for %s (%d tensors)", name, n);
    if (n) memcpy(f->tensors, tensors, sizeof *tensors * (size_t)n);
    f->count = (size_t)n;
    for (int i = 0; i < n; i++) {
        int64_t held = bl_strmap_add(f->names, 0, tensors[i].name, i);
        if (held < 0) return BL_ENOMEM;
        if (held != i)
            return bl_fail(BL_EFORMAT, "%s: duplicate tensor \"%.200s\"", name, tensors[i].name);
    }
    return BL_OK;
}

bl_status bl_st_wrap(const char *name, const bl_st_tensor *tensors, int n,
                     void (*release)(void *owner), void *owner, bl_st_file **out) {
    *out = NULL;
    bl_st_file *f = calloc(1, sizeof *f);
    bl_status status = f ? BL_OK : bl_no_memory("for %s", name);
    if (status == BL_OK) status = wrap(f, name, tensors, n);
    if (status != BL_OK) {
        bl_st_close(f);
        release(owner);
        return status;
    }
    f->release = release;
    f->owner = owner;
    *out = f;
    return BL_OK;
}

void bl_st_close(bl_st_file *f) {
    if (!f) return;
    if (f->release) f->release(f->owner);
    bl_map_close(&f->map);
    bl_arena_destroy(f->arena);
    free(f->tensors);
    free(f->values);
    free(f);
}

int bl_st_count(const bl_st_file *f) {
    return (int)f->count;
}

const bl_st_tensor *bl_st_at(const bl_st_file *f, int i) {
    return &f->tensors[i];
}

const bl_st_tensor *bl_st_find(const bl_st_file *f, const char *name) {
    int64_t i = bl_strmap_get(f->names, 0, name);
    return i < 0 || i >= (int64_t)f->count ? NULL : &f->tensors[i];
}

const char *bl_st_metadata(const bl_st_file *f, const char *key) {
    int64_t i = bl_strmap_get(f->meta, 0, key);
    return i < 0 ? NULL : f->values[i];
}

bool bl_st_sealed(const bl_st_file *f) {
    return f->seal != NULL;
}

bl_status bl_st_verify(const bl_st_file *f) {
    if (!f->seal)
        return bl_fail(BL_EFORMAT, "%s: has no checksum (tensor %s)", f->name, BL_ST_SEAL);
    uint32_t sum = (uint32_t)crc32_z(0, f->start, (size_t)(f->seal - f->start)), kept = 0;
    for (int i = SEAL_BYTES - 1; i >= 0; i--) kept = kept << 8 | f->seal[i];
    if (sum == kept) return BL_OK;
    return bl_fail(BL_EFORMAT,
                   "%s: is damaged: the checksum of its bytes is %08lx, but %08lx was written",
                   f->name, (unsigned long)sum, (unsigned long)kept);
}
