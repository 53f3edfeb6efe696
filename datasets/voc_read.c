#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "datasets/dataset.h"
#include "datasets/strpool.h"
#include "datasets/voc_xml.h"

enum { MAX_LIST = 1 << 28, MAX_XML = 1 << 24, MAX_CLASSES = 1 << 20 };

typedef struct voc {
    const char *root;
    char *list_path;
    bool one_based, skip_bad, fixed_classes;
    int64_t skipped;
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
            BL_EFORMAT,
            "%s: class \"%s\" is not in the list of %d classes; add it, or skip bad records",
            xml_path, o->name, v->n_categories);
    if (c >= 0 && v->n_anns == v->cap_anns) {
        int64_t cap = v->cap_anns ? 2 * v->cap_anns : 1024;
        bl_ann *a = realloc(v->anns, sizeof *a * (size_t)cap);
        if (a) v->anns = a, v->cap_anns = cap;
    }
    if (c < 0 || v->n_anns == v->cap_anns) return bl_fail(BL_ENOMEM, "%s: out of memory", xml_path);
    double one = v->one_based ? 1 : 0;
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

/* The image's file is the list's id; <filename> only tells the ending (many data sets were renamed
 * without touching it). */
static const char *image_file(voc *v, const char *id, const char *filename) {
    const char *dot = strrchr(filename, '.');
    if (!dot || strchr(dot, '/') || strlen(dot) > 5) dot = ".jpg";
    size_t n = strlen(id) + strlen(dot) + 1;
    char *s = malloc(n);
    if (!s) return NULL;
    snprintf(s, n, "%s%s", id, dot);
    const char *own = keep(v, s);
    free(s);
    return own;
}

static bl_status add_image(voc *v, const char *id, int64_t number) {
    bl_voc_file file = {0};
    size_t n = strlen(v->root) + strlen(id) + 32;
    char *xml_path = malloc(n);
    if (!xml_path) return bl_fail(BL_ENOMEM, "%s: out of memory", id);
    snprintf(xml_path, n, "%s/Annotations/%s.xml", v->root, id);
    bl_status status = parse_file(v, xml_path, &file);
    if ((status == BL_EFORMAT || status == BL_EIO) && v->skip_bad) {
        v->skipped++;
        status = BL_OK;
        goto done;
    }
    if (status != BL_OK) goto done;
    for (int32_t i = 0; i < file.n; i++) BL_TRY_DONE(add_object(v, &file.objects[i], xml_path));
    v->images[v->n_images] = (bl_image_info){.id = number,
                                             .file = image_file(v, id, file.filename),
                                             .width = file.width,
                                             .height = file.height};
    if (!v->images[v->n_images++].file) status = bl_fail(BL_ENOMEM, "%s: out of memory", xml_path);
done:
    bl_voc_free(&file);
    free(xml_path);
    return status;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bl_status check_ids(const voc *v, char *const *ids, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (ids[i][0] == '/' || strstr(ids[i], ".."))
            return bl_fail(BL_EFORMAT, "%s: image id \"%s\" leaves the data set's folder",
                           v->list_path, ids[i]);
    char **sorted = malloc(sizeof *sorted * (size_t)(n + 1));
    if (!sorted) return bl_fail(BL_ENOMEM, "%s: out of memory", v->list_path);
    memcpy(sorted, ids, sizeof *sorted * (size_t)n);
    qsort(sorted, (size_t)n, sizeof *sorted, by_text);
    bl_status status = BL_OK;
    for (int64_t i = 1; i < n && status == BL_OK; i++)
        if (strcmp(sorted[i], sorted[i - 1]) == 0)
            status = bl_fail(BL_EFORMAT, "%s: image id \"%s\" is listed twice; remove one line",
                             v->list_path, sorted[i]);
    free(sorted);
    return status;
}

/* The first word of every line (files of one class have a second, -1 to 1). Points into `text`. */
static bl_status split_ids(char *text, size_t size, char ***ids, int64_t *n) {
    int64_t lines = 1;
    for (size_t i = 0; i < size; i++) {
        if (!text[i]) text[i] = '\n';
        lines += text[i] == '\n';
    }
    *n = 0;
    *ids = malloc(sizeof **ids * (size_t)lines);
    if (!*ids) return bl_fail(BL_ENOMEM, "out of memory for %lld ids", (long long)lines);
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n"))) {
        char *word = line + strspn(line, " \t\r");
        word[strcspn(word, " \t\r")] = 0;
        if (*word) (*ids)[(*n)++] = word;
    }
    return BL_OK;
}

/* Names found in the files get the order of the alphabet, so that it does not depend on the list.
 */
static bl_status sort_classes(voc *v) {
    int32_t n = v->n_categories;
    const char **names = malloc(sizeof *names * (size_t)(n + 1));
    int32_t *to = malloc(sizeof *to * (size_t)(n + 1));
    bl_status status = BL_OK;
    if (!names || !to) {
        status = bl_fail(BL_ENOMEM, "%s: out of memory", v->list_path);
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

static bl_status read_split(voc *v, bl_dataset **out) {
    char *text = NULL, **ids = NULL, *image_dir = bl_path_join(v->root, "JPEGImages");
    size_t size;
    int64_t n;
    bl_status status;
    if (!image_dir) return bl_fail(BL_ENOMEM, "%s: out of memory", v->root);
    BL_TRY_DONE(bl_read_file(v->list_path, MAX_LIST, &text, &size));
    BL_TRY_DONE(split_ids(text, size, &ids, &n));
    BL_TRY_DONE(check_ids(v, ids, n));
    v->images = malloc(sizeof *v->images * (size_t)(n + 1));
    if (!v->images) {
        status = bl_fail(BL_ENOMEM, "%s: out of memory", v->list_path);
        goto done;
    }
    for (int64_t i = 0; i < n; i++) BL_TRY_DONE(add_image(v, ids[i], i + 1));
    if (!v->fixed_classes) BL_TRY_DONE(sort_classes(v));
    for (int32_t i = 0; i < v->n_categories; i++) v->categories[i].id = i + 1;
    const bl_dataset parts = {.name = v->list_path,
                              .image_dir = image_dir,
                              .categories = v->categories,
                              .images = v->images,
                              .anns = v->anns,
                              .n_categories = v->n_categories,
                              .n_images = v->n_images,
                              .n_anns = v->n_anns};
    status = bl_dataset_build(&parts, out);
done:
    free(image_dir);
    free(text);
    free(ids);
    return status;
}

bl_status bl_voc_read(const char *root, const char *split, const char *const *classes,
                      int n_classes, bool one_based, bl_read_options *opt, bl_dataset **out) {
    voc v = {.root = root, .one_based = one_based, .skip_bad = opt && opt->skip_bad};
    bl_status status = BL_OK;
    *out = NULL;
    size_t n = strlen(root) + strlen(split) + 32;
    v.list_path = malloc(n);
    v.arena = v.pool.arena = bl_arena_create(0);
    if (!v.list_path || !v.arena) {
        status = bl_fail(BL_ENOMEM, "%s: out of memory", root);
        goto done;
    }
    snprintf(v.list_path, n, "%s/ImageSets/Main/%s.txt", root, split);
    for (int i = 0; i < n_classes; i++)
        if (class_index(&v, classes[i]) != i) {
            status = bl_fail(BL_EINVAL, "class \"%s\" is given twice", classes[i]);
            goto done;
        }
    v.fixed_classes = n_classes > 0;
    status = read_split(&v, out);
    if (opt) opt->n_skipped = v.skipped;
done:
    bl_arena_destroy(v.arena);
    free(v.list_path);
    free(v.categories);
    free(v.images);
    free(v.anns);
    return status;
}
