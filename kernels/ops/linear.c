/* Operands of the products have the type of the context's maps, results are fp32 but for the
 * gradient of a map. */
#include "kernels/internal.h"

typedef struct linear_node {
    bool relu;
} linear_node;

enum { SAVED_X, SAVED_Y, SAVED };

static bl_status linear_backward(bl_ctx *ctx, bl_node *node) {
    const linear_node *a = node->attr;
    bl_tensor *x = node->in[0], *w = node->in[1], *b = node->in[2];
    bl_tensor *dy = node->out->grad, *g = dy, *dx, *dw, *db;
    int64_t n = dy->n, m = dy->c, k = x->c * x->h * x->w;
    bl_tensor *g16, *w16;
    bool made_g, made_w;
    float beta;
    if (a->relu) BL_TRY(bl_grad_masked(ctx, node->saved[SAVED_Y], dy, 0, &g));
    BL_TRY(bl_cast(ctx, g, ctx->maps, &g16, &made_g));
    BL_TRY(bl_grad_target(ctx, w, &dw, &beta));
    if (dw) {
        BL_TRY(ctx->k->matmul(ctx, true, false, m, k, n, ctx->maps, g16->data,
                              node->saved[SAVED_X]->data, beta, BL_F32, dw->data));
    }
    BL_TRY(bl_grad_target(ctx, b, &db, &beta));
    if (db) ctx->k->col_sum(BL_F32, g->data, n, m, bl_f32(db));
    BL_TRY(bl_grad_target(ctx, x, &dx, &beta));
    if (dx) {
        BL_TRY(bl_cast(ctx, w, ctx->maps, &w16, &made_w));
        BL_TRY(ctx->k->matmul(ctx, false, false, n, k, m, ctx->maps, g16->data, w16->data, beta,
                              dx->dtype, dx->data));
        if (made_w) bl_tensor_drop(ctx, w16);
    }
    if (made_g) bl_tensor_drop(ctx, g16);
    if (g != dy) bl_tensor_drop(ctx, g);
    return BL_OK;
}

static const bl_op linear_op = {"linear", linear_backward};

bl_status bl_linear(bl_ctx *ctx, bl_tensor *x, bl_tensor *w, bl_tensor *b, bl_act act,
                    bl_tensor **y) {
    *y = NULL;
    int64_t n = x->n, m = w->n, k = x->c * x->h * x->w;
    if (w->c * w->h * w->w != k || w->cb != 1 || (b && bl_storage(b) != m)) {
        return bl_fail(BL_EINVAL, "linear: input %s, weights %s and bias %s do not fit",
                       bl_shape(x).s, bl_shape(w).s, b ? bl_shape(b).s : "none");
    }
    if (act != BL_ACT_NONE && act != BL_ACT_RELU) {
        return bl_fail(BL_EINVAL, "linear: only ReLU can be fused");
    }
    bool made, made_x, made_w;
    bl_tensor *out, *x16, *w16;
    BL_TRY(bl_as_block(ctx, x, 1, &x, &made)); /* planar memory is the matrix (N, C*H*W) */
    BL_TRY(bl_cast(ctx, x, ctx->maps, &x16, &made_x));
    BL_TRY(bl_tensor_new(ctx, n, m, 1, 1, 1, BL_F32, &out));
    if (bl_storage(out) > 0) {
        BL_TRY(bl_cast(ctx, w, ctx->maps, &w16, &made_w));
        BL_TRY(ctx->k->matmul(ctx, false, true, n, m, k, ctx->maps, x16->data, w16->data, 0, BL_F32,
                              out->data));
        if (made_w) bl_tensor_drop(ctx, w16);
        if (b || act == BL_ACT_RELU) {
            ctx->k->bias_act(BL_F32, out->data, b ? bl_f32(b) : NULL, act == BL_ACT_RELU, n, m);
        }
    }
    bl_tensor *in[] = {x, w, b};
    if (bl_tape_wants(ctx, in, 3)) {
        linear_node *attr = BL_NEW(ctx->arena, linear_node);
        if (!attr) return BL_ENOMEM;
        attr->relu = act == BL_ACT_RELU;
        bl_tensor *saved[SAVED] = {
            [SAVED_X] = w->needs_grad ? x16 : NULL, [SAVED_Y] = attr->relu ? out : NULL};
        BL_TRY(bl_tape_push(ctx, &linear_op, in, 3, out, saved, SAVED, attr));
    }
    if (made_x) bl_tensor_drop(ctx, x16);
    if (made) bl_tensor_drop(ctx, x);
    *y = out;
    return BL_OK;
}
