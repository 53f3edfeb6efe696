/* The second stage: sampling RoIs, the box head and its losses (Girshick, ICCV 2015). */
#include <math.h>

#include "detector/model.h"

enum { ROI_STREAM = 0x524f49 }; /* "ROI" */

static bl_status declare_classifier(bl_detector *d, bl_store *s) {
    const bl_roi_classifier *c = &d->classifier;
    bl_linear_spec spec = {.name = "roi_head.bbox_head.fc_cls",
                           .in = d->cfg.fc_channels,
                           .out = c->outputs,
                           .init = BL_INIT_NORMAL,
                           .init_std = d->style->cls_std,
                           .no_bias = c->no_bias};
    if (c->prior > 0) {
        spec.bias_init = BL_INIT_VALUE;
        spec.bias_std = (float)-log((1 - c->prior) / c->prior);
    }
    BL_TRY(bl_linear_layer_build(s, &spec, &d->roi.cls));
    if (!c->memory) return BL_OK;
    bl_param_spec memory = {.name = "roi_head.bbox_head.score_memory",
                            .shape = {c->memory, 1, 1, 1},
                            .ndim = 1,
                            .buffer = true};
    return bl_store_add(s, &memory, &d->memory);
}

bl_status bl_roi_head_declare(bl_detector *d, bl_store *s) {
    const bl_detector_config *c = &d->cfg;
    const bl_style *y = d->style;
    d->roi.coder = (bl_box_coder){{0.1f, 0.1f, 0.2f, 0.2f}, y->max_log_ratio, y->clamp_symmetric};
    d->roi.rule = (bl_match_rule){.pos_iou = (float)c->roi_pos_iou,
                                  .neg_iou = (float)c->roi_pos_iou,
                                  .low_quality = BL_LOWQ_NONE,
                                  .ignore_iof = (float)c->ignore_iof};
    d->roi.level =
        (bl_level_rule){(float)c->finest_scale, y->level_eps_in, y->level_eps_out, BL_ROI_LEVELS};
    int64_t in = c->fpn_channels * c->roi_size * c->roi_size, fc = c->fc_channels;
    BL_TRY(bl_linear_layer_declare(s, "roi_head.bbox_head.shared_fcs.0", in, fc, BL_ACT_RELU,
                                   BL_INIT_XAVIER_UNIFORM, 0, &d->roi.fc1));
    BL_TRY(bl_linear_layer_declare(s, "roi_head.bbox_head.shared_fcs.1", fc, fc, BL_ACT_RELU,
                                   BL_INIT_XAVIER_UNIFORM, 0, &d->roi.fc2));
    BL_TRY(declare_classifier(d, s));
    return bl_linear_layer_declare(s, "roi_head.bbox_head.fc_reg", fc, 4 * (int64_t)d->classes,
                                   BL_ACT_NONE, BL_INIT_NORMAL, y->box_std, &d->roi.reg);
}

/* ---- sampling ---- */

static bl_status check_labels(const bl_detector *d, const bl_boxes *gt, int32_t n_images) {
    for (int32_t i = 0; i < n_images; i++)
        for (int32_t g = 0; g < gt[i].n; g++)
            if (!(gt[i].ignore && gt[i].ignore[g]) &&
                (gt[i].label[g] < 0 || gt[i].label[g] >= d->classes))
                return bl_fail(BL_EINVAL, "image %d, box %d: label %d, must be 0..%d", i, g,
                               gt[i].label[g], d->classes - 1);
    return BL_OK;
}

bl_status bl_roi_sample(bl_ctx *ctx, const bl_detector *d, const bl_box_lists *proposals,
                        const bl_boxes *gt, const bl_roi_draw *draw, bl_roi_batch *out) {
    int64_t batch = d->cfg.roi_batch;
    bl_sample_attr attr = {.batch = batch,
                           .max_pos = (int64_t)((double)batch * d->cfg.roi_pos_fraction),
                           .pos_only = draw->foreground_only,
                           .seed = draw->seed,
                           .key = draw->key,
                           .use = ROI_STREAM};
    bl_box_lists truth;
    bl_candidates c;
    bl_tensor *match;
    bl_samples rows;
    BL_TRY(check_labels(d, gt, proposals->images));
    BL_TRY(bl_boxes_upload(ctx, gt, proposals->images, &truth));
    BL_TRY(bl_list_candidates(ctx, &truth, proposals, draw->add_gt, &c));
    BL_TRY(bl_list_match(ctx, &c, &truth, &d->roi.rule, &match));
    BL_TRY(bl_list_sample(ctx, match, proposals->images, c.n, &attr, &rows));
    BL_TRY(bl_list_roi_targets(ctx, &c, &d->roi.coder, &rows, &truth, d->classes, &out->target));
    out->n = rows.n;
    out->image = rows.image;
    out->gt = rows.gt;
    out->count = rows.count;
    rows.image = rows.gt = rows.count = NULL;
    bl_samples_drop(ctx, &rows);
    bl_tensor_drop(ctx, match);
    bl_candidates_drop(ctx, &c);
    bl_box_lists_drop(ctx, &truth);
    return BL_OK;
}

/* ---- head ---- */

static bl_status check_rois(const bl_pyramid *p, const bl_box *roi, const int32_t *image,
                            int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        if (image[i] < 0 || image[i] >= p->n)
            return bl_fail(BL_EINVAL, "RoI %d: image %d of a batch of %d", i, image[i], p->n);
        if (!isfinite(roi[i].x1) || !isfinite(roi[i].y1) || !isfinite(roi[i].x2) ||
            !isfinite(roi[i].y2))
            return bl_fail(BL_EINVAL, "RoI %d: coordinates are not finite", i);
    }
    return BL_OK;
}

bl_status bl_roi_forward(bl_ctx *ctx, const bl_detector *d, const bl_pyramid *p, const bl_box *roi,
                         const int32_t *image, int32_t n, bl_roi_out *out) {
    bl_tensor *rois, *images;
    *out = (bl_roi_out){0};
    BL_TRY(check_rois(p, roi, image, n));
    BL_TRY(bl_upload(ctx, BL_F32, n, 4, roi, &rois));
    BL_TRY(bl_upload(ctx, BL_I32, n, 1, image, &images));
    BL_TRY(bl_roi_forward_list(ctx, d, p, rois, images, out));
    bl_tensor_drop(ctx, rois);
    bl_tensor_drop(ctx, images);
    return BL_OK;
}

static bl_status classify(bl_ctx *ctx, const bl_detector *d, bl_tensor *feature,
                          bl_tensor **logits) {
    const float tiny = 1e-6f;
    const bl_linear_layer *l = &d->roi.cls;
    bl_tensor *x, *scaled, *w;
    if (!(d->classifier.scale > 0)) return bl_linear_layer_apply(ctx, l, feature, logits);
    BL_TRY(bl_l2_normalize(ctx, feature, tiny, &x));
    BL_TRY(bl_scale(ctx, x, (float)d->classifier.scale, &scaled));
    BL_TRY(bl_l2_normalize(ctx, l->w, tiny, &w));
    BL_TRY(bl_linear(ctx, scaled, w, l->b, BL_ACT_NONE, logits));
    bl_tensor_drop(ctx, x);
    bl_tensor_drop(ctx, scaled);
    bl_tensor_drop(ctx, w);
    return BL_OK;
}

bl_status bl_roi_forward_list(bl_ctx *ctx, const bl_detector *d, const bl_pyramid *p,
                              bl_tensor *roi, bl_tensor *image, bl_roi_out *out) {
    *out = (bl_roi_out){0};
    bl_roi_attr a = {.size = (int32_t)d->cfg.roi_size,
                     .sampling = (int32_t)d->cfg.roi_sampling,
                     .aligned = d->style->roi_aligned};
    for (int l = 0; l < BL_ROI_LEVELS; l++) a.scale[l] = 1.0f / (float)p->stride[l];
    bl_tensor *level, *x = NULL, *h = NULL;
    BL_TRY(bl_list_levels(ctx, roi, image, &d->roi.level, &level));
    BL_TRY(bl_roi_align_list(ctx, p->map, BL_ROI_LEVELS, roi, image, level, &a, &x));
    bl_tensor_drop(ctx, level);
    BL_TRY(bl_linear_layer_apply(ctx, &d->roi.fc1, x, &h));
    bl_tensor_drop(ctx, x);
    BL_TRY(bl_linear_layer_apply(ctx, &d->roi.fc2, h, &out->feature));
    bl_tensor_drop(ctx, h);
    BL_TRY(classify(ctx, d, out->feature, &out->logits));
    return bl_linear_layer_apply(ctx, &d->roi.reg, out->feature, &out->deltas);
}

/* ---- losses ---- */

bl_status bl_roi_box_loss(bl_ctx *ctx, const bl_detector *d, const bl_roi_batch *rois,
                          const bl_roi_out *r, bl_tensor **loss) {
    const bl_roi_targets *t = &rois->target;
    return bl_smooth_l1_loss_list(ctx, r->deltas, t->first, t->delta, t->share, 4,
                                  (float)d->cfg.box_beta, 1, loss);
}

bl_status bl_roi_cls_loss(bl_ctx *ctx, const bl_detector *d, const bl_roi_batch *rois,
                          const bl_tensor *weight, const bl_roi_out *r, double focal,
                          bl_tensor **loss) {
    if (r->logits->c != d->classes + 1)
        return bl_fail(BL_EINVAL,
                       "softmax loss: the RoI classifier has %lld outputs, not %d; it needs a loss "
                       "of its own",
                       (long long)r->logits->c, d->classes + 1);
    return bl_softmax_loss_list(ctx, r->logits, rois->target.label, weight, (float)focal, 1, loss);
}
