/* A split's labelled set beside a published histogram. */
#ifndef BALLAST_DATASETS_SPLITS_SPLIT_EXPECT_H
#define BALLAST_DATASETS_SPLITS_SPLIT_EXPECT_H

#include <stdio.h>

#include "datasets/splits/split.h"

/* How far counts are from the expected ones: of the classes of one group, sum |found - expected| /
 * sum expected. */
typedef struct bl_split_distance {
    double images[2], boxes[2]; /* [0] majority, [1] minority; -1: nothing expected */
    int32_t n_equal, n_classes; /* classes whose both counts are the expected ones; all of them */
} bl_split_distance;

/* Compares with a table of one class a line, "name,images,boxes", after a first line of titles. Every
 * class of the split must stand in it and in its order. Classes that differ are written to `f` (NULL:
 * none). BL_EFORMAT names the line that is none of this. */
bl_status bl_split_expect(const bl_split *s, const char *path, FILE *f, bl_split_distance *out);

#endif
