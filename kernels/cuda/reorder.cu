/* Changes of layout and type. */
#include "kernels/cuda/typed.h"

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
template <typename S, typename D>
static __global__ void reorder_kernel(const S *src, layout s, D *dst, layout d, float beta,
                                      int64_t n) {
    BL_EACH(e, n) {
        int64_t rest = e / d.cb, q = rest % d.pixels, image = rest / d.pixels / d.blocks;
        int64_t c = rest / d.pixels % d.blocks * d.cb + e % d.cb;
        if (c >= d.c) {
            if (beta == 0) bl_put(dst, e, 0);
            continue;
        }
        float v = bl_get(src, ((image * s.blocks + c / s.cb) * s.pixels + q) * s.cb + c % s.cb);
        bl_put(dst, e, beta != 0 ? bl_get(dst, e) + v : v);
    }
}

template <typename S> static void reorder_from(const bl_tensor *src, bl_tensor *dst, float beta) {
    int64_t n = bl_storage(dst);
    BL_TYPED(dst->dtype, D,
             void (*kernel)(const S *, layout, D *, layout, float, int64_t) = reorder_kernel<S, D>;
             BL_LAUNCH_EACH(kernel, n, bl_map<S>(src), layout_of(src), bl_map<D>(dst),
                            layout_of(dst), beta, n));
}

static bl_status reorder(bl_ctx *ctx, const bl_tensor *src, bl_tensor *dst, float beta) {
    BL_TYPED(src->dtype, S, reorder_from<S>(src, dst, beta));
    return BL_OK;
}

void bl_cuda_reorder_slots(bl_kernels *k) {
    k->reorder = reorder;
}
