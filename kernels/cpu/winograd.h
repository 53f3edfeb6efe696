/* Winograd convolution F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural
 * Networks", CVPR 2016) for AVX2 and AVX-512 (oneDNN has one for AVX-512 only, and none since its
 * version 3): 3x3, stride 1, channel blocks of the vector width on both sides.
 *
 * Forward: each 4x4 piece of the output comes from a 6x6 piece of the input; both are transformed
 * so that the convolution becomes 36 matrix products over channels, with 36 instead of 144
 * multiplications a tile and channel pair. Backward of data is the forward pass of the transposed,
 * rotated weights; backward of weights is the exact adjoint. Rounding: the
 * root mean square error is about four times that of direct convolution, 1e-6 to 3e-6 of the
 * output's root mean square for 16 to 256 channels. */
#ifndef BALLAST_KERNELS_CPU_WINOGRAD_H
#define BALLAST_KERNELS_CPU_WINOGRAD_H

#include "kernels/kernels.h"

typedef enum bl_winograd_dir {
    BL_WINOGRAD_FWD,
    BL_WINOGRAD_BWD_DATA,
    BL_WINOGRAD_BWD_WEIGHTS
} bl_winograd_dir;

/* One instruction set's implementation. Scratch is 64-byte aligned and holds scratch_bytes();
 * results do not depend on the number of threads. */
typedef struct bl_winograd {
    const char *name; /* of the instruction set */
    int32_t block;    /* the channel block both tensors must have */
    size_t (*scratch_bytes)(const bl_conv_shape *s, bl_winograd_dir dir);
    /* y = act(conv(x, w) + b); b may be NULL. */
    void (*forward)(const bl_conv_shape *s, const float *x, const float *w, const float *b,
                    bool relu, float *y, void *scratch);
    /* dx (+)= */
    void (*backward_data)(const bl_conv_shape *s, const float *dy, const float *w, float *dx,
                          bool accumulate, void *scratch);
    /* dw +=, db += (db may be NULL) */
    void (*backward_weights)(const bl_conv_shape *s, const float *x, const float *dy, float *dw,
                             float *db, void *scratch);
} bl_winograd;

const bl_winograd *bl_winograd_avx2(void);
const bl_winograd *bl_winograd_avx512(void);

/* This processor's implementation when it can run the convolution, else NULL. */
const bl_winograd *bl_winograd_fitting(const bl_conv_shape *s);

/* The same when it should: NULL also where direct convolution is faster. A fixed rule, from timings
 * beside direct convolution. */
const bl_winograd *bl_winograd_for(const bl_conv_shape *s, bl_winograd_dir dir);

#endif
