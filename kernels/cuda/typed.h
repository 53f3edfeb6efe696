/* Maps of fp32 or 16-bit values in kernels: templates on the type of an element, which is read with
 * bl_get and written with bl_put, and nothing else. */
#ifndef BALLAST_KERNELS_CUDA_TYPED_H
#define BALLAST_KERNELS_CUDA_TYPED_H

#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"

typedef struct bl_bf16 {
    uint16_t bits;
} bl_bf16;
typedef struct bl_f16 {
    uint16_t bits;
} bl_f16;

static __device__ __forceinline__ float bl_get(const float *p, int64_t i) {
    return p[i];
}
static __device__ __forceinline__ float bl_get(const bl_bf16 *p, int64_t i) {
    return bl_bf16_value(p[i].bits);
}
static __device__ __forceinline__ float bl_get(const bl_f16 *p, int64_t i) {
    return bl_cuda_f16_value(p[i].bits);
}
static __device__ __forceinline__ void bl_put(float *p, int64_t i, float v) {
    p[i] = v;
}
static __device__ __forceinline__ void bl_put(bl_bf16 *p, int64_t i, float v) {
    p[i].bits = bl_cuda_bf16_of(v);
}
static __device__ __forceinline__ void bl_put(bl_f16 *p, int64_t i, float v) {
    p[i].bits = bl_cuda_f16_of(v);
}

/* A tensor's memory; NULL for NULL. */
template <typename T> static inline T *bl_map(const bl_tensor *t) {
    return t ? (T *)t->data : nullptr;
}

/* Runs the statements with T as the type of a bl_dtype's elements. */
#define BL_TYPED(dtype, T, ...)                                                                    \
    do {                                                                                           \
        switch (dtype) {                                                                           \
        case BL_BF16: {                                                                            \
            typedef bl_bf16 T;                                                                     \
            __VA_ARGS__;                                                                           \
            break;                                                                                 \
        }                                                                                          \
        case BL_F16: {                                                                             \
            typedef bl_f16 T;                                                                      \
            __VA_ARGS__;                                                                           \
            break;                                                                                 \
        }                                                                                          \
        default: {                                                                                 \
            typedef float T;                                                                       \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
        }                                                                                          \
    } while (0)

#endif
