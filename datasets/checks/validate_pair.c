#include <stdlib.h>
#include <string.h>

#include "core/idmap.h"
#include "core/strmap.h"
#include "datasets/checks/validate_checks.h"

static const bl_check no_such_class = {
    "category-missing", "categories that only one of the two sets has",
    "categories are matched by name: rename them, or add them to the other file",
    BL_SEVERITY_ERROR};
static const bl_check other_id = {
    "category-mapping", "categories with another id or position in the other set",
    "matched by name as shown; results keep the ids of their own file", BL_SEVERITY_NOTE};
static const bl_check same_path = {"leak-file", "image files that are in both sets",
                                   "take them out of one set: scores on seen images mean nothing",
                                   BL_SEVERITY_ERROR};
static const bl_check same_content = {
    "leak-content", "images with equal content in both sets",
    "take them out of one set: scores on seen images mean nothing", BL_SEVERITY_ERROR};
static const bl_check also_unlabelled = {
    "also-unlabelled", "labelled images that are in the unlabelled set too",
    "harmless: they teach twice, with their labels and with pseudo-labels", BL_SEVERITY_NOTE};
static const bl_check trained_test = {
    "leak-unlabelled", "test images that are in the unlabelled set",
    "they are trained on, if without labels: take them out unless that is meant",
    BL_SEVERITY_WARNING};
static const bl_check same_name = {"leak-name", "equal file names in the folders of both sets",
                                   "compare contents with checksums on", BL_SEVERITY_WARNING};
static const bl_check same_id = {"leak-id", "image ids of both sets that belong to different files",
                                 "harmless if the sets were numbered separately", BL_SEVERITY_NOTE};

static void missing_from(bl_findings *f, const bl_dataset *from, const bl_dataset *in,
                         const bl_strmap *map, const char *label) {
    const char **names = calloc((size_t)from->n_categories + 1, sizeof *names);
    if (!names) {
        f->status = bl_no_memory("to compare categories");
        return;
    }
    for (int32_t c = 0; c < from->n_categories; c++) names[c] = from->categories[c].name;
    for (int32_t c = 0; c < in->n_categories; c++) {
        const char *word = in->categories[c].name;
        if (bl_strmap_get(map, 0, word) >= 0) continue;
        const char *close = bl_did_you_mean(word, names);
        bl_findings_add(f, &no_such_class, label, "\"%s\" is in %s but not in %s%s%s%s", word,
                        in->name, from->name, close ? "; is it \"" : "", close ? close : "",
                        close ? "\" there?" : "");
    }
    free(names);
}

static void compare_categories(bl_findings *f, const bl_dataset *a, const bl_dataset *b,
                               const char *label) {
    bl_strmap *in_a = bl_strmap_create(f->arena), *in_b = bl_strmap_create(f->arena);
    if (!in_a || !in_b) {
        f->status = BL_ENOMEM;
        return;
    }
    for (int32_t c = 0; c < a->n_categories; c++) bl_strmap_add(in_a, 0, a->categories[c].name, c);
    for (int32_t c = 0; c < b->n_categories; c++) bl_strmap_add(in_b, 0, b->categories[c].name, c);
    missing_from(f, b, a, in_b, label);
    missing_from(f, a, b, in_a, label);
    for (int32_t c = 0; c < a->n_categories; c++) {
        const bl_category *x = &a->categories[c];
        int64_t k = bl_strmap_get(in_b, 0, x->name);
        if (k < 0 || (b->categories[k].id == x->id && k == c)) continue;
        bl_findings_add(f, &other_id, label,
                        "\"%s\": id %lld (position %d) -> id %lld (position %lld)", x->name,
                        (long long)x->id, c, (long long)b->categories[k].id, (long long)k);
    }
}

/* What it means that an image is in both sets. */
static const bl_check *overlap(const bl_dataset *a, const bl_dataset *b, const bl_check *leak) {
    bool unlabelled = bl_dataset_is_unlabelled(a) || bl_dataset_is_unlabelled(b);
    bool test = strcmp(a->role, "test") == 0 || strcmp(b->role, "test") == 0;
    return !unlabelled ? leak : test ? &trained_test : &also_unlabelled;
}

typedef struct image_index {
    const bl_dataset *d;
    bl_strmap *names, *contents;
    bl_idmap ids;
} image_index;

static void index_images(bl_findings *f, const bl_file_result *files, image_index *x) {
    x->names = bl_strmap_create(f->arena);
    x->contents = bl_strmap_create(f->arena);
    if (!x->names || !x->contents) f->status = BL_ENOMEM;
    for (int32_t i = 0; f->status == BL_OK && i < x->d->n_images; i++) {
        int64_t stored;
        f->status = bl_idmap_add(&x->ids, x->d->images[i].id, i, &stored);
        if (bl_strmap_add(x->names, 0, x->d->images[i].file, i) < 0) f->status = BL_ENOMEM;
        if (files && *files[i].sha256 && bl_strmap_add(x->contents, 0, files[i].sha256, i) < 0)
            f->status = BL_ENOMEM;
    }
}

static void compare_image(bl_findings *f, const image_index *x, const bl_dataset *b, int32_t i,
                          const char *sha256, const char *label) {
    const bl_dataset *a = x->d;
    const bl_image_info *im = &b->images[i];
    int64_t name = bl_strmap_get(x->names, 0, im->file), id = bl_idmap_get(&x->ids, im->id);
    int64_t content = sha256 && *sha256 ? bl_strmap_get(x->contents, 0, sha256) : -1;
    if (name >= 0 && strcmp(a->image_dir, b->image_dir) == 0)
        bl_findings_add(f, overlap(a, b, &same_path), label, "%s (ids %lld and %lld)", im->file,
                        (long long)a->images[name].id, (long long)im->id);
    else if (content >= 0)
        bl_findings_add(f, overlap(a, b, &same_content), label, "%s and %s",
                        a->images[content].file, im->file);
    else if (name >= 0)
        bl_findings_add(f, &same_name, label, "%s in %s and %s", im->file, a->image_dir,
                        b->image_dir);
    /* Only COCO files number their images themselves. */
    bool own = (a->source == BL_SOURCE_COCO || a->source == BL_SOURCE_MEMORY) &&
               (b->source == BL_SOURCE_COCO || b->source == BL_SOURCE_MEMORY);
    if (own && id >= 0 && id != name)
        bl_findings_add(f, &same_id, label, "id %lld: %s and %s", (long long)im->id,
                        a->images[id].file, im->file);
}

void bl_validate_pair(bl_findings *f, const bl_dataset *a, const bl_dataset *b,
                      const bl_file_result *files_a, const bl_file_result *files_b,
                      const char *label) {
    /* The categories of unlabelled sets are of no consequence. */
    if (!bl_dataset_is_unlabelled(a) && !bl_dataset_is_unlabelled(b))
        compare_categories(f, a, b, label);
    image_index x = {.d = a};
    index_images(f, files_a, &x);
    for (int32_t i = 0; f->status == BL_OK && i < b->n_images; i++)
        compare_image(f, &x, b, i, files_b ? files_b[i].sha256 : NULL, label);
    bl_idmap_free(&x.ids);
}
