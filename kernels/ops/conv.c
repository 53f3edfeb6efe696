#include "kernels/internal.h"

typedef struct conv_node {
    bl_conv_shape s;
    bool relu;
} conv_node;

enum { SAVED_X, SAVED_Y, SAVED };

static bl_status conv_backward(bl_ctx *ctx, bl_node *node) {
    const conv_node *a = node->attr;
    bl_tensor *x = node->in[0], *w = node->in[1], *b = node->in[2];
    bl_tensor *dy = node->out->grad, *g = dy, *dx, *dw, *db;
    float beta_x, beta;
    if (a->relu) BL_TRY(bl_grad_masked(ctx, node->saved[SAVED_Y], dy, 0, &g));
    BL_TRY(bl_grad_target(ctx, w, &dw, &beta));
    BL_TRY(bl_grad_target(ctx, b, &db, &beta));
    if (dw || db) {
        bl_tensor *scratch = NULL;
        if (!dw) { /* the kernel always computes dw: give it somewhere to write */
            BL_TRY(bl_tensor_like(ctx, w, &scratch));
            BL_TRY(bl_tensor_zero(ctx, scratch));
        }
        BL_TRY(ctx->k->conv_bwd_weights(ctx, &a->s, node->saved[SAVED_X]->data, g->data,
                                        bl_f32(dw ? dw : scratch), db ? bl_f32(db) : NULL));
        bl_tensor_drop(ctx, scratch);
    }
    BL_TRY(bl_grad_target(ctx, x, &dx, &beta_x));
    if (dx) BL_TRY(ctx->k->conv_bwd_data(ctx, &a->s, g->data, bl_f32(w), dx->data, beta_x));
    if (g != dy) bl_tensor_drop(ctx, g);
    return BL_OK;
}

static const bl_op conv_op = {"conv2d", conv_backward};

static bl_status conv_shape(const bl_tensor *x, const bl_tensor *w, const bl_tensor *b,
                            const bl_conv_attr *a, bl_conv_shape *s) {
    if (a->stride < 1 || a->pad < 0 || a->dilation < 1) {
        return bl_fail(BL_EINVAL, "conv2d: stride %d, padding %d, dilation %d are not possible",
                       a->stride, a->pad, a->dilation);
    }
    if (a->act != BL_ACT_NONE && a->act != BL_ACT_RELU) {
        return bl_fail(BL_EINVAL, "conv2d: only ReLU can be fused; use bl_norm_act for others");
    }
    if (x->c != w->c || w->cb != 1 || (b && bl_storage(b) != w->n)) {
        return bl_fail(BL_EINVAL, "conv2d: input %s, weights %s and bias %s do not fit",
                       bl_shape(x).s, bl_shape(w).s, b ? bl_shape(b).s : "none");
    }
    int64_t oh = (x->h + 2 * a->pad - a->dilation * (w->h - 1) - 1) / a->stride + 1;
    int64_t ow = (x->w + 2 * a->pad - a->dilation * (w->w - 1) - 1) / a->stride + 1;
    if (x->h + 2 * a->pad < a->dilation * (w->h - 1) + 1 ||
        x->w + 2 * a->pad < a->dilation * (w->w - 1) + 1 || x->n > INT32_MAX || x->h > INT32_MAX ||
        x->w > INT32_MAX) {
        return bl_fail(BL_EINVAL, "conv2d: weights %s do not fit into input %s, padding %d",
                       bl_shape(w).s, bl_shape(x).s, a->pad);
    }
    *s = (bl_conv_shape){.n = (int32_t)x->n,
                         .ic = (int32_t)x->c,
                         .ih = (int32_t)x->h,
                         .iw = (int32_t)x->w,
                         .icb = x->cb,
                         .oc = (int32_t)w->n,
                         .oh = (int32_t)oh,
                         .ow = (int32_t)ow,
                         .kh = (int32_t)w->h,
                         .kw = (int32_t)w->w,
                         .stride = a->stride,
                         .pad = a->pad,
                         .dilation = a->dilation,
                         .dtype = x->dtype};
    return BL_OK;
}

bl_status bl_conv2d(bl_ctx *ctx, bl_tensor *x, bl_tensor *w, bl_tensor *b, const bl_conv_attr *a,
                    bl_tensor **y) {
    *y = NULL;
    bl_conv_shape s;
    bool relu = a->act == BL_ACT_RELU, made;
    BL_TRY(bl_as_map(ctx, x, &x, &made));
    BL_TRY(conv_shape(x, w, b, a, &s));
    s.ocb = bl_out_block(ctx, x, s.oc);
    bl_tensor *out;
    BL_TRY(bl_tensor_new(ctx, s.n, s.oc, s.oh, s.ow, s.ocb, s.dtype, &out));
    if (bl_storage(out) > 0) {
        BL_TRY(
            ctx->k->conv_fwd(ctx, &s, x->data, bl_f32(w), b ? bl_f32(b) : NULL, relu, out->data));
    }
    bl_tensor *in[] = {x, w, b};
    if (bl_tape_wants(ctx, in, 3)) {
        conv_node *attr = BL_NEW(ctx->arena, conv_node);
        if (!attr) return BL_ENOMEM;
        *attr = (conv_node){s, relu};
        bool weights = w->needs_grad || (b && b->needs_grad);
        bl_tensor *saved[SAVED] = {[SAVED_X] = weights ? x : NULL, [SAVED_Y] = relu ? out : NULL};
        BL_TRY(bl_tape_push(ctx, &conv_op, in, 3, out, saved, SAVED, attr));
    }
    if (made) bl_tensor_drop(ctx, x);
    *y = out;
    return BL_OK;
}
