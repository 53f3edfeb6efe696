/* The parts of a split of a COCO file, written as copies of the file's own records: what a record
 * has stays, whoever knows it. */
#ifndef BALLAST_DATASETS_SPLITS_SPLIT_COPY_H
#define BALLAST_DATASETS_SPLITS_SPLIT_COPY_H

#include "datasets/splits/split.h"

/* Streams the source file once and writes both parts to paths[0] (labelled) and paths[1]
 * (unlabelled), atomic. A part gets the records of its images and annotations, and the categories
 * and all other keys of the file; "info" gains the part's role. An annotation whose id was taken
 * gets its fresh one. BL_EFORMAT when the file is not the one the split was made of. */
bl_status bl_split_copy(const bl_split *s, const char *const paths[2]);

#endif
