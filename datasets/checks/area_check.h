/* Whether the areas of annotations can decide what is small, medium and large. Several exporters
 * write 0, 1 or the whole image's area for all of them. */
#ifndef BALLAST_DATASETS_CHECKS_AREA_CHECK_H
#define BALLAST_DATASETS_CHECKS_AREA_CHECK_H

#include "datasets/annotations/dataset.h"

typedef enum bl_area_fault {
    BL_AREAS_GOOD,
    BL_AREAS_TINY,   /* more than half are at most 1, though their boxes are larger */
    BL_AREAS_BEYOND, /* more than half are larger than their box */
    BL_AREAS_EQUAL   /* all are the same, though the boxes' sizes differ by more than four times */
} bl_area_fault;

typedef struct bl_area_check {
    bl_area_fault fault;
    int64_t n, count; /* annotations looked at (no crowds, no empty boxes), and at fault */
    int64_t first;    /* id of the first of them */
    double area;      /* its area */
} bl_area_check;

bl_area_check bl_areas_check(const bl_dataset *d);
/* "0 or 1 although the boxes are larger", ... : completes "the areas of 3 of 4 annotations are". */
const char *bl_area_fault_text(bl_area_fault fault);

#endif
