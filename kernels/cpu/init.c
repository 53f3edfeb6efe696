/* The CPU cascade: each level overwrites the slots it does better than the one before it. */
#include "kernels/cpu/cpu.h"

void bl_kernels_init_isa(bl_kernels *k, bl_isa level) {
    k->name = "onednn";
    bl_kernels_conv_onednn(k);
    (void)level;
}

void bl_kernels_init_cpu(bl_kernels *k) {
    bl_kernels_init_isa(k, bl_cpu_isa());
}
