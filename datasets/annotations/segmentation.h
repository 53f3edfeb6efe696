/* The "segmentation" value of COCO annotations and results, in its three forms: a list of polygons
 * [[x, y, x, y, ...], ...], run lengths {"counts": [...], "size": [h, w]}, and the same with the
 * counts as a compressed string.
 *
 * As in pycocotools, polygons of four numbers are boxes x, y, width, height, when the first one has
 * four. null and [] are no mask. */
#ifndef BALLAST_DATASETS_ANNOTATIONS_SEGMENTATION_H
#define BALLAST_DATASETS_ANNOTATIONS_SEGMENTATION_H

#include "core/json_pull.h"
#include "datasets/annotations/mask_rle.h"

/* Zero-initialise; reused from value to value. */
typedef struct bl_segmentation {
    enum { BL_SEGM_NONE, BL_SEGM_POLYGONS, BL_SEGM_RUNS } kind;
    double *numbers; /* corners of all polygons, or counts */
    int64_t n_numbers, cap_numbers;
    int64_t *ends; /* of each polygon in `numbers` */
    int64_t n_polygons, cap_polygons;
    bl_rle runs;        /* the value, or what was made of it */
    bl_rle part, other; /* while polygons are merged */
    char *text;         /* counts as a string */
    size_t text_cap;
} bl_segmentation;

void bl_segmentation_free(bl_segmentation *s);

/* Reads the next value of `j`. Fails only on broken JSON or for want of memory; a value that is no
 * segmentation leaves kind at BL_SEGM_NONE and its defect in why ("" else). */
bl_status bl_segmentation_read(bl_segmentation *s, bl_pull *j, char *why, size_t why_size);

/* Makes s->runs of what was read: the union of polygons, in an image of h x w pixels; run lengths
 * have a size of their own. BL_EFORMAT when the polygons are out of range, BL_EINVAL when nothing
 * was read. */
bl_status bl_segmentation_runs(bl_segmentation *s, int32_t h, int32_t w);

#endif
