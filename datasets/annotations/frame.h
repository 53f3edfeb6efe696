/* In which frame of a turned image its boxes are: that of the stored pixels, or the upright one. */
#ifndef BALLAST_DATASETS_ANNOTATIONS_FRAME_H
#define BALLAST_DATASETS_ANNOTATIONS_FRAME_H

#include "datasets/annotations/dataset.h"
#include "datasets/images/image.h"

/* From stored to upright: a box of a stored image of width x height; corners may lie outside. */
void bl_orientation_box(int orientation, double width, double height, bl_ann *a);

typedef enum bl_frame { BL_FRAME_UPRIGHT, BL_FRAME_STORED, BL_FRAME_UNCLEAR } bl_frame;
/* Which frame an image's annotations are of, judged where the two differ in shape: the one that
 * alone holds all its boxes; else the upright one, unless the annotation gives the stored size. The
 * boxes must then decide, and where they do not (and there are any) it is unclear. */
bl_frame bl_orientation_frame(const bl_dataset *d, const bl_image_info *im,
                              const bl_image_header *file);

#endif
