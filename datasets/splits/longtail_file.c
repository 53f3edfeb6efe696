/* The picked indices on disk. */
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "datasets/splits/longtail.h"

static const char format[] = "ballast-longtail-1";

/* ---- writing ---- */

static struct json_object *integers(const int32_t *v, int32_t n) {
    struct json_object *list = json_object_new_array();
    for (int32_t i = 0; i < n; i++) bl_json_append(&list, json_object_new_int64(v[i]));
    return list;
}

static struct json_object *long_integers(const int64_t *v, int32_t n) {
    struct json_object *list = json_object_new_array();
    for (int32_t i = 0; i < n; i++) bl_json_append(&list, json_object_new_int64(v[i]));
    return list;
}

static void labels_sha(const bl_classify_set *s, char hex[65]) {
    bl_sha256(s->labels, (size_t)s->n * sizeof *s->labels, hex);
}

static struct json_object *describe(const bl_classify_set *s) {
    struct json_object *o = json_object_new_object(), *names = json_object_new_array();
    char sha[65];
    labels_sha(s, sha);
    bl_json_add(&o, "name", json_object_new_string(s->name));
    bl_json_add(&o, "images", json_object_new_int64(s->n));
    bl_json_add(&o, "labels_sha256", json_object_new_string(sha));
    for (int32_t c = 0; c < s->n_classes; c++)
        bl_json_append(&names, json_object_new_string(s->class_names[c]));
    bl_json_add(&o, "classes", names);
    return o;
}

bl_status bl_longtail_write(const bl_longtail *l, const bl_longtail_config *cfg,
                            const bl_classify_set *train, const bl_classify_set *pool,
                            const char *path) {
    struct json_object *root = json_object_new_object();
    bl_json_add(&root, "format", json_object_new_string(format));
    bl_json_add(&root, "settings", bl_config_dump(&bl_longtail_schema, cfg));
    bl_json_add(&root, "training_set", describe(train));
    if (pool && pool != train) bl_json_add(&root, "unlabelled_set", describe(pool));
    bl_json_add(&root, "labelled_counts", long_integers(l->labelled_counts, l->n_classes));
    bl_json_add(&root, "unlabelled_counts", long_integers(l->unlabelled_counts, l->n_classes));
    bl_json_add(&root, "labelled", integers(l->labelled, l->n_labelled));
    bl_json_add(&root, "unlabelled", integers(l->unlabelled, l->n_unlabelled));
    bl_json_add(&root, "validation", integers(l->validation, l->n_validation));
    bl_status status = bl_json_save(root, path);
    json_object_put(root);
    return status;
}

/* ---- reading ---- */

static bl_status check_set(const bl_json *doc, const char *key, const bl_classify_set *s) {
    struct json_object *entry, *images, *sha;
    char found[65];
    BL_TRY(bl_json_member(doc, doc->root, key, json_type_object, &entry));
    BL_TRY(bl_json_member(doc, entry, "images", json_type_int, &images));
    BL_TRY(bl_json_member(doc, entry, "labels_sha256", json_type_string, &sha));
    labels_sha(s, found);
    if (json_object_get_int64(images) != s->n || strcmp(json_object_get_string(sha), found) != 0)
        return bl_fail(
            BL_EFORMAT,
            "%s: was made for a %s of %lld images; %s has %d images or other labels; make "
            "the split again",
            doc->file, key, (long long)json_object_get_int64(images), s->name, s->n);
    return BL_OK;
}

/* A list of different indices below `below`; marks them in `seen`, one byte an image. */
static bl_status read_list(const bl_json *doc, const char *key, int32_t below, uint8_t *seen,
                           int32_t **out, int32_t *n) {
    struct json_object *list;
    BL_TRY(bl_json_member(doc, doc->root, key, json_type_array, &list));
    size_t length = json_object_array_length(list);
    if (length > (size_t)below)
        return bl_fail(BL_EFORMAT, "%s: \"%s\" has %zu entries, the set only %d images", doc->file,
                       key, length, below);
    *out = malloc((length ? length : 1) * sizeof **out);
    if (!*out) return bl_no_memory("for %s", doc->file);
    for (size_t i = 0; i < length; i++) {
        struct json_object *v = json_object_array_get_idx(list, i);
        int64_t index = json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : -1;
        if (index < 0 || index >= below)
            return bl_fail(BL_EFORMAT, "%s: %s[%zu] is not an index below %d", doc->file, key, i,
                           below);
        if (seen[index])
            return bl_fail(BL_EFORMAT, "%s: %s[%zu] lists image %lld a second time", doc->file, key,
                           i, (long long)index);
        seen[index] = 1;
        (*out)[i] = (int32_t)index;
    }
    *n = (int32_t)length;
    return BL_OK;
}

static bl_status count_labels(const bl_json *doc, const char *key, const bl_classify_set *s,
                              const int32_t *images, int32_t n, int64_t *counts) {
    struct json_object *list;
    BL_TRY(bl_json_member(doc, doc->root, key, json_type_array, &list));
    for (int32_t i = 0; i < n; i++)
        if (s->labels[images[i]] >= 0) counts[s->labels[images[i]]]++;
    bool same = json_object_array_length(list) == (size_t)s->n_classes;
    for (int32_t c = 0; same && c < s->n_classes; c++)
        same = json_object_get_int64(json_object_array_get_idx(list, (size_t)c)) == counts[c];
    return same ? BL_OK
                : bl_fail(BL_EFORMAT, "%s: \"%s\" does not count the images it lists", doc->file,
                          key);
}

static bl_status read_lists(const bl_json *doc, const bl_classify_set *train,
                            const bl_classify_set *pool, uint8_t *seen, uint8_t *seen_in_pool,
                            bl_longtail *l) {
    bool own = pool == train;
    BL_TRY(check_set(doc, "training_set", train));
    if (!own) BL_TRY(check_set(doc, "unlabelled_set", pool));
    BL_TRY(read_list(doc, "labelled", train->n, seen, &l->labelled, &l->n_labelled));
    BL_TRY(read_list(doc, "unlabelled", pool->n, seen_in_pool, &l->unlabelled, &l->n_unlabelled));
    l->is_labelled = calloc((size_t)l->n_unlabelled + 1, 1);
    if (!l->is_labelled) return bl_no_memory("for %s", doc->file);
    for (int32_t i = 0; own && i < l->n_unlabelled; i++) l->is_labelled[i] = seen[l->unlabelled[i]];
    for (int32_t i = 0; own && i < train->n; i++) seen[i] |= seen_in_pool[i];
    BL_TRY(read_list(doc, "validation", train->n, seen, &l->validation, &l->n_validation));
    BL_TRY(count_labels(doc, "labelled_counts", train, l->labelled, l->n_labelled,
                        l->labelled_counts));
    for (int32_t i = 0; i < l->n_labelled; i++)
        if (train->labels[l->labelled[i]] < 0)
            return bl_fail(BL_EFORMAT, "%s: labelled[%d] is image %d, which has no label",
                           doc->file, i, l->labelled[i]);
    return count_labels(doc, "unlabelled_counts", pool, l->unlabelled, l->n_unlabelled,
                        l->unlabelled_counts);
}

static bl_status read_document(const bl_json *doc, const bl_classify_set *train,
                               const bl_classify_set *pool, bl_longtail *l) {
    struct json_object *version;
    BL_TRY(bl_json_member(doc, doc->root, "format", json_type_string, &version));
    if (strcmp(json_object_get_string(version), format) != 0)
        return bl_fail(BL_EFORMAT, "%s: format is \"%s\", expected \"%s\"", doc->file,
                       json_object_get_string(version), format);
    size_t k = (size_t)train->n_classes;
    l->n_classes = train->n_classes;
    l->labelled_counts = calloc(k, sizeof *l->labelled_counts);
    l->unlabelled_counts = calloc(k, sizeof *l->unlabelled_counts);
    uint8_t *seen = calloc((size_t)train->n + 1, 1), *seen_in_pool = calloc((size_t)pool->n + 1, 1);
    bl_status status;
    if (!l->labelled_counts || !l->unlabelled_counts || !seen || !seen_in_pool)
        status = bl_no_memory("for %s", doc->file);
    else
        status = read_lists(doc, train, pool, seen, seen_in_pool, l);
    free(seen);
    free(seen_in_pool);
    return status;
}

bl_status bl_longtail_read(const char *path, const bl_classify_set *train,
                           const bl_classify_set *pool, bl_longtail **out) {
    bl_json doc = {0};
    BL_TRY(bl_json_load(path, &doc));
    bl_longtail *l = calloc(1, sizeof *l);
    bl_status status =
        l ? read_document(&doc, train, pool ? pool : train, l) : bl_no_memory("for %s", path);
    bl_json_free(&doc);
    if (status != BL_OK)
        bl_longtail_free(l);
    else
        *out = l;
    return status;
}
