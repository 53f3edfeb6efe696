/* From class scores and deltas to detections. */
#include <math.h>

#include "detector/model.h"

static bl_box decode(const bl_detector *d, bl_box roi, const float *delta, bl_size size) {
    return bl_box_clip(bl_box_decode(&d->roi.coder, roi, delta), size.w, size.h);
}

bl_status bl_roi_decode(bl_ctx *ctx, const bl_detector *d, const bl_box *roi, const int32_t *image,
                        int32_t n, const float *deltas, const int32_t *cls, const bl_size *size,
                        bl_box *out) {
    (void)ctx;
    for (int32_t i = 0; i < n; i++) {
        if (cls[i] < 0 || cls[i] >= d->classes)
            return bl_fail(BL_EINVAL, "RoI %d: class %d has no box, must be 0..%d", i, cls[i],
                           d->classes - 1);
        out[i] = decode(d, roi[i], &deltas[4 * ((int64_t)i * d->classes + cls[i])], size[image[i]]);
    }
    return BL_OK;
}

bool bl_detector_scores_by_softmax(const bl_detector *d) {
    return d->classifier.scores == NULL;
}

bl_status bl_detector_set_memory(bl_ctx *ctx, const bl_detector *d, const float *memory) {
    if (!d->memory)
        return bl_fail(BL_EINVAL, "the RoI classifier has no memory; declare it when the detector "
                                  "is created");
    return ctx->dev->to_device(ctx->dev, d->memory->data, memory,
                               sizeof *memory * (size_t)d->classifier.memory);
}

bl_status bl_roi_scores(bl_ctx *ctx, const bl_detector *d, const bl_tensor *logits, float **out) {
    *out = BL_NEW_ARRAY(ctx->arena, float, logits->n *(d->classes + 1));
    if (!*out) return BL_ENOMEM;
    if (bl_detector_scores_by_softmax(d)) return bl_softmax_to_host(ctx, logits, *out);
    float *z = BL_NEW_ARRAY(ctx->arena, float, logits->n * logits->c), *memory = NULL;
    if (!z) return BL_ENOMEM;
    BL_TRY(bl_tensor_to_host(ctx, logits, z));
    if (d->memory) {
        memory = BL_NEW_ARRAY(ctx->arena, float, d->classifier.memory);
        if (!memory) return BL_ENOMEM;
        BL_TRY(bl_tensor_to_host(ctx, d->memory, memory));
    }
    bl_roi_logits in = {z, logits->n, logits->c, d->classes, memory};
    d->classifier.scores(&in, *out);
    return BL_OK;
}

/* Boxes and scores of a batch on the host. */
typedef struct scored {
    const bl_box *roi;
    const int32_t *image;
    int32_t n;
    float *prob, *delta;
} scored;

static int64_t count_above(const bl_detector *d, const scored *s, int32_t image, float thr) {
    int64_t n = 0;
    for (int32_t i = 0; i < s->n; i++) {
        if (s->image[i] != image) continue;
        const float *p = &s->prob[(int64_t)i * (d->classes + 1)];
        for (int32_t c = 0; c < d->classes; c++) n += p[c] > thr;
    }
    return n;
}

static bl_status image_detections(bl_ctx *ctx, const bl_detector *d, const scored *s, int32_t image,
                                  bl_size size, float thr, bl_boxes *out) {
    int64_t cap = count_above(d, s, image, thr), n = 0, kept = 0;
    int64_t most = cap < d->cfg.max_detections ? cap : d->cfg.max_detections;
    BL_TRY(bl_boxes_new(ctx->arena, (int32_t)most, true, true, out));
    bl_box *box = BL_NEW_ARRAY(ctx->arena, bl_box, cap);
    float *score = BL_NEW_ARRAY(ctx->arena, float, cap);
    int32_t *label = BL_NEW_ARRAY(ctx->arena, int32_t, cap);
    int32_t *index = BL_NEW_ARRAY(ctx->arena, int32_t, cap);
    if (!box || !score || !label || !index) return BL_ENOMEM;
    float least = d->style->min_detection;
    for (int32_t i = 0; i < s->n; i++) {
        if (s->image[i] != image) continue;
        const float *p = &s->prob[(int64_t)i * (d->classes + 1)];
        for (int32_t c = 0; c < d->classes; c++) {
            if (!(p[c] > thr)) continue;
            bl_box b = decode(d, s->roi[i], &s->delta[4 * ((int64_t)i * d->classes + c)], size);
            if (!(b.x2 - b.x1 > least && b.y2 - b.y1 > least)) continue; /* NaN too */
            box[n] = b;
            score[n] = p[c];
            label[n] = c;
            n++;
        }
    }
    BL_TRY(bl_nms(ctx, box, score, label, n, (float)d->cfg.nms, most, index, &kept));
    out->n = (int32_t)kept;
    for (int64_t k = 0; k < kept; k++) {
        out->box[k] = box[index[k]];
        out->label[k] = label[index[k]];
        out->score[k] = score[index[k]];
    }
    return BL_OK;
}

bl_status bl_roi_detections(bl_ctx *ctx, const bl_detector *d, const bl_box *roi,
                            const int32_t *image, int32_t n, const bl_roi_out *r,
                            const bl_size *size, int32_t n_images, double score_threshold,
                            bl_boxes *out) {
    int64_t k = d->classes;
    scored s = {roi, image, n, NULL, BL_NEW_ARRAY(ctx->arena, float, 4 * k * n)};
    if (!s.delta) return BL_ENOMEM;
    BL_TRY(bl_roi_scores(ctx, d, r->logits, &s.prob));
    BL_TRY(bl_tensor_to_host(ctx, r->deltas, s.delta));
    for (int32_t i = 0; i < n_images; i++)
        BL_TRY(image_detections(ctx, d, &s, i, size[i], (float)score_threshold, &out[i]));
    return BL_OK;
}
