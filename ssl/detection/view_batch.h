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

/* Which views of a detection batch: view `view` of samples first..first+count-1, then view
 * `view` + 1 of all of them, and so on, `views` in all (0 = 1). */
typedef struct bl_view_choice {
    int32_t first, count, view, views;
} bl_view_choice;

/* Of the pixels on the device, if they were sent. Lists and the host's pixels are in ctx's step
 * arena. */
bl_status bl_view_batch_make(bl_ctx *ctx, const bl_detector_config *cfg, const bl_step_input *in,
                             const bl_view_choice *which, bl_view_batch *out);

#endif
