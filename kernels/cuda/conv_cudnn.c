/* Convolution by cuDNN: forward, data gradient and weight gradient.
 *
 * Engines work on NHWC activations and KRSC weights of the activations' type. Operands in another
 * layout or type (canonical OIHW weights with more than one tap or beside 16-bit activations,
 * planar images, channel blocks) are reordered into scratch memory and back. Results that add to
 * what is there are computed in scratch and added, so that engines may be timed on them and none
 * needs to know how to add. */
#include <stdint.h>

#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/plans.h"

enum { ENGINE_ALIGN = 16 };

/* A tensor of the caller and the memory in which the engine finds or leaves it. */
typedef struct operand {
    bl_tensor user, engine; /* one shape; engine has cb = C */
} operand;

static operand operand_of(bl_dtype dtype, const void *data, int64_t n, int64_t c, int64_t h,
                          int64_t w, int32_t cb) {
    bl_tensor t = {.data = (void *)data, .n = n, .c = c, .h = h, .w = w, .cb = cb, .dtype = dtype};
    operand o = {t, t};
    o.engine.cb = (int32_t)c;
    return o;
}

static operand input_of(const bl_conv_shape *s, const void *x) {
    return operand_of(s->dtype, x, s->n, s->ic, s->ih, s->iw, s->icb);
}

static operand weights_of(const bl_conv_shape *s, const float *w) {
    operand o = operand_of(BL_F32, w, s->oc, s->ic, s->kh, s->kw, 1);
    o.engine.dtype = s->dtype;
    return o;
}

static operand output_of(const bl_conv_shape *s, const void *y) {
    return operand_of(s->dtype, y, s->n, s->oc, s->oh, s->ow, s->ocb);
}

/* Planar tensors of one pixel are NHWC too. */
static bool same_layout(const operand *o) {
    return o->user.cb == o->user.c || (o->user.cb == 1 && o->user.h * o->user.w == 1);
}

static bool same_memory(const operand *o) {
    return same_layout(o) && o->user.dtype == o->engine.dtype;
}

static bool usable(const operand *o) {
    return same_memory(o) && (uintptr_t)o->user.data % ENGINE_ALIGN == 0;
}

/* Gives the operand a place in scratch slot `slot`. */
static bl_status place(bl_plans *p, operand *o, int slot) {
    size_t bytes = (size_t)(bl_storage(&o->engine) * bl_dtype_size(o->engine.dtype));
    BL_TRY(bl_cuda_reserve(p, slot, bytes));
    o->engine.data = p->slot[slot];
    return BL_OK;
}

/* Makes an input of the engine: the caller's memory, or a reordered copy. */
static bl_status bring(bl_ctx *ctx, operand *o, int slot) {
    if (usable(o)) return BL_OK;
    BL_TRY(place(ctx->plans, o, slot));
    return ctx->k->reorder(ctx, &o->user, &o->engine, 0);
}

/* Makes an output: the caller's memory when nothing has to be added, or scratch. */
static bl_status open_output(bl_plans *p, operand *o, int slot, float beta) {
    return usable(o) && beta == 0 ? BL_OK : place(p, o, slot);
}

/* Moves or adds an output that was computed in scratch to where the caller wants it. */
static bl_status deliver(bl_ctx *ctx, operand *o, float beta) {
    if (o->engine.data == o->user.data) return BL_OK;
    if (!same_memory(o) || beta == 0) return ctx->k->reorder(ctx, &o->engine, &o->user, beta);
    ctx->k->add(o->user.dtype, o->user.data, o->engine.data, o->user.data, bl_storage(&o->user));
    return BL_OK;
}

/* The bias as engines read it: of the maps' type. */
static bl_status bring_bias(bl_ctx *ctx, const bl_conv_shape *s, const float *b, const void **out) {
    operand o = operand_of(BL_F32, b, 1, s->oc, 1, 1, 1);
    o.engine.dtype = s->dtype;
    *out = b;
    if (!b || o.engine.dtype == BL_F32) return BL_OK;
    BL_TRY(place(ctx->plans, &o, BL_SLOT_B));
    *out = o.engine.data;
    return ctx->k->reorder(ctx, &o.user, &o.engine, 0);
}

static bl_conv_pointers pointers(const operand *x, const operand *w, const void *b,
                                 const operand *y) {
    return (bl_conv_pointers){x->engine.data, w->engine.data, b, y->engine.data};
}

/* Puts the problem before a failure's message. */
static bl_status named(bl_status status, const bl_conv_key *key) {
    char text[160];
    if (status == BL_OK) return BL_OK;
    bl_conv_key_text(key, text, sizeof text);
    return bl_fail_context(status, "convolution %s", text);
}

static bl_status run(bl_plans *p, const bl_conv_key *key, const bl_conv_pointers *ptr,
                     int32_t *after) {
    bl_cuda_plan *plan;
    BL_TRY(bl_cuda_plan_get(p, key, ptr, &plan));
    plan->calls++;
    *after = plan->after;
    return bl_cuda_plan_run(p, plan, ptr);
}

static bl_status forward(bl_ctx *ctx, const bl_conv_shape *s, const bl_conv_key *key, const void *x,
                         const float *w, const float *b, void *y) {
    operand ox = input_of(s, x), ow = weights_of(s, w), oy = output_of(s, y);
    const void *bias;
    int32_t after;
    BL_TRY(bring(ctx, &ox, BL_SLOT_X));
    BL_TRY(bring(ctx, &ow, BL_SLOT_W));
    BL_TRY(open_output(ctx->plans, &oy, BL_SLOT_Y, 0));
    BL_TRY(bring_bias(ctx, s, b, &bias));
    bl_conv_pointers ptr = pointers(&ox, &ow, bias, &oy);
    BL_TRY(run(ctx->plans, key, &ptr, &after));
    if (after) {
        ctx->k->bias_act(oy.engine.dtype, oy.engine.data, after & BL_CUDA_BIAS ? b : NULL,
                         (after & BL_CUDA_RELU) != 0, (int64_t)s->n * s->oh * s->ow, s->oc);
    }
    return deliver(ctx, &oy, 0);
}

static bl_status backward_data(bl_ctx *ctx, const bl_conv_shape *s, const bl_conv_key *key,
                               const void *dy, const float *w, void *dx, float beta) {
    operand ox = input_of(s, dx), ow = weights_of(s, w), oy = output_of(s, dy);
    int32_t after;
    BL_TRY(bring(ctx, &oy, BL_SLOT_Y));
    BL_TRY(bring(ctx, &ow, BL_SLOT_W));
    BL_TRY(open_output(ctx->plans, &ox, BL_SLOT_X, beta));
    bl_conv_pointers ptr = pointers(&ox, &ow, NULL, &oy);
    BL_TRY(run(ctx->plans, key, &ptr, &after));
    return deliver(ctx, &ox, beta);
}

static bl_status backward_weights(bl_ctx *ctx, const bl_conv_shape *s, const bl_conv_key *key,
                                  const void *x, const void *dy, float *dw, float *db) {
    operand ox = input_of(s, x), ow = weights_of(s, dw), oy = output_of(s, dy);
    int32_t after;
    BL_TRY(bring(ctx, &ox, BL_SLOT_X));
    BL_TRY(bring(ctx, &oy, BL_SLOT_Y));
    BL_TRY(open_output(ctx->plans, &ow, BL_SLOT_W, 1));
    bl_conv_pointers ptr = pointers(&ox, &ow, NULL, &oy);
    BL_TRY(run(ctx->plans, key, &ptr, &after));
    BL_TRY(deliver(ctx, &ow, 1));
    if (db) {
        ctx->k->col_sum(oy.engine.dtype, oy.engine.data, (int64_t)s->n * s->oh * s->ow, s->oc, db);
    }
    return BL_OK;
}

/* ---- the three slots ---- */

/* false: nothing to compute, or an error in *status. */
static bool begin(const bl_ctx *ctx, const bl_conv_shape *s, bl_cuda_dir dir, int32_t fused,
                  bl_conv_key *key, bl_status *status) {
    *status = BL_OK;
    if (s->n == 0) return false;
    if (!ctx->plans) {
        *status = bl_fail(BL_EINVAL, "convolution: the context has no plans object");
        return false;
    }
    *key = bl_conv_key_of(s, dir, fused, bl_cuda_math_for(ctx->plans->math, s->dtype));
    if (s->ic > 0 && s->oc > 0 && s->oh > 0 && s->ow > 0) return true;
    *status = named(bl_fail(BL_EINVAL, "there are no channels or no pixels"), key);
    return false;
}

static bl_status conv_fwd(bl_ctx *ctx, const bl_conv_shape *s, const void *x, const float *w,
                          const float *b, bool relu, void *y) {
    bl_conv_key key;
    bl_status status;
    int32_t fused = (b ? BL_CUDA_BIAS : 0) | (relu ? BL_CUDA_RELU : 0);
    if (!begin(ctx, s, BL_CUDA_FWD, fused, &key, &status)) return status;
    return named(forward(ctx, s, &key, x, w, b, y), &key);
}

static bl_status conv_bwd_data(bl_ctx *ctx, const bl_conv_shape *s, const void *dy, const float *w,
                               void *dx, float beta) {
    bl_conv_key key;
    bl_status status;
    if (!begin(ctx, s, BL_CUDA_BWD_DATA, 0, &key, &status)) return status;
    return named(backward_data(ctx, s, &key, dy, w, dx, beta), &key);
}

static bl_status conv_bwd_weights(bl_ctx *ctx, const bl_conv_shape *s, const void *x,
                                  const void *dy, float *dw, float *db) {
    bl_conv_key key;
    bl_status status;
    if (!begin(ctx, s, BL_CUDA_BWD_WEIGHTS, 0, &key, &status)) return status;
    return named(backward_weights(ctx, s, &key, x, dy, dw, db), &key);
}

void bl_cuda_conv_slots(bl_kernels *k) {
    k->conv_fwd = conv_fwd;
    k->conv_bwd_data = conv_bwd_data;
    k->conv_bwd_weights = conv_bwd_weights;
}
