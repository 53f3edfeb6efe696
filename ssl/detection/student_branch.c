#include "ssl/detection/student_branch.h"

bl_status bl_student_forward(bl_detection_step *s, const bl_view_batch *vb,
                             bl_branch_features *out) {
    const bl_detector *d = s->world->pair.student;
    BL_TRY(bl_detector_extract(s->ctx, d, true, vb->images, &out->pyramid));
    BL_TRY(bl_rpn_forward(s->ctx, d, &out->pyramid, &out->rpn));
    return bl_rpn_proposals(s->ctx, d, &out->rpn, vb->size, true, &out->proposals);
}

/* Class weights of the rows, (n) on the device; NULL: 1 for every row. Reads the labels. */
static bl_status class_factors(bl_detection_step *s, bl_branch branch, const bl_tensor *label,
                               bl_tensor **u) {
    *u = NULL;
    if (!s->world->weighs) return BL_OK;
    int64_t n = label->n, used = 0;
    int32_t *y = BL_NEW_ARRAY(s->ctx->arena, int32_t, n);
    float *factor = BL_NEW_ARRAY(s->ctx->arena, float, n);
    if (!y || !factor) return BL_ENOMEM;
    BL_TRY(bl_download(s->ctx, label, y));
    for (int64_t i = 0; i < n; i++) factor[i] = 1;
    while (used < n && y[used] >= 0) used++; /* unused rows are the last ones */
    BL_DETECTION_EACH(s->world, weigh, s, branch, y, used, factor);
    return bl_upload(s->ctx, BL_F32, n, 1, factor, u);
}

static bl_status roi_loss(bl_detection_step *s, const bl_roi_rows *rows, bl_tensor **loss) {
    const bl_plugin_list *l = &s->world->plugins;
    for (int i = 0; i < l->n; i++)
        if (bl_detection_type(l->v[i])->roi_loss)
            return bl_detection_type(l->v[i])->roi_loss(l->v[i], s, rows, loss);
    return bl_roi_cls_loss(s->ctx, s->world->pair.student, rows->rois, rows->weight, rows->out, 0,
                           loss);
}

bl_status bl_student_cls_loss(bl_detection_step *s, bl_branch branch, const bl_roi_batch *rois,
                              const bl_roi_out *r, bl_tensor **loss) {
    const bl_tensor *v = rois->target.weight;
    bl_tensor *factor, *weight;
    BL_TRY(class_factors(s, branch, rois->target.label, &factor));
    BL_TRY(bl_list_weights(s->ctx, v, factor, branch == BL_BRANCH_LABELLED, &weight));
    bl_roi_rows rows = {branch, rois, r, v, weight};
    BL_TRY(roi_loss(s, &rows, loss));
    BL_DETECTION_EACH(s->world, rows, s, &rows);
    bl_tensor_drop(s->ctx, factor);
    bl_tensor_drop(s->ctx, weight);
    return BL_OK;
}

bl_status bl_pseudo_class_loss(bl_detection_step *s, const bl_branch_features *f,
                               const bl_view_batch *strong, const bl_boxes *gt,
                               const bl_teacher_view *judge, bl_tensor **loss) {
    const bl_detector_pair *pair = &s->world->pair;
    bl_roi_draw draw = {.add_gt = true,
                        .seed = s->world->seed,
                        .key = bl_stream_key(BL_STREAM_ROI_UNLABELLED, bl_detection_draw(s))};
    bl_roi_batch rois;
    bl_roi_out r;
    BL_TRY(bl_roi_sample(s->ctx, pair->student, &f->proposals, gt, &draw, &rois));
    if (judge)
        BL_TRY(bl_teacher_background(s->ctx, pair->teacher, judge, strong->view, &rois,
                                     rois.target.weight));
    BL_TRY(
        bl_roi_forward_list(s->ctx, pair->student, &f->pyramid, rois.target.roi, rois.image, &r));
    return bl_student_cls_loss(s, BL_BRANCH_UNLABELLED, &rois, &r, loss);
}

bl_status bl_labelled_losses(bl_detection_step *s) {
    const bl_detector *d = s->world->pair.student;
    bl_ctx *ctx = s->ctx;
    uint64_t seed = s->world->seed;
    bl_view_batch vb;
    bl_branch_features f;
    bl_view_choice all = {0, s->batch->n_labelled, 0, s->world->needs.n_labelled_views};
    BL_TRY(bl_view_batch_make(ctx, bl_detector_get_config(d), s->in, &all, &vb));
    BL_TRY(bl_student_forward(s, &vb, &f));
    bl_tensor *rpn_cls, *rpn_box, *roi_cls, *roi_box;
    BL_TRY(bl_rpn_loss(ctx, d, &f.rpn, vb.gt, vb.size, seed,
                       bl_stream_key(BL_STREAM_RPN_LABELLED, bl_detection_draw(s)), &rpn_cls,
                       &rpn_box, NULL));
    bl_roi_batch rois;
    bl_roi_draw draw = {.add_gt = true,
                        .seed = seed,
                        .key = bl_stream_key(BL_STREAM_ROI_LABELLED, bl_detection_draw(s))};
    BL_TRY(bl_roi_sample(ctx, d, &f.proposals, vb.gt, &draw, &rois));
    bl_roi_out r;
    BL_TRY(bl_roi_forward_list(ctx, d, &f.pyramid, rois.target.roi, rois.image, &r));
    BL_TRY(bl_student_cls_loss(s, BL_BRANCH_LABELLED, &rois, &r, &roi_cls));
    BL_TRY(bl_roi_box_loss(ctx, d, &rois, &r, &roi_box));
    bl_add_loss(s->out, "sup_rpn_cls", rpn_cls, 1);
    bl_add_loss(s->out, "sup_rpn_box", rpn_box, 1);
    bl_add_loss(s->out, "sup_roi_cls", roi_cls, 1);
    bl_add_loss(s->out, "sup_roi_box", roi_box, 1);
    return BL_OK;
}
