/* Which classification data a run uses, by configuration. */
#ifndef BALLAST_DATASETS_SETS_DATA_H
#define BALLAST_DATASETS_SETS_DATA_H

#include "datasets/sets/generated.h"
#include "datasets/sets/image_set.h"

typedef enum bl_classify_source {
    BL_CLASSIFY_SYNTHETIC,
    BL_CLASSIFY_CIFAR10,
    BL_CLASSIFY_CIFAR100,
    BL_CLASSIFY_STL10,
    BL_CLASSIFY_SVHN,
    BL_CLASSIFY_NPY,   /* train_images.npy, train_labels.npy, test_images.npy, test_labels.npy and,
                       optionally, unlabelled_images.npy and unlabelled_labels.npy in `path` */
    BL_CLASSIFY_FOLDER /* train/<class>/, test/<class>/ and, optionally, unlabelled/ in `path` */
} bl_classify_source;

/* Settings (section "images"). */
typedef struct bl_classify_data_config {
    int32_t source; /* bl_classify_source */
    const char *path;
    int64_t size;          /* px that all images are resized to when read; 0 = as they are */
    bool skip_bad;         /* folder: leave out images that cannot be read */
    bool exif;             /* folder: turn images as EXIF says (image.h) */
    bool coarse;           /* CIFAR-100: the 20 super-classes */
    bool svhn_from_one;    /* SVHN: class order 1,2,...,9,0 */
    bool svhn_extra;       /* SVHN: the extra split is the unlabelled set */
    bool train_unlabelled; /* the training images join an unlabelled split without labels */
    bool sort_classes;     /* renumber classes by falling count (ImageNet-127) */
    const char *pool; /* folder of unlabelled_images.npy and, optionally, unlabelled_labels.npy:
                               an unlabelled split for a set without one; labels select only */
    const char *irrelevant; /* folder of a CIFAR-100 binary set; its training images join those that
                               unlabelled ones are picked from, without a label */
    bl_reals mean, std;     /* 3 numbers each, instead of the reader's; empty = the reader's */
    bl_classify_synth_config synthetic;
} bl_classify_data_config;
extern const bl_schema bl_classify_data_schema;

typedef struct bl_classify_data {
    bl_classify_set *train, *test;
    /* A split of its own (STL-10, SVHN extra, ...), the pool of bl_longtail_make; NULL: unlabelled
     * images are picked from `train`. */
    bl_classify_set *unlabelled;
    int64_t n_skipped; /* images left out because they cannot be read (skip_bad) */
} bl_classify_data;

/* Reads (or draws) what the settings name; all sets get the training set's mean and std. BL_ECONFIG
 * for settings that do not fit. On failure *out is empty. */
bl_status bl_classify_data_load(const bl_classify_data_config *cfg, bl_classify_data *out);
void bl_classify_data_free(bl_classify_data *d);

#endif
