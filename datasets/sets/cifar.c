/* CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): the binary versions, and which version a folder
 * holds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/packed_file.h"
#include "core/parallel.h"
#include "datasets/sets/cifar_python.h"
#include "datasets/sets/readers.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, MAX_BYTES = 1 << 30, NAMES_BYTES = 1 << 16 };

static const float mean10[3] = {0.4914f, 0.4822f, 0.4465f}, std10[3] = {0.2471f, 0.2435f, 0.2616f};
static const float mean100[3] = {0.5071f, 0.4867f, 0.4408f},
                   std100[3] = {0.2675f, 0.2565f, 0.2761f};

static const char *const names10[10] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                        "dog",      "frog",       "horse", "ship", "truck"};

/* How a record starts. */
typedef struct layout {
    int label_bytes, use;
    int32_t n_classes;
} layout;

static size_t record_bytes(layout l) {
    return (size_t)l.label_bytes + 3 * PLANE;
}

static bl_status check_size(size_t size, const char *name, layout l) {
    size_t record = record_bytes(l);
    if (size == 0 || size % record != 0)
        return bl_fail(
            BL_EFORMAT,
            "%s: %zu bytes are not a whole number of %zu-byte records (%zu are left over "
            "at byte %zu); is it the binary version, and complete?",
            name, size, record, size % record, size - size % record);
    return BL_OK;
}

/* Records from `data` into images first, first + 1, ... */
static bl_status unpack(const uint8_t *data, size_t size, const char *name, layout l,
                        bl_classify_set *s, int32_t first) {
    size_t record = record_bytes(l), n = size / record;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *r = data + i * record, *plane = r + l.label_bytes;
        if (r[l.use] >= l.n_classes)
            return bl_fail(BL_EFORMAT, "%s: label %d at byte %zu (record %zu) is not below %d",
                           name, r[l.use], i * record + (size_t)l.use, i, l.n_classes);
        s->labels[first + (int32_t)i] = r[l.use];
        uint8_t *p = bl_classify_image(s, first + (int64_t)i);
        for (int k = 0; k < PLANE; k++, p += 3) {
            p[0] = plane[k];
            p[1] = plane[PLANE + k];
            p[2] = plane[2 * PLANE + k];
        }
    }
    return BL_OK;
}

bl_status bl_cifar_parse(const uint8_t *data, size_t size, const char *name, int label_bytes,
                         int use, int32_t n_classes, bl_classify_set **out) {
    layout l = {label_bytes, use, n_classes};
    if (use < 0 || use >= label_bytes)
        return bl_fail(BL_EINVAL, "%s: a record has no label number %d", name, use);
    BL_TRY(check_size(size, name, l));
    BL_TRY(bl_classify_set_create(name, (int64_t)(size / record_bytes(l)), SIDE, SIDE, n_classes,
                                  out));
    bl_status status = unpack(data, size, name, l, *out, 0);
    if (status != BL_OK) bl_classify_set_free(*out);
    return status;
}

/* Replaces the names by the lines of `dir`/`file` when it is there: one a class,
 * blank lines pass. */
static bl_status read_names(const char *dir, const char *file, bl_classify_set *s) {
    char *path = bl_path_join(dir, file), *text = NULL;
    size_t size;
    if (!path) return bl_no_memory("for %s", dir);
    bl_status status = BL_OK;
    char **names = NULL;
    if (!bl_exists(path)) goto done;
    BL_TRY_DONE(bl_read_file(path, NAMES_BYTES, &text, &size));
    names = calloc((size_t)s->n_classes, sizeof *names);
    if (!names) {
        status = bl_no_memory("for %s", path);
        goto done;
    }
    int32_t n = 0;
    char *rest = text;
    for (char *line; (line = strtok_r(rest, "\r\n", &rest));) {
        if (n < s->n_classes) names[n] = line;
        n++;
    }
    if (n != s->n_classes)
        status = bl_fail(BL_EFORMAT, "%s: %d class names, expected %d", path, n, s->n_classes);
    else
        status = bl_classify_set_names(s, (const char *const *)names);
done:
    free(names);
    free(text);
    free(path);
    return status;
}

static bl_status join_parts(const bl_packed *parts, int n, const char *dir, layout l,
                            bl_classify_set **out) {
    int64_t images = 0;
    for (int k = 0; k < n; k++) {
        BL_TRY(check_size(parts[k].size, parts[k].name, l));
        images += (int64_t)(parts[k].size / record_bytes(l));
    }
    BL_TRY(bl_classify_set_create(dir, images, SIDE, SIDE, l.n_classes, out));
    int32_t first = 0;
    for (int k = 0; k < n; k++) {
        bl_status status = unpack(parts[k].data, parts[k].size, parts[k].name, l, *out, first);
        if (status != BL_OK) {
            bl_classify_set_free(*out);
            return status;
        }
        first += (int32_t)(parts[k].size / record_bytes(l));
    }
    return BL_OK;
}

enum { MOST_FILES = 5 };

typedef struct opening {
    char *path[MOST_FILES];
    bl_packed part[MOST_FILES];
    bl_status status[MOST_FILES];
} opening;

static void open_range(void *arg, int64_t begin, int64_t end) {
    opening *o = arg;
    for (int64_t k = begin; k < end; k++)
        o->status[k] = bl_packed_open(o->path[k], MAX_BYTES, &o->part[k]);
}

/* Opens the files, unpacking several at once. */
static bl_status open_files(const char *dir, const char *const *files, int n, opening *o) {
    for (int k = 0; k < n; k++) {
        o->path[k] = bl_path_join(dir, files[k]);
        if (!o->path[k]) return bl_no_memory("for %s", dir);
    }
    bl_parallel_for(n, 1, open_range, o);
    /* A failure's message stayed with its thread: fail again in this one. */
    for (int k = 0; k < n; k++)
        if (o->status[k] != BL_OK) BL_TRY(bl_packed_open(o->path[k], MAX_BYTES, &o->part[k]));
    return BL_OK;
}

static bl_status read_files(const char *dir, const char *const *files, int n, layout l,
                            const char *names_file, bl_classify_set **out) {
    opening o;
    bl_classify_set *s = NULL;
    memset(&o, 0, sizeof o);
    bl_status status = open_files(dir, files, n, &o);
    if (status == BL_OK) status = join_parts(o.part, n, dir, l, &s);
    for (int k = 0; k < n; k++) {
        bl_packed_close(&o.part[k]);
        free(o.path[k]);
    }
    BL_TRY(status);
    status = read_names(dir, names_file, s);
    if (status != BL_OK)
        bl_classify_set_free(s);
    else
        *out = s;
    return status;
}

static void set_statistics(bl_classify_set *s, const float mean[3], const float std[3]) {
    memcpy(s->mean, mean, sizeof s->mean);
    memcpy(s->std, std, sizeof s->std);
}

/* ---- which version, and where ---- */

typedef struct place {
    char *dir;
    bool python;
} place;

static bool has(const char *dir, const char *file) {
    char *path = bl_path_join(dir, file), *packed = NULL;
    bool there = path && bl_exists(path) && !bl_is_dir(path);
    if (path && !there && asprintf(&packed, "%s.xz", path) >= 0) there = bl_exists(packed);
    free(packed);
    free(path);
    return there;
}

/* The folder itself, or the one that an archive makes in it. A folder with neither is taken for the
 * binary version, whose missing file is named. */
static bl_status find_place(const char *dir, const char *binary, const char *python,
                            const char *const subs[2], place *out) {
    const char *const inside[3] = {"", subs[0], subs[1]};
    *out = (place){0};
    for (int k = 0; k < 3; k++) {
        char *at = *inside[k] ? bl_path_join(dir, inside[k]) : strdup(dir);
        if (!at) return bl_no_memory("for %s", dir);
        bool b = has(at, binary), p = !b && has(at, python);
        if (b || p) {
            *out = (place){at, p};
            return BL_OK;
        }
        free(at);
    }
    out->dir = strdup(dir);
    return out->dir ? BL_OK : bl_no_memory("for %s", dir);
}

static bl_status read10(const place *at, bool test, bl_classify_set **out) {
    static const char *const train_files[] = {"data_batch_1.bin", "data_batch_2.bin",
                                              "data_batch_3.bin", "data_batch_4.bin",
                                              "data_batch_5.bin"};
    static const char *const test_files[] = {"test_batch.bin"};
    static const char *const train_python[] = {"data_batch_1", "data_batch_2", "data_batch_3",
                                               "data_batch_4", "data_batch_5"};
    static const char *const test_python[] = {"test_batch"};
    int n = test ? 1 : 5;
    if (!at->python)
        return read_files(at->dir, test ? test_files : train_files, n, (layout){1, 0, 10},
                          "batches.meta.txt", out);
    const bl_cifar_python what = {.files = test ? test_python : train_python,
                                  .n_files = n,
                                  .labels = "labels",
                                  .meta = "batches.meta",
                                  .names_key = "label_names",
                                  .n_classes = 10};
    return bl_cifar_python_read(at->dir, &what, out);
}

bl_status bl_cifar10_read(const char *dir, bool test, bl_classify_set **out) {
    static const char *const subs[2] = {"cifar-10-batches-bin", "cifar-10-batches-py"};
    bl_classify_set *s;
    place at;
    BL_TRY(find_place(dir, test ? "test_batch.bin" : "data_batch_1.bin",
                      test ? "test_batch" : "data_batch_1", subs, &at));
    bl_status status = read10(&at, test, &s);
    free(at.dir);
    BL_TRY(status);
    if (strcmp(s->class_names[0], "0") == 0) status = bl_classify_set_names(s, names10);
    if (status != BL_OK) {
        bl_classify_set_free(s);
        return status;
    }
    set_statistics(s, mean10, std10);
    *out = s;
    return BL_OK;
}

static bl_status read100(const place *at, bool test, bool coarse, bl_classify_set **out) {
    const char *binary = test ? "test.bin" : "train.bin", *python = test ? "test" : "train";
    layout l = coarse ? (layout){2, 0, 20} : (layout){2, 1, 100};
    if (!at->python)
        return read_files(at->dir, &binary, 1, l,
                          coarse ? "coarse_label_names.txt" : "fine_label_names.txt", out);
    const bl_cifar_python what = {.files = &python,
                                  .n_files = 1,
                                  .labels = coarse ? "coarse_labels" : "fine_labels",
                                  .meta = "meta",
                                  .names_key = coarse ? "coarse_label_names" : "fine_label_names",
                                  .n_classes = l.n_classes};
    return bl_cifar_python_read(at->dir, &what, out);
}

bl_status bl_cifar100_read(const char *dir, bool test, bool coarse, bl_classify_set **out) {
    static const char *const subs[2] = {"cifar-100-binary", "cifar-100-python"};
    place at;
    BL_TRY(find_place(dir, test ? "test.bin" : "train.bin", test ? "test" : "train", subs, &at));
    bl_status status = read100(&at, test, coarse, out);
    free(at.dir);
    BL_TRY(status);
    set_statistics(*out, mean100, std100);
    return BL_OK;
}
