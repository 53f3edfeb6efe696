/* Losses: the forward kernel computes the gradient too; backward scales it by the seed. Here: what
 * they share, and the losses of detection; kernels/ops/class_losses.c has those of
 * classification. */
#include "kernels/internal.h"

bl_status bl_loss_backward(bl_ctx *ctx, bl_node *node) {
    for (int i = 0; i < BL_NODE_IN && node->in[i]; i++) {
        bl_tensor *dx, *d = node->saved[i];
        float beta;
        if (!d) continue;
        BL_TRY(bl_grad_target(ctx, node->in[i], &dx, &beta));
        if (dx) {
            ctx->k->axpby_at(bl_f32(node->out->grad), bl_f32(d), beta, bl_f32(dx), bl_storage(dx));
        }
    }
    return BL_OK;
}

static const bl_op bce_op = {"sigmoid_bce_loss", bl_loss_backward};
static const bl_op smooth_l1_op = {"smooth_l1_loss", bl_loss_backward};

bl_status bl_loss_open(bl_ctx *ctx, const char *name, bl_tensor **x, bl_tensor **d, bl_tensor **sum,
                       bool *made) {
    if ((*x)->h != 1 || (*x)->w != 1) {
        return bl_fail(BL_EINVAL, "%s: input %s is not a matrix (N,K)", name, bl_shape(*x).s);
    }
    BL_TRY(bl_as_matrix(ctx, *x, x, made));
    BL_TRY(bl_tensor_new(ctx, 1, 1, 1, 1, 1, BL_F32, sum));
    return bl_tensor_like(ctx, *x, d);
}

bl_status bl_loss_close(bl_ctx *ctx, const bl_op *op, bl_tensor *x, bool made, bl_tensor *d,
                        bl_tensor *sum, bl_tensor **loss) {
    if (bl_tape_wants(ctx, &x, 1)) BL_TRY(bl_tape_push(ctx, op, &x, 1, sum, &d, 1, NULL));
    bl_tensor_drop(ctx, d);
    if (made) bl_tensor_drop(ctx, x);
    *loss = sum;
    return BL_OK;
}

bl_status bl_loss_list(bl_ctx *ctx, bl_dtype dtype, int64_t n, int64_t c, const void *src,
                       bl_tensor **t, void **data) {
    *t = NULL;
    *data = NULL;
    if (!src) return BL_OK;
    BL_TRY(bl_upload(ctx, dtype, n, c, src, t));
    *data = (*t)->data;
    return BL_OK;
}

static const void *list_data(const bl_tensor *t) {
    return t ? t->data : NULL;
}

bl_status bl_sigmoid_bce_loss(bl_ctx *ctx, bl_tensor *x, const float *target, const float *weight,
                              float scale, bl_tensor **loss) {
    *loss = NULL;
    bl_tensor *targets, *weights;
    void *data;
    BL_TRY(bl_loss_list(ctx, BL_F32, x->n, 1, target, &targets, &data));
    BL_TRY(bl_loss_list(ctx, BL_F32, x->n, 1, weight, &weights, &data));
    BL_TRY(bl_sigmoid_bce_loss_list(ctx, x, targets, weights, scale, loss));
    bl_tensor_drop(ctx, targets);
    bl_tensor_drop(ctx, weights);
    return BL_OK;
}

bl_status bl_sigmoid_bce_loss_list(bl_ctx *ctx, bl_tensor *x, const bl_tensor *target,
                                   const bl_tensor *weight, float scale, bl_tensor **loss) {
    *loss = NULL;
    if (x->c != 1) {
        return bl_fail(BL_EINVAL, "sigmoid_bce_loss: input %s is not of one column", bl_shape(x).s);
    }
    bl_tensor *d, *sum;
    bool made;
    BL_TRY(bl_loss_open(ctx, "sigmoid_bce_loss", &x, &d, &sum, &made));
    ctx->k->sigmoid_bce(bl_f32(x), x->n, list_data(target), list_data(weight), scale, bl_f32(d),
                        bl_f32(sum));
    return bl_loss_close(ctx, &bce_op, x, made, d, sum, loss);
}

bl_status bl_smooth_l1_loss(bl_ctx *ctx, bl_tensor *x, const int32_t *first, const float *target,
                            const float *weight, int32_t per, float beta, float scale,
                            bl_tensor **loss) {
    *loss = NULL;
    int64_t n = x->n, k = x->c;
    if (per < 1 || !(beta >= 0)) {
        return bl_fail(BL_EINVAL, "smooth_l1_loss: %d columns, beta %g are not possible", per,
                       (double)beta);
    }
    for (int64_t i = 0; i < n; i++) {
        if (first[i] >= 0 && (int64_t)first[i] + per > k) {
            return bl_fail(BL_EINVAL, "smooth_l1_loss: row %lld wants columns %d..%d of %lld",
                           (long long)i, first[i], first[i] + per - 1, (long long)k);
        }
    }
    bl_tensor *firsts, *targets, *weights;
    void *data;
    BL_TRY(bl_loss_list(ctx, BL_I32, n, 1, first, &firsts, &data));
    BL_TRY(bl_loss_list(ctx, BL_F32, n, per, target, &targets, &data));
    BL_TRY(bl_loss_list(ctx, BL_F32, n, 1, weight, &weights, &data));
    BL_TRY(bl_smooth_l1_loss_list(ctx, x, firsts, targets, weights, per, beta, scale, loss));
    bl_tensor_drop(ctx, firsts);
    bl_tensor_drop(ctx, targets);
    bl_tensor_drop(ctx, weights);
    return BL_OK;
}

bl_status bl_smooth_l1_loss_list(bl_ctx *ctx, bl_tensor *x, const bl_tensor *first,
                                 const bl_tensor *target, const bl_tensor *weight, int32_t per,
                                 float beta, float scale, bl_tensor **loss) {
    bl_tensor *d, *sum;
    bool made;
    *loss = NULL;
    BL_TRY(bl_loss_open(ctx, "smooth_l1_loss", &x, &d, &sum, &made));
    ctx->k->smooth_l1(bl_f32(x), x->n, x->c, list_data(first), list_data(target), list_data(weight),
                      per, beta, scale, bl_f32(d), bl_f32(sum));
    return bl_loss_close(ctx, &smooth_l1_op, x, made, d, sum, loss);
}
