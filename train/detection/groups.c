#include "train/detection/groups.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"

bl_status bl_groups_make(const bl_data_config *cfg, const bl_dataset *labelled, bl_groups *out) {
    *out = (bl_groups){.n_classes = labelled->n_categories};
    char *file = *cfg->groups ? bl_path_join(cfg->root, cfg->groups) : NULL;
    if (*cfg->groups && !file) return bl_no_memory("for class groups");
    bl_status status = BL_OK;
    if (file && cfg->minority.n > 0)
        status = bl_fail(BL_ECONFIG, "data.groups and data.minority both name groups of classes; "
                                     "leave one of them empty");
    bl_class_groups_source from = {.train = labelled,
                                   .file = file,
                                   .minority = cfg->minority.v,
                                   .n_minority = cfg->minority.n,
                                   .minority_ratio = cfg->minority_ratio};
    if (status == BL_OK) status = bl_class_groups_make(labelled, &from, &out->of);
    free(file);
    return status;
}

static struct json_object *text(const char *s) {
    return json_object_new_string(s);
}

/* The names of all groups of class c, for a class that is in several. */
static void put_memberships(struct json_object **o, const bl_class_info *info, int32_t c,
                            int32_t n_classes) {
    struct json_object *list = json_object_new_array();
    for (int32_t i = 0; i < info->n_groups; i++)
        if (info->members[(int64_t)i * n_classes + c])
            bl_json_append(&list, text(info->group_names[i]));
    if (json_object_array_length(list) > 1)
        bl_json_add(o, "groups", list);
    else
        json_object_put(list);
}

bl_status bl_groups_write(const bl_groups *g, const bl_dataset *d, const char *path) {
    const bl_class_info *info = &g->of.info;
    struct json_object *root = json_object_new_object(), *classes = json_object_new_array();
    struct json_object *groups = json_object_new_array();
    for (int32_t c = 0; c < g->n_classes; c++) {
        struct json_object *o = json_object_new_object();
        bool grouped = info->n_groups > 0 && info->group[c] < info->n_groups;
        bl_json_add(&o, "id", json_object_new_int64(d->categories[c].id));
        bl_json_add(&o, "name", text(d->categories[c].name));
        bl_json_add(&o, "train_images", json_object_new_int64(info->train_images[c]));
        bl_json_add(&o, "train_boxes", json_object_new_int64(info->train_boxes[c]));
        bl_json_add(&o, "group", text(grouped ? info->group_names[info->group[c]] : ""));
        put_memberships(&o, info, c, g->n_classes);
        bl_json_append(&classes, o);
    }
    for (int i = 0; i < info->n_groups; i++) bl_json_append(&groups, text(info->group_names[i]));
    bl_json_add(&root, "classes", classes);
    bl_json_add(&root, "groups", groups);
    bl_status status = bl_json_save(root, path);
    json_object_put(root);
    return status;
}

static bool is_text(struct json_object *o) {
    return json_object_is_type(o, json_type_string);
}

/* What bl_groups_read fills; the info of a bl_class_groups is read-only. */
typedef struct {
    const char *path;
    const bl_dataset *d;
    bl_arena *arena;
    int64_t *images, *boxes;
    const char **names;
    uint8_t *group, *members;
    int32_t n_groups, n_classes;
} reading;

static bl_status join(reading *r, int32_t c, struct json_object *name, bool first) {
    if (first && is_text(name) && !*json_object_get_string(name)) return BL_OK; /* in none */
    for (int32_t i = 0; i < r->n_groups && is_text(name); i++) {
        if (strcmp(r->names[i], json_object_get_string(name)) != 0) continue;
        if (first) r->group[c] = (uint8_t)i;
        r->members[(int64_t)i * r->n_classes + c] = 1;
        return BL_OK;
    }
    return bl_fail(BL_EFORMAT, "%s: classes[%d]: its group is not in \"groups\"", r->path, (int)c);
}

static bl_status read_class(reading *r, struct json_object *o, int32_t c) {
    struct json_object *name, *images, *boxes, *group, *all;
    if (!json_object_object_get_ex(o, "name", &name) ||
        !json_object_object_get_ex(o, "train_images", &images) ||
        !json_object_object_get_ex(o, "train_boxes", &boxes) ||
        !json_object_object_get_ex(o, "group", &group))
        return bl_fail(BL_EFORMAT, "%s: classes[%d] lacks name, train_images, train_boxes or group",
                       r->path, (int)c);
    if (!is_text(name) || !is_text(group))
        return bl_fail(BL_EFORMAT, "%s: classes[%d]: name and group must be strings", r->path,
                       (int)c);
    if (strcmp(json_object_get_string(name), r->d->categories[c].name) != 0)
        return bl_fail(BL_EFORMAT, "%s: class %d is \"%s\", but \"%s\" in %s", r->path, (int)c,
                       json_object_get_string(name), r->d->categories[c].name, r->d->name);
    r->images[c] = json_object_get_int64(images);
    r->boxes[c] = json_object_get_int64(boxes);
    BL_TRY(join(r, c, group, true));
    if (!json_object_object_get_ex(o, "groups", &all) || !json_object_is_type(all, json_type_array))
        return BL_OK;
    for (size_t i = 0; i < json_object_array_length(all); i++)
        BL_TRY(join(r, c, json_object_array_get_idx(all, i), false));
    return BL_OK;
}

static bl_status read_all(reading *r, const bl_json *doc) {
    struct json_object *classes, *groups;
    BL_TRY(bl_json_member(doc, doc->root, "groups", json_type_array, &groups));
    r->n_groups = (int32_t)json_object_array_length(groups);
    if (!json_object_object_get_ex(doc->root, "classes", &classes) ||
        !json_object_is_type(classes, json_type_array) ||
        json_object_array_length(classes) != (size_t)r->n_classes)
        return bl_fail(BL_EFORMAT, "%s: expected %d classes as in %s", r->path, (int)r->n_classes,
                       r->d->name);
    if (r->n_groups > BL_MAX_CLASS_GROUPS)
        return bl_fail(BL_EFORMAT, "%s: %d groups, expected at most %d", r->path, (int)r->n_groups,
                       BL_MAX_CLASS_GROUPS);
    size_t n = (size_t)r->n_classes + 1;
    r->images = BL_NEW_ARRAY(r->arena, int64_t, n);
    r->boxes = BL_NEW_ARRAY(r->arena, int64_t, n);
    r->group = BL_NEW_ARRAY(r->arena, uint8_t, n);
    r->members = BL_NEW_ARRAY(r->arena, uint8_t, (size_t)(r->n_groups + 1) * n);
    r->names = BL_NEW_ARRAY(r->arena, const char *, r->n_groups + 1);
    if (!r->images || !r->boxes || !r->group || !r->members || !r->names) return BL_ENOMEM;
    memset(r->group, r->n_groups, n);
    for (int32_t i = 0; i < r->n_groups; i++) {
        struct json_object *name = json_object_array_get_idx(groups, (size_t)i);
        if (!is_text(name))
            return bl_fail(BL_EFORMAT, "%s: groups[%d] is not a string", r->path, (int)i);
        r->names[i] = bl_arena_strdup(r->arena, json_object_get_string(name));
        if (!r->names[i]) return BL_ENOMEM;
    }
    for (int32_t c = 0; c < r->n_classes; c++)
        BL_TRY(read_class(r, json_object_array_get_idx(classes, (size_t)c), c));
    return BL_OK;
}

bl_status bl_groups_read(const char *path, const bl_dataset *d, bl_groups *out) {
    bl_json doc;
    BL_TRY(bl_json_load(path, &doc));
    reading r = {.path = path, .d = d, .arena = bl_arena_create(0), .n_classes = d->n_categories};
    bl_status status = r.arena ? read_all(&r, &doc) : bl_no_memory("for %s", path);
    bl_json_free(&doc);
    *out = (bl_groups){.n_classes = r.n_classes,
                       .of = {.arena = r.arena,
                              .info = {.train_images = r.images,
                                       .train_boxes = r.boxes,
                                       .group = r.group,
                                       .group_names = r.names,
                                       .n_groups = r.n_groups,
                                       .members = r.members}}};
    if (status != BL_OK) bl_groups_free(out);
    return status;
}

bl_status bl_groups_classes(const char *path, bl_dataset **out) {
    bl_json doc;
    struct json_object *classes = NULL, *name, *id;
    *out = NULL;
    BL_TRY(bl_json_load(path, &doc));
    bl_status status = BL_OK;
    size_t n = json_object_object_get_ex(doc.root, "classes", &classes) &&
                       json_object_is_type(classes, json_type_array)
                   ? json_object_array_length(classes)
                   : 0;
    bl_category *v = calloc(n + 1, sizeof *v);
    if (!v) status = bl_no_memory("for %s", path);
    if (n == 0) status = bl_fail(BL_EFORMAT, "%s: no \"classes\" list", path);
    for (size_t c = 0; c < n && status == BL_OK; c++) {
        struct json_object *o = json_object_array_get_idx(classes, c);
        if (!json_object_object_get_ex(o, "name", &name) ||
            !json_object_object_get_ex(o, "id", &id))
            status = bl_fail(BL_EFORMAT, "%s: classes[%d] lacks name or id", path, (int)c);
        else if (!is_text(name))
            status = bl_fail(BL_EFORMAT, "%s: classes[%d]: the name is not a string", path, (int)c);
        else
            v[c] = (bl_category){.id = json_object_get_int64(id),
                                 .name = json_object_get_string(name)};
    }
    const bl_dataset parts = {.name = path, .categories = v, .n_categories = (int32_t)n};
    if (status == BL_OK) status = bl_dataset_build(&parts, out);
    free(v);
    bl_json_free(&doc);
    return status;
}

void bl_groups_free(bl_groups *g) {
    bl_class_groups_free(&g->of);
    *g = (bl_groups){0};
}
