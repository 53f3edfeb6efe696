/* What stands in for cuDNN and cuBLAS on the emulated device: the plain C slots, run on its memory.
 */
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

static bl_status conv_fwd(bl_ctx *ctx, const bl_conv_shape *s, const void *x, const float *w,
                          const float *b, bool relu, void *y) {
    bl_emu_begin("conv_fwd");
    need_operands(s, x, w, b, y);
    bl_status status = ref().conv_fwd(ctx, s, x, w, b, relu, y);
    bl_emu_end();
    return status;
}

static bl_status conv_bwd_data(bl_ctx *ctx, const bl_conv_shape *s, const void *dy, const float *w,
                               void *dx, float beta) {
    bl_emu_begin("conv_bwd_data");
    need_operands(s, dx, w, NULL, dy);
    bl_status status = ref().conv_bwd_data(ctx, s, dy, w, dx, beta);
    bl_emu_end();
    return status;
}

static bl_status conv_bwd_weights(bl_ctx *ctx, const bl_conv_shape *s, const void *x,
                                  const void *dy, float *dw, float *db) {
    bl_emu_begin("conv_bwd_weights");
    need_operands(s, x, dw, db, dy);
    bl_status status = ref().conv_bwd_weights(ctx, s, x, dy, dw, db);
    bl_emu_end();
    return status;
}

static bl_status matmul(bl_ctx *ctx, bool ta, bool tb, int64_t m, int64_t n, int64_t k, bl_dtype in,
                        const void *a, const void *b, float beta, bl_dtype out, void *c) {
    bl_emu_begin("matmul");
    bl_emu_need(a, bytes(in, m, k, 1, 1));
    bl_emu_need(b, bytes(in, k, n, 1, 1));
    bl_emu_need(c, bytes(out, m, n, 1, 1));
    bl_status status = ref().matmul(ctx, ta, tb, m, n, k, in, a, b, beta, out, c);
    bl_emu_end();
    return status;
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
