/* Normalisation, skip and activation in one pass over memory.
 *
 * Batch norm (Ioffe and Szegedy, "Batch Normalization", ICML 2015) is folded to y = x*scale + shift
 * per channel; its input gradient to dx = g*a + x*b + k with g = dy*act'(y). Group norm: Wu and He,
 * "Group Normalization", ECCV 2018. The per-channel folding runs on the host: a few hundred
 * numbers. */
#include <math.h>

#include "kernels/internal.h"

typedef struct norm_node {
    bl_norm_kind kind;
    int32_t groups;
    float slope;        /* of negative outputs: 1 = no activation */
    float *mean, *rstd; /* per channel with padding; GROUP: per image and group */
} norm_node;

enum { SAVED_X, SAVED_Y, SAVED };

static int64_t padded(const bl_tensor *x) {
    return bl_blocks(x) * x->cb;
}

/* Adds v[0..c) to the leaf's gradient when it has one to train. */
static bl_status add_leaf(bl_ctx *ctx, bl_tensor *leaf, const float *v, int64_t c) {
    bl_tensor *grad;
    float beta;
    BL_TRY(bl_grad_target(ctx, leaf, &grad, &beta));
    if (grad) ctx->k->axpby(1, v, beta, bl_f32(grad), c);
    return BL_OK;
}

/* The targets of dx and dskip. The kernels write both in one pass, so each needs its own buffer: x
 * without a gradient and a skip that is x itself get scratch, which finish_targets() folds in or
 * drops. */
typedef struct targets {
    bl_tensor *dx, *dskip;
    float beta_x, beta_skip;
    bool scratch_x, scratch_skip;
} targets;

static bl_status open_targets(bl_ctx *ctx, const bl_node *node, targets *t) {
    bl_tensor *x = node->in[0], *skip = node->in[3];
    *t = (targets){0};
    BL_TRY(bl_grad_target(ctx, x, &t->dx, &t->beta_x));
    if ((t->scratch_x = !t->dx)) {
        BL_TRY(bl_tensor_like(ctx, node->out, &t->dx));
        t->beta_x = 0;
    }
    if (skip == x && skip->needs_grad) {
        BL_TRY(bl_tensor_like(ctx, skip, &t->dskip));
        t->scratch_skip = true;
        return BL_OK;
    }
    return bl_grad_target(ctx, skip, &t->dskip, &t->beta_skip);
}

static void finish_targets(bl_ctx *ctx, targets *t) {
    if (t->scratch_skip) {
        ctx->k->axpby(1, bl_f32(t->dskip), 1, bl_f32(t->dx), bl_storage(t->dx));
        bl_tensor_drop(ctx, t->dskip);
    }
    if (t->scratch_x) bl_tensor_drop(ctx, t->dx);
}

static bl_status batch_backward(bl_ctx *ctx, bl_node *node) {
    const norm_node *a = node->attr;
    bl_tensor *x = node->saved[SAVED_X], *dy = node->out->grad;
    bl_tensor *y = a->slope == 1 ? (x ? x : dy) : node->saved[SAVED_Y]; /* unused without act */
    bl_tensor *gamma = node->in[1], *beta = node->in[2];
    int64_t c = dy->c, cp = padded(dy);
    float *scale = BL_NEW_ARRAY(ctx->arena, float, cp * 5);
    if (!scale) return BL_ENOMEM;
    float *sum_g = scale + cp, *sum_gx = sum_g + cp, *b = sum_gx + cp, *k = b + cp;
    for (int64_t i = 0; i < c; i++) scale[i] = bl_f32(gamma)[i] * a->rstd[i];
    if (x) {
        ctx->k->bn_bwd_reduce(x, y, dy, a->mean, a->rstd, a->slope, sum_g, sum_gx);
        BL_TRY(add_leaf(ctx, gamma, sum_gx, c));
        BL_TRY(add_leaf(ctx, beta, sum_g, c));
    }
    bool batch = a->kind == BL_NORM_BATCH;
    if (batch) {
        double count = (double)(dy->n * dy->h * dy->w);
        for (int64_t i = 0; i < c; i++) {
            double slope = -(double)scale[i] * a->rstd[i] * sum_gx[i] / count;
            b[i] = (float)slope;
            k[i] = (float)(-(double)scale[i] * sum_g[i] / count - slope * a->mean[i]);
        }
    }
    targets t;
    BL_TRY(open_targets(ctx, node, &t));
    ctx->k->bn_bwd_apply(batch ? x : NULL, y, dy, scale, batch ? b : NULL, batch ? k : NULL,
                         a->slope, t.dx, t.beta_x, t.dskip, t.beta_skip);
    finish_targets(ctx, &t);
    return BL_OK;
}

static bl_status group_backward(bl_ctx *ctx, bl_node *node) {
    const norm_node *a = node->attr;
    bl_tensor *x = node->saved[SAVED_X], *gamma = node->in[1];
    bl_tensor *y = a->slope == 1 ? x : node->saved[SAVED_Y];
    float *dgamma = BL_NEW_ARRAY(ctx->arena, float, 2 * x->c);
    if (!dgamma) return BL_ENOMEM;
    float *dbeta = dgamma + x->c;
    targets t;
    BL_TRY(open_targets(ctx, node, &t));
    ctx->k->gn_bwd(x, y, node->out->grad, bl_f32(gamma), a->groups, a->mean, a->rstd, a->slope,
                   t.dx, t.beta_x, t.dskip, t.beta_skip, dgamma, dbeta);
    finish_targets(ctx, &t);
    BL_TRY(add_leaf(ctx, gamma, dgamma, x->c));
    return add_leaf(ctx, node->in[2], dbeta, x->c);
}

static const bl_op batch_op = {"batch norm", batch_backward};
static const bl_op group_op = {"group norm", group_backward};

static bl_status check(const bl_tensor *x, const bl_norm *p, const bl_tensor *skip) {
    if (skip && !bl_same_shape(x, skip)) {
        return bl_fail(BL_EINVAL, "norm: input %s and skip %s differ", bl_shape(x).s,
                       bl_shape(skip).s);
    }
    bool group = p->kind == BL_NORM_GROUP;
    bool running = p->running_mean && p->running_var && bl_storage(p->running_mean) == x->c &&
                   bl_storage(p->running_var) == x->c;
    if (!p->gamma || !p->beta || bl_storage(p->gamma) != x->c || bl_storage(p->beta) != x->c ||
        (!group && !running)) {
        return bl_fail(BL_EINVAL, "norm: parameters or running statistics are not of %lld channels",
                       (long long)x->c);
    }
    if (group && (p->groups < 1 || x->c % p->groups != 0)) {
        return bl_fail(BL_EINVAL, "group norm: %lld channels do not split into %d groups",
                       (long long)x->c, p->groups);
    }
    return BL_OK;
}

/* Batch statistics into mean and rstd; updates the running ones, which outlive the step: a channel
 * that overflowed in this batch leaves its own alone. */
static void take_batch_stats(bl_ctx *ctx, const bl_tensor *x, const bl_norm *p, norm_node *a) {
    ctx->k->bn_stats(x, a->mean, a->rstd);
    float *rm = bl_f32(p->running_mean), *rv = bl_f32(p->running_var);
    double count = (double)(x->n * x->h * x->w);
    double unbias = count > 1 ? count / (count - 1) : 1;
    for (int64_t i = 0; i < x->c; i++) {
        double var = a->rstd[i];
        float m = (float)((1.0 - p->momentum) * rm[i] + (double)p->momentum * a->mean[i]);
        float v = (float)((1.0 - p->momentum) * rv[i] + (double)p->momentum * var * unbias);
        if (isfinite(m) && isfinite(v)) rm[i] = m, rv[i] = v;
        a->rstd[i] = (float)(1.0 / sqrt(var + p->eps));
    }
}

static void take_running_stats(const bl_tensor *x, const bl_norm *p, norm_node *a) {
    for (int64_t i = 0; i < x->c; i++) {
        a->mean[i] = bl_f32(p->running_mean)[i];
        a->rstd[i] = (float)(1.0 / sqrt((double)bl_f32(p->running_var)[i] + p->eps));
    }
}

static bl_status batch_forward(bl_ctx *ctx, const bl_tensor *x, const bl_norm *p,
                               const bl_tensor *skip, norm_node *a, bl_tensor *y) {
    int64_t cp = padded(x);
    float *scale = BL_NEW_ARRAY(ctx->arena, float, cp * 2);
    if (!scale) return BL_ENOMEM;
    float *shift = scale + cp;
    if (p->kind == BL_NORM_BATCH) {
        take_batch_stats(ctx, x, p, a);
    } else {
        take_running_stats(x, p, a);
    }
    for (int64_t i = 0; i < x->c; i++) {
        scale[i] = bl_f32(p->gamma)[i] * a->rstd[i];
        shift[i] = (float)(bl_f32(p->beta)[i] - (double)scale[i] * a->mean[i]);
    }
    ctx->k->affine_act(x, scale, shift, skip, a->slope, y);
    return BL_OK;
}

/* The output: x's own storage, taken over, when that is allowed; else new storage. */
static bl_status make_output(bl_ctx *ctx, bl_tensor *x, bool in_place, bl_tensor **y) {
    if (!in_place) return bl_tensor_like(ctx, x, y);
    BL_TRY(bl_tensor_share(ctx, x, y));
    bl_tensor_drop(ctx, x);
    return BL_OK;
}

bl_status bl_norm_act(bl_ctx *ctx, bl_tensor *x, const bl_norm *p, bl_tensor *skip, bl_act act,
                      float slope, bl_tensor **y) {
    *y = NULL;
    norm_node *a = BL_NEW(ctx->arena, norm_node);
    if (!a) return BL_ENOMEM;
    BL_TRY(bl_act_factor("norm", act, slope, &a->slope));
    BL_TRY(check(x, p, skip));
    bool group = p->kind == BL_NORM_GROUP, made = false;
    int64_t stats = group ? x->n * p->groups : padded(x);
    a->kind = p->kind, a->groups = p->groups;
    a->mean = BL_NEW_ARRAY(ctx->arena, float, stats);
    a->rstd = BL_NEW_ARRAY(ctx->arena, float, stats);
    if (!a->mean || !a->rstd) return BL_ENOMEM;
    if (skip) BL_TRY(bl_as_block(ctx, skip, x->cb, &skip, &made));

    bl_tensor *in[] = {x, p->gamma, p->beta, skip}, *out;
    bool wants = bl_tape_wants(ctx, in, 4);
    bool trained = wants && (p->gamma->needs_grad || p->beta->needs_grad);
    bool in_place = p->kind == BL_NORM_BATCH_EVAL && !trained && !x->leaf && x->buf &&
                    x->buf->refs == 1 && skip != x && !p->keep_input;
    BL_TRY(make_output(ctx, x, in_place, &out));
    if (bl_storage(x) > 0) {
        if (group) {
            ctx->k->gn_fwd(x, bl_f32(p->gamma), bl_f32(p->beta), p->groups, p->eps, skip, a->slope,
                           out, a->mean, a->rstd);
        } else {
            BL_TRY(batch_forward(ctx, x, p, skip, a, out));
        }
    }
    if (wants) {
        bool needs_x = p->kind != BL_NORM_BATCH_EVAL || trained;
        bl_tensor *saved[SAVED] = {
            [SAVED_X] = needs_x ? x : NULL, [SAVED_Y] = a->slope != 1 ? out : NULL};
        BL_TRY(bl_tape_push(ctx, group ? &group_op : &batch_op, in, 4, out, saved, SAVED, a));
    }
    if (made) bl_tensor_drop(ctx, skip);
    *y = out;
    return BL_OK;
}
