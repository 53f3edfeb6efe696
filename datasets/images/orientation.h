/* What EXIF's orientation does to pixels and sizes; for boxes see frame.h. Two frames: that of the
 * stored pixels, and the upright one, in which a person sees the picture.
 *
 *   1 as stored            5 transposed
 *   2 mirrored             6 turned clockwise
 *   3 turned by 180        7 transposed along the other diagonal
 *   4 upside down          8 turned counter-clockwise */
#ifndef BALLAST_DATASETS_IMAGES_ORIENTATION_H
#define BALLAST_DATASETS_IMAGES_ORIENTATION_H

#include "datasets/images/image.h"

/* Width and height change places. */
static inline bool bl_orientation_swaps(int orientation) {
    return orientation >= 5;
}

/* From stored to upright, in place; out of memory leaves the image as it was. */
bl_status bl_orientation_image(int orientation, bl_image *img);

#endif
