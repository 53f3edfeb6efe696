/* Inside of the CPU backend: instruction set levels and the table cascade. Nothing outside
 * kernels/cpu and its tests includes this. */
#ifndef BALLAST_KERNELS_CPU_CPU_H
#define BALLAST_KERNELS_CPU_CPU_H

#include "kernels/kernels.h"

typedef enum bl_isa {
    BL_ISA_BASE,   /* plain C only */
    BL_ISA_AVX2,   /* AVX2 + FMA, channel block 8 */
    BL_ISA_AVX512, /* AVX-512 F, BW, DQ, VL; channel block 16 */
} bl_isa;

/* The best level of this processor (and operating system: AVX state must be enabled). */
bl_isa bl_cpu_isa(void);

/* The cascade of bl_kernels_init_cpu up to `level`: ascending levels overwrite slots, oneDNN's
 * convolution and matrix product last. The caller guarantees that the processor has the level. */
void bl_kernels_init_isa(bl_kernels *k, bl_isa level);

/* Major version of the oneDNN library that runs (3 and later have no Winograd
 * convolution on x64). */
int bl_onednn_major(void);

/* The steps of the cascade; each overwrites some slots. */
void bl_kernels_avx2(bl_kernels *k);
void bl_kernels_avx512(bl_kernels *k);
void bl_kernels_select_cpu(bl_kernels *k);
void bl_kernels_reorder_cpu(bl_kernels *k);
void bl_kernels_matmul_onednn(bl_kernels *k);
void bl_kernels_conv_cpu(bl_kernels *k);

#endif
