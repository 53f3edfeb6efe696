#include "train/classification/input.h"

#include <math.h>
#include <stdlib.h>

#include "core/fs.h"
#include "core/json.h"

/* Far more than a set in memory can have, and few enough that a damaged number does no harm. */
enum { MAX_IMAGES = 1 << 24, MAX_SIDE = 4096, ROOM_BYTES = 1 << 28 };

static struct json_object *three(const float v[3]) {
    struct json_object *list = json_object_new_array();
    for (int c = 0; c < 3; c++) bl_json_append(&list, json_object_new_double(v[c]));
    return list;
}

void bl_classify_input_record(struct json_object **root, const bl_classify_set *train) {
    struct json_object *o = json_object_new_object();
    bl_json_add(&o, "width", json_object_new_int(train->width));
    bl_json_add(&o, "height", json_object_new_int(train->height));
    bl_json_add(&o, "mean", three(train->mean));
    bl_json_add(&o, "std", three(train->std));
    bl_json_add(root, "input", o);
}

static bl_status read_side(const char *path, struct json_object *input, const char *key,
                           int64_t *out) {
    struct json_object *o;
    *out = json_object_object_get_ex(input, key, &o) ? json_object_get_int64(o) : 0;
    if (*out < 1 || *out > MAX_SIDE)
        return bl_fail(BL_EFORMAT, "%s: input.%s is %lld, expected 1..%d", path, key,
                       (long long)*out, MAX_SIDE);
    return BL_OK;
}

static bl_status read_three(const char *path, struct json_object *input, const char *key,
                            bool positive, float out[3]) {
    struct json_object *list;
    bool good = json_object_object_get_ex(input, key, &list) &&
                json_object_is_type(list, json_type_array) && json_object_array_length(list) == 3;
    for (size_t c = 0; good && c < 3; c++) {
        out[c] = (float)json_object_get_double(json_object_array_get_idx(list, c));
        good = isfinite(out[c]) && (!positive || out[c] > 0);
    }
    return good ? BL_OK
                : bl_fail(BL_EFORMAT, "%s: input.%s: expected 3 numbers%s", path, key,
                          positive ? " above 0" : "");
}

/* counts[k] and names (the document's) of the classes. */
static bl_status read_classes(const char *path, struct json_object *list, int32_t k,
                              const char **names, int64_t *counts, int64_t *sum) {
    *sum = 0;
    for (int32_t c = 0; c < k; c++) {
        struct json_object *entry = json_object_array_get_idx(list, (size_t)c), *name, *count;
        if (!json_object_object_get_ex(entry, "name", &name) ||
            !json_object_object_get_ex(entry, "train_images", &count) ||
            json_object_get_int64(count) < 0)
            return bl_fail(BL_EFORMAT, "%s: classes[%d]: expected \"name\" and \"train_images\"",
                           path, (int)c);
        names[c] = json_object_get_string(name);
        counts[c] = json_object_get_int64(count);
        if (!names[c]) return bl_fail(BL_EFORMAT, "%s: classes[%d]: no name", path, (int)c);
        if (counts[c] > MAX_IMAGES - *sum)
            return bl_fail(
                BL_EFORMAT,
                "%s: classes[%d]: %lld training images make more than %d in all; the file "
                "is damaged",
                path, (int)c, (long long)counts[c], MAX_IMAGES);
        *sum += counts[c];
    }
    return *sum > 0 ? BL_OK : bl_fail(BL_EFORMAT, "%s: no class has labelled images", path);
}

static bl_status build(const char *path, struct json_object *root, int64_t n,
                       bl_classify_set **room, int32_t **labels, int32_t *n_labels) {
    struct json_object *list, *input;
    if (!json_object_object_get_ex(root, "classes", &list) ||
        !json_object_is_type(list, json_type_array) || json_object_array_length(list) < 1 ||
        json_object_array_length(list) > BL_CLASSIFY_MAX)
        return bl_fail(BL_EFORMAT, "%s: no \"classes\" list", path);
    if (!json_object_object_get_ex(root, "input", &input))
        return bl_fail(BL_EFORMAT, "%s: no \"input\": not written by a classification run", path);
    int32_t k = (int32_t)json_object_array_length(list), at = 0;
    int64_t width, height, sum;
    float mean[3], std[3];
    BL_TRY(read_side(path, input, "width", &width));
    BL_TRY(read_side(path, input, "height", &height));
    BL_TRY(read_three(path, input, "mean", false, mean));
    BL_TRY(read_three(path, input, "std", true, std));
    const char **names = calloc((size_t)k, sizeof *names);
    int64_t *counts = calloc((size_t)k, sizeof *counts);
    bl_status status = names && counts ? BL_OK : bl_no_memory("for %s", path);
    if (status == BL_OK) status = read_classes(path, list, k, names, counts, &sum);
    if (status == BL_OK) {
        *labels = malloc((size_t)sum * sizeof **labels);
        if (!*labels) status = bl_no_memory("for %s", path);
    }
    int64_t most = ROOM_BYTES / (3 * height * width);
    if (n > most) n = most > 0 ? most : 1;
    if (status == BL_OK) status = bl_classify_set_create(path, n, height, width, k, room);
    if (status == BL_OK) status = bl_classify_set_names(*room, names);
    for (int32_t c = 0; status == BL_OK && c < k; c++)
        for (int64_t i = 0; i < counts[c]; i++) (*labels)[at++] = c;
    for (int c = 0; status == BL_OK && c < 3; c++) {
        (*room)->mean[c] = mean[c];
        (*room)->std[c] = std[c];
    }
    *n_labels = at;
    free(names);
    free(counts);
    return status;
}

bl_status bl_classify_input_read(const char *run_dir, int64_t n, bl_classify_set **room,
                                 int32_t **labels, int32_t *n_labels) {
    char *path = bl_path_join(run_dir, "classes.json");
    bl_json doc = {0};
    *room = NULL;
    *labels = NULL;
    bl_status status = path ? bl_json_load(path, &doc) : bl_no_memory(NULL);
    if (status == BL_OK) {
        status = build(path, doc.root, n, room, labels, n_labels);
        bl_json_free(&doc);
    }
    if (status != BL_OK) {
        bl_classify_set_free(*room);
        free(*labels);
        *room = NULL;
        *labels = NULL;
    }
    free(path);
    return status;
}
