#include "ssl/detection/view_batch.h"
#include "datasets/views/normalise.h"

#include "core/parallel.h"
#include "kernels/ops.h"

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

static bl_status from_host(bl_ctx *ctx, const bl_detector_config *cfg, int32_t w, int32_t h,
                           bl_view_batch *out) {
    normalise_job job = {
        .vb = out, .bgr = cfg->bgr, .multiple = (int)cfg->pad_multiple, .w = w, .h = h};
    for (int c = 0; c < 3; c++) {
        job.mean[c] = (float)cfg->mean.v[c];
        job.std[c] = (float)cfg->std.v[c];
    }
    job.dst = BL_NEW_ARRAY(ctx->arena, float, (size_t)out->n * 3 * w * h);
    if (!job.dst) return BL_ENOMEM;
    bl_parallel_for(out->n, 1, normalise_range, &job);
    return bl_tensor_from_host(ctx, job.dst, out->n, 3, h, w, 1, &out->images);
}

/* The place of image i among the parcels of the whole batch. */
static int32_t parcel(const bl_view_choice *which, int32_t i) {
    int32_t sample = which->first + i % which->count, view = which->view + i / which->count;
    return sample * BL_LOADER_MAX_VIEWS + view;
}

static bl_status from_device(bl_ctx *ctx, const bl_detector_config *cfg, const bl_parcel *sent,
                             const bl_view_choice *which, int32_t w, int32_t h,
                             bl_view_batch *out) {
    bl_input_attr attr = {.bgr = cfg->bgr, .multiple = (int32_t)cfg->pad_multiple};
    for (int c = 0; c < 3; c++) {
        attr.mean[c] = (float)cfg->mean.v[c];
        attr.std[c] = (float)cfg->std.v[c];
    }
    bl_device_image *image = BL_NEW_ARRAY(ctx->arena, bl_device_image, out->n);
    if (!image) return BL_ENOMEM;
    for (int32_t i = 0; i < out->n; i++)
        image[i] = (bl_device_image){.rgb = sent[parcel(which, i)].data,
                                     .width = out->view[i]->image.width,
                                     .height = out->view[i]->image.height};
    return bl_make_inputs(ctx, image, out->n, &attr, h, w, &out->images);
}

bl_status bl_view_batch_make(bl_ctx *ctx, const bl_detector_config *cfg, const bl_step_input *in,
                             const bl_view_choice *which, bl_view_batch *out) {
    int32_t n = which->count * (which->views > 0 ? which->views : 1);
    *out = (bl_view_batch){.n = n};
    out->view = BL_NEW_ARRAY(ctx->arena, const bl_view *, n);
    out->size = BL_NEW_ARRAY(ctx->arena, bl_size, n);
    out->gt = BL_NEW_ARRAY(ctx->arena, bl_boxes, n);
    if (!out->view || !out->size || !out->gt) return BL_ENOMEM;

    const bl_batch *batch = in->batch;
    int32_t w = 0, h = 0;
    for (int32_t i = 0; i < n; i++) {
        const bl_sample *sample = &batch->samples[which->first + i % which->count];
        const bl_view *v = &sample->views[which->view + i / which->count];
        out->view[i] = v;
        out->size[i] = (bl_size){(float)v->image.width, (float)v->image.height};
        out->gt[i] =
            (bl_boxes){.n = v->n_boxes, .box = v->boxes, .label = v->labels, .ignore = v->ignore};
        if (v->image.width > w) w = v->image.width;
        if (v->image.height > h) h = v->image.height;
    }
    int32_t m = (int32_t)cfg->pad_multiple;
    w = (w + m - 1) / m * m;
    h = (h + m - 1) / m * m;

    if (!in->sent) return from_host(ctx, cfg, w, h, out);
    return from_device(ctx, cfg, in->sent, which, w, h, out);
}
