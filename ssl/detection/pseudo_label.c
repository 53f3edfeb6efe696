#include "ssl/detection/pseudo_label.h"

#include <math.h>
#include <string.h>

enum { QUALITY_MAX_TRUTH = 1024 };

bl_status bl_box_jitter_uncertainty(bl_ctx *ctx, const bl_detector *teacher, const bl_pyramid *p,
                                    const bl_size *size, const bl_box *box, const int32_t *label,
                                    const int32_t *image, int32_t n, int32_t times, float scale,
                                    uint64_t seed, uint64_t key, float *uncertainty) {
    if (n == 0) return BL_OK;
    int32_t m = n * times;
    bl_box *roi = BL_NEW_ARRAY(ctx->arena, bl_box, m), *reg = BL_NEW_ARRAY(ctx->arena, bl_box, m);
    int32_t *img = BL_NEW_ARRAY(ctx->arena, int32_t, m),
            *cls = BL_NEW_ARRAY(ctx->arena, int32_t, m);
    if (!roi || !reg || !img || !cls) return BL_ENOMEM;
    for (int32_t i = 0; i < n; i++) {
        bl_rng rng = bl_rng_make(seed, bl_rng_key(key, (uint64_t)image[i], (uint64_t)i));
        float w = fmaxf(box[i].x2 - box[i].x1, 1.0f) * scale;
        float h = fmaxf(box[i].y2 - box[i].y1, 1.0f) * scale;
        for (int32_t k = 0; k < times; k++) {
            float nx1 = bl_rng_normal(&rng), ny1 = bl_rng_normal(&rng);
            float nx2 = bl_rng_normal(&rng), ny2 = bl_rng_normal(&rng);
            roi[i * times + k] = (bl_box){box[i].x1 + nx1 * w, box[i].y1 + ny1 * h,
                                          box[i].x2 + nx2 * w, box[i].y2 + ny2 * h};
            img[i * times + k] = image[i];
            cls[i * times + k] = label[i];
        }
    }
    bl_roi_out r;
    BL_TRY(bl_roi_forward(ctx, teacher, p, roi, img, m, &r));
    float *deltas = BL_NEW_ARRAY(ctx->arena, float, (size_t)m *(size_t)r.deltas->c);
    if (!deltas) return BL_ENOMEM;
    BL_TRY(bl_tensor_to_host(ctx, r.deltas, deltas));
    BL_TRY(bl_roi_decode(ctx, teacher, roi, img, m, deltas, cls, size, reg));
    bl_tensor_drop(ctx, r.feature);
    bl_tensor_drop(ctx, r.logits);
    bl_tensor_drop(ctx, r.deltas);

    for (int32_t i = 0; i < n; i++) {
        double mean[4] = {0}, var[4] = {0};
        for (int32_t k = 0; k < times; k++) {
            const float *b = &reg[i * times + k].x1;
            for (int c = 0; c < 4; c++) mean[c] += b[c] / (double)times;
        }
        for (int32_t k = 0; k < times; k++) {
            const float *b = &reg[i * times + k].x1;
            for (int c = 0; c < 4; c++)
                var[c] += (b[c] - mean[c]) * (b[c] - mean[c]) / (double)(times - 1);
        }
        double w = fmax(mean[2] - mean[0], 1.0), h = fmax(mean[3] - mean[1], 1.0);
        uncertainty[i] =
            (float)((sqrt(var[0]) / w + sqrt(var[1]) / h + sqrt(var[2]) / w + sqrt(var[3]) / h) /
                    4);
    }
    return BL_OK;
}

/* The candidates of all images as one list, so that the RoI head runs once. */
static bl_status add_uncertainty(bl_ctx *ctx, const bl_detector *teacher,
                                 const bl_teacher_section *cfg, bl_teacher_view *tv, uint64_t seed,
                                 uint64_t key) {
    int32_t total = 0;
    for (int32_t i = 0; i < tv->weak.n; i++) total += tv->candidates[i].n;
    if (total == 0) return BL_OK;
    bl_box *box = BL_NEW_ARRAY(ctx->arena, bl_box, total);
    int32_t *label = BL_NEW_ARRAY(ctx->arena, int32_t, total),
            *image = BL_NEW_ARRAY(ctx->arena, int32_t, total);
    float *unc = BL_NEW_ARRAY(ctx->arena, float, total);
    if (!box || !label || !image || !unc) return BL_ENOMEM;
    int32_t at = 0;
    for (int32_t i = 0; i < tv->weak.n; i++) {
        bl_pseudo *c = &tv->candidates[i];
        c->uncertainty = unc + at;
        for (int32_t j = 0; j < c->n; j++, at++) {
            box[at] = c->box[j];
            label[at] = c->label[j];
            image[at] = i;
        }
    }
    return bl_box_jitter_uncertainty(ctx, teacher, &tv->pyramid, tv->weak.size, box, label, image,
                                     total, (int32_t)cfg->jitter_times, (float)cfg->jitter_scale,
                                     seed, key, unc);
}

bl_status bl_teacher_look(bl_ctx *ctx, const bl_detector *teacher, const bl_teacher_section *cfg,
                          const bl_view_batch *weak, uint64_t seed, uint64_t key,
                          bl_teacher_view *out) {
    out->weak = *weak;
    out->detections = BL_NEW_ARRAY(ctx->arena, bl_boxes, weak->n);
    out->candidates = BL_NEW_ARRAY(ctx->arena, bl_pseudo, weak->n);
    if (!out->detections || !out->candidates) return BL_ENOMEM;

    bool old = bl_no_grad(ctx);
    bl_status status = bl_detector_predict(ctx, teacher, weak->images, weak->size, true, 0.05,
                                           &out->pyramid, out->detections);
    for (int32_t i = 0; status == BL_OK && i < weak->n; i++) {
        /* Detections are sorted by score, so candidates are a prefix. */
        const bl_boxes *d = &out->detections[i];
        int32_t n = 0;
        while (n < d->n && d->score[n] > cfg->candidate_score) n++;
        out->candidates[i] =
            (bl_pseudo){.n = n, .box = d->box, .label = d->label, .score = d->score};
    }
    if (status == BL_OK && cfg->jitter_times > 0)
        status = add_uncertainty(ctx, teacher, cfg, out, seed, key);
    bl_set_grad(ctx, old);
    return status;
}

bl_status bl_pseudo_to_student(bl_arena *arena, const bl_pseudo *p, const bl_view *weak,
                               const bl_view *strong, bl_pseudo_filter keep, const void *arg,
                               bl_boxes *out) {
    *out = (bl_boxes){0};
    out->box = BL_NEW_ARRAY(arena, bl_box, p->n);
    out->label = BL_NEW_ARRAY(arena, int32_t, p->n);
    out->score = BL_NEW_ARRAY(arena, float, p->n);
    if (!out->box || !out->label || !out->score) return BL_ENOMEM;
    for (int32_t i = 0; i < p->n; i++) {
        if (!keep(p, i, arg)) continue;
        bl_box b = bl_view_map_box(weak, strong, p->box[i]);
        if (!(b.x2 - b.x1 > 0 && b.y2 - b.y1 > 0)) continue;
        out->box[out->n] = b;
        out->label[out->n] = p->label[i];
        out->score[out->n] = p->score[i];
        out->n++;
    }
    return BL_OK;
}

/* The background's probability where the detector does not score by softmax, as logits (n, 2) whose
 * softmax has it in column 0. */
static bl_status background_logits(bl_ctx *ctx, const bl_detector *d, const bl_tensor *logits,
                                   bl_tensor **out) {
    int64_t n = logits->n, k = bl_detector_classes(d);
    float *score, *pair = BL_NEW_ARRAY(ctx->arena, float, 2 * n);
    if (!pair) return BL_ENOMEM;
    BL_TRY(bl_roi_scores(ctx, d, logits, &score));
    for (int64_t i = 0; i < n; i++) {
        double p = fmin(fmax(score[i * (k + 1) + k], 1e-7), 1 - 1e-7);
        pair[2 * i] = (float)log(p / (1 - p));
        pair[2 * i + 1] = 0;
    }
    return bl_tensor_from_host(ctx, pair, n, 2, 1, 1, 1, out);
}

bl_status bl_teacher_background(bl_ctx *ctx, const bl_detector *teacher, const bl_teacher_view *tv,
                                const bl_view *const *strong, const bl_roi_batch *rois,
                                bl_tensor *weight) {
    int32_t n = tv->weak.n, background = bl_detector_classes(teacher);
    bl_affine *map = BL_NEW_ARRAY(ctx->arena, bl_affine, n);
    if (!map) return BL_ENOMEM;
    for (int32_t i = 0; i < n; i++) map[i] = bl_view_map(strong[i], tv->weak.view[i]);
    bl_mapped_rows m;
    BL_TRY(bl_list_map_rows(ctx, rois->target.label, background, rois->target.roi, rois->image, map,
                            tv->weak.size, n, &m));
    bool old = bl_no_grad(ctx);
    bl_roi_out r;
    bl_status status = bl_roi_forward_list(ctx, teacher, &tv->pyramid, m.box, m.image, &r);
    if (status == BL_OK) {
        bl_tensor *logits = r.logits;
        bool softmax = bl_detector_scores_by_softmax(teacher);
        if (!softmax) status = background_logits(ctx, teacher, r.logits, &logits);
        if (status == BL_OK)
            status = bl_list_probability(ctx, logits, softmax ? background : 0, m.row, weight);
        bl_tensor_drop(ctx, r.feature);
        bl_tensor_drop(ctx, r.logits);
        bl_tensor_drop(ctx, r.deltas);
    }
    bl_set_grad(ctx, old);
    bl_mapped_rows_drop(ctx, &m);
    return status;
}

void bl_pseudo_quality(const bl_pseudo *p, bl_pseudo_filter keep, const void *arg,
                       const bl_view *weak, double *tp, double *n_pseudo, double *n_truth) {
    uint8_t taken[QUALITY_MAX_TRUTH] = {0};
    int32_t truths = weak->n_boxes < QUALITY_MAX_TRUTH ? weak->n_boxes : QUALITY_MAX_TRUTH;
    for (int32_t j = 0; j < truths; j++)
        if (!weak->ignore[j]) n_truth[weak->labels[j]] += 1;
    for (int32_t i = 0; i < p->n; i++) {
        if (!keep(p, i, arg)) continue;
        n_pseudo[p->label[i]] += 1;
        int32_t best = -1;
        float best_iou = 0.5f;
        for (int32_t j = 0; j < truths; j++) {
            if (taken[j] || weak->ignore[j] || weak->labels[j] != p->label[i]) continue;
            float iou = bl_box_iou(p->box[i], weak->boxes[j]);
            if (iou >= best_iou) {
                best = j;
                best_iou = iou;
            }
        }
        if (best >= 0) {
            taken[best] = 1;
            tp[p->label[i]] += 1;
        }
    }
}
