#include "datasets/sets/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "datasets/sets/readers.h"

static const char *const sources[] = {"synthetic", "cifar10", "cifar100", "stl10",
                                      "svhn",      "npy",     "folder",   NULL};

#define INT(name) #name, BL_T_INT, offsetof(bl_classify_data_config, name)
#define ENUM(name) #name, BL_T_ENUM, offsetof(bl_classify_data_config, name)
#define BOOL(name) #name, BL_T_BOOL, offsetof(bl_classify_data_config, name)
#define TEXT(name) #name, BL_T_STRING, offsetof(bl_classify_data_config, name)
#define REALS(name) #name, BL_T_REALS, offsetof(bl_classify_data_config, name)
static const bl_field fields[] = {
    {ENUM(source), "\"synthetic\"", 0, 0, sources, NULL,
     "Where the images come from; \"synthetic\" needs no files.", NULL},
    {TEXT(path), "\"\"", 0, 0, NULL, NULL, "Folder of the files, of all other sources.", NULL},
    {INT(size), "0", 0, 1024, NULL, "px",
     "Resize all images to this (Pillow's bilinear filter); 0 = as they are (a folder: 32).", NULL},
    {BOOL(skip_bad), "false", 0, 0, NULL, NULL,
     "folder: leave out images that cannot be read, with a warning.", NULL},
    {BOOL(exif), "true", 0, 0, NULL, NULL,
     "folder: turn images as EXIF's orientation says; false = use them as stored.", NULL},
    {BOOL(coarse), "false", 0, 0, NULL, NULL, "CIFAR-100: the 20 super-classes.", NULL},
    {BOOL(svhn_from_one), "true", 0, 0, NULL, NULL,
     "SVHN: class order 1, 2, ..., 9, 0 instead of 0, ..., 9.", NULL},
    {BOOL(svhn_extra), "false", 0, 0, NULL, NULL, "SVHN: unlabelled images from the extra split.",
     NULL},
    {BOOL(train_unlabelled), "false", 0, 0, NULL, NULL,
     "All training images join the unlabelled split, labels hidden (USB on STL-10); for sets with "
     "an "
     "unlabelled split without labels.",
     NULL},
    {BOOL(sort_classes), "false", 0, 0, NULL, NULL,
     "Renumber the classes by falling number of training images.", NULL},
    {TEXT(pool), "\"\"", 0, 0, NULL, NULL,
     "Folder of an unlabelled split from elsewhere: unlabelled_images.npy, and "
     "unlabelled_labels.npy "
     "where longtail is to pick by class.",
     NULL},
    {TEXT(irrelevant), "\"\"", 0, 0, NULL, NULL,
     "Folder of a CIFAR-100 binary set whose training images join the unlabelled ones as images of "
     "no class.",
     NULL},
    {REALS(mean), "[]", 0, 1, NULL, NULL, "Of the pixels, 3 channels; empty = the data set's.",
     NULL},
    {REALS(std), "[]", 0, 1, NULL, NULL, "The same, standard deviation.", NULL},
    {"synthetic", BL_T_SECTION, offsetof(bl_classify_data_config, synthetic), NULL, 0, 0, NULL,
     NULL, "The generated set.", &bl_classify_synth_schema},
    {0}};

const bl_schema bl_classify_data_schema = {"images", "Images of a classification run.",
                                           sizeof(bl_classify_data_config), fields};

enum { FOLDER_SIDE = 32 };

void bl_classify_data_free(bl_classify_data *d) {
    bl_classify_set_free(d->train);
    bl_classify_set_free(d->test);
    bl_classify_set_free(d->unlabelled);
    *d = (bl_classify_data){0};
}

/* A file as it is, or in xz. */
static bool is_there(const char *path) {
    char *packed = NULL;
    bool there = bl_exists(path);
    if (!there && asprintf(&packed, "%s.xz", path) >= 0) {
        there = bl_exists(packed);
        free(packed);
    }
    return there;
}

/* path/<part>_images.npy with its labels, without which `unlabelled` can do. */
static bl_status read_npy(const char *dir, const char *part, int32_t n_classes, int64_t *first,
                          bl_classify_set **out) {
    char file[64];
    snprintf(file, sizeof file, "%s_images.npy", part);
    char *images = bl_path_join(dir, file);
    snprintf(file, sizeof file, "%s_labels.npy", part);
    char *labels = bl_path_join(dir, file);
    bl_status status = bl_no_memory("for %s", dir);
    if (images && labels) {
        bool bare = strcmp(part, "unlabelled") == 0 && !is_there(labels);
        status = bl_classify_npy_read(images, bare ? NULL : labels, n_classes, first, out);
    }
    free(images);
    free(labels);
    return status;
}

static bl_status load_npy(const char *dir, bl_classify_data *d) {
    int64_t first = 0; /* the label of class 0 */
    BL_TRY(read_npy(dir, "train", 0, &first, &d->train));
    int32_t k = d->train->n_classes;
    BL_TRY(read_npy(dir, "test", k, &first, &d->test));
    char *path = bl_path_join(dir, "unlabelled_images.npy");
    if (!path) return bl_no_memory("for %s", dir);
    bool there = is_there(path);
    free(path);
    bl_classify_set_measure(d->train);
    return there ? read_npy(dir, "unlabelled", k, &first, &d->unlabelled) : BL_OK;
}

static bl_status read_part(const char *dir, const char *part, int32_t size, bool exif,
                           int64_t *n_skipped, bl_classify_set **out) {
    char *path = bl_path_join(dir, part);
    bl_status status = path ? bl_classify_folder_read(path, size, exif, n_skipped, out)
                            : bl_no_memory("for %s", dir);
    free(path);
    return status;
}

static bl_status same_classes(const bl_classify_set *a, const bl_classify_set *b) {
    bool same = a->n_classes == b->n_classes;
    for (int32_t c = 0; same && c < a->n_classes; c++)
        same = strcmp(a->class_names[c], b->class_names[c]) == 0;
    return same ? BL_OK
                : bl_fail(BL_EFORMAT,
                          "%s and %s have different class folders; each needs every class", a->name,
                          b->name);
}

static bl_status load_folder(const bl_classify_data_config *cfg, bl_classify_data *d) {
    const char *dir = cfg->path;
    int32_t size = cfg->size > 0 ? (int32_t)cfg->size : FOLDER_SIDE;
    int64_t *skipped = cfg->skip_bad ? &d->n_skipped : NULL;
    BL_TRY(read_part(dir, "train", size, cfg->exif, skipped, &d->train));
    BL_TRY(read_part(dir, "test", size, cfg->exif, skipped, &d->test));
    BL_TRY(same_classes(d->train, d->test));
    char *path = bl_path_join(dir, "unlabelled");
    if (!path) return bl_no_memory("for %s", dir);
    bool there = bl_is_dir(path);
    free(path);
    bl_classify_set_measure(d->train);
    if (!there) return BL_OK;
    bl_classify_set *s;
    BL_TRY(read_part(dir, "unlabelled", size, cfg->exif, skipped, &s));
    d->unlabelled = s;
    return bl_classify_set_hide_labels(s, d->train);
}

static bl_status load_source(const bl_classify_data_config *cfg, bl_classify_data *d) {
    const char *dir = cfg->path;
    if (cfg->source != BL_CLASSIFY_SYNTHETIC && !dir[0])
        return bl_fail(BL_ECONFIG, "images.path: \"%s\" needs the folder of its files",
                       sources[cfg->source]);
    switch (cfg->source) {
    case BL_CLASSIFY_CIFAR10:
        BL_TRY(bl_cifar10_read(dir, false, &d->train));
        return bl_cifar10_read(dir, true, &d->test);
    case BL_CLASSIFY_CIFAR100:
        BL_TRY(bl_cifar100_read(dir, false, cfg->coarse, &d->train));
        return bl_cifar100_read(dir, true, cfg->coarse, &d->test);
    case BL_CLASSIFY_STL10:
        BL_TRY(bl_stl10_read(dir, BL_STL_TRAIN, (int32_t)cfg->size, &d->train));
        BL_TRY(bl_stl10_read(dir, BL_STL_TEST, (int32_t)cfg->size, &d->test));
        return bl_stl10_read(dir, BL_STL_UNLABELLED, (int32_t)cfg->size, &d->unlabelled);
    case BL_CLASSIFY_SVHN:
        BL_TRY(bl_svhn_read(dir, BL_SVHN_TRAIN, cfg->svhn_from_one, &d->train));
        BL_TRY(bl_svhn_read(dir, BL_SVHN_TEST, cfg->svhn_from_one, &d->test));
        if (!cfg->svhn_extra) return BL_OK;
        return bl_svhn_read(dir, BL_SVHN_EXTRA, cfg->svhn_from_one, &d->unlabelled);
    case BL_CLASSIFY_NPY:
        return load_npy(dir, d);
    case BL_CLASSIFY_FOLDER:
        return load_folder(cfg, d);
    default:
        BL_TRY(bl_classify_synth(&cfg->synthetic, BL_CLASSIFY_TRAIN, &d->train));
        return bl_classify_synth(&cfg->synthetic, BL_CLASSIFY_TEST, &d->test);
    }
}

/* The unlabelled split from elsewhere, labels numbered as the training set's classes. */
static bl_status add_pool(const bl_classify_data_config *cfg, bl_classify_data *d) {
    int64_t first = 0;
    if (d->unlabelled)
        return bl_fail(BL_ECONFIG,
                       "images.pool: %s has an unlabelled split (%s) already; drop one of the two",
                       d->train->name, d->unlabelled->name);
    if (cfg->source == BL_CLASSIFY_NPY) first = atoll(d->train->class_names[0]);
    BL_TRY(read_npy(cfg->pool, "unlabelled", d->train->n_classes, &first, &d->unlabelled));
    bl_classify_set *u = d->unlabelled;
    if (cfg->size == 0 && (u->width != d->train->width || u->height != d->train->height))
        return bl_fail(BL_ECONFIG,
                       "images.pool: %s has images of %d x %d, the training set %d x %d; set "
                       "images.size",
                       u->name, (int)u->width, (int)u->height, (int)d->train->width,
                       (int)d->train->height);
    return bl_classify_set_names(u, (const char *const *)d->train->class_names);
}

/* Joins the images of no class to those that unlabelled images are picked from. */
static bl_status add_irrelevant(const bl_classify_data_config *cfg, bl_classify_data *d) {
    bl_classify_set **pool = d->unlabelled ? &d->unlabelled : &d->train, *more, *joined;
    BL_TRY(bl_cifar100_read(cfg->irrelevant, false, false, &more));
    bl_status status = bl_classify_set_resize(more, (*pool)->width, (*pool)->height);
    if (status == BL_OK) status = bl_classify_set_join(*pool, more, false, &joined);
    bl_classify_set_free(more);
    BL_TRY(status);
    bl_classify_set_free(*pool);
    *pool = joined;
    return BL_OK;
}

/* Appends the training images, labels hidden, to the unlabelled split. */
static bl_status add_train(bl_classify_data *d) {
    bool labelled = false;
    for (int32_t i = 0; d->unlabelled && i < d->unlabelled->n; i++)
        labelled |= d->unlabelled->labels[i] >= 0;
    if (!d->unlabelled || labelled)
        return bl_fail(BL_ECONFIG,
                       "images.train_unlabelled: %s has no unlabelled split without labels that "
                       "its training images could join; use "
                       "longtail.unlabelled_includes_labelled",
                       d->train->name);
    bl_classify_set *joined;
    BL_TRY(bl_classify_set_join(d->unlabelled, d->train, false, &joined));
    bl_classify_set_free(d->unlabelled);
    d->unlabelled = joined;
    return BL_OK;
}

static bl_status sort_classes(bl_classify_data *d) {
    int32_t *order = malloc((size_t)d->train->n_classes * sizeof *order);
    if (!order) return bl_no_memory("for %s", d->train->name);
    bl_status status = bl_classify_set_sort_classes(d->train, order);
    if (status == BL_OK) status = bl_classify_set_reorder(d->test, order);
    if (status == BL_OK && d->unlabelled) status = bl_classify_set_reorder(d->unlabelled, order);
    free(order);
    return status;
}

static bl_status set_statistics(const bl_classify_data_config *cfg, bl_classify_data *d) {
    const bl_reals *given[2] = {&cfg->mean, &cfg->std};
    bl_classify_set *others[2] = {d->test, d->unlabelled};
    for (int k = 0; k < 2; k++) {
        if (given[k]->n != 0 && given[k]->n != 3)
            return bl_fail(BL_ECONFIG, "images.%s: %d numbers; it needs one for each of 3 channels",
                           k ? "std" : "mean", given[k]->n);
        for (int c = 0; c < given[k]->n; c++) {
            if (k && !(given[k]->v[c] > 0))
                return bl_fail(BL_ECONFIG, "images.std[%d]: %g must be above 0", c, given[k]->v[c]);
            (k ? d->train->std : d->train->mean)[c] = (float)given[k]->v[c];
        }
    }
    for (int k = 0; k < 2; k++) {
        if (!others[k]) continue;
        memcpy(others[k]->mean, d->train->mean, sizeof d->train->mean);
        memcpy(others[k]->std, d->train->std, sizeof d->train->std);
    }
    return BL_OK;
}

static bl_status load(const bl_classify_data_config *cfg, bl_classify_data *d) {
    BL_TRY(load_source(cfg, d));
    if (cfg->pool[0]) BL_TRY(add_pool(cfg, d));
    bl_classify_set *sets[3] = {d->train, d->test, d->unlabelled};
    for (int k = 0; k < 3 && cfg->size > 0; k++)
        if (sets[k])
            BL_TRY(bl_classify_set_resize(sets[k], (int32_t)cfg->size, (int32_t)cfg->size));
    if (cfg->train_unlabelled) BL_TRY(add_train(d));
    if (cfg->irrelevant[0]) BL_TRY(add_irrelevant(cfg, d));
    if (cfg->sort_classes) BL_TRY(sort_classes(d));
    return set_statistics(cfg, d);
}

bl_status bl_classify_data_load(const bl_classify_data_config *cfg, bl_classify_data *out) {
    *out = (bl_classify_data){0};
    bl_status status = load(cfg, out);
    if (status != BL_OK) bl_classify_data_free(out);
    return status;
}
