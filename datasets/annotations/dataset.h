/* An annotated image collection, independent of the file format it came from.
 *
 * Categories are contiguous 0..n-1 in ascending order of their ids (COCO's order); images keep file
 * order. Annotations are stored sorted by image (file order within an image), so an image's boxes
 * are one range. Everything lives in the data set's arena; strings are interned there. */
#ifndef BALLAST_DATASETS_ANNOTATIONS_DATASET_H
#define BALLAST_DATASETS_ANNOTATIONS_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/arena.h"
#include "core/geom.h"
#include "core/status.h"
#include "datasets/annotations/mask_store.h"

typedef struct bl_category {
    int64_t id;
    const char *id_text; /* the file's id when it is a text (ids.h); `id` is a number given to it */
    const char *name;
    const char *supercategory; /* "" when absent */
    char frequency;            /* LVIS 'r','c','f'; 0 when absent */
    /* LVIS: images with the class and instances of it, as the file counts them; 0 when absent. */
    int64_t image_count, instance_count;
    uint32_t record; /* COCO: number of its record in the file's array */
} bl_category;

typedef struct bl_ann {
    int64_t id;
    double x, y, w, h; /* COCO bbox: left, top, width, height in original pixels */
    double area;       /* the file's area field; when absent that of the mask, if read, or w*h */
    int32_t image;     /* index into images */
    int32_t category;  /* index into categories */
    uint8_t iscrowd, ignore, difficult;
    uint8_t renumbered; /* `id` is fresh, because the file's was taken */
    uint32_t record;    /* COCO: number of its record in the file's array */
} bl_ann;

typedef struct bl_image_info {
    int64_t id;
    const char *id_text;       /* as bl_category.id_text */
    const char *file;          /* relative to bl_dataset.image_dir */
    int32_t width, height;     /* 0: not known (see bl_read_options, bl_dataset_measure) */
    int32_t first_ann, n_anns; /* range in anns */
    uint32_t record;           /* COCO: number of its record in the file's array */
    bool turned; /* its annotations were of the stored pixels, before EXIF's turn (measure.h) */
} bl_image_info;

/* LVIS annotates only some classes of an image: those with boxes, and those listed here. Indices
 * into categories, ascending, each once. */
typedef struct bl_federated {
    const int32_t *negative; /* verified absent ("neg_category_ids") */
    /* Not all instances have a box ("not_exhaustive_category_ids") */
    const int32_t *not_exhaustive;
    int32_t n_negative, n_not_exhaustive;
    bool stated; /* the image gives both lists; an empty list counts */
} bl_federated;

/* What a data set was read from. */
typedef enum bl_source {
    BL_SOURCE_MEMORY, /* put together by bl_dataset_build */
    BL_SOURCE_COCO,
    BL_SOURCE_VOC,
    BL_SOURCE_FOLDER, /* images alone: all in a folder */
    BL_SOURCE_LIST    /* ... or those that a text file names */
} bl_source;

typedef struct bl_dataset {
    bl_arena *arena;
    const char *name; /* for messages: the file, VOC list or folder it was read from */
    bl_source source;
    const char *image_dir;
    bool ignore_exif; /* images are used as stored, whatever EXIF says of their orientation */
    bl_category *categories;
    bl_image_info *images;
    bl_ann *anns;
    bl_federated *federated; /* [n_images]; NULL when no image states any */
    bl_mask *masks;          /* [n_anns], as anns; NULL unless asked for */
    int32_t n_categories, n_images;
    int64_t n_anns;
    int64_t n_degenerate; /* boxes with w or h <= 0 */
    int64_t n_clipped;    /* boxes that reach more than BL_BOX_SLACK px outside their image */
    /* "labelled", "unlabelled" (its boxes are hidden labels, kept only to measure pseudo-labels;
     * never train on them), "test"; or "" when not known. Split files say so of themselves, and a
     * run's configuration of all its sets. */
    const char *role;
} bl_dataset;

/* Annotation tools round; a box within this of the image edge counts as inside. */
#define BL_BOX_SLACK 0.5
/* Coordinates beyond this are no pixels; readers treat them as defects. */
#define BL_MAX_COORDINATE 1e6

/* How the readers treat defects. Structural damage (bad JSON, missing keys, an annotation of an
 * unknown image or category, duplicate ids) always fails, unless skip_bad is set: then the
 * offending annotation or image is dropped and counted; an annotation whose id is taken is kept
 * under a fresh id, because a dropped object would be trained as background. */
typedef struct bl_read_options {
    bool skip_bad;
    int64_t n_skipped;    /* out */
    int64_t n_renumbered; /* out: annotations that got a fresh id */
    int64_t n_from_zero;  /* out: VOC, one_based: objects with a corner at 0, which the format has
                             not; the corners count from 0 then */
    int64_t n_unlisted;   /* out: ids in the images' LVIS lists that no category has, left out */
    /* For unlabelled images: COCO files without "annotations" (image_info_*.json) and without
     * "categories", VOC lists whose images have no XML file. */
    bool images_only;
    /* Sizes of images that are absent or make no sense become 0, for bl_dataset_measure to find. */
    bool sizes_later;
    const char *image_dir; /* VOC: where the images are; NULL = where the format has them */
    /* What scores do not depend on may be absent, as for pycocotools: COCO images' file_name and
     * categories' name (the id then), COCO "categories" (those that annotations name then), images'
     * width and height (0 then, or when they are no numbers of pixels; else VOC takes them from the
     * image). */
    bool evaluation;
    bool no_categories; /* out: the file has no "categories" */
    bool masks; /* COCO: keep "segmentation"; a broken one is a defect. A missing bbox is then that
                   of the mask. */
} bl_read_options;

/* COCO-format JSON (bbox, area, iscrowd, ignore; segmentation only when asked for), with what LVIS
 * adds to it. Streams: memory is bounded by the result, not by the file. With masks, annotations
 * that come before the images are passed over first, so a pipe will not do. opt may be NULL. */
bl_status bl_coco_read(const char *json_path, const char *image_dir, bl_read_options *opt,
                       bl_dataset **out);
/* The same over memory; `name` stands for the file in messages. */
bl_status bl_coco_read_memory(const void *data, size_t size, const char *name,
                              const char *image_dir, bl_read_options *opt, bl_dataset **out);
/* Pascal VOC: `root` holds Annotations/, JPEGImages/ and ImageSets/Main/<split>.txt; split NULL
 * takes every annotation (voc_list.h has the details). Pixel corners
 * are 1-based inclusive in the format's definition:
 *
 *   one_based   x = xmin-1,  w = xmax-xmin+1
 *   else        x = xmin,    w = xmax-xmin (as written)
 *
 * Class names: `classes` (n of them) in this
 * order, or all names found, sorted, when n = 0. Category ids are 1..n. difficult becomes
 * `difficult` and `ignore`. */
bl_status bl_voc_read(const char *root, const char *split, const char *const *classes,
                      int n_classes, bool one_based, bl_read_options *opt, bl_dataset **out);
/* Images without annotations, ids 1..n. `path` is a folder: all images in it and below, in byte
 * order of their paths (see bl_file_list_images); or a text file that names one a line, relative to
 * image_dir, or to the list's own folder where they are not in image_dir. Sizes are left 0.
 * BL_EFORMAT when there are none. */
bl_status bl_images_read(const char *path, const char *image_dir, bl_dataset **out);
/* Writes COCO JSON (atomic). A non-empty role goes to info.ballast_role and comes back on reading.
 */
bl_status bl_coco_write(const bl_dataset *d, const char *path);

/* Builds a data set from loose parts, all of them copied: name, image_dir, role, categories,
 * images, federated, anns and masks, the anns (and masks with them) in any order, with `image` and
 * `category` as indices into parts->images and parts->categories (which keep their order). Fills
 * first_ann, n_anns, n_degenerate and n_clipped. BL_EINVAL on an index out of range. */
bl_status bl_dataset_build(const bl_dataset *parts, bl_dataset **out);

/* A view of some images (indices ascending or not; the order is kept), sharing nothing with `d`. */
bl_status bl_dataset_subset(const bl_dataset *d, const int32_t *images, int32_t n,
                            bl_dataset **out);
void bl_dataset_free(bl_dataset *d);

/* Per category: images that contain it (crowd included iff count_crowd) and boxes. Arrays of
 * n_categories; either may be NULL. */
void bl_dataset_counts(const bl_dataset *d, bool count_crowd, int64_t *images, int64_t *boxes);

/* Full path of image i (malloc'd); see bl_image_find. */
char *bl_dataset_path(const bl_dataset *d, int32_t i);

/* The failure of an image whose file has another size than its entry says: BL_EFORMAT. */
bl_status bl_image_size_differs(const bl_dataset *d, const bl_image_info *im, int32_t width,
                                int32_t height);

static inline bool bl_dataset_is_unlabelled(const bl_dataset *d) {
    return strcmp(d->role, "unlabelled") == 0;
}
/* w or h is not positive. */
static inline bool bl_ann_degenerate(const bl_ann *a) {
    return !(a->w > 0 && a->h > 0);
}
/* Reaches more than BL_BOX_SLACK px outside the image. */
static inline bool bl_ann_outside(const bl_ann *a, const bl_image_info *im) {
    if (im->width <= 0 || im->height <= 0) return false; /* not known */
    return a->x < -BL_BOX_SLACK || a->y < -BL_BOX_SLACK || a->x + a->w > im->width + BL_BOX_SLACK ||
           a->y + a->h > im->height + BL_BOX_SLACK;
}

static inline bl_box bl_ann_box(const bl_ann *a) {
    return (bl_box){(float)a->x, (float)a->y, (float)(a->x + a->w), (float)(a->y + a->h)};
}

#endif
