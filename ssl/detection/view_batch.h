/* From loader views to a detector's input: one padded image tensor, valid sizes and boxes. */
#ifndef BALLAST_SSL_DETECTION_VIEW_BATCH_H
#define BALLAST_SSL_DETECTION_VIEW_BATCH_H

#include "datasets/loading/detection/loader.h"
#include "detector/faster_rcnn.h"
#include "ssl/learner.h"

typedef struct bl_view_batch {
    int32_t n;
    const bl_view **view; /* [n] */
    bl_tensor *images;    /* (n,3,H,W) */
    bl_size *size;        /* [n] */
    bl_boxes *gt;         /* [n] boxes of the view with labels and ignore flags */
} bl_view_batch;

/* View `which` of samples first..first+count-1 of the input's detection batch; of the pixels on the
 * device, if they were sent. Lists and the host's pixels are in ctx's step arena. */
bl_status bl_view_batch_make(bl_ctx *ctx, const bl_detector_config *cfg, const bl_step_input *in,
                             int32_t first, int32_t count, int32_t which, bl_view_batch *out);

#endif
