#include "train/detection/infer.h"
#include "datasets/views/normalise.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/parallel.h"
#include "train/progress.h"

typedef struct {
    const bl_infer *in;
    char *const *paths;
    bl_image *original, *scaled;
    bl_status *status;
    char (*message)[512]; /* errors are thread-local: carried back to the caller's thread */
} decode_job;

static void decode_range(void *arg, int64_t begin, int64_t end) {
    decode_job *j = arg;
    for (int64_t i = begin; i < end; i++) {
        bl_status s = bl_image_load(j->paths[i], j->in->exif, &j->original[i]);
        if (s == BL_OK) {
            int32_t w, h;
            const bl_image *o = &j->original[i];
            bl_view_size(o->width, o->height, j->in->view->test_short, j->in->view->test_long, &w,
                         &h);
            s = w == o->width && h == o->height ? bl_image_copy(o, &j->scaled[i])
                                                : bl_image_resize(o, w, h, &j->scaled[i]);
        }
        j->status[i] = s;
        if (s != BL_OK) snprintf(j->message[i], sizeof j->message[i], "%s", bl_error());
    }
}

static bl_status predict_batch(bl_infer *in, const bl_image *scaled, int32_t n, bl_boxes *out) {
    bl_ctx *ctx = in->ctx;
    const bl_detector_config *dc = bl_detector_get_config(in->detector);
    int32_t w = 32, h = 32, m = 32;
    for (int32_t i = 0; i < n; i++) {
        if (scaled[i].width > w) w = scaled[i].width;
        if (scaled[i].height > h) h = scaled[i].height;
    }
    w = (w + m - 1) / m * m;
    h = (h + m - 1) / m * m;
    float *host = BL_NEW_ARRAY(ctx->arena, float, (size_t)n * 3 * (size_t)w * (size_t)h);
    bl_size *size = BL_NEW_ARRAY(ctx->arena, bl_size, n);
    if (!host || !size) return BL_ENOMEM;
    float mean[3], std[3];
    for (int c = 0; c < 3; c++) {
        mean[c] = (float)dc->mean.v[c];
        std[c] = (float)dc->std.v[c];
    }
    for (int32_t i = 0; i < n; i++) {
        size[i] = (bl_size){(float)scaled[i].width, (float)scaled[i].height};
        bl_view_normalise(&scaled[i], mean, std, dc->bgr, 1, w, h, host + (int64_t)i * 3 * w * h);
    }
    bl_tensor *images;
    BL_TRY(bl_tensor_from_host(ctx, host, n, 3, h, w, 1, &images));
    double thr = in->score_threshold >= 0 ? in->score_threshold : dc->score_threshold;
    return bl_detector_predict(ctx, in->detector, images, size, false, thr, NULL, out);
}

static bl_status one_batch(bl_infer *in, char *const *paths, int32_t first, int32_t n,
                           bl_infer_fn fn, void *arg) {
    bl_ctx *ctx = in->ctx;
    decode_job j = {.in = in, .paths = paths + first};
    bl_boxes *boxes = BL_NEW_ARRAY(ctx->arena, bl_boxes, n);
    j.original = BL_NEW_ARRAY(ctx->arena, bl_image, n);
    j.scaled = BL_NEW_ARRAY(ctx->arena, bl_image, n);
    j.status = BL_NEW_ARRAY(ctx->arena, bl_status, n);
    j.message = bl_arena_array(ctx->arena, (size_t)n, 512);
    if (!boxes || !j.original || !j.scaled || !j.status || !j.message) return BL_ENOMEM;
    bl_parallel_for(n, 1, decode_range, &j);

    bl_status status = BL_OK;
    int32_t good = 0;
    int32_t *slot = BL_NEW_ARRAY(ctx->arena, int32_t, n);
    bl_image *scaled = BL_NEW_ARRAY(ctx->arena, bl_image, n);
    if (!slot || !scaled) status = BL_ENOMEM;
    for (int32_t i = 0; i < n && status == BL_OK; i++) {
        slot[i] = -1;
        if (j.status[i] == BL_OK) {
            scaled[good] = j.scaled[i];
            slot[i] = good++;
        } else if (in->skip_bad) {
            BL_WARN("skipped: %s", j.message[i]);
            in->n_skipped++;
        } else {
            status = bl_fail(j.status[i], "%s", j.message[i]);
        }
    }
    if (status == BL_OK && good > 0) status = predict_batch(in, scaled, good, boxes);
    for (int32_t i = 0; i < n && status == BL_OK; i++) {
        bl_boxes none = {0}, *b = slot[i] >= 0 ? &boxes[slot[i]] : &none;
        if (slot[i] >= 0) {
            const bl_image *o = &j.original[i], *s = &j.scaled[i];
            float sx = (float)o->width / (float)s->width, sy = (float)o->height / (float)s->height;
            for (int32_t k = 0; k < b->n; k++) {
                bl_box *q = &b->box[k];
                *q = (bl_box){q->x1 * sx, q->y1 * sy, q->x2 * sx, q->y2 * sy};
            }
        }
        status = fn(arg, first + i, &j.original[i], b);
    }
    for (int32_t i = 0; i < n; i++) {
        bl_image_free(&j.original[i]);
        bl_image_free(&j.scaled[i]);
    }
    return status;
}

bl_status bl_infer_go_on(const bl_infer *in) {
    return in->cancel && *in->cancel ? bl_fail(BL_ECANCELLED, "stopped") : BL_OK;
}

bl_status bl_infer_run(bl_infer *in, char *const *paths, int32_t n, const char *progress,
                       bl_infer_fn fn, void *arg) {
    bl_progress bar;
    bl_progress_start(&bar, progress, n);
    for (int32_t at = 0; at < n; at += (int32_t)in->batch) {
        int32_t m = n - at < in->batch ? n - at : (int32_t)in->batch;
        BL_TRY(bl_infer_go_on(in));
        bl_step_begin(in->ctx, false);
        bl_status status = one_batch(in, paths, at, m, fn, arg);
        bl_step_end(in->ctx);
        if (status != BL_OK) return status;
        bl_progress_update(&bar, at + m);
    }
    bl_progress_finish(&bar);
    return BL_OK;
}

static bl_status collect(void *arg, int32_t index, const bl_image *original, const bl_boxes *b) {
    (void)original;
    bl_detections *out = arg;
    for (int32_t k = 0; k < b->n; k++) {
        bl_detection d = {.x = b->box[k].x1,
                          .y = b->box[k].y1,
                          .w = (double)b->box[k].x2 - b->box[k].x1,
                          .h = (double)b->box[k].y2 - b->box[k].y1,
                          .score = b->score[k],
                          .image = index,
                          .category = b->label[k]};
        BL_TRY(bl_detections_add(out, &d));
    }
    return BL_OK;
}

bl_status bl_infer_dataset(bl_infer *in, const bl_dataset *d, int64_t limit, const char *progress,
                           bl_detections *out) {
    int32_t n = limit > 0 && limit < d->n_images ? (int32_t)limit : d->n_images;
    char **paths = calloc((size_t)n + 1, sizeof *paths);
    if (!paths) return bl_no_memory("for %d image paths", (int)n);
    bl_status status = BL_OK;
    for (int32_t i = 0; i < n && status == BL_OK; i++)
        if (!(paths[i] = bl_dataset_path(d, i))) status = bl_no_memory("for image paths");
    if (status == BL_OK) status = bl_infer_run(in, paths, n, progress, collect, out);
    for (int32_t i = 0; i < n; i++) free(paths[i]);
    free(paths);
    return status;
}
