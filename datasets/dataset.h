/* An annotated image collection, independent of the file format it came from.
 *
 * Categories are contiguous 0..n-1 in ascending order of their ids (COCO's order); images keep file order.
 * Annotations are stored sorted by image (file order within an image), so an image's boxes are one range.
 * Everything lives in the data set's arena; strings are interned there. */
#ifndef BALLAST_DATASETS_DATASET_H
#define BALLAST_DATASETS_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/geom.h"
#include "core/status.h"

typedef struct bl_category {
    int64_t id;
    const char *name;
    const char *supercategory; /* "" when absent */
    char frequency;            /* LVIS 'r','c','f'; 0 when absent */
} bl_category;

typedef struct bl_ann {
    int64_t id;
    double x, y, w, h; /* COCO bbox: left, top, width, height in original pixels */
    double area;       /* the file's area field; w*h when absent */
    int32_t image;     /* index into images */
    int32_t category;  /* index into categories */
    uint8_t iscrowd, ignore, difficult;
} bl_ann;

typedef struct bl_image_info {
    int64_t id;
    const char *file; /* relative to bl_dataset.image_dir */
    int32_t width, height;
    int32_t first_ann, n_anns; /* range in anns */
} bl_image_info;

typedef struct bl_dataset {
    bl_arena *arena;
    const char *name;       /* for messages: usually the annotation file */
    const char *image_dir;
    bl_category *categories;
    bl_image_info *images;
    bl_ann *anns;
    int32_t n_categories, n_images;
    int64_t n_anns;
    int64_t n_degenerate, n_clipped; /* seen while reading: w or h <= 0; reaching outside the image */
} bl_dataset;

/* How the readers treat defects. Structural damage (bad JSON, missing keys, an annotation of an unknown
 * image or category, duplicate ids) always fails, unless skip_bad is set: then the offending annotation or
 * image is dropped and counted. */
typedef struct bl_read_options {
    bool skip_bad;
    int64_t n_skipped; /* out */
} bl_read_options;

/* COCO-format JSON (bbox, area, iscrowd, ignore; segmentation is skipped, not stored). Streams: memory is
 * bounded by the result, not by the file. opt may be NULL. */
bl_status bl_coco_read(const char *json_path, const char *image_dir, bl_read_options *opt,
                       bl_dataset **out);
/* Pascal VOC: `root` holds Annotations/, JPEGImages/ and ImageSets/Main/<split>.txt. Pixel corners are
 * 1-based inclusive in the format's definition: x = xmin-1, w = xmax-xmin+1 when `one_based`, else taken as
 * written (x = xmin, w = xmax-xmin). Class names: `classes` (n of them) in this order, or all names found,
 * sorted, when n = 0. Category ids are 1..n. difficult becomes `difficult` and `ignore`. */
bl_status bl_voc_read(const char *root, const char *split, const char *const *classes, int n_classes,
                      bool one_based, bl_read_options *opt, bl_dataset **out);
/* Writes COCO JSON (atomic). */
bl_status bl_coco_write(const bl_dataset *d, const char *path);

/* A view of some images (indices ascending or not; the order is kept), sharing nothing with `d`. */
bl_status bl_dataset_subset(const bl_dataset *d, const int32_t *images, int32_t n, bl_dataset **out);
void bl_dataset_free(bl_dataset *d);

/* Per category: images that contain it (crowd included iff count_crowd) and boxes. Arrays of n_categories;
 * either may be NULL. */
void bl_dataset_counts(const bl_dataset *d, bool count_crowd, int64_t *images, int64_t *boxes);

/* Full path of image i (malloc'd). */
char *bl_dataset_path(const bl_dataset *d, int32_t i);

static inline bl_box bl_ann_box(const bl_ann *a) {
    return (bl_box){(float)a->x, (float)a->y, (float)(a->x + a->w), (float)(a->y + a->h)};
}

#endif
