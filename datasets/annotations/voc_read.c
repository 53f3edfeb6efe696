#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/strpool.h"
#include "datasets/annotations/dataset.h"
#include "datasets/annotations/voc_list.h"
#include "datasets/annotations/voc_xml.h"
#include "datasets/images/image.h"

enum { MAX_XML = 1 << 24, MAX_CLASSES = 1 << 20 };

typedef struct voc {
    bl_voc_list list;
    bool one_based, skip_bad, evaluation, sizes_later, images_only, fixed_classes;
    int64_t skipped, from_zero;
    bl_arena *arena;
    bl_strpool pool;
    bl_category *categories;
    bl_image_info *images;
    bl_ann *anns;
    int32_t n_categories, cap_categories, n_images;
    int64_t n_anns, cap_anns;
} voc;

static const char *keep(voc *v, const char *s) {
    return bl_strpool_add(&v->pool, s, strlen(s));
}

/* The index of a class name; -1 when the list of classes is given and lacks it, -2 when out of
 * memory. */
static int32_t class_index(voc *v, const char *name) {
    for (int32_t i = 0; i < v->n_categories; i++)
        if (strcmp(v->categories[i].name, name) == 0) return i;
    if (v->fixed_classes) return -1;
    if (v->n_categories == v->cap_categories) {
        int32_t cap = v->cap_categories ? 2 * v->cap_categories : 32;
        bl_category *c =
            cap <= MAX_CLASSES ? realloc(v->categories, sizeof *c * (size_t)cap) : NULL;
        if (!c) return -2;
        v->categories = c;
        v->cap_categories = cap;
    }
    const char *own = keep(v, name);
    if (!own) return -2;
    v->categories[v->n_categories] = (bl_category){.name = own, .supercategory = ""};
    return v->n_categories++;
}

static bl_status add_object(voc *v, const bl_voc_object *o, const char *xml_path) {
    int32_t c = class_index(v, o->name);
    if (c == -1 && v->skip_bad) {
        v->skipped++;
        return BL_OK;
    }
    if (c == -1)
        return bl_fail(
            BL_EFORMAT, "%s: class \"%s\" is not in the list of %d classes; add it%s", xml_path,
            o->name, v->n_categories,
            v->evaluation ? "" : ", or leave such objects out with --skip-bad or data.skip_bad");
    if (c >= 0 && v->n_anns == v->cap_anns) {
        int64_t cap = v->cap_anns ? 2 * v->cap_anns : 1024;
        bl_ann *a = realloc(v->anns, sizeof *a * (size_t)cap);
        if (a) {
            v->anns = a;
            v->cap_anns = cap;
        }
    }
    if (c < 0 || v->n_anns == v->cap_anns) return bl_no_memory("for %s", xml_path);
    double one = v->one_based ? 1 : 0;
    v->from_zero += o->xmin == 0 || o->ymin == 0;
    double w = o->xmax - o->xmin + one, h = o->ymax - o->ymin + one;
    v->anns[v->n_anns] = (bl_ann){.id = v->n_anns + 1,
                                  .x = o->xmin - one,
                                  .y = o->ymin - one,
                                  .w = w,
                                  .h = h,
                                  .area = w * h,
                                  .image = v->n_images,
                                  .category = c,
                                  .ignore = o->difficult,
                                  .difficult = o->difficult};
    v->n_anns++;
    return BL_OK;
}

static bl_status parse_file(voc *v, const char *xml_path, bl_voc_file *file) {
    char *data;
    size_t size;
    *file = (bl_voc_file){0};
    BL_TRY(bl_read_file(xml_path, MAX_XML, &data, &size));
    bl_status status = bl_voc_parse(data, size, xml_path, v->skip_bad, &v->skipped, file);
    free(data);
    return status;
}

/* An evaluation needs no sizes, and training measures all images; all else takes a missing one from
 * the image. */
static bl_status find_size(const voc *v, const char *xml_path, const char *file, bl_voc_file *f) {
    bool usable = f->width > 0 && f->width <= BL_IMAGE_MAX_SIDE && f->height <= BL_IMAGE_MAX_SIDE;
    if (!usable) f->width = f->height = 0;
    if (usable || v->sizes_later) return BL_OK;
    char *path = bl_path_join(v->list.images, file);
    bl_status status =
        path ? bl_image_size(path, true, &f->width, &f->height) : bl_no_memory("for %s", xml_path);
    free(path);
    if (status == BL_OK || status == BL_ENOMEM) return status;
    return bl_fail_context(
        status,
        "%s: has no <size> with <width> and <height> from 1 to %d, and its image does "
        "not tell",
        xml_path, BL_IMAGE_MAX_SIDE);
}

static bl_status keep_image(voc *v, const char *id, const char *xml_path, bl_voc_file *f,
                            int64_t number) {
    char *name = bl_voc_image_file(&v->list, id, f->filename ? f->filename : "");
    const char *own = name ? keep(v, name) : NULL;
    free(name);
    if (!own) return bl_no_memory("for %s", xml_path);
    BL_TRY(find_size(v, xml_path, own, f));
    for (int32_t i = 0; i < f->n; i++) BL_TRY(add_object(v, &f->objects[i], xml_path));
    v->images[v->n_images++] =
        (bl_image_info){.id = number, .file = own, .width = f->width, .height = f->height};
    return BL_OK;
}

static bl_status add_image(voc *v, const char *id, int64_t number) {
    bl_voc_file file = {0};
    char *xml_path = NULL;
    if (asprintf(&xml_path, "%s/%s.xml", v->list.annotations, id) < 0)
        return bl_no_memory("for %s", id);
    int64_t n_anns = v->n_anns;
    bl_status status = BL_OK;
    if (!v->images_only || bl_exists(xml_path)) status = parse_file(v, xml_path, &file);
    if (status == BL_OK) status = keep_image(v, id, xml_path, &file, number);
    if ((status == BL_EFORMAT || status == BL_EIO) && v->skip_bad) {
        v->skipped++;
        v->n_anns = n_anns;
        status = BL_OK;
    }
    bl_voc_free(&file);
    free(xml_path);
    return status;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names found in the files get the order of the alphabet, so that it does not depend
 * on the list. */
static bl_status sort_classes(voc *v) {
    int32_t n = v->n_categories;
    const char **names = malloc(sizeof *names * (size_t)(n + 1));
    int32_t *to = malloc(sizeof *to * (size_t)(n + 1));
    bl_status status = BL_OK;
    if (!names || !to) {
        status = bl_no_memory("for %s", v->list.name);
    } else {
        for (int32_t i = 0; i < n; i++) names[i] = v->categories[i].name;
        qsort(names, (size_t)n, sizeof *names, by_text);
        for (int32_t i = 0; i < n; i++) {
            const char **at =
                bsearch(&v->categories[i].name, names, (size_t)n, sizeof *names, by_text);
            to[i] = (int32_t)(at - names);
        }
        for (int32_t i = 0; i < n; i++) v->categories[i].name = names[i];
        for (int64_t i = 0; i < v->n_anns; i++) v->anns[i].category = to[v->anns[i].category];
    }
    free(names);
    free(to);
    return status;
}

static bl_status read_images(voc *v, bl_dataset **out) {
    int32_t n = v->list.ids.n;
    v->images = malloc(sizeof *v->images * ((size_t)n + 1));
    if (!v->images) return bl_no_memory("for %s", v->list.name);
    for (int32_t i = 0; i < n; i++) BL_TRY(add_image(v, v->list.ids.path[i], i + 1));
    if (!v->fixed_classes) BL_TRY(sort_classes(v));
    for (int32_t i = 0; i < v->n_categories; i++) v->categories[i].id = i + 1;
    const bl_dataset parts = {.name = v->list.name,
                              .source = BL_SOURCE_VOC,
                              .image_dir = v->list.images,
                              .categories = v->categories,
                              .images = v->images,
                              .anns = v->anns,
                              .n_categories = v->n_categories,
                              .n_images = v->n_images,
                              .n_anns = v->n_anns};
    return bl_dataset_build(&parts, out);
}

static bl_status set_classes(voc *v, const char *const *classes, int n) {
    for (int i = 0; i < n; i++)
        if (class_index(v, classes[i]) != i)
            return bl_fail(BL_EINVAL, "class \"%s\" is given twice", classes[i]);
    v->fixed_classes = n > 0;
    return BL_OK;
}

bl_status bl_voc_read(const char *root, const char *split, const char *const *classes,
                      int n_classes, bool one_based, bl_read_options *opt, bl_dataset **out) {
    voc v = {.one_based = one_based,
             .skip_bad = opt && opt->skip_bad,
             .evaluation = opt && opt->evaluation,
             .images_only = opt && opt->images_only,
             .sizes_later = opt && (opt->evaluation || opt->sizes_later)};
    *out = NULL;
    v.arena = v.pool.arena = bl_arena_create(0);
    bl_status status = v.arena ? BL_OK : bl_no_memory("for %s", root);
    if (status == BL_OK)
        status = bl_voc_list_read(root, split, opt ? opt->image_dir : NULL, &v.list);
    if (status == BL_OK) status = set_classes(&v, classes, n_classes);
    if (status == BL_OK) status = read_images(&v, out);
    if (opt) {
        opt->n_skipped = v.skipped;
        opt->n_from_zero = one_based ? v.from_zero : 0;
    }
    bl_arena_destroy(v.arena);
    bl_voc_list_free(&v.list);
    free(v.categories);
    free(v.images);
    free(v.anns);
    return status;
}
