/* Lists of images as authors publish them: which images a split labels. */
#ifndef BALLAST_DATASETS_SPLITS_SPLIT_LIST_H
#define BALLAST_DATASETS_SPLITS_SPLIT_LIST_H

#include "datasets/annotations/dataset.h"

typedef struct bl_split_list {
    int32_t *image; /* indices into the data set's images, each once, in the list's order */
    int32_t n;
    int32_t n_repeated; /* entries that name an image again */
} bl_split_list;

/* Reads a list of d's images. A text has one image a line (# begins a comment line); JSON is an array
 * of images, or the object of Unbiased Teacher's seeds, {"10.0": {"1": [place, ...]}}, of which
 * `percent` and `seed` choose one. An image is named by its file (folders may be left out where that
 * leaves no doubt) or by its id; Unbiased Teacher's places count, from 0, the images with a box that
 * is no crowd, by ascending id, as detectron2 lists them. BL_EFORMAT, naming the line or entry, for an image that d has not or
 * that could be several; BL_ECONFIG when the object has no such draw. */
bl_status bl_split_list_read(const char *path, const bl_dataset *d, double percent, int64_t seed,
                             bl_split_list *out);
void bl_split_list_free(bl_split_list *l);

#endif
