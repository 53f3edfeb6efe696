#include <stdlib.h>
#include <string.h>

#include "core/strmap.h"
#include "interop/torch_file.h"

/* 0x1950a86a20f9469cfc6c, little-endian, as LONG1 of protocol 2. */
static const uint8_t magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c,
                                0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

bool bl_torch_is_legacy(const uint8_t *data, size_t size) {
    return size > sizeof magic && memcmp(data, magic, sizeof magic) == 0;
}

/* Width of each storage's elements by its key, from all persistent values of the object. */
typedef struct widths {
    const bl_torch_file *f;
    bl_strmap *map;
} widths;

static bl_status collect(const widths *w, bl_pickle *v, int depth);

static bl_status collect_items(const widths *w, bl_pickle *const *item, size_t n, int depth) {
    for (size_t i = 0; i < n; i++)
        if (item[i]) BL_TRY(collect(w, item[i], depth + 1));
    return BL_OK;
}

static bl_status collect(const widths *w, bl_pickle *v, int depth) {
    bl_pickled_storage s;
    if (depth > 256) return bl_fail(BL_EFORMAT, "%s: values are nested too deep", w->f->name);
    switch (v->kind) {
    case BL_PICKLE_TUPLE:
    case BL_PICKLE_LIST:
    case BL_PICKLE_DICT:
    case BL_PICKLE_OBJECT:
        if (v->seen) return BL_OK;
        v->seen = true;
        return collect_items(w, v->item, v->n, depth);
    case BL_PICKLE_PERSISTENT: {
        BL_TRY(bl_pickled_storage_of(v, w->f->name, &s));
        char *key = bl_arena_printf(w->f->arena, "%.*s", (int)s.key_size, s.key);
        if (!key || bl_strmap_add(w->map, 0, key, (int64_t)s.width) < 0) return BL_ENOMEM;
        return BL_OK;
    }
    default:
        return BL_OK;
    }
}

static void forget(bl_pickle *v) {
    bool container = v->kind == BL_PICKLE_TUPLE || v->kind == BL_PICKLE_LIST ||
                     v->kind == BL_PICKLE_DICT || v->kind == BL_PICKLE_OBJECT;
    if (!container || !v->seen) return;
    v->seen = false;
    for (size_t i = 0; i < v->n; i++)
        if (v->item[i]) forget(v->item[i]);
}

static bl_status read_storage(bl_torch_file *f, size_t *at, int64_t width) {
    size_t k = f->n_keys, left = f->size - *at;
    int64_t elements;
    if (left < 8) return bl_fail(BL_EFORMAT, "%s: it ends before storage %s", f->name, f->key[k]);
    memcpy(&elements, f->data + *at, 8);
    *at += 8;
    left -= 8;
    if (elements < 0 || (uint64_t)elements > left / (uint64_t)width)
        return bl_fail(BL_EFORMAT, "%s: storage %s of %lld elements is cut short", f->name,
                       f->key[k], (long long)elements);
    f->storage[k] = f->data + *at;
    f->storage_size[k] = (size_t)elements * (size_t)width;
    *at += f->storage_size[k];
    f->n_keys++;
    return BL_OK;
}

static bl_status read_storages(bl_torch_file *f, const bl_pickle *keys, size_t at) {
    widths w = {.f = f, .map = bl_strmap_create(f->arena)};
    if (!w.map) return BL_ENOMEM;
    if (keys->kind != BL_PICKLE_LIST)
        return bl_fail(BL_EFORMAT, "%s: its storages are not listed", f->name);
    BL_TRY(collect(&w, f->root, 0));
    forget(f->root);
    f->storage = BL_NEW_ARRAY(f->arena, const uint8_t *, keys->n + 1);
    f->storage_size = BL_NEW_ARRAY(f->arena, size_t, keys->n + 1);
    f->key = BL_NEW_ARRAY(f->arena, const char *, keys->n + 1);
    if (!f->storage || !f->storage_size || !f->key) return BL_ENOMEM;
    for (size_t i = 0; i < keys->n; i++) {
        const bl_pickle *key = keys->item[i];
        if (key->kind != BL_PICKLE_TEXT)
            return bl_fail(BL_EFORMAT, "%s: the key of storage %zu is not a text", f->name, i);
        f->key[i] = bl_arena_printf(f->arena, "%.*s", (int)key->size, key->text);
        if (!f->key[i]) return BL_ENOMEM;
        int64_t width = bl_strmap_get(w.map, 0, f->key[i]);
        if (width < 0)
            return bl_fail(BL_EFORMAT, "%s: storage %s belongs to no tensor", f->name, f->key[i]);
        BL_TRY(read_storage(f, &at, width));
    }
    return BL_OK;
}

bl_status bl_torch_legacy_read(bl_torch_file *f) {
    enum { MAGIC, VERSION, SYSTEM, OBJECT, KEYS, PICKLES };
    bl_pickle *part[PICKLES] = {0};
    size_t at = 0, used;
    for (int i = 0; i < PICKLES; i++) {
        BL_TRY(bl_pickle_read(f->data + at, f->size - at, f->name, f->arena, &part[i], &used));
        at += used;
    }
    const bl_pickle *little = bl_pickle_get(part[SYSTEM], "little_endian");
    if (part[VERSION]->kind != BL_PICKLE_INT || part[VERSION]->i != 1001)
        return bl_fail(BL_EUNSUPPORTED, "%s: a PyTorch file of an unknown version", f->name);
    if (little && little->kind == BL_PICKLE_BOOL && !little->i)
        return bl_fail(BL_EUNSUPPORTED, "%s: written on a big-endian machine", f->name);
    f->root = part[OBJECT];
    return read_storages(f, part[KEYS], at);
}
