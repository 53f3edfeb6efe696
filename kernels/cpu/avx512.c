/* The AVX-512 kernels: the *_simd.h files compiled for this instruction set. */
#if defined(__x86_64__)

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rank.h"
#include "kernels/cpu/winograd.h"
#include "kernels/shared/bilinear.h"

/* The vector vocabulary switches the instruction set for everything below. */
#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/elt_simd.h"
#include "kernels/cpu/nms_simd.h"
#include "kernels/cpu/norm_simd.h"
#include "kernels/cpu/pool_simd.h"
#include "kernels/cpu/roi_align_simd.h"
#include "kernels/cpu/winograd_simd.h"

void bl_kernels_avx512(bl_kernels *k) {
    init_elt(k);
    init_norm(k);
    init_pool(k);
    init_roi_align(k);
    init_nms(k);
}

const bl_winograd *bl_winograd_avx512(void) {
    return &winograd_table;
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#else
typedef int nothing_for_this_processor; /* C wants a declaration in every file */
#endif
