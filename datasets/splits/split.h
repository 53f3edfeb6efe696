/* Labelled/unlabelled splits of a data set, as files with checksums.
 *
 * Plain split: p % of the images, drawn without replacement, are labelled, all others unlabelled
 * (STAC, Sohn et al. 2020; the protocol of Unbiased Teacher and Soft Teacher). A draw is a prefix
 * of one permutation per (seed, fold), so that for the same seed and fold a smaller percentage is a
 * subset of a larger one. `min_boxes` tops the draw up until every class has that many boxes.
 *
 * Class-imbalanced split (CI-SSOD, Li et al., "Gradient-based Sampling for Class Imbalanced
 * Semi-supervised Object Detection", ICCV 2023): `minority` names the rare classes. The p % base
 * keeps its images but loses every box of a minority class (the objects stay in the picture,
 * unlabelled); few-shot images with all their boxes follow: `few_shot_images` drawn at random, then
 * images that contain a minority class still below `few_shot_boxes`, until all have that many.
 * few_shot_images = 0 is the pure k-shot form.
 *
 * Lists (split_list.h) name images instead of drawing them: `base` in place of the percentage, `few`
 * in place of the few-shot images. An image in both keeps all its boxes. */
#ifndef BALLAST_DATASETS_SPLITS_SPLIT_H
#define BALLAST_DATASETS_SPLITS_SPLIT_H

#include "core/schema.h"
#include "datasets/annotations/dataset.h"

typedef enum bl_split_draw {
    BL_DRAW_BALLAST, /* core/rng.h */
    /* What numpy.random.seed(seed + fold); numpy.random.choice(n, m, replace=False) takes, m =
     * int(percent / 100.0 * n), of images in the file's order: the lists of STAC (Sohn et al. 2020)
     * and Soft Teacher, "instances_train2017.SEED@PERCENT.json". A smaller percentage is a subset
     * there, too. */
    BL_DRAW_NUMPY
} bl_split_draw;

/* Settings (section "split"). */
typedef struct bl_split_config {
    double percent; /* of the images, > 0 and < 100 */
    int64_t seed, fold;
    int32_t draw;           /* bl_split_draw */
    const char *base, *few; /* files with lists of images; "" or NULL: drawn */
    int64_t min_boxes; /* plain split: labelled boxes that every class gets, if the data has them; 0
                          = off */
    bl_strings minority;     /* names; empty = plain split */
    int64_t few_shot_images; /* random fully labelled images */
    int64_t few_shot_boxes;  /* boxes that every minority class gets, if the data has them */
    bool drop_empty; /* leave out labelled images with a side under 32 px or, after stripping,
                        without a box */
} bl_split_config;
extern const bl_schema bl_split_schema;

/* Image entries that name the same file are one image: they are drawn together, and into one part.
 *
 * Boxes count when they are neither crowd nor degenerate. */
typedef struct bl_split {
    bl_split_config config; /* strings borrowed */
    const bl_dataset *source;
    bl_dataset *labelled, *unlabelled; /* images in the source's order */
    int32_t n_base;                    /* images of the percentage draw, or of the list */
    int32_t n_few_shot;                /* further random images, or those of the list */
    int32_t n_both;                    /* images in both lists; counted in n_few_shot */
    int32_t n_topup;                   /* further images for classes short of boxes */
    int32_t n_dropped;                 /* labelled images left out by drop_empty, in neither part */
    int32_t n_twins;                   /* image entries whose file an earlier entry has */
    int32_t n_short;                   /* classes that the whole data set cannot fill */
    bool *is_minority;                 /* per category */
    bool *is_short;
} bl_split;

/* BL_ECONFIG on settings that cannot be met (unknown minority name, nothing left to be unlabelled,
 * ...). `source` must outlive the split; so must the config's strings. */
bl_status bl_split_make(const bl_split_config *cfg, const bl_dataset *source, bl_split *out);
void bl_split_free(bl_split *s);

/* Writes <dir>/labelled.json, <dir>/unlabelled.json (roles set, see bl_dataset.role) and
 * <dir>/split.json: settings, image ids, counts per class, SHA-256 of the source file and of both
 * outputs. The folder is made; every file is atomic, split.json comes last. */
bl_status bl_split_write(const bl_split *s, const char *dir);

/* What bl_split_verify found besides errors. */
typedef struct bl_split_check {
    int64_t n_labelled, n_unlabelled; /* images */
    bool source_found;                /* the source file is still where it was */
    bool source_changed;              /* ... but has other content now */
} bl_split_check;

/* Re-reads a split folder: checksums, roles, image ids as listed, the same categories in both
 * parts, and no image (by id or by file) in both. Any violation is BL_EFORMAT, naming the file and
 * what to do. `check` may be NULL. */
bl_status bl_split_verify(const char *dir, bl_split_check *check);

#endif
