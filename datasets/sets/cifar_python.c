#include "datasets/sets/cifar_python.h"

#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/packed_file.h"
#include "core/pickle.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, ROW = 3 * PLANE, MAX_BYTES = 1 << 30 };

/* The parts of one file, in its bytes and its arena. */
typedef struct batch {
    const char *name;
    bl_arena *arena;
    const uint8_t *rows;
    int64_t n;
    const bl_pickle *labels;
} batch;

static bl_status no_batch(const batch *b, const char *why) {
    return bl_fail(BL_EFORMAT, "%s: is not a batch of CIFAR's Python version: %s", b->name, why);
}

static bool is_tuple(const bl_pickle *v, size_t n) {
    return v && v->kind == BL_PICKLE_TUPLE && v->n >= n;
}

static bool is_count(const bl_pickle *v, int64_t i) {
    return v->kind == BL_PICKLE_INT && v->i == i;
}

/* numpy.dtype("u1", ...) */
static bool is_uint8(const bl_pickle *v) {
    if (!bl_pickle_made_by(v, "numpy.dtype") || !is_tuple(v->item[1], 1)) return false;
    const bl_pickle *code = v->item[1]->item[0];
    return bl_pickle_is(code, "u1") || bl_pickle_is(code, "|u1");
}

/* An array is an object whose state is (version, shape, type, column-major?, bytes). */
static bl_status find_rows(const bl_pickle *v, batch *b) {
    const bl_pickle *s = v && v->kind == BL_PICKLE_OBJECT ? v->item[2] : NULL;
    if (!is_tuple(s, 5) || !is_tuple(s->item[1], 2)) return no_batch(b, "\"data\" is not an array");
    const bl_pickle *shape = s->item[1], *bytes = s->item[4];
    bool plain = is_uint8(s->item[2]) && s->item[3]->kind == BL_PICKLE_BOOL && !s->item[3]->i;
    if (!plain || shape->n != 2 || shape->item[0]->kind != BL_PICKLE_INT ||
        !is_count(shape->item[1], ROW))
        return no_batch(b, "\"data\" is not uint8 with 3072 values a row");
    b->n = shape->item[0]->i;
    bool text = bytes->kind == BL_PICKLE_TEXT || bytes->kind == BL_PICKLE_BYTES;
    if (!text || b->n < 1 || b->n > MAX_BYTES / ROW || bytes->size != (size_t)b->n * ROW)
        return no_batch(b, "the bytes of \"data\" are not its rows");
    b->rows = (const uint8_t *)bytes->text;
    return BL_OK;
}

static bl_status open_batch(const void *data, size_t size, const char *name, const char *labels,
                            batch *b) {
    bl_pickle *root;
    *b = (batch){.name = name, .arena = bl_arena_create(0)};
    if (!b->arena) return bl_no_memory("for %s", name);
    BL_TRY(bl_pickle_read(data, size, name, b->arena, &root, NULL));
    BL_TRY(find_rows(bl_pickle_get(root, "data"), b));
    b->labels = bl_pickle_get(root, labels);
    if (!b->labels || b->labels->kind != BL_PICKLE_LIST || b->labels->n != (size_t)b->n)
        return bl_fail(BL_EFORMAT, "%s: \"%s\" is not a list of %lld labels", name, labels,
                       (long long)b->n);
    return BL_OK;
}

/* Rows into images first, first + 1, ... */
static bl_status fill(const batch *b, bl_classify_set *s, int32_t first) {
    for (int64_t i = 0; i < b->n; i++) {
        const bl_pickle *label = b->labels->item[i];
        if (label->kind != BL_PICKLE_INT || label->i < 0 || label->i >= s->n_classes)
            return bl_fail(BL_EFORMAT, "%s: label %lld is not a number below %d", b->name,
                           (long long)i, s->n_classes);
        s->labels[first + i] = (int32_t)label->i;
        const uint8_t *plane = b->rows + i * ROW;
        uint8_t *p = bl_classify_image(s, first + i);
        for (int k = 0; k < PLANE; k++, p += 3) {
            p[0] = plane[k];
            p[1] = plane[PLANE + k];
            p[2] = plane[2 * PLANE + k];
        }
    }
    return BL_OK;
}

static bl_status join(const batch *b, int n, const char *name, int32_t n_classes,
                      bl_classify_set **out) {
    int64_t images = 0;
    int32_t first = 0;
    for (int k = 0; k < n; k++) images += b[k].n;
    BL_TRY(bl_classify_set_create(name, images, SIDE, SIDE, n_classes, out));
    bl_status status = BL_OK;
    for (int k = 0; k < n && status == BL_OK; k++) {
        status = fill(&b[k], *out, first);
        first += (int32_t)b[k].n;
    }
    if (status != BL_OK) bl_classify_set_free(*out);
    return status;
}

bl_status bl_cifar_python_parse(const uint8_t *data, size_t size, const char *name,
                                const char *labels, int32_t n_classes, bl_classify_set **out) {
    batch b;
    bl_status status = open_batch(data, size, name, labels, &b);
    if (status == BL_OK) status = join(&b, 1, name, n_classes, out);
    bl_arena_destroy(b.arena);
    return status;
}

/* ---- names ---- */

static bl_status set_names(const bl_pickle *list, const char *path, bl_classify_set *s,
                           bl_arena *arena) {
    if (!list || list->kind != BL_PICKLE_LIST || list->n != (size_t)s->n_classes)
        return bl_fail(BL_EFORMAT, "%s: has no list of %d class names", path, s->n_classes);
    const char **names = BL_NEW_ARRAY(arena, const char *, s->n_classes);
    if (!names) return BL_ENOMEM;
    for (int32_t c = 0; c < s->n_classes; c++) {
        const bl_pickle *v = list->item[c];
        if (v->kind != BL_PICKLE_TEXT && v->kind != BL_PICKLE_BYTES)
            return bl_fail(BL_EFORMAT, "%s: the name of class %d is not text", path, c);
        names[c] = bl_arena_printf(arena, "%.*s", (int)v->size, v->text);
        if (!names[c]) return BL_ENOMEM;
    }
    return bl_classify_set_names(s, names);
}

static bl_status read_names(const char *path, const char *key, bl_classify_set *s) {
    bl_packed file;
    bl_pickle *root;
    if (!bl_exists(path)) return BL_OK;
    BL_TRY(bl_packed_open(path, 1 << 20, &file));
    bl_arena *arena = bl_arena_create(0);
    bl_status status = arena ? bl_pickle_read(file.data, file.size, path, arena, &root, NULL)
                             : bl_no_memory("for %s", path);
    if (status == BL_OK) status = set_names(bl_pickle_get(root, key), path, s, arena);
    bl_arena_destroy(arena);
    bl_packed_close(&file);
    return status;
}

/* ---- files ---- */

bl_status bl_cifar_python_read(const char *dir, const bl_cifar_python *what,
                               bl_classify_set **out) {
    bl_packed file[BL_CIFAR_PYTHON_FILES] = {{0}};
    batch b[BL_CIFAR_PYTHON_FILES] = {{0}};
    char *path = NULL;
    bl_classify_set *s = NULL;
    bl_status status;
    for (int k = 0; k < what->n_files; k++) {
        free(path);
        path = bl_path_join(dir, what->files[k]);
        if (!path) BL_TRY_DONE(bl_no_memory("for %s", dir));
        BL_TRY_DONE(bl_packed_open(path, MAX_BYTES, &file[k]));
        BL_TRY_DONE(open_batch(file[k].data, file[k].size, file[k].name, what->labels, &b[k]));
    }
    BL_TRY_DONE(join(b, what->n_files, dir, what->n_classes, &s));
    free(path);
    path = bl_path_join(dir, what->meta);
    if (!path) BL_TRY_DONE(bl_no_memory("for %s", dir));
    BL_TRY_DONE(read_names(path, what->names_key, s));
done:
    for (int k = 0; k < what->n_files; k++) {
        bl_arena_destroy(b[k].arena);
        bl_packed_close(&file[k]);
    }
    free(path);
    if (status == BL_OK)
        *out = s;
    else if (s)
        bl_classify_set_free(s);
    return status;
}
