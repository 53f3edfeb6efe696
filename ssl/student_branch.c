#include "ssl/student_branch.h"

bl_status bl_student_forward(bl_ctx *ctx, const bl_student *s, const bl_view_batch *vb,
                             bl_branch_features *out) {
    out->proposals = BL_NEW_ARRAY(ctx->arena, bl_boxes, vb->n);
    if (!out->proposals) return BL_ENOMEM;
    BL_TRY(bl_detector_extract(ctx, s->detector, true, vb->images, &out->pyramid));
    BL_TRY(bl_rpn_forward(ctx, s->detector, &out->pyramid, &out->rpn));
    return bl_rpn_proposals(ctx, s->detector, &out->rpn, vb->size, true, out->proposals);
}

bl_status bl_student_cls_loss(bl_ctx *ctx, const bl_student *s, bl_branch branch, int64_t t,
                              bl_roi_batch *rois, const bl_roi_out *r, bl_tensor **loss) {
    int32_t n = rois->n;
    float *v = BL_NEW_ARRAY(ctx->arena, float, n);
    if (!v) return BL_ENOMEM;
    double sum = 0, positive = 0;
    for (int32_t i = 0; i < n; i++) v[i] = rois->weight[i], sum += v[i], positive += v[i] > 0;
    double normaliser = branch == BL_BRANCH_LABELLED ? positive : sum;
    if (!(normaliser >= 1))
        normaliser = 1; /* also when a weight is not a number: the loss will say so */

    BL_TRY(bl_balancer_weigh(s->balancer, branch, rois->label, v, n, rois->weight));
    BL_TRY(bl_roi_cls_loss(ctx, s->detector, rois, r, s->focal, normaliser, loss));
    return bl_balancer_observe(s->balancer, ctx, branch, t, r->logits, rois->label, v);
}

bl_status bl_labelled_losses(bl_ctx *ctx, const bl_student *s, const bl_view_batch *vb, int64_t t,
                             bl_step_losses *out) {
    bl_branch_features f;
    BL_TRY(bl_student_forward(ctx, s, vb, &f));
    bl_tensor *rpn_cls, *rpn_box, *roi_cls, *roi_box;
    BL_TRY(bl_rpn_loss(ctx, s->detector, &f.rpn, vb->gt, vb->size, s->seed,
                       bl_stream_key(BL_STREAM_RPN_LABELLED, t), &rpn_cls, &rpn_box, NULL, NULL));
    bl_roi_batch rois;
    BL_TRY(bl_roi_sample(ctx, s->detector, f.proposals, vb->gt, vb->n, true, s->seed,
                         bl_stream_key(BL_STREAM_ROI_LABELLED, t), &rois));
    bl_roi_out r;
    BL_TRY(bl_roi_forward(ctx, s->detector, &f.pyramid, rois.roi, rois.image, rois.n, &r));
    BL_TRY(bl_student_cls_loss(ctx, s, BL_BRANCH_LABELLED, t, &rois, &r, &roi_cls));
    BL_TRY(bl_roi_box_loss(ctx, s->detector, &rois, &r, &roi_box));
    bl_add_loss(out, "sup_rpn_cls", rpn_cls, 1);
    bl_add_loss(out, "sup_rpn_box", rpn_box, 1);
    bl_add_loss(out, "sup_roi_cls", roi_cls, 1);
    bl_add_loss(out, "sup_roi_box", roi_box, 1);
    return BL_OK;
}
