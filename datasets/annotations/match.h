/* Category lists of several files: matched by name, since tools number them as they like. */
#ifndef BALLAST_DATASETS_ANNOTATIONS_MATCH_H
#define BALLAST_DATASETS_ANNOTATIONS_MATCH_H

#include "datasets/annotations/dataset.h"

/* What a match found, each as a list in words ("" when empty) that names the first few. */
enum { BL_MATCH_TEXT = 400 };
typedef struct bl_match {
    char moved[BL_MATCH_TEXT];  /* matched, with another id or place in the list */
    char loose[BL_MATCH_TEXT];  /* matched but for case or spaces around the name */
    char absent[BL_MATCH_TEXT]; /* in `names` alone */
    char extra[BL_MATCH_TEXT];  /* in the data set alone: left out */
    int32_t n_moved, n_loose, n_absent, n_extra;
    int64_t n_boxes; /* of the categories left out */
} bl_match;

/* Gives *d the categories of `like`, in that order: each keeps the id it has in *d's file; those
 * that the file lacks get their id in `like`, or a free one when it is taken. A category that only
 * *d has is left out when it has no boxes, or when drop_boxes is set, with them; else BL_EFORMAT,
 * as when two categories of *d have one name. *d may be another data set afterwards. */
bl_status bl_dataset_match(bl_dataset **d, const bl_dataset *like, bool drop_boxes, bl_match *out);

/* Leaves out a category without boxes that is only the others' supercategory (Roboflow exports have
 * one, with id 0); `name` (malloc'd) tells which, NULL if there is none. */
bl_status bl_dataset_drop_root(bl_dataset **d, char **name);

#endif
