#include "ssl/view_batch.h"

#include "core/parallel.h"

typedef struct {
    const bl_view_batch *vb;
    float mean[3], std[3];
    bool bgr;
    int multiple;
    int32_t w, h;
    float *dst;
} normalise_job;

static void normalise_range(void *arg, int64_t begin, int64_t end) {
    const normalise_job *j = arg;
    for (int64_t i = begin; i < end; i++)
        bl_view_normalise(&j->vb->view[i]->image, j->mean, j->std, j->bgr, j->multiple, j->w, j->h,
                          j->dst + i * 3 * j->w * j->h);
}

bl_status bl_view_batch_make(bl_ctx *ctx, const bl_detector_config *cfg, const bl_batch *batch,
                             int32_t first, int32_t count, int32_t which, bl_view_batch *out) {
    *out = (bl_view_batch){.n = count};
    out->view = BL_NEW_ARRAY(ctx->arena, const bl_view *, count);
    out->size = BL_NEW_ARRAY(ctx->arena, bl_size, count);
    out->gt = BL_NEW_ARRAY(ctx->arena, bl_boxes, count);
    if (!out->view || !out->size || !out->gt) return BL_ENOMEM;

    int32_t w = 0, h = 0;
    for (int32_t i = 0; i < count; i++) {
        const bl_view *v = &batch->samples[first + i].views[which];
        out->view[i] = v;
        out->size[i] = (bl_size){(float)v->image.width, (float)v->image.height};
        out->gt[i] =
            (bl_boxes){.n = v->n_boxes, .box = v->boxes, .label = v->labels, .ignore = v->ignore};
        if (v->image.width > w) w = v->image.width;
        if (v->image.height > h) h = v->image.height;
    }
    int32_t m = (int32_t)cfg->pad_multiple;
    w = (w + m - 1) / m * m, h = (h + m - 1) / m * m;

    normalise_job job = {.vb = out, .bgr = cfg->bgr, .multiple = m, .w = w, .h = h};
    for (int c = 0; c < 3; c++)
        job.mean[c] = (float)cfg->mean.v[c], job.std[c] = (float)cfg->std.v[c];
    job.dst = BL_NEW_ARRAY(ctx->arena, float, (size_t)count * 3 * w * h);
    if (!job.dst) return BL_ENOMEM;
    bl_parallel_for(count, 1, normalise_range, &job);
    return bl_tensor_from_host(ctx, job.dst, count, 3, h, w, 1, &out->images);
}
