/* What this processor can do, in the three levels the kernels are written for. */
#include "kernels/cpu/cpu.h"

bl_isa bl_cpu_isa(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return BL_ISA_BASE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return BL_ISA_AVX512;
    }
    return BL_ISA_AVX2;
#else
    return BL_ISA_BASE;
#endif
}

const char *bl_cpu_features(void) {
    switch (bl_cpu_isa()) {
    case BL_ISA_AVX512:
        return "avx512f avx512bw avx512dq avx512vl avx2 fma";
    case BL_ISA_AVX2:
        return "avx2 fma";
    default:
        return "baseline";
    }
}

int32_t bl_cpu_block(void) {
    return bl_cpu_isa() == BL_ISA_AVX512 ? 16 : 8;
}
