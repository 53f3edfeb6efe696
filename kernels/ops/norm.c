/* Normalisation, skip and activation in one pass over memory.
 *
 * Batch norm (Ioffe and Szegedy, "Batch Normalization", ICML 2015) and its input gradient are folded
 * to constants of a channel:
 *
 *   y  = x*scale + shift
 *   dx = g*a + x*b + k,   g = dy*act'(y)
 *
 * Group norm: Wu and He, "Group Normalization", ECCV 2018. The folding is kernels of its own, so
 * that nothing waits for the device. */
#include "kernels/internal.h"

typedef struct norm_node {
    bl_norm_kind kind;
    int32_t groups;
    float slope; /* of negative outputs: 1 = no activation */
} norm_node;

/* SAVED_STATS: rows of mean and rstd, per channel with padding; GROUP: per image and group. */
enum { SAVED_X, SAVED_Y, SAVED_STATS, SAVED };

static float *row(const bl_tensor *t, int64_t i) {
    return bl_f32(t) + i * t->c;
}

static int64_t padded(const bl_tensor *x) {
    return bl_blocks(x) * x->cb;
}

/* Adds v[0..c) to the leaf's gradient when it has one to train. */
static bl_status add_leaf(bl_ctx *ctx, bl_tensor *leaf, const float *v, int64_t c) {
    bl_tensor *grad;
    float beta;
    BL_TRY(bl_grad_target(ctx, leaf, &grad, &beta));
    if (grad) ctx->k->axpby(BL_F32, 1, v, beta, bl_f32(grad), c);
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
        ctx->k->axpby(t->dx->dtype, 1, t->dskip->data, 1, t->dx->data, bl_storage(t->dx));
        bl_tensor_drop(ctx, t->dskip);
    }
    if (t->scratch_x) bl_tensor_drop(ctx, t->dx);
}

static bl_status batch_backward(bl_ctx *ctx, bl_node *node) {
    const norm_node *a = node->attr;
    bl_tensor *x = node->saved[SAVED_X], *dy = node->out->grad, *stats = node->saved[SAVED_STATS];
    bl_tensor *y = a->slope == 1 ? (x ? x : dy) : node->saved[SAVED_Y]; /* unused without act */
    bl_tensor *gamma = node->in[1], *beta = node->in[2], *sums = NULL, *folded;
    int64_t c = dy->c, cp = padded(dy);
    const float *mean = row(stats, 0), *rstd = row(stats, 1);
    bool batch = a->kind == BL_NORM_BATCH;
    if (x) {
        BL_TRY(bl_tensor_new(ctx, 2, cp, 1, 1, 1, BL_F32, &sums));
        ctx->k->bn_bwd_reduce(x, y, dy, mean, rstd, a->slope, row(sums, 0), row(sums, 1));
        BL_TRY(add_leaf(ctx, gamma, row(sums, 1), c));
        BL_TRY(add_leaf(ctx, beta, row(sums, 0), c));
    }
    BL_TRY(bl_tensor_new(ctx, 3, cp, 1, 1, 1, BL_F32, &folded));
    float *scale = row(folded, 0), *b = batch ? row(folded, 1) : NULL;
    float *k = batch ? row(folded, 2) : NULL;
    ctx->k->bn_bwd_fold(c, cp, (double)(dy->n * dy->h * dy->w), bl_f32(gamma), mean, rstd,
                        batch ? row(sums, 0) : NULL, batch ? row(sums, 1) : NULL, scale, b, k);
    targets t;
    BL_TRY(open_targets(ctx, node, &t));
    ctx->k->bn_bwd_apply(batch ? x : NULL, y, dy, scale, b, k, a->slope, t.dx, t.beta_x, t.dskip,
                         t.beta_skip);
    finish_targets(ctx, &t);
    bl_tensor_drop(ctx, sums);
    bl_tensor_drop(ctx, folded);
    return BL_OK;
}

static bl_status group_backward(bl_ctx *ctx, bl_node *node) {
    const norm_node *a = node->attr;
    bl_tensor *x = node->saved[SAVED_X], *stats = node->saved[SAVED_STATS], *gamma = node->in[1];
    bl_tensor *y = a->slope == 1 ? x : node->saved[SAVED_Y], *sums;
    BL_TRY(bl_tensor_new(ctx, 2, x->c, 1, 1, 1, BL_F32, &sums));
    BL_TRY(bl_tensor_zero(ctx, sums));
    targets t;
    BL_TRY(open_targets(ctx, node, &t));
    ctx->k->gn_bwd(x, y, node->out->grad, bl_f32(gamma), a->groups, row(stats, 0), row(stats, 1),
                   a->slope, t.dx, t.beta_x, t.dskip, t.beta_skip, row(sums, 0), row(sums, 1));
    finish_targets(ctx, &t);
    BL_TRY(add_leaf(ctx, gamma, row(sums, 0), x->c));
    BL_TRY(add_leaf(ctx, node->in[2], row(sums, 1), x->c));
    bl_tensor_drop(ctx, sums);
    return BL_OK;
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

/* stats: rows for mean and rstd. */
static bl_status batch_forward(bl_ctx *ctx, const bl_tensor *x, const bl_norm *p,
                               const bl_tensor *skip, float slope, const bl_tensor *stats,
                               bl_tensor *y) {
    int64_t c = x->c, cp = padded(x);
    const float *mean = bl_f32(p->running_mean), *var = bl_f32(p->running_var);
    bl_tensor *folded;
    BL_TRY(bl_tensor_new(ctx, 2, cp, 1, 1, 1, BL_F32, &folded));
    if (p->kind == BL_NORM_BATCH) {
        mean = row(stats, 0);
        var = row(stats, 1);
        ctx->k->bn_stats(x, row(stats, 0), row(stats, 1));
        ctx->k->bn_running(c, (double)(x->n * x->h * x->w), p->momentum, mean, var,
                           bl_f32(p->running_mean), bl_f32(p->running_var));
    }
    ctx->k->bn_fold(c, cp, mean, var, bl_f32(p->gamma), bl_f32(p->beta), p->eps, row(stats, 0),
                    row(stats, 1), row(folded, 0), row(folded, 1));
    ctx->k->affine_act(x, row(folded, 0), row(folded, 1), skip, slope, y);
    bl_tensor_drop(ctx, folded);
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
    a->kind = p->kind;
    a->groups = p->groups;
    bl_tensor *stats;
    BL_TRY(bl_tensor_new(ctx, 2, group ? x->n * p->groups : padded(x), 1, 1, 1, BL_F32, &stats));
    if (skip) BL_TRY(bl_as(ctx, skip, x->cb, x->dtype, &skip, &made));

    bl_tensor *in[] = {x, p->gamma, p->beta, skip}, *out;
    bool wants = bl_tape_wants(ctx, in, 4);
    bool trained = wants && (p->gamma->needs_grad || p->beta->needs_grad);
    bool in_place = p->kind == BL_NORM_BATCH_EVAL && !trained && !x->leaf && x->buf &&
                    x->buf->refs == 1 && skip != x && !p->keep_input;
    BL_TRY(make_output(ctx, x, in_place, &out));
    if (bl_storage(x) > 0) {
        if (group) {
            ctx->k->gn_fwd(x, bl_f32(p->gamma), bl_f32(p->beta), p->groups, p->eps, skip, a->slope,
                           out, row(stats, 0), row(stats, 1));
        } else {
            BL_TRY(batch_forward(ctx, x, p, skip, a->slope, stats, out));
        }
    }
    if (wants) {
        bool needs_x = p->kind != BL_NORM_BATCH_EVAL || trained;
        bl_tensor *saved[SAVED] = {[SAVED_X] = needs_x ? x : NULL,
                                   [SAVED_Y] = a->slope != 1 ? out : NULL,
                                   [SAVED_STATS] = stats};
        BL_TRY(bl_tape_push(ctx, group ? &group_op : &batch_op, in, 4, out, saved, SAVED, a));
    }
    bl_tensor_drop(ctx, stats);
    if (made) bl_tensor_drop(ctx, skip);
    *y = out;
    return BL_OK;
}
