#include "ssl/classification/pass.h"

static bl_status predict(const bl_classify_world *w, bl_ctx *ctx, int model, bl_tensor *z,
                         bl_tensor **logits) {
    for (int i = 0; i < w->plugins.n; i++) {
        bl_plugin *p = w->plugins.v[i];
        if (bl_classify_type(p)->predict)
            return bl_classify_type(p)->predict(p, ctx, model, z, logits);
    }
    return bl_classifier_apply(ctx, w->model[model], w->predict_head, z, logits);
}

static bl_status one_batch(const bl_classify_world *w, bl_ctx *ctx, int model,
                           const bl_classify_items *items, int32_t first, int32_t n,
                           bl_classify_pass_fn fn, void *arg) {
    int32_t k = w->classes, side = (int32_t)w->views->size;
    int32_t height = side ? side : items->set->height, width = side ? side : items->set->width;
    float *pixels = BL_NEW_ARRAY(ctx->arena, float, (size_t)n * 3 * (size_t)height * (size_t)width);
    float *logits = BL_NEW_ARRAY(ctx->arena, float, (size_t)n *k);
    float *features = BL_NEW_ARRAY(ctx->arena, float, (size_t)n * w->dim);
    if (!pixels || !logits || !features) return BL_ENOMEM;
    BL_TRY(bl_classify_plain(w->views, items->set, items->image ? items->image + first : NULL,
                             first, n, pixels));
    bl_tensor *x, *z, *y;
    BL_TRY(bl_tensor_from_host(ctx, pixels, n, 3, height, width, 1, &x));
    BL_TRY(bl_classifier_extract(ctx, w->model[model], false, x, &z));
    BL_TRY(predict(w, ctx, model, z, &y));
    BL_TRY(bl_tensor_to_host(ctx, y, logits));
    BL_TRY(bl_tensor_to_host(ctx, z, features));
    for (int32_t i = 0; i < n; i++)
        for (int32_t c = 0; c < k; c++) logits[(size_t)i * k + c] += (float)w->predict_bias[c];
    return fn(arg, first, n, logits, features);
}

bl_status bl_classify_pass(const bl_classify_world *w, bl_ctx *ctx, int model,
                           const bl_classify_items *items, int64_t batch, bl_classify_pass_fn fn,
                           void *arg) {
    for (int32_t at = 0; at < items->n; at += (int32_t)batch) {
        int32_t n = items->n - at < batch ? items->n - at : (int32_t)batch;
        bl_step_begin(ctx, false);
        bl_status status = one_batch(w, ctx, model, items, at, n, fn, arg);
        bl_step_end(ctx);
        if (status != BL_OK) return status;
    }
    return BL_OK;
}
