/* Lists of boxes as they pass between the stages: ground truth, proposals, detections. On the host,
 * where data sets, teachers and evaluation have them, and how they get to the device and back. */
#ifndef BALLAST_DETECTOR_BOXES_H
#define BALLAST_DETECTOR_BOXES_H

#include <stdint.h>

#include "core/geom.h"
#include "kernels/lists.h"

/* Boxes of one image. Unused arrays are NULL. */
typedef struct bl_boxes {
    int32_t n;
    bl_box *box;
    int32_t *label; /* 0..n_classes-1 */
    float *score;
    uint8_t *ignore; /* crowd / ignore region: never an object; detector.ignore_iof says when it is
                        no background either */
} bl_boxes;

/* boxes with room for n entries and the chosen arrays, in the arena. */
bl_status bl_boxes_new(bl_arena *arena, int32_t n, bool label, bool score, bl_boxes *out);

/* Boxes, labels and ignore flags of n images. */
bl_status bl_boxes_upload(bl_ctx *ctx, const bl_boxes *b, int32_t n, bl_box_lists *out);
/* Boxes and scores of l->images images, in the step arena; waits for the device. */
bl_status bl_boxes_read(bl_ctx *ctx, const bl_box_lists *l, bl_boxes *out);

#endif
