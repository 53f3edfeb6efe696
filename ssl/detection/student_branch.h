/* One pass of the student over one kind of images: the stages every branch shares. */
#ifndef BALLAST_SSL_DETECTION_STUDENT_BRANCH_H
#define BALLAST_SSL_DETECTION_STUDENT_BRANCH_H

#include "ssl/detection/learner.h"

/* What names the random streams of a step; combined with the iteration by bl_stream_key. */
typedef enum bl_stream_use {
    BL_STREAM_RPN_LABELLED = 1,
    BL_STREAM_ROI_LABELLED,
    BL_STREAM_RPN_UNLABELLED,
    BL_STREAM_ROI_UNLABELLED,
    BL_STREAM_BOX_UNLABELLED,
    BL_STREAM_JITTER
} bl_stream_use;
static inline uint64_t bl_stream_key(bl_stream_use use, int64_t t) {
    return bl_rng_key((uint64_t)use, (uint64_t)t, 0x57ea3);
}

typedef struct bl_branch_features {
    bl_pyramid pyramid;
    bl_rpn_out rpn;
    bl_box_lists proposals;
} bl_branch_features;

/* extract + RPN + training proposals. */
bl_status bl_student_forward(bl_detection_step *s, const bl_view_batch *vb,
                             bl_branch_features *out);

/* The RoI classification loss of one branch: the plug-ins' class weights, the loss of the one that
 * claims it (else cross-entropy), then their `rows`. Reliability: rois->target.weight. Normaliser:
 * number of rows with reliability > 0 (labelled), its sum (unlabelled), at least 1. */
bl_status bl_student_cls_loss(bl_detection_step *s, bl_branch branch, const bl_roi_batch *rois,
                              const bl_roi_out *r, bl_tensor **loss);

/* The RoI classification loss on pseudo boxes gt[n] of the strong views. judge: what the teacher saw
 * on the weak views; background rows are then only as reliable as its belief that they are
 * background. NULL: all rows alike. */
bl_status bl_pseudo_class_loss(bl_detection_step *s, const bl_branch_features *f,
                               const bl_view_batch *strong, const bl_boxes *gt,
                               const bl_teacher_view *judge, bl_tensor **loss);

/* The four losses of labelled images, of all their views, named sup_*. */
bl_status bl_labelled_losses(bl_detection_step *s);

#endif
