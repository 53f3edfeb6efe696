#include "eval/results/class_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balance/groups.h"
#include "core/json.h"
#include "core/schema.h"

enum { NO_GROUP = 255, MAX_GROUPS = BL_MAX_CLASS_GROUPS };

static bl_status out_of_memory(void) {
    return bl_no_memory("for groups of classes");
}

static bl_status allocate_groups(bl_class_groups *g, int32_t n_groups, int32_t n_classes,
                                 const char ***names, uint8_t **group, uint8_t **members) {
    *names = BL_NEW_ARRAY(g->arena, const char *, n_groups + 1);
    *group = BL_NEW_ARRAY(g->arena, uint8_t, n_classes + 1);
    *members = BL_NEW_ARRAY(g->arena, uint8_t, (int64_t)n_groups * n_classes + 1);
    if (!*names || !*group || !*members) return BL_ENOMEM;
    memset(*group, NO_GROUP, (size_t)n_classes);
    g->info.group_names = *names;
    g->info.group = *group;
    g->info.members = *members;
    g->info.n_groups = n_groups;
    return BL_OK;
}

/* ---- groups from a file ---- */

/* `where`: the file and place, or the setting, that names the class. */
static bl_status unknown_name(const char *where, const char *name, const bl_dataset *gt) {
    const char **names = calloc((size_t)gt->n_categories + 1, sizeof *names);
    if (!names) return out_of_memory();
    for (int32_t k = 0; k < gt->n_categories; k++) names[k] = gt->categories[k].name;
    const char *close = bl_did_you_mean(name, names);
    bl_status status =
        bl_fail(BL_ECONFIG, "%s: no category \"%s\" in %s%s%s%s", where, name,
                gt->name ? gt->name : "the ground truth", close ? "; did you mean \"" : "",
                close ? close : "", close ? "\"?" : "");
    free(names);
    return status;
}

/* -1: there is none. */
static int32_t class_named(const bl_dataset *gt, const char *name) {
    for (int32_t k = 0; k < gt->n_categories; k++)
        if (strcmp(gt->categories[k].name, name) == 0) return k;
    return -1;
}

static bl_status find_class(const bl_json *doc, const char *group, size_t i, struct json_object *v,
                            const bl_dataset *gt, int32_t *found) {
    char where[512];
    snprintf(where, sizeof where, "%s: \"%s\"[%zu]", doc->file, group, i);
    if (json_object_is_type(v, json_type_string)) {
        *found = class_named(gt, json_object_get_string(v));
        return *found >= 0 ? BL_OK : unknown_name(where, json_object_get_string(v), gt);
    }
    if (!json_object_is_type(v, json_type_int))
        return bl_fail(BL_ECONFIG, "%s is neither a class name nor a category id", where);
    for (int32_t k = 0; k < gt->n_categories; k++)
        if (gt->categories[k].id == json_object_get_int64(v)) {
            *found = k;
            return BL_OK;
        }
    return bl_fail(BL_ECONFIG, "%s: no category has id %lld in %s", where,
                   (long long)json_object_get_int64(v), gt->name ? gt->name : "the ground truth");
}

static bl_status take_file(bl_class_groups *g, const bl_json *doc, const bl_dataset *gt) {
    const char **names;
    uint8_t *group, *members;
    if (!json_object_is_type(doc->root, json_type_object))
        return bl_fail(BL_ECONFIG,
                       "%s: expected an object {\"group name\": [\"class name\", ...], ...}",
                       doc->file);
    int n = json_object_object_length(doc->root);
    if (n < 1 || n > MAX_GROUPS)
        return bl_fail(BL_ECONFIG, "%s: %d groups, expected 1 to %d", doc->file, n, MAX_GROUPS);
    BL_TRY(allocate_groups(g, n, gt->n_categories, &names, &group, &members));
    int at = 0;
    json_object_object_foreach(doc->root, name, list) {
        if (!json_object_is_type(list, json_type_array))
            return bl_fail(BL_ECONFIG, "%s: \"%s\" is not a list of class names or ids", doc->file,
                           name);
        if (!(names[at] = bl_arena_strdup(g->arena, name))) return BL_ENOMEM;
        for (size_t i = 0; i < json_object_array_length(list); i++) {
            int32_t k = 0;
            BL_TRY(find_class(doc, name, i, json_object_array_get_idx(list, i), gt, &k));
            members[(int64_t)at * gt->n_categories + k] = 1;
            if (group[k] == NO_GROUP) group[k] = (uint8_t)at;
        }
        at++;
    }
    return BL_OK;
}

/* ---- groups from what is known ---- */

static bl_status set_groups(bl_class_groups *g, int n, const char *const *labels,
                            const int32_t *index, int32_t n_classes) {
    const char **names;
    uint8_t *group, *members;
    BL_TRY(allocate_groups(g, n, n_classes, &names, &group, &members));
    for (int i = 0; i < n; i++) names[i] = labels[i];
    for (int32_t k = 0; k < n_classes; k++) {
        if (index[k] < 0) continue;
        group[k] = (uint8_t)index[k];
        members[(int64_t)index[k] * n_classes + k] = 1;
    }
    return BL_OK;
}

static bl_status by_frequency(bl_class_groups *g, const bl_dataset *gt, int32_t *index, bool *any) {
    static const char *const labels[] = {"rare", "common", "frequent"};
    static const char letters[] = "rcf";
    *any = false;
    for (int32_t k = 0; k < gt->n_categories; k++) {
        const char *at =
            gt->categories[k].frequency ? strchr(letters, gt->categories[k].frequency) : NULL;
        index[k] = at ? (int32_t)(at - letters) : -1;
        *any |= at != NULL;
    }
    return *any ? set_groups(g, 3, labels, index, gt->n_categories) : BL_OK;
}

static const char *const two[] = {"majority", "minority"};

static bl_status by_list(bl_class_groups *g, const bl_dataset *gt,
                         const bl_class_groups_source *source, int32_t *index) {
    for (int32_t k = 0; k < gt->n_categories; k++) index[k] = BL_GROUP_MAJORITY;
    for (int32_t i = 0; i < source->n_minority; i++) {
        int32_t k = class_named(gt, source->minority[i]);
        if (k < 0) return unknown_name("data.minority", source->minority[i], gt);
        if (index[k] == BL_GROUP_MINORITY)
            return bl_fail(BL_ECONFIG, "data.minority: \"%s\" is listed twice",
                           source->minority[i]);
        index[k] = BL_GROUP_MINORITY;
    }
    return set_groups(g, 2, two, index, gt->n_categories);
}

static bl_status by_training(bl_class_groups *g, const bl_dataset *gt, double ratio,
                             int32_t *index) {
    if (!g->info.train_boxes) return BL_OK;
    BL_TRY(bl_groups_assign(BL_GROUP_BY_RATIO, ratio, NULL, 0, g->info.train_boxes,
                            gt->n_categories, index));
    return set_groups(g, 2, two, index, gt->n_categories);
}

/* ---- training counts ---- */

static bl_status count_training(bl_class_groups *g, const bl_dataset *gt, const bl_dataset *train) {
    size_t n = (size_t)gt->n_categories + 1;
    int64_t *images = BL_NEW_ARRAY(g->arena, int64_t, n),
            *boxes = BL_NEW_ARRAY(g->arena, int64_t, n);
    bool any = train != NULL;
    if (!images || !boxes) return BL_ENOMEM;
    for (int32_t k = 0; !train && k < gt->n_categories; k++) {
        images[k] = gt->categories[k].image_count;
        boxes[k] = gt->categories[k].instance_count;
        any |= images[k] > 0 || boxes[k] > 0;
    }
    if (train) {
        size_t m = (size_t)train->n_categories + 1;
        int64_t *counts = calloc(2 * m, sizeof *counts);
        if (!counts) return out_of_memory();
        bl_dataset_counts(train, false, counts, counts + m);
        for (int32_t k = 0; k < gt->n_categories; k++)
            for (int32_t t = 0; t < train->n_categories; t++)
                if (strcmp(gt->categories[k].name, train->categories[t].name) == 0) {
                    images[k] = counts[t];
                    boxes[k] = counts[m + (size_t)t];
                }
        free(counts);
    }
    if (any) {
        g->info.train_images = images;
        g->info.train_boxes = boxes;
    }
    return BL_OK;
}

bl_status bl_class_groups_make(const bl_dataset *gt, const bl_class_groups_source *source,
                               bl_class_groups *out) {
    bl_json doc = {0};
    bl_status status;
    bool grouped = source->file || source->n_minority > 0;
    *out = (bl_class_groups){.arena = bl_arena_create(0)};
    int32_t *index = calloc((size_t)gt->n_categories + 1, sizeof *index);
    if (!out->arena || !index) BL_TRY_DONE(out_of_memory());
    BL_TRY_DONE(count_training(out, gt, source->train));
    if (source->file) {
        BL_TRY_DONE(bl_json_load(source->file, &doc));
        BL_TRY_DONE(take_file(out, &doc, gt));
    } else if (source->n_minority > 0) {
        BL_TRY_DONE(by_list(out, gt, source, index));
    }
    if (!grouped) BL_TRY_DONE(by_frequency(out, gt, index, &grouped));
    if (!grouped) BL_TRY_DONE(by_training(out, gt, source->minority_ratio, index));
done:
    bl_json_free(&doc);
    free(index);
    if (status != BL_OK) bl_class_groups_free(out);
    return status;
}

void bl_class_groups_free(bl_class_groups *g) {
    bl_arena_destroy(g->arena);
    *g = (bl_class_groups){0};
}
