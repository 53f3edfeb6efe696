/* What EXIF's orientation does to pixels, sizes and boxes. Two frames: that of the stored pixels,
 * and the upright one, in which a person sees the picture.
 *
 *   1 as stored            5 transposed
 *   2 mirrored             6 turned clockwise
 *   3 turned by 180        7 transposed along the other diagonal
 *   4 upside down          8 turned counter-clockwise */
#ifndef BALLAST_DATASETS_ORIENTATION_H
#define BALLAST_DATASETS_ORIENTATION_H

#include "datasets/dataset.h"
#include "datasets/image.h"

/* Width and height change places. */
static inline bool bl_orientation_swaps(int orientation) {
    return orientation >= 5;
}

/* From stored to upright, in place; out of memory leaves the image as it was. */
bl_status bl_orientation_image(int orientation, bl_image *img);
/* The same for a box of a stored image of width x height; corners may lie outside. */
void bl_orientation_box(int orientation, double width, double height, bl_ann *a);

typedef enum bl_frame { BL_FRAME_UPRIGHT, BL_FRAME_STORED, BL_FRAME_UNCLEAR } bl_frame;
/* Which frame an image's annotations are of, judged where the two differ in shape: the one that
 * alone holds all its boxes; else the upright one, unless the annotation gives the stored size. The
 * boxes must then decide, and where they do not (and there are any) it is unclear. */
bl_frame bl_orientation_frame(const bl_dataset *d, const bl_image_info *im,
                              const bl_image_header *file);

#endif
