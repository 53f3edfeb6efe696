/* The CPU cascade: each level overwrites the slots it does better than the one before it. */
#include "kernels/cpu/cpu.h"

void bl_kernels_init_isa(bl_kernels *k, bl_isa level) {
    static const char *const name[] = {"onednn", "avx2+onednn", "avx512+onednn"};
    k->name = name[level];
    bl_kernels_select_cpu(k);
    bl_kernels_reorder_cpu(k);
#if defined(__x86_64__)
    if (level >= BL_ISA_AVX2) bl_kernels_avx2(k);
    if (level >= BL_ISA_AVX512) bl_kernels_avx512(k);
#endif
    bl_kernels_matmul_onednn(k);
    bl_kernels_conv_cpu(k);
}

void bl_kernels_init_cpu(bl_kernels *k) {
    bl_kernels_init_isa(k, bl_cpu_isa());
}
