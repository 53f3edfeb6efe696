/* Rows of matrices and images of batches: normalising, choosing, splitting, joining. */
#include "kernels/internal.h"

/* ---- L2 normalisation ---- */

enum { NORM_Y, NORM_NORM };

static bl_status normalize_backward(bl_ctx *ctx, bl_node *node) {
    bl_tensor *dx, *y = node->saved[NORM_Y];
    float beta;
    BL_TRY(bl_grad_target(ctx, node->in[0], &dx, &beta));
    if (dx) {
        ctx->k->l2_normalize_bwd(bl_f32(y), bl_f32(node->saved[NORM_NORM]), bl_f32(node->out->grad),
                                 y->n, y->c, bl_f32(dx), beta);
    }
    return BL_OK;
}

static const bl_op normalize_op = {"l2_normalize", normalize_backward};

bl_status bl_l2_normalize(bl_ctx *ctx, bl_tensor *x, float eps, bl_tensor **y) {
    *y = NULL;
    if (x->h != 1 || x->w != 1 || !(eps > 0)) {
        return bl_fail(BL_EINVAL, "l2_normalize: needs a matrix (N,C) and eps > 0, not %s, %g",
                       bl_shape(x).s, (double)eps);
    }
    bool made;
    bl_tensor *out, *norm;
    BL_TRY(bl_as_matrix(ctx, x, &x, &made));
    BL_TRY(bl_tensor_like(ctx, x, &out));
    BL_TRY(bl_tensor_new(ctx, x->n, 1, 1, 1, 1, BL_F32, &norm));
    ctx->k->l2_normalize(bl_f32(x), x->n, x->c, eps, bl_f32(out), bl_f32(norm));
    if (bl_tape_wants(ctx, &x, 1)) {
        bl_tensor *saved[] = {[NORM_Y] = out, [NORM_NORM] = norm};
        BL_TRY(bl_tape_push(ctx, &normalize_op, &x, 1, out, saved, 2, NULL));
    }
    bl_tensor_drop(ctx, norm);
    if (made) bl_tensor_drop(ctx, x);
    *y = out;
    return BL_OK;
}

/* ---- scale ---- */

static bl_status scale_backward(bl_ctx *ctx, bl_node *node) {
    bl_tensor *dx;
    float beta;
    BL_TRY(bl_grad_target(ctx, node->in[0], &dx, &beta));
    if (dx) {
        ctx->k->axpby(dx->dtype, *(const float *)node->attr, node->out->grad->data, beta, dx->data,
                      bl_storage(dx));
    }
    return BL_OK;
}

static const bl_op scale_op = {"scale", scale_backward};

bl_status bl_scale(bl_ctx *ctx, bl_tensor *x, float factor, bl_tensor **y) {
    *y = NULL;
    bl_tensor *out;
    BL_TRY(bl_tensor_like(ctx, x, &out));
    ctx->k->axpby(x->dtype, factor, x->data, 0, out->data, bl_storage(x));
    if (bl_tape_wants(ctx, &x, 1)) {
        float *attr = BL_NEW(ctx->arena, float);
        if (!attr) return BL_ENOMEM;
        *attr = factor;
        BL_TRY(bl_tape_push(ctx, &scale_op, &x, 1, out, NULL, 0, attr));
    }
    *y = out;
    return BL_OK;
}

bl_status bl_detach(bl_ctx *ctx, bl_tensor *x, bl_tensor **y) {
    return bl_tensor_share(ctx, x, y);
}

/* ---- parts of a batch ---- */

/* Where the storage of image n begins. */
static void *image_at(const bl_tensor *x, int64_t n) {
    return (char *)x->data + n * bl_blocks(x) * x->h * x->w * x->cb * bl_dtype_size(x->dtype);
}

static size_t bytes_of(const bl_tensor *x) {
    return (size_t)(bl_storage(x) * bl_dtype_size(x->dtype));
}

static bl_status slice_backward(bl_ctx *ctx, bl_node *node) {
    const bl_tensor *dy = node->out->grad;
    bl_tensor *dx;
    float beta;
    BL_TRY(bl_grad_target(ctx, node->in[0], &dx, &beta));
    if (!dx) return BL_OK;
    if (beta == 0) BL_TRY(bl_tensor_zero(ctx, dx));
    int64_t first = *(const int64_t *)node->attr;
    ctx->k->axpby(dx->dtype, 1, dy->data, 1, image_at(dx, first), bl_storage(dy));
    return BL_OK;
}

static const bl_op slice_op = {"slice", slice_backward};

bl_status bl_slice(bl_ctx *ctx, bl_tensor *x, int64_t first, int64_t count, bl_tensor **y) {
    *y = NULL;
    if (first < 0 || count < 0 || first > x->n - count) {
        return bl_fail(BL_EINVAL, "slice: images %lld..%lld do not exist in %s", (long long)first,
                       (long long)(first + count - 1), bl_shape(x).s);
    }
    bl_tensor *out;
    BL_TRY(bl_tensor_new(ctx, count, x->c, x->h, x->w, x->cb, x->dtype, &out));
    BL_TRY(ctx->dev->copy(ctx->dev, out->data, image_at(x, first), bytes_of(out)));
    if (bl_tape_wants(ctx, &x, 1)) {
        int64_t *attr = BL_NEW(ctx->arena, int64_t);
        if (!attr) return BL_ENOMEM;
        *attr = first;
        BL_TRY(bl_tape_push(ctx, &slice_op, &x, 1, out, NULL, 0, attr));
    }
    *y = out;
    return BL_OK;
}

static bl_status concat_backward(bl_ctx *ctx, bl_node *node) {
    const bl_tensor *dy = node->out->grad;
    int64_t images = 0;
    for (int i = 0; i < BL_NODE_IN && node->in[i]; i++) {
        bl_tensor *dx;
        float beta;
        BL_TRY(bl_grad_target(ctx, node->in[i], &dx, &beta));
        const void *from = image_at(dy, images);
        if (dx) ctx->k->axpby(dx->dtype, 1, from, beta, dx->data, bl_storage(dx));
        images += node->in[i]->n;
    }
    return BL_OK;
}

static const bl_op concat_op = {"concat", concat_backward};

bl_status bl_concat(bl_ctx *ctx, bl_tensor *const *x, int n, bl_tensor **y) {
    *y = NULL;
    if (n < 1 || n > BL_NODE_IN) {
        return bl_fail(BL_EINVAL, "concat: %d tensors, must be 1..%d", n, BL_NODE_IN);
    }
    bl_tensor *in[BL_NODE_IN], *out;
    bool made[BL_NODE_IN];
    int64_t images = 0;
    for (int i = 0; i < n; i++) {
        if (x[i]->c != x[0]->c || x[i]->h != x[0]->h || x[i]->w != x[0]->w) {
            return bl_fail(BL_EINVAL, "concat: %s and %s differ in more than the number of images",
                           bl_shape(x[0]).s, bl_shape(x[i]).s);
        }
        BL_TRY(bl_as(ctx, x[i], x[0]->cb, x[0]->dtype, &in[i], &made[i]));
        images += x[i]->n;
    }
    BL_TRY(bl_tensor_new(ctx, images, x[0]->c, x[0]->h, x[0]->w, x[0]->cb, x[0]->dtype, &out));
    images = 0;
    for (int i = 0; i < n; i++) {
        BL_TRY(ctx->dev->copy(ctx->dev, image_at(out, images), in[i]->data, bytes_of(in[i])));
        images += in[i]->n;
    }
    if (bl_tape_wants(ctx, in, n)) BL_TRY(bl_tape_push(ctx, &concat_op, in, n, out, NULL, 0, NULL));
    for (int i = 0; i < n; i++) {
        if (made[i]) bl_tensor_drop(ctx, in[i]);
    }
    *y = out;
    return BL_OK;
}

bl_status bl_rows(bl_ctx *ctx, bl_tensor *x, const int32_t *index, int64_t count, bl_tensor **y) {
    *y = NULL;
    if (x->h != 1 || x->w != 1 || x->c > INT32_MAX) {
        return bl_fail(BL_EINVAL, "rows: input %s is not a matrix (N,C)", bl_shape(x).s);
    }
    bl_loc *loc = BL_NEW_ARRAY(ctx->arena, bl_loc, count);
    if (!loc) return BL_ENOMEM;
    for (int64_t i = 0; i < count; i++) loc[i].n = index[i];
    return bl_gather(ctx, &x, 1, loc, count, (int32_t)x->c, y);
}
