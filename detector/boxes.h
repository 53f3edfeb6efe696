/* Lists of boxes as they pass between the stages: ground truth, proposals, detections. */
#ifndef BALLAST_DETECTOR_BOXES_H
#define BALLAST_DETECTOR_BOXES_H

#include <stdint.h>

#include "core/geom.h"

/* Boxes of one image. Unused arrays are NULL. */
typedef struct bl_boxes {
    int32_t n;
    bl_box *box;
    int32_t *label; /* 0..n_classes-1 */
    float *score;
    uint8_t *ignore; /* crowd / ignore region: anchors and RoIs mostly inside it (IoF >= 0.5) are
                        not negatives */
} bl_boxes;
typedef struct bl_size {
    float w, h; /* valid part of a padded image, px */
} bl_size;

#endif
