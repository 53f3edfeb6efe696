/* The second stage: sampling RoIs, the box head and its losses (Girshick, ICCV 2015). */
#include <math.h>

#include "core/rng.h"
#include "detector/model.h"
#include "detector/sampler.h"

enum { ROI_STREAM = 0x524f49 }; /* "ROI" */

bl_status bl_roi_head_declare(bl_detector *d, bl_store *s) {
    const bl_detector_config *c = &d->cfg;
    const bl_style *y = d->style;
    d->roi.coder = (bl_box_coder){{0.1f, 0.1f, 0.2f, 0.2f}, y->max_log_ratio, y->clamp_symmetric};
    d->roi.rule = (bl_match_rule){.pos_iou = (float)c->roi_pos_iou,
                                  .neg_iou = (float)c->roi_pos_iou,
                                  .low_quality = BL_LOWQ_NONE,
                                  .ignore_iof = y->ignore_iof};
    int64_t in = c->fpn_channels * c->roi_size * c->roi_size, fc = c->fc_channels;
    BL_TRY(bl_linear_layer_declare(s, "roi_head.bbox_head.shared_fcs.0", in, fc, BL_ACT_RELU,
                                   BL_INIT_XAVIER_UNIFORM, 0, &d->roi.fc1));
    BL_TRY(bl_linear_layer_declare(s, "roi_head.bbox_head.shared_fcs.1", fc, fc, BL_ACT_RELU,
                                   BL_INIT_XAVIER_UNIFORM, 0, &d->roi.fc2));
    BL_TRY(bl_linear_layer_declare(s, "roi_head.bbox_head.fc_cls", fc, d->classes + 1, BL_ACT_NONE,
                                   BL_INIT_NORMAL, y->cls_std, &d->roi.cls));
    return bl_linear_layer_declare(s, "roi_head.bbox_head.fc_reg", fc, 4 * (int64_t)d->classes,
                                   BL_ACT_NONE, BL_INIT_NORMAL, y->box_std, &d->roi.reg);
}

/* ---- sampling -----------------------------------------------------------------------------------
 */

static bl_status roi_batch_new(bl_arena *a, int64_t n, bl_roi_batch *out) {
    *out = (bl_roi_batch){.roi = BL_NEW_ARRAY(a, bl_box, n),
                          .image = BL_NEW_ARRAY(a, int32_t, n),
                          .label = BL_NEW_ARRAY(a, int32_t, n),
                          .gt = BL_NEW_ARRAY(a, int32_t, n),
                          .target = BL_NEW_ARRAY(a, float, 4 * n),
                          .weight = BL_NEW_ARRAY(a, float, n)};
    if (out->roi && out->image && out->label && out->gt && out->target && out->weight) return BL_OK;
    return BL_ENOMEM;
}

/* Candidates of one image: its boxes first (when add_gt), then the proposals. self[i] is the box
 * that candidate i is, -1 for proposals. */
static bl_status candidates_of(bl_arena *a, const bl_boxes *gt, const bl_boxes *prop, bool add_gt,
                               bl_match_job *job, int32_t **self, int64_t *n_self) {
    int64_t cap = (int64_t)prop->n + (add_gt ? gt->n : 0), n = 0;
    bl_box *box = BL_NEW_ARRAY(a, bl_box, cap);
    int32_t *match = BL_NEW_ARRAY(a, int32_t, cap);
    *self = BL_NEW_ARRAY(a, int32_t, cap);
    if (!box || !match || !*self) return BL_ENOMEM;
    for (int32_t g = 0; add_gt && g < gt->n; g++) {
        if ((gt->ignore && gt->ignore[g]) || !(bl_box_area(gt->box[g]) > 0)) continue;
        (*self)[n] = g;
        box[n++] = gt->box[g];
    }
    *n_self = n;
    for (int32_t i = 0; i < prop->n; i++) box[n++] = prop->box[i];
    *job = (bl_match_job){.box = box, .n = n, .gt = gt, .match = match};
    return BL_OK;
}

static void append(const bl_detector *d, bl_roi_batch *out, const bl_match_job *job, int32_t image,
                   int32_t i) {
    int32_t k = out->n++, g = job->match[i];
    out->roi[k] = job->box[i];
    out->image[k] = image;
    out->weight[k] = 1;
    out->gt[k] = g >= 0 ? g : -1;
    out->label[k] = g >= 0 ? job->gt->label[g] : d->classes;
    if (g < 0) return;
    bl_box_encode(&d->roi.coder, job->box[i], job->gt->box[g], &out->target[4 * k]);
    out->n_pos++;
}

static bl_status sample_images(bl_ctx *ctx, const bl_detector *d, const bl_boxes *prop,
                               const bl_boxes *gt, int32_t n, bool add_gt, uint64_t seed,
                               uint64_t key, bl_roi_batch *out) {
    int64_t batch = d->cfg.roi_batch;
    bl_match_job *job = BL_NEW_ARRAY(ctx->arena, bl_match_job, n);
    int32_t **self = BL_NEW_ARRAY(ctx->arena, int32_t *, n);
    int64_t *n_self = BL_NEW_ARRAY(ctx->arena, int64_t, n);
    int32_t *pos = BL_NEW_ARRAY(ctx->arena, int32_t, batch);
    int32_t *neg = BL_NEW_ARRAY(ctx->arena, int32_t, batch);
    if (!job || !self || !n_self || !pos || !neg) return BL_ENOMEM;
    for (int32_t i = 0; i < n; i++)
        BL_TRY(candidates_of(ctx->arena, &gt[i], &prop[i], add_gt, &job[i], &self[i], &n_self[i]));
    BL_TRY(bl_match(ctx->arena, job, n, &d->roi.rule));
    for (int32_t i = 0; i < n; i++) {
        /* A box stands for itself, even inside an ignore region or beside an identical box. */
        for (int64_t k = 0; k < n_self[i]; k++) job[i].match[k] = self[i][k];
        int64_t np = 0, nn = 0;
        BL_TRY(bl_sample(ctx->arena, job[i].match, job[i].n, batch, d->cfg.roi_pos_fraction, seed,
                         bl_rng_key(key, ROI_STREAM, (uint64_t)i), pos, &np, neg, &nn));
        for (int64_t k = 0; k < np; k++) append(d, out, &job[i], i, pos[k]);
        for (int64_t k = 0; k < nn; k++) append(d, out, &job[i], i, neg[k]);
    }
    return BL_OK;
}

bl_status bl_roi_sample(bl_ctx *ctx, const bl_detector *d, const bl_boxes *proposals,
                        const bl_boxes *gt, int32_t n_images, bool add_gt, uint64_t seed,
                        uint64_t key, bl_roi_batch *out) {
    for (int32_t i = 0; i < n_images; i++)
        for (int32_t g = 0; g < gt[i].n; g++)
            if (!(gt[i].ignore && gt[i].ignore[g]) &&
                (gt[i].label[g] < 0 || gt[i].label[g] >= d->classes))
                return bl_fail(BL_EINVAL, "image %d, box %d: label %d, must be 0..%d", i, g,
                               gt[i].label[g], d->classes - 1);
    BL_TRY(roi_batch_new(ctx->arena, d->cfg.roi_batch * n_images, out));
    bl_arena_mark mark = bl_arena_save(ctx->arena);
    bl_status status = sample_images(ctx, d, proposals, gt, n_images, add_gt, seed, key, out);
    bl_arena_restore(ctx->arena, mark);
    return status;
}

/* ---- head ---------------------------------------------------------------------------------------
 */

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
    *out = (bl_roi_out){0};
    BL_TRY(check_rois(p, roi, image, n));
    int32_t *level = BL_NEW_ARRAY(ctx->arena, int32_t, n);
    if (!level) return BL_ENOMEM;
    for (int32_t i = 0; i < n; i++) level[i] = bl_roi_level(d, roi[i]);
    bl_roi_attr a = {.size = (int32_t)d->cfg.roi_size,
                     .sampling = (int32_t)d->cfg.roi_sampling,
                     .aligned = d->style->roi_aligned};
    for (int l = 0; l < BL_ROI_LEVELS; l++) a.scale[l] = 1.0f / (float)p->stride[l];
    bl_tensor *x = NULL, *h = NULL;
    BL_TRY(bl_roi_align(ctx, p->map, BL_ROI_LEVELS, roi, image, level, n, &a, &x));
    BL_TRY(bl_linear_layer_apply(ctx, &d->roi.fc1, x, &h));
    bl_tensor_drop(ctx, x);
    BL_TRY(bl_linear_layer_apply(ctx, &d->roi.fc2, h, &out->feature));
    bl_tensor_drop(ctx, h);
    BL_TRY(bl_linear_layer_apply(ctx, &d->roi.cls, out->feature, &out->logits));
    return bl_linear_layer_apply(ctx, &d->roi.reg, out->feature, &out->deltas);
}

/* ---- losses -------------------------------------------------------------------------------------
 */

bl_status bl_roi_box_loss(bl_ctx *ctx, const bl_detector *d, const bl_roi_batch *rois,
                          const bl_roi_out *r, bl_tensor **loss) {
    int32_t *first = BL_NEW_ARRAY(ctx->arena, int32_t, rois->n);
    if (!first) return BL_ENOMEM;
    for (int32_t i = 0; i < rois->n; i++)
        first[i] = rois->label[i] < d->classes ? 4 * rois->label[i] : -1;
    float scale = 1.0f / (float)(rois->n > 0 ? rois->n : 1);
    return bl_smooth_l1_loss(ctx, r->deltas, first, rois->target, NULL, 4, (float)d->cfg.box_beta,
                             scale, loss);
}

bl_status bl_roi_cls_loss(bl_ctx *ctx, const bl_detector *d, const bl_roi_batch *rois,
                          const bl_roi_out *r, double focal, double normaliser, bl_tensor **loss) {
    (void)d;
    if (!(normaliser > 0))
        return bl_fail(BL_EINVAL, "RoI classification loss: normaliser %g, must be positive",
                       normaliser);
    return bl_softmax_loss(ctx, r->logits, rois->label, rois->weight, (float)focal,
                           (float)(1 / normaliser), loss);
}
