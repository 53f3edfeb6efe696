#include "ssl/student_branch.h"

bl_status bl_student_forward(bl_ctx *ctx, const bl_student *s, const bl_view_batch *vb,
                             bl_branch_features *out) {
    BL_TRY(bl_detector_extract(ctx, s->detector, true, vb->images, &out->pyramid));
    BL_TRY(bl_rpn_forward(ctx, s->detector, &out->pyramid, &out->rpn));
    return bl_rpn_proposals(ctx, s->detector, &out->rpn, vb->size, true, &out->proposals);
}

bl_status bl_student_cls_loss(bl_ctx *ctx, const bl_student *s, bl_branch branch, int64_t t,
                              const bl_roi_batch *rois, const bl_tensor *v, const bl_roi_out *r,
                              bl_tensor **loss) {
    bl_tensor *factor, *weight;
    BL_TRY(bl_balancer_factors(s->balancer, ctx, branch, rois->target.label, &factor));
    BL_TRY(bl_list_weights(ctx, v, factor, branch == BL_BRANCH_LABELLED, &weight));
    BL_TRY(bl_roi_cls_loss(ctx, s->detector, rois, weight, r, s->focal, loss));
    bl_tensor_drop(ctx, factor);
    bl_tensor_drop(ctx, weight);
    return bl_balancer_observe(s->balancer, ctx, branch, t, r->logits, rois->target.label, v);
}

bl_status bl_labelled_losses(bl_ctx *ctx, const bl_student *s, const bl_view_batch *vb, int64_t t,
                             bl_step_losses *out) {
    bl_branch_features f;
    BL_TRY(bl_student_forward(ctx, s, vb, &f));
    bl_tensor *rpn_cls, *rpn_box, *roi_cls, *roi_box;
    BL_TRY(bl_rpn_loss(ctx, s->detector, &f.rpn, vb->gt, vb->size, s->seed,
                       bl_stream_key(BL_STREAM_RPN_LABELLED, t), &rpn_cls, &rpn_box, NULL));
    bl_roi_batch rois;
    bl_roi_draw draw = {
        .add_gt = true, .seed = s->seed, .key = bl_stream_key(BL_STREAM_ROI_LABELLED, t)};
    BL_TRY(bl_roi_sample(ctx, s->detector, &f.proposals, vb->gt, &draw, &rois));
    bl_roi_out r;
    BL_TRY(bl_roi_forward_list(ctx, s->detector, &f.pyramid, rois.target.roi, rois.image, &r));
    BL_TRY(bl_student_cls_loss(ctx, s, BL_BRANCH_LABELLED, t, &rois, rois.target.weight, &r,
                               &roi_cls));
    BL_TRY(bl_roi_box_loss(ctx, s->detector, &rois, &r, &roi_box));
    bl_add_loss(out, "sup_rpn_cls", rpn_cls, 1);
    bl_add_loss(out, "sup_rpn_box", rpn_box, 1);
    bl_add_loss(out, "sup_roi_cls", roi_cls, 1);
    bl_add_loss(out, "sup_roi_box", roi_box, 1);
    return BL_OK;
}
