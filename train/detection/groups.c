#include "train/detection/groups.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "balance/groups.h"
#include "core/json.h"

static const char *const names[] = {"majority", "minority"};

static bl_status allocate(bl_groups *g, int32_t n) {
    size_t k = (size_t)n + 1;
    *g = (bl_groups){.n_classes = n,
                     .images = calloc(k, sizeof *g->images),
                     .boxes = calloc(k, sizeof *g->boxes),
                     .group = calloc(k, 1),
                     .mask = calloc(2 * k, 1)};
    if (g->images && g->boxes && g->group && g->mask) return BL_OK;
    bl_groups_free(g);
    return bl_no_memory("for class groups");
}

/* Fills mask and info once the groups are known. */
static void finish(bl_groups *g) {
    for (int32_t c = 0; c < g->n_classes; c++) g->mask[g->group[c] * g->n_classes + c] = 1;
    g->info = (bl_class_info){.train_images = g->images,
                              .train_boxes = g->boxes,
                              .group = g->group,
                              .group_names = names,
                              .n_groups = 2};
}

static bl_status listed(const bl_strings *list, const bl_dataset *d, int32_t *index) {
    const char **all = calloc((size_t)d->n_categories + 1, sizeof *all);
    if (!all) return bl_no_memory(NULL);
    for (int32_t c = 0; c < d->n_categories; c++) all[c] = d->categories[c].name;
    bl_status status = BL_OK;
    for (int32_t i = 0; i < list->n && status == BL_OK; i++) {
        index[i] = -1;
        for (int32_t c = 0; c < d->n_categories; c++)
            if (strcmp(all[c], list->v[i]) == 0) index[i] = c;
        if (index[i] >= 0) continue;
        const char *close = bl_did_you_mean(list->v[i], all);
        status = bl_fail(BL_ECONFIG, "data.minority: no category \"%s\" in %s%s%s%s", list->v[i],
                         d->name, close ? "; did you mean \"" : "", close ? close : "",
                         close ? "\"?" : "");
    }
    free(all);
    return status;
}

bl_status bl_groups_make(const bl_data_config *cfg, const bl_dataset *labelled, bl_groups *out) {
    int32_t n = labelled->n_categories;
    BL_TRY(allocate(out, n));
    bl_dataset_counts(labelled, false, out->images, out->boxes);
    int32_t *group = calloc((size_t)n + 1, sizeof *group);
    int32_t *index = calloc((size_t)cfg->minority.n + 1, sizeof *index);
    bl_status status = group && index ? BL_OK : bl_no_memory(NULL);
    bool by_list = cfg->minority.n > 0;
    if (status == BL_OK && by_list) status = listed(&cfg->minority, labelled, index);
    if (status == BL_OK)
        status =
            bl_groups_assign(by_list ? BL_GROUP_BY_LIST : BL_GROUP_BY_RATIO, cfg->minority_ratio,
                             index, cfg->minority.n, out->boxes, n, group);
    for (int32_t c = 0; status == BL_OK && c < n; c++) out->group[c] = (uint8_t)group[c];
    free(group);
    free(index);
    if (status == BL_OK)
        finish(out);
    else
        bl_groups_free(out);
    return status;
}

bl_status bl_groups_write(const bl_groups *g, const bl_dataset *d, const char *path) {
    struct json_object *root = json_object_new_object(), *classes = json_object_new_array();
    struct json_object *groups = json_object_new_array();
    for (int32_t c = 0; c < g->n_classes; c++) {
        struct json_object *o = json_object_new_object();
        bl_json_add(&o, "id", json_object_new_int64(d->categories[c].id));
        bl_json_add(&o, "name", json_object_new_string(d->categories[c].name));
        bl_json_add(&o, "train_images", json_object_new_int64(g->images[c]));
        bl_json_add(&o, "train_boxes", json_object_new_int64(g->boxes[c]));
        bl_json_add(&o, "group", json_object_new_string(names[g->group[c]]));
        bl_json_append(&classes, o);
    }
    for (int i = 0; i < 2; i++) bl_json_append(&groups, json_object_new_string(names[i]));
    bl_json_add(&root, "classes", classes);
    bl_json_add(&root, "groups", groups);
    bl_status status = bl_json_save(root, path);
    json_object_put(root);
    return status;
}

static bool is_text(struct json_object *o) {
    return json_object_is_type(o, json_type_string);
}

static bl_status read_class(struct json_object *o, const bl_dataset *d, int32_t c, bl_groups *g,
                            const char *path) {
    struct json_object *name, *images, *boxes, *group;
    if (!json_object_object_get_ex(o, "name", &name) ||
        !json_object_object_get_ex(o, "train_images", &images) ||
        !json_object_object_get_ex(o, "train_boxes", &boxes) ||
        !json_object_object_get_ex(o, "group", &group))
        return bl_fail(BL_EFORMAT, "%s: classes[%d] lacks name, train_images, train_boxes or group",
                       path, (int)c);
    if (!is_text(name) || !is_text(group))
        return bl_fail(BL_EFORMAT, "%s: classes[%d]: name and group must be strings", path, (int)c);
    if (strcmp(json_object_get_string(name), d->categories[c].name) != 0)
        return bl_fail(BL_EFORMAT, "%s: class %d is \"%s\", but \"%s\" in %s", path, (int)c,
                       json_object_get_string(name), d->categories[c].name, d->name);
    g->images[c] = json_object_get_int64(images);
    g->boxes[c] = json_object_get_int64(boxes);
    g->group[c] = strcmp(json_object_get_string(group), names[1]) == 0;
    return BL_OK;
}

bl_status bl_groups_read(const char *path, const bl_dataset *d, bl_groups *out) {
    bl_json doc;
    struct json_object *classes;
    BL_TRY(bl_json_load(path, &doc));
    bl_status status = allocate(out, d->n_categories);
    if (status == BL_OK && (!json_object_object_get_ex(doc.root, "classes", &classes) ||
                            !json_object_is_type(classes, json_type_array) ||
                            json_object_array_length(classes) != (size_t)d->n_categories))
        status = bl_fail(BL_EFORMAT, "%s: expected %d classes as in %s", path, (int)d->n_categories,
                         d->name);
    for (int32_t c = 0; status == BL_OK && c < d->n_categories; c++)
        status = read_class(json_object_array_get_idx(classes, (size_t)c), d, c, out, path);
    if (status == BL_OK)
        finish(out);
    else
        bl_groups_free(out);
    bl_json_free(&doc);
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
    free(g->images);
    free(g->boxes);
    free(g->group);
    free(g->mask);
    *g = (bl_groups){0};
}
