/* The class-to-class gradients of a batch, summed on the device and read back. */
#include <math.h>
#include <string.h>

#include "kernels/internal.h"

bl_class_gradient_attr bl_class_gradient_default(void) {
    return (bl_class_gradient_attr){.focal = 1, .offset = 1e-5, .scale = 100};
}

static bl_status check(const bl_tensor *logits, const bl_class_gradient_attr *a) {
    if (logits->h != 1 || logits->w != 1) {
        return bl_fail(BL_EINVAL, "class gradients: input %s is not a matrix (N,K)",
                       bl_shape(logits).s);
    }
    if (!(a->focal >= 0) || !(a->offset >= 0)) {
        return bl_fail(BL_EINVAL,
                       "class gradients: the focal exponent and the offset must be >= 0");
    }
    return BL_OK;
}

bl_status bl_class_gradients_list(bl_ctx *ctx, bl_tensor *logits, const bl_tensor *label,
                                  const bl_tensor *weight, const bl_class_gradient_attr *a,
                                  double *m) {
    BL_TRY(check(logits, a));
    int64_t n = logits->n, k = logits->c;
    size_t bytes = (size_t)k * (size_t)k * sizeof *m;
    memset(m, 0, bytes);
    if (n == 0) return BL_OK;
    bl_tensor *x = logits;
    bl_buf *sums;
    if (x->cb != 1 || x->dtype != BL_F32) {
        BL_TRY(bl_tensor_new(ctx, n, k, 1, 1, 1, BL_F32, &x));
        BL_TRY(ctx->k->reorder(ctx, logits, x, 0));
    }
    BL_TRY(bl_buf_new(ctx->pool, bytes, &sums));
    bl_status status = ctx->k->class_gradients(bl_f32(x), n, k, label->data,
                                               weight ? weight->data : NULL, a, sums->data);
    if (status == BL_OK) status = ctx->dev->to_host(ctx->dev, m, sums->data, bytes);
    bl_buf_release(sums);
    if (x != logits) bl_tensor_drop(ctx, x);
    for (int64_t i = 0; status == BL_OK && i < k * k; i++) {
        if (!isfinite(m[i])) {
            status = bl_fail(BL_ENUMERIC, "class gradients: a logit or weight is not finite");
        }
    }
    return status;
}

bl_status bl_class_gradients(bl_ctx *ctx, bl_tensor *logits, const int32_t *label,
                             const float *weight, const bl_class_gradient_attr *a, double *m) {
    BL_TRY(check(logits, a));
    for (int64_t i = 0; i < logits->n; i++) {
        if (label[i] >= 0 && label[i] < logits->c) continue;
        return bl_fail(BL_EINVAL, "class gradients: sample %lld: label %d is not in [0, %lld)",
                       (long long)i, label[i], (long long)logits->c);
    }
    bl_tensor *labels, *weights;
    void *data;
    BL_TRY(bl_loss_list(ctx, BL_I32, logits->n, 1, label, &labels, &data));
    BL_TRY(bl_loss_list(ctx, BL_F32, logits->n, 1, weight, &weights, &data));
    bl_status status = bl_class_gradients_list(ctx, logits, labels, weights, a, m);
    bl_tensor_drop(ctx, labels);
    bl_tensor_drop(ctx, weights);
    return status;
}
