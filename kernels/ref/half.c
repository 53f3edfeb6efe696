/* 16-bit maps in plain C: each slot that takes maps widens them to fp32, calls the fp32 kernel and
 * rounds what it wrote. With fp32 maps the kernels work on them directly. */
#include <stdlib.h>
#include <string.h>

#include "kernels/ref/ref.h"
#include "kernels/shared/half.h"

enum { OPERANDS = 24, MAPS = 8 };

/* A map of a call, and its values as fp32: of the caller's memory, or a copy. */
typedef struct operand {
    bl_dtype type;
    bool written;
    uint16_t *narrow; /* NULL: the caller's values are fp32 */
    float *wide;
    int64_t n;
} operand;

typedef struct call {
    operand o[OPERANDS];
    bl_tensor t[OPERANDS];
    int n;
    bool failed; /* out of memory */
} call;

static float widened(bl_dtype type, uint16_t bits) {
    return type == BL_BF16 ? bl_bf16_value(bits) : bl_f16_value(bits);
}

static uint16_t rounded(bl_dtype type, float v) {
    return type == BL_BF16 ? bl_bf16_of(v) : bl_f16_of(v);
}

static float *map(call *c, bl_dtype type, const void *p, int64_t n, bool written) {
    if (!p || type == BL_F32) return (float *)p;
    operand *o = &c->o[c->n++];
    *o =
        (operand){type, written, (uint16_t *)p, malloc((size_t)(n > 0 ? n : 1) * sizeof(float)), n};
    c->failed = c->failed || !o->wide;
    for (int64_t i = 0; o->wide && i < n; i++) o->wide[i] = widened(type, o->narrow[i]);
    return o->wide;
}

static bl_tensor *tensor(call *c, const bl_tensor *t, bool written) {
    if (!t || t->dtype == BL_F32) return (bl_tensor *)t;
    bl_tensor *w = &c->t[c->n];
    *w = *t;
    w->data = map(c, t->dtype, t->data, bl_storage(t), written);
    w->dtype = BL_F32;
    return w;
}

static bl_tensor *in(call *c, const bl_tensor *t) {
    return tensor(c, t, false);
}

static bl_tensor *out(call *c, bl_tensor *t) {
    return tensor(c, t, true);
}

/* Rounds what was written and ends the call. Slots return nothing: when memory ran out their
 * results become NaN, which the step's checks find. */
static bl_status finish(call *c) {
    for (int i = 0; i < c->n; i++) {
        operand *o = &c->o[i];
        for (int64_t e = 0; o->written && e < o->n; e++) {
            o->narrow[e] = c->failed ? 0x7fff : rounded(o->type, o->wide[e]);
        }
        free(o->wide);
    }
    return c->failed ? bl_no_memory("for a 16-bit kernel") : BL_OK;
}

/* The call of a slot: `c` with its operands, `f` with the fp32 kernels of a group. Slots put
 * widened operands in the place of their arguments. */
#define BEGIN(group)                                                                               \
    bl_kernels f;                                                                                  \
    call c = {.n = 0};                                                                             \
    bl_ref_##group(&f)

/* ---- flat arithmetic, matrices ---- */

static void act_bwd(bl_dtype type, const void *y, const void *dy, float slope, void *to,
                    int64_t n) {
    BEGIN(conv);
    y = map(&c, type, y, n, false);
    dy = map(&c, type, dy, n, false);
    to = map(&c, type, to, n, true);
    if (!c.failed) f.act_bwd(BL_F32, y, dy, slope, to, n);
    finish(&c);
}

static void axpby(bl_dtype type, float a, const void *x, float b, void *y, int64_t n) {
    BEGIN(elementwise);
    x = map(&c, type, x, n, false);
    y = map(&c, type, y, n, true);
    if (!c.failed) f.axpby(BL_F32, a, x, b, y, n);
    finish(&c);
}

static void add(bl_dtype type, const void *a, const void *b, void *y, int64_t n) {
    BEGIN(elementwise);
    a = map(&c, type, a, n, false);
    b = map(&c, type, b, n, false);
    y = map(&c, type, y, n, true);
    if (!c.failed) f.add(BL_F32, a, b, y, n);
    finish(&c);
}

static bl_status reorder(bl_ctx *ctx, const bl_tensor *src, bl_tensor *dst, float beta) {
    BEGIN(elementwise);
    src = in(&c, src);
    dst = out(&c, dst);
    if (!c.failed) f.reorder(ctx, src, dst, beta);
    return finish(&c);
}

static bl_status matmul(bl_ctx *ctx, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                        bl_dtype type, const void *a, const void *b, float beta, bl_dtype to,
                        void *y) {
    BEGIN(matmul);
    a = map(&c, type, a, m * k, false);
    b = map(&c, type, b, k * n, false);
    y = map(&c, to, y, m * n, true);
    if (!c.failed) f.matmul(ctx, ta, tb, m, n, k, BL_F32, a, b, beta, BL_F32, y);
    return finish(&c);
}

static void bias_act(bl_dtype type, void *y, const float *bias, bool relu, int64_t rows,
                     int64_t cols) {
    BEGIN(matmul);
    y = map(&c, type, y, rows * cols, true);
    if (!c.failed) f.bias_act(BL_F32, y, bias, relu, rows, cols);
    finish(&c);
}

static void col_sum(bl_dtype type, const void *x, int64_t rows, int64_t cols, float *sum) {
    BEGIN(matmul);
    x = map(&c, type, x, rows * cols, false);
    if (!c.failed) f.col_sum(BL_F32, x, rows, cols, sum);
    finish(&c);
}

/* ---- convolution ---- */

static int64_t map_size(int64_t n, int64_t c, int64_t h, int64_t w, int64_t cb) {
    return n * ((c + cb - 1) / cb) * h * w * cb;
}

static float *map_x(call *c, const bl_conv_shape *s, const void *x, bool written) {
    return map(c, s->dtype, x, map_size(s->n, s->ic, s->ih, s->iw, s->icb), written);
}

static float *map_y(call *c, const bl_conv_shape *s, const void *y, bool written) {
    return map(c, s->dtype, y, map_size(s->n, s->oc, s->oh, s->ow, s->ocb), written);
}

static int64_t weights_of(const bl_conv_shape *s) {
    return (int64_t)s->oc * s->ic * s->kh * s->kw;
}

/* fp32 values in memory of the call: rounded copies of v, or zeros. */
static float *round_copy(call *c, bl_dtype type, const float *v, int64_t n) {
    operand *o = &c->o[c->n++];
    *o = (operand){.type = type, .wide = calloc((size_t)(n > 0 ? n : 1), sizeof(float)), .n = n};
    c->failed = c->failed || !o->wide;
    for (int64_t i = 0; o->wide && v && i < n; i++) o->wide[i] = widened(type, rounded(type, v[i]));
    return o->wide;
}

static const float *weights(call *c, const bl_conv_shape *s, const float *w) {
    return s->dtype == BL_F32 ? w : round_copy(c, s->dtype, w, weights_of(s));
}

static bl_status conv_fwd(bl_ctx *ctx, const bl_conv_shape *s, const void *x, const float *w,
                          const float *b, bool relu, void *y) {
    BEGIN(conv);
    x = map_x(&c, s, x, false);
    w = weights(&c, s, w);
    y = map_y(&c, s, y, true);
    if (!c.failed) f.conv_fwd(ctx, s, x, w, b, relu, y);
    return finish(&c);
}

static bl_status conv_bwd_data(bl_ctx *ctx, const bl_conv_shape *s, const void *dy, const float *w,
                               void *dx, float beta) {
    BEGIN(conv);
    dy = map_y(&c, s, dy, false);
    w = weights(&c, s, w);
    dx = map_x(&c, s, dx, true);
    if (!c.failed) f.conv_bwd_data(ctx, s, dy, w, dx, beta);
    return finish(&c);
}

static bl_status conv_bwd_weights(bl_ctx *ctx, const bl_conv_shape *s, const void *x,
                                  const void *dy, float *dw, float *db) {
    BEGIN(conv);
    x = map_x(&c, s, x, false);
    dy = map_y(&c, s, dy, false);
    float *sum = s->dtype == BL_F32 ? dw : round_copy(&c, s->dtype, NULL, weights_of(s));
    if (!c.failed) f.conv_bwd_weights(ctx, s, x, dy, sum, db);
    for (int64_t i = 0; !c.failed && sum != dw && i < weights_of(s); i++) {
        dw[i] += widened(s->dtype, rounded(s->dtype, sum[i]));
    }
    return finish(&c);
}

/* ---- normalisation ---- */

static void bn_stats(const bl_tensor *x, float *mean, float *var) {
    BEGIN(norm);
    x = in(&c, x);
    if (!c.failed) f.bn_stats(x, mean, var);
    finish(&c);
}

static void affine_act(const bl_tensor *x, const float *scale, const float *shift,
                       const bl_tensor *skip, float slope, bl_tensor *y) {
    BEGIN(norm);
    x = in(&c, x);
    skip = in(&c, skip);
    y = out(&c, y);
    if (!c.failed) f.affine_act(x, scale, shift, skip, slope, y);
    finish(&c);
}

static void bn_bwd_reduce(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy,
                          const float *mean, const float *rstd, float slope, float *sum_g,
                          float *sum_gx) {
    BEGIN(norm);
    x = in(&c, x);
    y = in(&c, y);
    dy = in(&c, dy);
    if (!c.failed) f.bn_bwd_reduce(x, y, dy, mean, rstd, slope, sum_g, sum_gx);
    finish(&c);
}

static void bn_bwd_apply(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy,
                         const float *a, const float *b, const float *k, float slope, bl_tensor *dx,
                         float beta_dx, bl_tensor *dskip, float beta_dskip) {
    BEGIN(norm);
    x = in(&c, x);
    y = in(&c, y);
    dy = in(&c, dy);
    dx = out(&c, dx);
    dskip = out(&c, dskip);
    if (!c.failed) f.bn_bwd_apply(x, y, dy, a, b, k, slope, dx, beta_dx, dskip, beta_dskip);
    finish(&c);
}

static void gn_fwd(const bl_tensor *x, const float *gamma, const float *beta, int32_t groups,
                   float eps, const bl_tensor *skip, float slope, bl_tensor *y, float *mean,
                   float *rstd) {
    BEGIN(group_norm);
    x = in(&c, x);
    skip = in(&c, skip);
    y = out(&c, y);
    if (!c.failed) f.gn_fwd(x, gamma, beta, groups, eps, skip, slope, y, mean, rstd);
    finish(&c);
}

static void gn_bwd(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy, const float *gamma,
                   int32_t groups, const float *mean, const float *rstd, float slope, bl_tensor *dx,
                   float beta_dx, bl_tensor *dskip, float beta_dskip, float *dgamma, float *dbeta) {
    BEGIN(group_norm);
    x = in(&c, x);
    y = in(&c, y);
    dy = in(&c, dy);
    dx = out(&c, dx);
    dskip = out(&c, dskip);
    if (!c.failed) {
        f.gn_bwd(x, y, dy, gamma, groups, mean, rstd, slope, dx, beta_dx, dskip, beta_dskip, dgamma,
                 dbeta);
    }
    finish(&c);
}

/* ---- pooling, resampling ---- */

static void max_pool_fwd(const bl_tensor *x, int32_t k, int32_t stride, int32_t pad, bl_tensor *y,
                         int32_t *arg) {
    BEGIN(pool);
    x = in(&c, x);
    y = out(&c, y);
    if (!c.failed) f.max_pool_fwd(x, k, stride, pad, y, arg);
    finish(&c);
}

static void max_pool_bwd(const bl_tensor *dy, const int32_t *arg, int32_t k, int32_t stride,
                         int32_t pad, bl_tensor *dx, float beta) {
    BEGIN(pool);
    dy = in(&c, dy);
    dx = out(&c, dx);
    if (!c.failed) f.max_pool_bwd(dy, arg, k, stride, pad, dx, beta);
    finish(&c);
}

static void avg_pool_fwd(const bl_tensor *x, bl_tensor *y) {
    BEGIN(pool);
    x = in(&c, x);
    if (!c.failed) f.avg_pool_fwd(x, y);
    finish(&c);
}

static void avg_pool_bwd(const bl_tensor *dy, bl_tensor *dx, float beta) {
    BEGIN(pool);
    dx = out(&c, dx);
    if (!c.failed) f.avg_pool_bwd(dy, dx, beta);
    finish(&c);
}

static void upsample_add_fwd(const bl_tensor *fine, const bl_tensor *coarse, bl_tensor *y) {
    BEGIN(resample);
    fine = in(&c, fine);
    coarse = in(&c, coarse);
    y = out(&c, y);
    if (!c.failed) f.upsample_add_fwd(fine, coarse, y);
    finish(&c);
}

static void upsample_bwd(const bl_tensor *dy, bl_tensor *dcoarse, float beta) {
    BEGIN(resample);
    dy = in(&c, dy);
    dcoarse = out(&c, dcoarse);
    if (!c.failed) f.upsample_bwd(dy, dcoarse, beta);
    finish(&c);
}

static void shortcut_fwd(const bl_tensor *x, int32_t stride, int64_t first, bl_tensor *y) {
    BEGIN(resample);
    x = in(&c, x);
    y = out(&c, y);
    if (!c.failed) f.shortcut_fwd(x, stride, first, y);
    finish(&c);
}

static void shortcut_bwd(const bl_tensor *dy, int32_t stride, int64_t first, bl_tensor *dx,
                         float beta) {
    BEGIN(resample);
    dy = in(&c, dy);
    dx = out(&c, dx);
    if (!c.failed) f.shortcut_bwd(dy, stride, first, dx, beta);
    finish(&c);
}

/* ---- lists and regions ---- */

static void all_in(call *c, const bl_tensor *const *maps, int n, const bl_tensor **w) {
    for (int i = 0; i < n; i++) w[i] = in(c, maps[i]);
}

static void all_out(call *c, bl_tensor *const *maps, int n, bl_tensor **w) {
    for (int i = 0; i < n; i++) w[i] = out(c, maps[i]);
}

static void gather(const bl_tensor *const *maps, int n_maps, const bl_loc *loc, int64_t count,
                   int32_t per, float *list) {
    const bl_tensor *w[MAPS];
    BEGIN(gather);
    all_in(&c, maps, n_maps, w);
    if (!c.failed) f.gather(w, n_maps, loc, count, per, list);
    finish(&c);
}

static void scatter_add(const float *dy, const bl_loc *loc, int64_t count, int32_t per, int n_maps,
                        bl_tensor *const *dmaps) {
    bl_tensor *w[MAPS];
    BEGIN(gather);
    all_out(&c, dmaps, n_maps, w);
    if (!c.failed) f.scatter_add(dy, loc, count, per, n_maps, w);
    finish(&c);
}

static void roi_align_fwd(const bl_tensor *const *maps, int n_maps, const bl_box *rois,
                          const int32_t *batch, const int32_t *level, int64_t count,
                          const bl_roi_attr *a, bl_tensor *y) {
    const bl_tensor *w[MAPS];
    BEGIN(roi_align);
    all_in(&c, maps, n_maps, w);
    y = out(&c, y);
    if (!c.failed) f.roi_align_fwd(w, n_maps, rois, batch, level, count, a, y);
    finish(&c);
}

static void roi_align_bwd(const bl_tensor *dy, const bl_box *rois, const int32_t *batch,
                          const int32_t *level, int64_t count, const bl_roi_attr *a, int n_maps,
                          bl_tensor *const *dmaps) {
    bl_tensor *w[MAPS];
    BEGIN(roi_align);
    all_out(&c, dmaps, n_maps, w);
    dy = in(&c, dy);
    if (!c.failed) f.roi_align_bwd(dy, rois, batch, level, count, a, n_maps, w);
    finish(&c);
}

static int64_t topk(const bl_tensor *scores, int64_t image, int64_t k, int32_t *pos, float *score) {
    int64_t found = 0;
    BEGIN(select);
    scores = in(&c, scores);
    if (!c.failed) found = f.topk(scores, image, k, pos, score);
    finish(&c);
    return found;
}

static void decode(const bl_proposals_kernel *p, const bl_anchor_grid *g, const bl_box_coder *coder,
                   const bl_tensor *const *reg, const float *logit, bl_box *box, int32_t *group) {
    const bl_tensor *w[MAPS];
    BEGIN(proposals);
    all_in(&c, reg, p->levels, w);
    if (!c.failed) f.decode(p, g, coder, w, logit, box, group);
    finish(&c);
}

void bl_ref_half(bl_kernels *k) {
    k->act_bwd = act_bwd;
    k->axpby = axpby;
    k->add = add;
    k->reorder = reorder;
    k->matmul = matmul;
    k->bias_act = bias_act;
    k->col_sum = col_sum;
    k->conv_fwd = conv_fwd;
    k->conv_bwd_data = conv_bwd_data;
    k->conv_bwd_weights = conv_bwd_weights;
    k->bn_stats = bn_stats;
    k->affine_act = affine_act;
    k->bn_bwd_reduce = bn_bwd_reduce;
    k->bn_bwd_apply = bn_bwd_apply;
    k->gn_fwd = gn_fwd;
    k->gn_bwd = gn_bwd;
    k->max_pool_fwd = max_pool_fwd;
    k->max_pool_bwd = max_pool_bwd;
    k->avg_pool_fwd = avg_pool_fwd;
    k->avg_pool_bwd = avg_pool_bwd;
    k->upsample_add_fwd = upsample_add_fwd;
    k->upsample_bwd = upsample_bwd;
    k->shortcut_fwd = shortcut_fwd;
    k->shortcut_bwd = shortcut_bwd;
    k->gather = gather;
    k->scatter_add = scatter_add;
    k->roi_align_fwd = roi_align_fwd;
    k->roi_align_bwd = roi_align_bwd;
    k->topk = topk;
    k->decode = decode;
}
