/* Tensors: views of device memory with a logical N,C,H,W shape and a channel-blocked layout.
 *
 * Activations with pixels are maps: fp32 or, in a context of 16-bit precision, 16-bit floats
 * (bl_ctx.maps); matrices, parameters and everything else are fp32. A tensor's gradient has its
 * type.
 *
 * Element (n,c,h,w) of a tensor stands at
 *
 *   ((n*CB + c/cb)*H*W + h*W + w)*cb + c%cb,   CB = ceil(C/cb)
 *
 *   cb = 1    planar NCHW (images, matrices [N,C] with H=W=1, RoI lists)
 *   cb = C    NHWC
 *   cb = 16   oneDNN's nChw16c (8 on machines without AVX-512): what the CPU's activations use
 *
 * Channels C..CB*cb-1 are padding and are ZERO in every tensor an op returns: kernels may rely on
 * it and must keep it.
 *
 * Ownership: the bl_tensor struct lives in the context's step arena (or, for parameters, in its
 * store) and is never freed singly. Its storage is a reference-counted pool buffer: an op returns a
 * tensor holding one reference that belongs to the caller, who may drop it early with
 * bl_tensor_drop() once no further op needs it; the tape holds its own references to what backward
 * needs. What is never dropped is released by bl_step_end(). A tensor is valid until its arena is
 * reset; to keep values across steps copy them out. */
#ifndef BALLAST_KERNELS_TENSOR_H
#define BALLAST_KERNELS_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/pool.h"

typedef enum bl_dtype { BL_F32, BL_I32, BL_U8, BL_BF16, BL_F16 } bl_dtype;

typedef struct bl_tensor {
    bl_buf *buf; /* NULL for parameters: the store owns the memory */
    void *data;  /* device pointer of the first element */
    int64_t n, c, h, w;
    int32_t cb;
    bl_dtype dtype;
    bool needs_grad; /* a leaf that is trained, or anything computed from one */
    bool leaf; /* a parameter: `grad` is preset, points into the flat gradient and accumulates */
    /* Same layout; NULL until the first contribution (leaves: always set). */
    struct bl_tensor *grad;
} bl_tensor;

static inline float *bl_f32(const bl_tensor *t) {
    return (float *)t->data;
}
static inline int64_t bl_blocks(const bl_tensor *t) {
    return (t->c + t->cb - 1) / t->cb;
}
/* Elements in storage, padding included. */
static inline int64_t bl_storage(const bl_tensor *t) {
    return t->n * bl_blocks(t) * t->h * t->w * t->cb;
}
static inline int64_t bl_index(const bl_tensor *t, int64_t n, int64_t c, int64_t h, int64_t w) {
    return ((n * bl_blocks(t) + c / t->cb) * t->h * t->w + h * t->w + w) * t->cb + c % t->cb;
}
static inline int64_t bl_dtype_size(bl_dtype d) {
    return d == BL_U8 ? 1 : (d == BL_BF16 || d == BL_F16) ? 2 : 4;
}

#endif
