/* What a convolution plan of the CUDA backend is made for. Plain C: no CUDA header.
 *
 * Engines only ever see NHWC activations and KRSC weights (other layouts are reordered around
 * them), so the layout is no part of the key; the arithmetic is. */
#ifndef BALLAST_KERNELS_CUDA_CONV_KEY_H
#define BALLAST_KERNELS_CUDA_CONV_KEY_H

#include "kernels/kernels.h"

typedef enum bl_cuda_dir { BL_CUDA_FWD, BL_CUDA_BWD_DATA, BL_CUDA_BWD_WEIGHTS } bl_cuda_dir;

/* How values are stored and multiplied; sums are fp32 in all of them. */
typedef enum bl_cuda_math {
    BL_CUDA_FP32, /* fp32 multiplications: no tensor cores, no rounding of inputs */
    BL_CUDA_TF32, /* fp32 tensors; tensor cores round inputs to 10 bits of mantissa */
    BL_CUDA_BF16, /* bf16 tensors (16 bits, 7 of mantissa) */
    BL_CUDA_FP16, /* fp16 tensors (16 bits, 10 of mantissa, small range) */
} bl_cuda_math;

enum { BL_CUDA_BIAS = 1, BL_CUDA_RELU = 2 }; /* fused behind the forward convolution */

typedef struct bl_conv_key {
    int32_t n, ic, ih, iw, oc, oh, ow, kh, kw, stride, pad, dilation;
    int32_t dir, fused, math; /* bl_cuda_dir, BL_CUDA_BIAS | BL_CUDA_RELU, bl_cuda_math */
} bl_conv_key;

bl_conv_key bl_conv_key_of(const bl_conv_shape *s, bl_cuda_dir dir, int32_t fused,
                           bl_cuda_math math);
/* "fwd 2x64x56x56 -> 64 3x3/1 p1 d1 bias relu fp32": names a plan in messages, logs and the tuning
 * file. */
void bl_conv_key_text(const bl_conv_key *key, char *buf, size_t size);
/* Multiplications and additions of one call. */
double bl_conv_key_flop(const bl_conv_key *key);

/* How a context computes with fp32 tensors; and with tensors of this type. */
bl_cuda_math bl_cuda_math_of(bl_precision precision);
bl_cuda_math bl_cuda_math_for(bl_cuda_math fp32, bl_dtype dtype);

#endif
