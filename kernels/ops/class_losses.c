/* Losses of classification, see kernels/ops/losses.c. */
#include <math.h>

#include "kernels/internal.h"

static const bl_op softmax_op = {"softmax_loss", bl_loss_backward};
static const bl_op soft_op = {"soft_target_loss", bl_loss_backward};
static const bl_op entropy_op = {"entropy_loss", bl_loss_backward};
static const bl_op nce_op = {"info_nce_loss", bl_loss_backward};

/* attr with its lists on the device. */
typedef struct device_attr {
    bl_softmax_attr attr;
    bl_tensor *bias, *margin;
} device_attr;

static bl_status upload_attr(bl_ctx *ctx, const bl_softmax_attr *a, int64_t k, device_attr *d) {
    void *bias, *margin;
    *d = (device_attr){0};
    if (!a) return BL_OK;
    d->attr = *a;
    BL_TRY(bl_loss_list(ctx, BL_F32, 1, k, a->bias, &d->bias, &bias));
    BL_TRY(bl_loss_list(ctx, BL_F32, 1, k, a->margin, &d->margin, &margin));
    d->attr.bias = bias;
    d->attr.margin = margin;
    return BL_OK;
}

static void drop_attr(bl_ctx *ctx, device_attr *d) {
    bl_tensor_drop(ctx, d->bias);
    bl_tensor_drop(ctx, d->margin);
}

bl_status bl_softmax_loss(bl_ctx *ctx, bl_tensor *logits, const int32_t *label, const float *weight,
                          float focal, float scale, bl_tensor **loss) {
    const bl_softmax_attr attr = {.focal = focal};
    return bl_adjusted_softmax_loss(ctx, logits, label, weight, &attr, scale, loss);
}

/* All lists on the device. */
static bl_status hard_loss(bl_ctx *ctx, bl_tensor *logits, const bl_tensor *label,
                           const bl_tensor *weight, const bl_softmax_attr *attr, float scale,
                           bl_tensor **loss) {
    bl_tensor *d, *sum;
    bool made;
    BL_TRY(bl_loss_open(ctx, "softmax_loss", &logits, &d, &sum, &made));
    ctx->k->softmax_loss(bl_f32(logits), logits->n, logits->c, label->data,
                         weight ? weight->data : NULL, attr, scale, bl_f32(d), bl_f32(sum));
    return bl_loss_close(ctx, &softmax_op, logits, made, d, sum, loss);
}

bl_status bl_adjusted_softmax_loss(bl_ctx *ctx, bl_tensor *logits, const int32_t *label,
                                   const float *weight, const bl_softmax_attr *attr, float scale,
                                   bl_tensor **loss) {
    *loss = NULL;
    int64_t n = logits->n, k = logits->c;
    if (!(attr->focal >= 0)) {
        return bl_fail(BL_EINVAL, "softmax_loss: the focal exponent %g is negative",
                       (double)attr->focal);
    }
    for (int64_t i = 0; i < n; i++) {
        if (label[i] < -1 || label[i] >= k) {
            return bl_fail(BL_EINVAL, "softmax_loss: label[%lld] = %d is not in [-1,%lld)",
                           (long long)i, label[i], (long long)k);
        }
    }
    bl_tensor *labels, *weights;
    void *data;
    device_attr a;
    BL_TRY(upload_attr(ctx, attr, k, &a));
    BL_TRY(bl_loss_list(ctx, BL_I32, n, 1, label, &labels, &data));
    BL_TRY(bl_loss_list(ctx, BL_F32, n, 1, weight, &weights, &data));
    BL_TRY(hard_loss(ctx, logits, labels, weights, &a.attr, scale, loss));
    bl_tensor_drop(ctx, labels);
    bl_tensor_drop(ctx, weights);
    drop_attr(ctx, &a);
    return BL_OK;
}

bl_status bl_softmax_loss_list(bl_ctx *ctx, bl_tensor *logits, const bl_tensor *label,
                               const bl_tensor *weight, float focal, float scale,
                               bl_tensor **loss) {
    const bl_softmax_attr attr = {.focal = focal};
    *loss = NULL;
    return hard_loss(ctx, logits, label, weight, &attr, scale, loss);
}

bl_status bl_soft_target_loss(bl_ctx *ctx, bl_tensor *logits, const float *target,
                              const float *weight, const bl_softmax_attr *attr, float scale,
                              bl_tensor **loss) {
    *loss = NULL;
    int64_t n = logits->n, k = logits->c;
    if (attr && (attr->margin || attr->focal != 0)) {
        return bl_fail(BL_EINVAL, "soft_target_loss: margins and focal exponents need hard labels");
    }
    bl_tensor *d, *sum, *list_target, *list_weight;
    void *targets, *weights;
    device_attr a;
    bool made;
    BL_TRY(bl_loss_open(ctx, "soft_target_loss", &logits, &d, &sum, &made));
    BL_TRY(upload_attr(ctx, attr, k, &a));
    BL_TRY(bl_loss_list(ctx, BL_F32, n, k, target, &list_target, &targets));
    BL_TRY(bl_loss_list(ctx, BL_F32, n, 1, weight, &list_weight, &weights));
    ctx->k->soft_target_loss(bl_f32(logits), n, k, targets, weights, &a.attr, scale, bl_f32(d),
                             bl_f32(sum));
    bl_tensor_drop(ctx, list_target);
    bl_tensor_drop(ctx, list_weight);
    drop_attr(ctx, &a);
    return bl_loss_close(ctx, &soft_op, logits, made, d, sum, loss);
}

bl_status bl_entropy_loss(bl_ctx *ctx, bl_tensor *logits, const float *weight, float scale,
                          bl_tensor **loss) {
    *loss = NULL;
    int64_t n = logits->n;
    bl_tensor *d, *sum, *list_weight;
    void *weights;
    bool made;
    BL_TRY(bl_loss_open(ctx, "entropy_loss", &logits, &d, &sum, &made));
    BL_TRY(bl_loss_list(ctx, BL_F32, n, 1, weight, &list_weight, &weights));
    ctx->k->entropy_loss(bl_f32(logits), n, logits->c, weights, scale, bl_f32(d), bl_f32(sum));
    bl_tensor_drop(ctx, list_weight);
    return bl_loss_close(ctx, &entropy_op, logits, made, d, sum, loss);
}

bl_status bl_info_nce_loss(bl_ctx *ctx, bl_tensor *q, const bl_tensor *keys, const bl_tensor *queue,
                           float temperature, float scale, bl_tensor **loss) {
    *loss = NULL;
    if (!bl_same_shape(q, keys) || queue->c != q->c || queue->h != 1 || queue->w != 1 ||
        keys->cb != 1 || queue->cb != 1 || !(temperature > 0)) {
        return bl_fail(BL_EINVAL,
                       "info_nce_loss: queries %s, keys %s and queue %s at temperature %g do not "
                       "fit (keys and queue planar)",
                       bl_shape(q).s, bl_shape(keys).s, bl_shape(queue).s, (double)temperature);
    }
    bl_tensor *d, *s, *sum;
    bool made;
    BL_TRY(bl_loss_open(ctx, "info_nce_loss", &q, &d, &sum, &made));
    BL_TRY(bl_tensor_new(ctx, q->n, queue->n, 1, 1, 1, BL_F32, &s));
    if (bl_storage(s) > 0) {
        BL_TRY(ctx->k->matmul(ctx, false, true, q->n, queue->n, q->c, BL_F32, q->data, queue->data,
                              0, BL_F32, s->data));
    }
    ctx->k->info_nce(bl_f32(q), bl_f32(keys), q->n, q->c, queue->n, temperature, scale, bl_f32(s),
                     bl_f32(d), bl_f32(sum));
    if (bl_storage(s) > 0) {
        BL_TRY(ctx->k->matmul(ctx, false, false, q->n, q->c, queue->n, BL_F32, s->data, queue->data,
                              1, BL_F32, d->data));
    }
    bl_tensor_drop(ctx, s);
    return bl_loss_close(ctx, &nce_op, q, made, d, sum, loss);
}

static const bl_op given_op = {"given_loss", bl_loss_backward};

bl_status bl_given_loss(bl_ctx *ctx, bl_tensor *const *x, const float *const *grad, int n,
                        double value, bl_tensor **loss) {
    *loss = NULL;
    if (n < 1 || n > BL_NODE_IN) {
        return bl_fail(BL_EINVAL, "given_loss: %d matrices, must be 1..%d", n, BL_NODE_IN);
    }
    bl_tensor *in[BL_NODE_IN], *d[BL_NODE_IN] = {NULL};
    bool made[BL_NODE_IN];
    for (int i = 0; i < n; i++) {
        if (x[i]->h != 1 || x[i]->w != 1) {
            return bl_fail(BL_EINVAL, "given_loss: input %s is not a matrix (N,C)",
                           bl_shape(x[i]).s);
        }
        BL_TRY(bl_as_matrix(ctx, x[i], &in[i], &made[i]));
        if (grad[i]) BL_TRY(bl_upload(ctx, BL_F32, in[i]->n, in[i]->c, grad[i], &d[i]));
    }
    BL_TRY(bl_scalar_new(ctx, (float)value, loss));
    if (bl_tape_wants(ctx, in, n)) BL_TRY(bl_tape_push(ctx, &given_op, in, n, *loss, d, n, NULL));
    for (int i = 0; i < n; i++) {
        bl_tensor_drop(ctx, d[i]);
        if (made[i]) bl_tensor_drop(ctx, in[i]);
    }
    return BL_OK;
}
