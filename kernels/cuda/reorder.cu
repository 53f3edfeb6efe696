/* Layout changes. */
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"

/* A tensor's shape and layout, as a kernel's argument. */
typedef struct layout {
    int64_t blocks, pixels;
    int32_t c, cb;
} layout;

static layout layout_of(const bl_tensor *t) {
    layout l = {bl_blocks(t), t->h * t->w, (int32_t)t->c, t->cb};
    return l;
}

/* Over the destination's storage, padding included. */
static __global__ void reorder_kernel(const float *src, layout s, float *dst, layout d, float beta,
                                      int64_t n) {
    BL_EACH(e, n) {
        int64_t rest = e / d.cb, q = rest % d.pixels, image = rest / d.pixels / d.blocks;
        int64_t c = rest / d.pixels % d.blocks * d.cb + e % d.cb;
        if (c >= d.c) {
            if (beta == 0) dst[e] = 0;
            continue;
        }
        float v = src[((image * s.blocks + c / s.cb) * s.pixels + q) * s.cb + c % s.cb];
        dst[e] = beta != 0 ? dst[e] + v : v;
    }
}

static bl_status reorder(bl_ctx *ctx, const bl_tensor *src, bl_tensor *dst, float beta) {
    int64_t n = bl_storage(dst);
    BL_LAUNCH_EACH(reorder_kernel, n, bl_f32(src), layout_of(src), bl_f32(dst), layout_of(dst),
                   beta, n);
    return BL_OK;
}

void bl_cuda_reorder_slots(bl_kernels *k) {
    k->reorder = reorder;
}
