#include "kernels/tape.h"

#include <stdlib.h>

#include "kernels/internal.h"

struct bl_tape {
    bl_node **nodes; /* in the order of the forward pass; the nodes are step memory */
    int n, cap;
};

bl_status bl_tape_create(bl_tape **out) {
    *out = calloc(1, sizeof **out);
    return *out ? BL_OK : bl_no_memory("to create a tape");
}

static void release_saved(bl_node *node) {
    for (int i = 0; i < BL_NODE_SAVED; i++) {
        bl_buf_release(node->held[i]);
        node->held[i] = NULL;
    }
}

void bl_tape_clear(bl_ctx *ctx) {
    if (!ctx->tape) return;
    while (ctx->tape->n > 0) release_saved(ctx->tape->nodes[--ctx->tape->n]);
}

void bl_tape_destroy(bl_tape *t) {
    if (!t) return;
    free(t->nodes);
    free(t);
}

bool bl_tape_wants(const bl_ctx *ctx, bl_tensor *const *in, int n) {
    if (!ctx->record) return false;
    for (int i = 0; i < n; i++) {
        if (in[i] && in[i]->needs_grad) return true;
    }
    return false;
}

bl_status bl_tape_push(bl_ctx *ctx, const bl_op *op, bl_tensor *const *in, int n_in, bl_tensor *out,
                       bl_tensor *const *saved, int n_saved, void *attr) {
    if (n_in > BL_NODE_IN || n_saved > BL_NODE_SAVED) {
        return bl_fail(BL_EINVAL, "%s: %d inputs and %d saved tensors do not fit a tape node",
                       op->name, n_in, n_saved);
    }
    bl_tape *tape = ctx->tape;
    if (tape->n == tape->cap) {
        int cap = tape->cap ? 2 * tape->cap : 256;
        bl_node **nodes = realloc(tape->nodes, (size_t)cap * sizeof *nodes);
        if (!nodes) return bl_no_memory("to extend the tape");
        tape->nodes = nodes;
        tape->cap = cap;
    }
    bl_node *node = BL_NEW(ctx->arena, bl_node);
    if (!node) return BL_ENOMEM;
    node->op = op;
    node->out = out;
    node->attr = attr;
    for (int i = 0; i < n_in; i++) node->in[i] = in[i];
    for (int i = 0; i < n_saved; i++) {
        node->saved[i] = saved[i];
        if (saved[i]) bl_buf_retain(node->held[i] = saved[i]->buf);
    }
    out->needs_grad = true;
    tape->nodes[tape->n++] = node;
    return BL_OK;
}

bl_status bl_grad_target(bl_ctx *ctx, bl_tensor *t, bl_tensor **grad, float *beta) {
    *grad = NULL;
    *beta = 1;
    if (!t || !t->needs_grad) return BL_OK;
    if (!t->grad) {
        if (t->leaf) {
            return bl_fail(BL_EINVAL, "a trained parameter of shape %s has no gradient storage",
                           bl_shape(t).s);
        }
        BL_TRY(bl_tensor_like(ctx, t, &t->grad));
        *beta = 0;
    }
    *grad = t->grad;
    return BL_OK;
}

void bl_grad_release(bl_ctx *ctx, bl_tensor *t) {
    if (t->leaf) return;
    bl_tensor_drop(ctx, t->grad);
    t->grad = NULL;
}

bl_status bl_grad_pass(bl_ctx *ctx, bl_tensor *t, bl_tensor *dy) {
    if (!t || !t->needs_grad) return BL_OK;
    bl_tensor *grad;
    float beta;
    /* Shared at most once: the storage becomes the target's own when the running node lets go of
     * dy. */
    if (t->grad || t->leaf || !dy->buf || dy->buf->refs != 1) {
        BL_TRY(bl_grad_target(ctx, t, &grad, &beta));
        ctx->k->axpby(grad->dtype, 1, dy->data, beta, grad->data, bl_storage(grad));
        return BL_OK;
    }
    return bl_tensor_share(ctx, dy, &t->grad);
}

bl_status bl_grad_target_maps(bl_ctx *ctx, bl_tensor *const *maps, int n, bl_tensor **dmaps) {
    for (int i = 0; i < n; i++) {
        float beta;
        BL_TRY(bl_grad_target(ctx, maps[i], &dmaps[i], &beta));
        if (dmaps[i] && beta == 0) BL_TRY(bl_tensor_zero(ctx, dmaps[i]));
    }
    return BL_OK;
}

bl_status bl_grad_masked(bl_ctx *ctx, const bl_tensor *y, bl_tensor *dy, float factor,
                         bl_tensor **g) {
    *g = dy;
    if (!dy->buf || dy->buf->refs != 1) BL_TRY(bl_tensor_like(ctx, dy, g));
    ctx->k->act_bwd(dy->dtype, y->data, dy->data, factor, (*g)->data, bl_storage(dy));
    return BL_OK;
}

/* Adds `seed` to the gradient of a scalar root. */
static bl_status seed_root(bl_ctx *ctx, bl_tensor *root, float seed) {
    bl_tensor *grad, *more;
    float beta;
    BL_TRY(bl_scalar_check(root));
    BL_TRY(bl_grad_target(ctx, root, &grad, &beta));
    if (beta == 0) return ctx->dev->to_device(ctx->dev, grad->data, &seed, sizeof seed);
    BL_TRY(bl_scalar_new(ctx, seed, &more));
    ctx->k->add(BL_F32, bl_f32(grad), bl_f32(more), bl_f32(grad), 1);
    bl_tensor_drop(ctx, more);
    return BL_OK;
}

static bl_status run(bl_ctx *ctx, bl_tensor *const *losses, const float *seeds, int n) {
    for (int i = 0; i < n; i++) {
        if (losses[i] && losses[i]->needs_grad) BL_TRY(seed_root(ctx, losses[i], seeds[i]));
    }
    bl_tape *tape = ctx->tape;
    while (tape->n > 0) {
        bl_node *node = tape->nodes[--tape->n];
        bl_status status = BL_OK;
        /* No consumer was reached from a root, or there is nothing to propagate. */
        if (node->out->grad && bl_storage(node->out) > 0) status = node->op->backward(ctx, node);
        release_saved(node);
        bl_grad_release(ctx, node->out);
        if (status != BL_OK) return bl_fail_context(status, "backward of %s", node->op->name);
    }
    return BL_OK;
}

bl_status bl_backward(bl_ctx *ctx, bl_tensor *const *losses, const float *seeds, int n) {
    bool record = bl_no_grad(ctx);
    bl_status status = run(ctx, losses, seeds, n);
    bl_tape_clear(ctx);
    bl_set_grad(ctx, record);
    return status;
}

bool bl_no_grad(bl_ctx *ctx) {
    bool old = ctx->record;
    ctx->record = false;
    return old;
}

void bl_set_grad(bl_ctx *ctx, bool old) {
    ctx->record = old;
}
