/* What stands in for cuDNN and cuBLAS on the emulated device: the plain C slots, run
 * on its memory. */
#include <stdlib.h>

#include "kernels/cuda/cuda_internal.h"
#include "kernels/ref/ref.h"
#include "tests/emu/emu_cudnn.h"
#include "tests/emu/emulator.h"

static bl_kernels ref(void) {
    bl_kernels k;
    bl_kernels_init_ref(&k);
    return k;
}

static size_t bytes(bl_dtype type, int64_t a, int64_t b, int64_t c, int64_t d) {
    return (size_t)(a * b * c * d * bl_dtype_size(type));
}
static int64_t padded(int32_t c, int32_t cb) {
    return (int64_t)(c + cb - 1) / cb * cb;
}

static void need_operands(const bl_conv_shape *s, const void *x, const float *w, const float *b,
                          const void *y) {
    bl_emu_need(x, bytes(s->dtype, s->n, padded(s->ic, s->icb), s->ih, s->iw));
    bl_emu_need(w, bytes(BL_F32, s->oc, s->ic, s->kh, s->kw));
    if (b) bl_emu_need(b, bytes(BL_F32, s->oc, 1, 1, 1));
    bl_emu_need(y, bytes(s->dtype, s->n, padded(s->oc, s->ocb), s->oh, s->ow));
}

/* A call with its arguments: done at once, or kept for the graph that is being captured. */
typedef struct call {
    bl_status (*run)(const struct call *c);
    bl_ctx *ctx;
    bl_conv_shape s;
    const void *a, *b;
    const float *bias;
    void *out;
    float *out2, beta;
    bool relu, ta, tb;
    int64_t m, n, k;
    bl_dtype in, result;
} call;

static void replay(void *arg) {
    const call *c = arg;
    (void)c->run(c);
}

static bl_status begin(const call *c) {
    if (!bl_emu_capturing()) return c->run(c);
    call *kept = malloc(sizeof *kept);
    if (!kept) return bl_no_memory(NULL);
    *kept = *c;
    bl_emu_keep(replay, NULL, kept);
    return BL_OK;
}

static bl_status run_fwd(const call *c) {
    bl_emu_begin("conv_fwd");
    need_operands(&c->s, c->a, c->b, c->bias, c->out);
    bl_status status = ref().conv_fwd(c->ctx, &c->s, c->a, c->b, c->bias, c->relu, c->out);
    bl_emu_end();
    return status;
}

static bl_status conv_fwd(bl_ctx *ctx, const bl_conv_shape *s, const void *x, const float *w,
                          const float *b, bool relu, void *y) {
    const call c = {
        .run = run_fwd, .ctx = ctx, .s = *s, .a = x, .b = w, .bias = b, .relu = relu, .out = y};
    return begin(&c);
}

static bl_status run_bwd_data(const call *c) {
    bl_emu_begin("conv_bwd_data");
    need_operands(&c->s, c->out, c->b, NULL, c->a);
    bl_status status = ref().conv_bwd_data(c->ctx, &c->s, c->a, c->b, c->out, c->beta);
    bl_emu_end();
    return status;
}

static bl_status conv_bwd_data(bl_ctx *ctx, const bl_conv_shape *s, const void *dy, const float *w,
                               void *dx, float beta) {
    const call c = {
        .run = run_bwd_data, .ctx = ctx, .s = *s, .a = dy, .b = w, .out = dx, .beta = beta};
    return begin(&c);
}

static bl_status run_bwd_weights(const call *c) {
    bl_emu_begin("conv_bwd_weights");
    need_operands(&c->s, c->a, c->out, c->out2, c->b);
    bl_status status = ref().conv_bwd_weights(c->ctx, &c->s, c->a, c->b, c->out, c->out2);
    bl_emu_end();
    return status;
}

static bl_status conv_bwd_weights(bl_ctx *ctx, const bl_conv_shape *s, const void *x,
                                  const void *dy, float *dw, float *db) {
    const call c = {
        .run = run_bwd_weights, .ctx = ctx, .s = *s, .a = x, .b = dy, .out = dw, .out2 = db};
    return begin(&c);
}

static bl_status run_matmul(const call *c) {
    bl_emu_begin("matmul");
    bl_emu_need(c->a, bytes(c->in, c->m, c->k, 1, 1));
    bl_emu_need(c->b, bytes(c->in, c->k, c->n, 1, 1));
    bl_emu_need(c->out, bytes(c->result, c->m, c->n, 1, 1));
    bl_status status = ref().matmul(c->ctx, c->ta, c->tb, c->m, c->n, c->k, c->in, c->a, c->b,
                                    c->beta, c->result, c->out);
    bl_emu_end();
    return status;
}

static bl_status matmul(bl_ctx *ctx, bool ta, bool tb, int64_t m, int64_t n, int64_t k, bl_dtype in,
                        const void *a, const void *b, float beta, bl_dtype out, void *c) {
    const call all = {.run = run_matmul,
                      .ctx = ctx,
                      .ta = ta,
                      .tb = tb,
                      .m = m,
                      .n = n,
                      .k = k,
                      .a = a,
                      .b = b,
                      .beta = beta,
                      .in = in,
                      .result = out,
                      .out = c};
    return begin(&all);
}

void bl_cuda_conv_slots(bl_kernels *k) {
    k->conv_fwd = conv_fwd;
    k->conv_bwd_data = conv_bwd_data;
    k->conv_bwd_weights = conv_bwd_weights;
}

void bl_cuda_matmul_slots(bl_kernels *k) {
    k->matmul = matmul;
}

bl_status bl_cuda_plans_create(const bl_ctx_options *opt, bl_plans **out) {
    *out = NULL;
    return BL_OK;
}

void bl_cuda_plans_destroy(bl_plans *p) {}

void bl_cuda_plans_describe(const bl_plans *p, bl_line_fn line, void *arg) {}

bool bl_cuda_libraries(bl_line_fn line, void *arg, const char **why) {
    if (line) line(arg, "emulated device: plain C in the place of cuDNN and cuBLAS");
    return true;
}

void bl_emu_cudnn_fail(int status) {}
