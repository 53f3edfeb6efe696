/* Pooling, resampling and elementwise ops. */
#include "kernels/internal.h"

/* ---- max pooling ---- */

typedef struct max_pool_node {
    int32_t kernel, stride, pad;
} max_pool_node;

static bl_status max_pool_backward(bl_ctx *ctx, bl_node *node) {
    bl_tensor *dx;
    float beta;
    BL_TRY(bl_grad_target(ctx, node->in[0], &dx, &beta));
    const max_pool_node *a = node->attr;
    if (dx) {
        ctx->k->max_pool_bwd(node->out->grad, node->saved[0]->data, a->kernel, a->stride, a->pad,
                             dx, beta);
    }
    return BL_OK;
}

static const bl_op max_pool_op = {"max_pool", max_pool_backward};

bl_status bl_max_pool(bl_ctx *ctx, bl_tensor *x, int32_t kernel, int32_t stride, int32_t pad,
                      bl_tensor **y) {
    *y = NULL;
    /* pad <= kernel/2 gives every window at least one element of the input. */
    if (kernel < 1 || stride < 1 || pad < 0 || pad > kernel / 2 || x->h + 2 * pad < kernel ||
        x->w + 2 * pad < kernel) {
        return bl_fail(BL_EINVAL, "max_pool: kernel %d, stride %d, padding %d do not fit input %s",
                       kernel, stride, pad, bl_shape(x).s);
    }
    int64_t h = (x->h + 2 * pad - kernel) / stride + 1, w = (x->w + 2 * pad - kernel) / stride + 1;
    bl_tensor *out, *arg;
    BL_TRY(bl_tensor_new(ctx, x->n, x->c, h, w, x->cb, x->dtype, &out));
    BL_TRY(bl_tensor_new(ctx, x->n, x->c, h, w, x->cb, BL_I32, &arg));
    if (bl_storage(out) > 0) ctx->k->max_pool_fwd(x, kernel, stride, pad, out, arg->data);
    if (bl_tape_wants(ctx, &x, 1)) {
        max_pool_node *a = BL_NEW(ctx->arena, max_pool_node);
        if (!a) return BL_ENOMEM;
        *a = (max_pool_node){kernel, stride, pad};
        BL_TRY(bl_tape_push(ctx, &max_pool_op, &x, 1, out, &arg, 1, a));
    }
    bl_tensor_drop(ctx, arg);
    *y = out;
    return BL_OK;
}

/* ---- global average ---- */

static bl_status avg_pool_backward(bl_ctx *ctx, bl_node *node) {
    bl_tensor *dx;
    float beta;
    BL_TRY(bl_grad_target(ctx, node->in[0], &dx, &beta));
    if (dx) ctx->k->avg_pool_bwd(node->out->grad, dx, beta);
    return BL_OK;
}

static const bl_op avg_pool_op = {"avg_pool", avg_pool_backward};

bl_status bl_avg_pool_global(bl_ctx *ctx, bl_tensor *x, bl_tensor **y) {
    *y = NULL;
    if (x->h < 1 || x->w < 1) {
        return bl_fail(BL_EINVAL, "avg_pool: input %s has no pixels", bl_shape(x).s);
    }
    bl_tensor *out;
    BL_TRY(bl_tensor_new(ctx, x->n, x->c, 1, 1, 1, BL_F32, &out));
    if (bl_storage(out) > 0) ctx->k->avg_pool_fwd(x, out);
    if (bl_tape_wants(ctx, &x, 1))
        BL_TRY(bl_tape_push(ctx, &avg_pool_op, &x, 1, out, NULL, 0, NULL));
    *y = out;
    return BL_OK;
}

/* ---- relu ---- */

static bl_status relu_backward(bl_ctx *ctx, bl_node *node) {
    bl_tensor *dy = node->out->grad, *g;
    BL_TRY(bl_grad_masked(ctx, node->saved[0], dy, 0, &g));
    BL_TRY(bl_grad_pass(ctx, node->in[0], g));
    if (g != dy) bl_tensor_drop(ctx, g);
    return BL_OK;
}

static const bl_op relu_op = {"relu", relu_backward};

bl_status bl_relu(bl_ctx *ctx, bl_tensor *x, bl_tensor **y) {
    *y = NULL;
    bl_tensor *out;
    BL_TRY(bl_tensor_like(ctx, x, &out));
    /* x where x > 0 */
    ctx->k->act_bwd(x->dtype, x->data, x->data, 0, out->data, bl_storage(x));
    if (bl_tape_wants(ctx, &x, 1)) BL_TRY(bl_tape_push(ctx, &relu_op, &x, 1, out, &out, 1, NULL));
    *y = out;
    return BL_OK;
}

/* ---- add ---- */

static bl_status add_backward(bl_ctx *ctx, bl_node *node) {
    BL_TRY(bl_grad_pass(ctx, node->in[1], node->out->grad));
    return bl_grad_pass(ctx, node->in[0], node->out->grad);
}

static const bl_op add_op = {"add", add_backward};

bl_status bl_add(bl_ctx *ctx, bl_tensor *a, bl_tensor *b, bl_tensor **y) {
    *y = NULL;
    if (!bl_same_shape(a, b)) {
        return bl_fail(BL_EINVAL, "add: shapes %s and %s differ", bl_shape(a).s, bl_shape(b).s);
    }
    bool made;
    BL_TRY(bl_as(ctx, b, a->cb, a->dtype, &b, &made));
    bl_tensor *in[] = {a, b}, *out;
    BL_TRY(bl_tensor_like(ctx, a, &out));
    ctx->k->add(a->dtype, a->data, b->data, out->data, bl_storage(a));
    if (bl_tape_wants(ctx, in, 2)) BL_TRY(bl_tape_push(ctx, &add_op, in, 2, out, NULL, 0, NULL));
    if (made) bl_tensor_drop(ctx, b);
    *y = out;
    return BL_OK;
}

/* ---- nearest upsampling of the coarse map, added to the fine one ---- */

static bl_status upsample_backward(bl_ctx *ctx, bl_node *node) {
    bl_tensor *dcoarse;
    float beta;
    BL_TRY(bl_grad_target(ctx, node->in[1], &dcoarse, &beta));
    if (dcoarse) ctx->k->upsample_bwd(node->out->grad, dcoarse, beta);
    return bl_grad_pass(ctx, node->in[0], node->out->grad);
}

static const bl_op upsample_op = {"upsample_add", upsample_backward};

bl_status bl_upsample_add(bl_ctx *ctx, bl_tensor *fine, bl_tensor *coarse, bl_tensor **y) {
    *y = NULL;
    if (fine->n != coarse->n || fine->c != coarse->c || coarse->h < 1 || coarse->w < 1) {
        return bl_fail(BL_EINVAL, "upsample_add: fine map %s and coarse map %s do not fit",
                       bl_shape(fine).s, bl_shape(coarse).s);
    }
    bool made;
    BL_TRY(bl_as(ctx, coarse, fine->cb, fine->dtype, &coarse, &made));
    bl_tensor *in[] = {fine, coarse}, *out;
    BL_TRY(bl_tensor_like(ctx, fine, &out));
    if (bl_storage(out) > 0) ctx->k->upsample_add_fwd(fine, coarse, out);
    if (bl_tape_wants(ctx, in, 2))
        BL_TRY(bl_tape_push(ctx, &upsample_op, in, 2, out, NULL, 0, NULL));
    if (made) bl_tensor_drop(ctx, coarse);
    *y = out;
    return BL_OK;
}

/* ---- parameter-free shortcut ---- */

typedef struct shortcut_node {
    int32_t stride;
    int64_t first;
} shortcut_node;

static bl_status shortcut_backward(bl_ctx *ctx, bl_node *node) {
    const shortcut_node *a = node->attr;
    bl_tensor *dx;
    float beta;
    BL_TRY(bl_grad_target(ctx, node->in[0], &dx, &beta));
    if (dx) ctx->k->shortcut_bwd(node->out->grad, a->stride, a->first, dx, beta);
    return BL_OK;
}

static const bl_op shortcut_op = {"shortcut", shortcut_backward};

bl_status bl_shortcut(bl_ctx *ctx, bl_tensor *x, int32_t stride, int64_t channels, bl_tensor **y) {
    *y = NULL;
    if (stride < 1 || channels < x->c || x->h < 1 || x->w < 1) {
        return bl_fail(BL_EINVAL, "shortcut: stride %d to %lld channels does not fit input %s",
                       stride, (long long)channels, bl_shape(x).s);
    }
    bl_tensor *out;
    shortcut_node *a = BL_NEW(ctx->arena, shortcut_node);
    if (!a) return BL_ENOMEM;
    *a = (shortcut_node){stride, (channels - x->c) / 2};
    BL_TRY(bl_tensor_new(ctx, x->n, channels, (x->h - 1) / stride + 1, (x->w - 1) / stride + 1,
                         x->cb, x->dtype, &out));
    if (bl_storage(out) > 0) ctx->k->shortcut_fwd(x, stride, a->first, out);
    if (bl_tape_wants(ctx, &x, 1)) BL_TRY(bl_tape_push(ctx, &shortcut_op, &x, 1, out, NULL, 0, a));
    *y = out;
    return BL_OK;
}

/* ---- layout ---- */

static bl_status reorder_backward(bl_ctx *ctx, bl_node *node) {
    bl_tensor *dx;
    float beta;
    BL_TRY(bl_grad_target(ctx, node->in[0], &dx, &beta));
    return dx ? ctx->k->reorder(ctx, node->out->grad, dx, beta) : BL_OK;
}

static const bl_op reorder_op = {"reorder", reorder_backward};

static bl_status convert(bl_ctx *ctx, bl_tensor *x, int32_t cb, bl_dtype dtype, bl_tensor **y) {
    *y = NULL;
    bl_tensor *out;
    BL_TRY(bl_tensor_new(ctx, x->n, x->c, x->h, x->w, cb, dtype, &out));
    if (bl_storage(out) > 0) BL_TRY(ctx->k->reorder(ctx, x, out, 0));
    if (bl_tape_wants(ctx, &x, 1))
        BL_TRY(bl_tape_push(ctx, &reorder_op, &x, 1, out, NULL, 0, NULL));
    *y = out;
    return BL_OK;
}

bl_status bl_reorder(bl_ctx *ctx, bl_tensor *x, int32_t cb, bl_tensor **y) {
    return convert(ctx, x, cb, x->dtype, y);
}

bl_status bl_as(bl_ctx *ctx, bl_tensor *x, int32_t cb, bl_dtype dtype, bl_tensor **y, bool *made) {
    *y = x;
    *made = x->cb != cb || x->dtype != dtype;
    return *made ? convert(ctx, x, cb, dtype, y) : BL_OK;
}

bl_status bl_as_block(bl_ctx *ctx, bl_tensor *x, int32_t cb, bl_tensor **y, bool *made) {
    return bl_as(ctx, x, cb, x->dtype, y, made);
}

bl_status bl_as_map(bl_ctx *ctx, bl_tensor *x, bl_tensor **y, bool *made) {
    int32_t cb = x->dtype == ctx->maps ? x->cb : bl_out_block(ctx, x, x->c);
    return bl_as(ctx, x, cb, ctx->maps, y, made);
}

bl_status bl_as_matrix(bl_ctx *ctx, bl_tensor *x, bl_tensor **y, bool *made) {
    return bl_as(ctx, x, 1, BL_F32, y, made);
}
