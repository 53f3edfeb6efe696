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
    float beta;
    if (a->relu) BL_TRY(bl_grad_masked(ctx, node->saved[SAVED_Y], dy, 0, &g));
    BL_TRY(bl_grad_target(ctx, w, &dw, &beta));
    if (dw) {
        BL_TRY(ctx->k->matmul(ctx, true, false, m, k, n, bl_f32(g), bl_f32(node->saved[SAVED_X]),
                              beta, bl_f32(dw)));
    }
    BL_TRY(bl_grad_target(ctx, b, &db, &beta));
    if (db) ctx->k->col_sum(bl_f32(g), n, m, bl_f32(db));
    BL_TRY(bl_grad_target(ctx, x, &dx, &beta));
    if (dx) {
        BL_TRY(ctx->k->matmul(ctx, false, false, n, k, m, bl_f32(g), bl_f32(w), beta, bl_f32(dx)));
    }
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
    bool made;
    bl_tensor *out;
    BL_TRY(bl_as_block(ctx, x, 1, &x, &made)); /* planar memory is the matrix (N, C*H*W) */
    BL_TRY(bl_tensor_new(ctx, n, m, 1, 1, 1, BL_F32, &out));
    if (bl_storage(out) > 0) {
        BL_TRY(ctx->k->matmul(ctx, false, true, n, m, k, bl_f32(x), bl_f32(w), 0, bl_f32(out)));
        if (b || act == BL_ACT_RELU) {
            ctx->k->bias_act(bl_f32(out), b ? bl_f32(b) : NULL, act == BL_ACT_RELU, n, m);
        }
    }
    bl_tensor *in[] = {x, w, b};
    if (bl_tape_wants(ctx, in, 3)) {
        linear_node *attr = BL_NEW(ctx->arena, linear_node);
        if (!attr) return BL_ENOMEM;
        attr->relu = act == BL_ACT_RELU;
        bl_tensor *saved[SAVED] = {
            [SAVED_X] = w->needs_grad ? x : NULL, [SAVED_Y] = attr->relu ? out : NULL};
        BL_TRY(bl_tape_push(ctx, &linear_op, in, 3, out, saved, SAVED, attr));
    }
    if (made) bl_tensor_drop(ctx, x);
    *y = out;
    return BL_OK;
}
