/* Splits on disk: writing them with checksums, and checking them before they are trusted. */
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/ids.h"
#include "core/json.h"
#include "core/strmap.h"
#include "datasets/splits/split_copy.h"

static const char format[] = "ballast-split-1";
static const char *const part_names[] = {"labelled", "unlabelled"};
static const char *const file_names[] = {"labelled.json", "unlabelled.json"};

/* ---- writing ---- */

static struct json_object *integer(int64_t v) {
    return json_object_new_int64(v);
}

static struct json_object *text(const char *s) {
    return json_object_new_string(s);
}

static struct json_object *settings(const bl_split_config *c) {
    struct json_object *o = json_object_new_object(), *names = json_object_new_array();
    bl_json_add(&o, "percent", json_object_new_double(c->percent));
    bl_json_add(&o, "seed", integer(c->seed));
    bl_json_add(&o, "fold", integer(c->fold));
    bl_json_add(&o, "draw", text(c->draw == BL_DRAW_NUMPY ? "numpy" : "ballast"));
    bl_json_add(&o, "min_boxes", integer(c->min_boxes));
    for (int32_t i = 0; i < c->minority.n; i++) bl_json_append(&names, text(c->minority.v[i]));
    bl_json_add(&o, "minority", names);
    bl_json_add(&o, "few_shot_images", integer(c->few_shot_images));
    bl_json_add(&o, "few_shot_boxes", integer(c->few_shot_boxes));
    bl_json_add(&o, "drop_empty", json_object_new_boolean(c->drop_empty));
    return o;
}

/* A list by its content: the file may move. */
static bl_status put_list(struct json_object **o, const char *key, const char *path) {
    char sha256[65];
    if (!path || !*path) return BL_OK;
    BL_TRY(bl_sha256_file(path, sha256));
    struct json_object *list = json_object_new_object();
    bl_json_add(&list, "file", text(path));
    bl_json_add(&list, "sha256", text(sha256));
    bl_json_add(o, key, list);
    return BL_OK;
}

static struct json_object *image_id(const bl_image_info *im) {
    return im->id_text ? text(im->id_text) : integer(im->id);
}

static struct json_object *part(const bl_dataset *d, const char *file, const char *sha256) {
    struct json_object *o = json_object_new_object(), *ids = json_object_new_array();
    bl_json_add(&o, "file", text(file));
    bl_json_add(&o, "sha256", text(sha256));
    bl_json_add(&o, "images", integer(d->n_images));
    bl_json_add(&o, "boxes", integer(d->n_anns));
    for (int32_t i = 0; i < d->n_images; i++) bl_json_append(&ids, image_id(&d->images[i]));
    bl_json_add(&o, "image_ids", ids);
    return o;
}

static struct json_object *class_counts(const bl_split *s, const int64_t *counts) {
    int32_t n = s->source->n_categories;
    struct json_object *list = json_object_new_array();
    for (int32_t c = 0; c < n; c++) {
        const bl_category *k = &s->source->categories[c];
        struct json_object *o = json_object_new_object();
        bl_json_add(&o, "id", integer(k->id));
        bl_json_add(&o, "name", text(k->name));
        bl_json_add(&o, "minority", json_object_new_boolean(s->is_minority[c]));
        bl_json_add(&o, "short", json_object_new_boolean(s->is_short[c]));
        bl_json_add(&o, "labelled_images", integer(counts[c]));
        bl_json_add(&o, "labelled_boxes", integer(counts[n + c]));
        bl_json_add(&o, "unlabelled_images", integer(counts[2 * n + c]));
        bl_json_add(&o, "unlabelled_boxes", integer(counts[3 * n + c]));
        bl_json_append(&list, o);
    }
    return list;
}

static bl_status write_index(const bl_split *s, const char *path, char sha[2][65]) {
    const bl_dataset *d = s->source;
    char source_sha[65] = "";
    if (bl_exists(d->name) && !bl_is_dir(d->name)) BL_TRY(bl_sha256_file(d->name, source_sha));
    int32_t n = d->n_categories;
    int64_t *counts = calloc(4 * (size_t)n + 1, sizeof *counts);
    if (!counts) return bl_no_memory("for %s", path);
    bl_dataset_counts(s->labelled, false, counts, counts + n);
    bl_dataset_counts(s->unlabelled, false, counts + 2 * n, counts + 3 * n);

    struct json_object *root = json_object_new_object(), *source = json_object_new_object();
    bl_json_add(&root, "format", text(format));
    bl_json_add(&root, "settings", settings(&s->config));
    bl_json_add(&source, "file", text(d->name));
    bl_json_add(&source, "sha256", text(source_sha));
    bl_json_add(&source, "image_dir", text(d->image_dir));
    bl_json_add(&source, "images", integer(d->n_images));
    bl_json_add(&source, "boxes", integer(d->n_anns));
    bl_json_add(&root, "source", source);
    bl_status status = put_list(&root, "base_list", s->config.base);
    if (status == BL_OK) status = put_list(&root, "few_list", s->config.few);
    bl_json_add(&root, "base_images", integer(s->n_base));
    bl_json_add(&root, "few_shot_images", integer(s->n_few_shot));
    bl_json_add(&root, "topup_images", integer(s->n_topup));
    bl_json_add(&root, "dropped_images", integer(s->n_dropped));
    bl_json_add(&root, "labelled", part(s->labelled, file_names[0], sha[0]));
    bl_json_add(&root, "unlabelled", part(s->unlabelled, file_names[1], sha[1]));
    bl_json_add(&root, "classes", class_counts(s, counts));
    if (status == BL_OK) status = bl_json_save(root, path);
    json_object_put(root);
    free(counts);
    return status;
}

/* Of a COCO file, copies of its records; of other sources, what the data set holds. */
static bl_status write_parts(const bl_split *s, const char *const paths[2]) {
    const char *source = s->source->name;
    if (s->source->source == BL_SOURCE_COCO && bl_exists(source) && !bl_is_dir(source))
        return bl_split_copy(s, paths);
    BL_TRY(bl_coco_write(s->labelled, paths[0]));
    return bl_coco_write(s->unlabelled, paths[1]);
}

bl_status bl_split_write(const bl_split *s, const char *dir) {
    char sha[2][65], *path[3] = {bl_path_join(dir, file_names[0]), bl_path_join(dir, file_names[1]),
                                 bl_path_join(dir, "split.json")};
    const char *const parts[2] = {path[0], path[1]};
    bl_status status = BL_OK;
    if (!path[0] || !path[1] || !path[2]) BL_TRY_DONE(bl_no_memory("for %s", dir));
    BL_TRY_DONE(bl_mkdirs(dir));
    BL_TRY_DONE(write_parts(s, parts));
    for (int k = 0; k < 2; k++) BL_TRY_DONE(bl_sha256_file(path[k], sha[k]));
    status = write_index(s, path[2], sha);
done:
    for (int k = 0; k < 3; k++) free(path[k]);
    return status;
}

/* ---- verifying ---- */

/* One part against its entry in split.json. */
static bl_status check_part(const bl_json *doc, const char *dir, int k, bl_dataset **out) {
    struct json_object *entry, *sha, *ids;
    char found[65];
    BL_TRY(bl_json_member(doc, doc->root, part_names[k], json_type_object, &entry));
    BL_TRY(bl_json_member(doc, entry, "sha256", json_type_string, &sha));
    BL_TRY(bl_json_member(doc, entry, "image_ids", json_type_array, &ids));
    char *path = bl_path_join(dir, file_names[k]);
    if (!path) return bl_no_memory("for %s", dir);
    bl_status status;
    BL_TRY_DONE(bl_sha256_file(path, found));
    if (strcmp(found, json_object_get_string(sha)) != 0) {
        status = bl_fail(BL_EFORMAT,
                         "%s: has changed since the split was written (SHA-256 %.12s..., expected "
                         "%.12s...); restore it or make the split again",
                         path, found, json_object_get_string(sha));
        goto done;
    }
    BL_TRY_DONE(bl_coco_read(path, "", NULL, out));
    bl_dataset *d = *out;
    if (strcmp(d->role, part_names[k]) != 0) {
        status = bl_fail(BL_EFORMAT, "%s: its role is \"%s\", expected \"%s\"", path, d->role,
                         part_names[k]);
        goto done;
    }
    bool same = json_object_array_length(ids) == (size_t)d->n_images;
    for (int32_t i = 0; same && i < d->n_images; i++) {
        const bl_image_info *im = &d->images[i];
        struct json_object *id = json_object_array_get_idx(ids, (size_t)i);
        same = im->id_text ? json_object_is_type(id, json_type_string) &&
                                 strcmp(json_object_get_string(id), im->id_text) == 0
                           : json_object_get_int64(id) == im->id;
    }
    if (!same)
        status = bl_fail(BL_EFORMAT, "%s: its images are not those that %s lists", path, doc->file);
done:
    free(path);
    return status;
}

static bl_status check_categories(const char *dir, const bl_dataset *a, const bl_dataset *b) {
    bool same = a->n_categories == b->n_categories;
    for (int32_t c = 0; same && c < a->n_categories; c++)
        same = a->categories[c].id == b->categories[c].id &&
               strcmp(a->categories[c].name, b->categories[c].name) == 0;
    return same ? BL_OK
                : bl_fail(BL_EFORMAT,
                          "%s: the labelled and the unlabelled part have different "
                          "categories; make the split again",
                          dir);
}

static bl_status check_disjoint(const char *dir, const bl_dataset *a, const bl_dataset *b) {
    bl_id_index ids = {0};
    bl_arena *arena = bl_arena_create(0);
    bl_strmap *files = arena ? bl_strmap_create(arena) : NULL;
    bl_status status = files ? BL_OK : bl_no_memory("for %s", dir);
    for (int32_t i = 0; status == BL_OK && i < a->n_images; i++) {
        int64_t stored;
        const bl_image_info *im = &a->images[i];
        status = bl_id_index_add(&ids, (bl_id){im->id, im->id_text}, i, &stored);
        if (status == BL_OK && bl_strmap_add(files, 0, a->images[i].file, i) < 0)
            status = BL_ENOMEM;
    }
    for (int32_t i = 0; status == BL_OK && i < b->n_images; i++) {
        const bl_image_info *im = &b->images[i];
        if (bl_id_index_get(&ids, (bl_id){im->id, im->id_text}) >= 0 ||
            bl_strmap_get(files, 0, im->file) >= 0)
            status =
                bl_fail(BL_EFORMAT,
                        "%s: image %s (id %lld) is in both the labelled and the unlabelled part; "
                        "make the split again",
                        dir, im->file, (long long)im->id);
    }
    bl_id_index_free(&ids);
    bl_arena_destroy(arena);
    return status;
}

static bl_status check_source(const bl_json *doc, bl_split_check *check) {
    struct json_object *source, *file, *sha;
    char found[65];
    BL_TRY(bl_json_member(doc, doc->root, "source", json_type_object, &source));
    BL_TRY(bl_json_member(doc, source, "file", json_type_string, &file));
    BL_TRY(bl_json_member(doc, source, "sha256", json_type_string, &sha));
    const char *path = json_object_get_string(file), *expected = json_object_get_string(sha);
    check->source_found = *expected && bl_exists(path) && !bl_is_dir(path);
    if (!check->source_found) return BL_OK;
    BL_TRY(bl_sha256_file(path, found));
    check->source_changed = strcmp(found, expected) != 0;
    return BL_OK;
}

bl_status bl_split_verify(const char *dir, bl_split_check *check) {
    bl_split_check local;
    bl_dataset *parts[2] = {NULL, NULL};
    bl_json doc = {0};
    struct json_object *version;
    if (!check) check = &local;
    *check = (bl_split_check){0};
    char *path = bl_path_join(dir, "split.json");
    if (!path) return bl_no_memory("for %s", dir);
    bl_status status = bl_json_load(path, &doc);
    free(path);
    BL_TRY(status);
    BL_TRY_DONE(bl_json_member(&doc, doc.root, "format", json_type_string, &version));
    if (strcmp(json_object_get_string(version), format) != 0) {
        status = bl_fail(BL_EFORMAT, "%s: format is \"%s\", expected \"%s\"", doc.file,
                         json_object_get_string(version), format);
        goto done;
    }
    for (int k = 0; k < 2; k++) BL_TRY_DONE(check_part(&doc, dir, k, &parts[k]));
    BL_TRY_DONE(check_categories(dir, parts[0], parts[1]));
    BL_TRY_DONE(check_disjoint(dir, parts[0], parts[1]));
    BL_TRY_DONE(check_source(&doc, check));
    check->n_labelled = parts[0]->n_images;
    check->n_unlabelled = parts[1]->n_images;
done:
    bl_dataset_free(parts[0]);
    bl_dataset_free(parts[1]);
    bl_json_free(&doc);
    return status;
}
