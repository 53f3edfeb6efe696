/* Values of the types that the stand-ins of cuDNN and cuBLAS take, as fp32. */
#ifndef BALLAST_TESTS_EMU_VALUES_H
#define BALLAST_TESTS_EMU_VALUES_H

#include "kernels/shared/half.h"
#include "kernels/tensor.h"

static inline float bl_emu_value(bl_dtype type, const void *p, int64_t i) {
    if (type == BL_BF16) return bl_bf16_value(((const uint16_t *)p)[i]);
    return type == BL_F16 ? bl_f16_value(((const uint16_t *)p)[i]) : ((const float *)p)[i];
}

static inline void bl_emu_store(bl_dtype type, void *p, int64_t i, float v) {
    if (type == BL_F32) {
        ((float *)p)[i] = v;
    } else {
        ((uint16_t *)p)[i] = type == BL_BF16 ? bl_bf16_of(v) : bl_f16_of(v);
    }
}

/* fp32 rounded to TF32: 10 bits of mantissa. */
static inline float bl_emu_tf32(float v) {
    uint32_t bits = bl_bits_of_float(v);
    return bl_float_of_bits((bits + 0xfff + (bits >> 13 & 1)) & ~(uint32_t)0x1fff);
}

#endif
