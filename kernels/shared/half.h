/* The two 16-bit float formats as bit patterns, for host and device code: bf16 (8 bits of exponent,
 * 7 of mantissa) and fp16 (IEEE 754 binary16: 5 and 10). Widening is exact. Narrowing rounds to
 * nearest, ties to even, beyond the largest number to infinity and below the smallest denormal to
 * zero; every NaN becomes 0x7fff, as on a GPU. */
#ifndef BALLAST_KERNELS_SHARED_HALF_H
#define BALLAST_KERNELS_SHARED_HALF_H

#include <stdint.h>
#include <string.h>

#include "kernels/shared/hd.h"

static inline BL_HD uint32_t bl_bits_of_float(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}
static inline BL_HD float bl_float_of_bits(uint32_t bits) {
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline BL_HD float bl_bf16_value(uint16_t h) {
    return bl_float_of_bits((uint32_t)h << 16);
}
static inline BL_HD uint16_t bl_bf16_of(float v) {
    uint32_t bits = bl_bits_of_float(v);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

static inline BL_HD float bl_f16_value(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3ff;
    if (exponent == 0) { /* zero, or a denormal: mantissa * 2^-24 */
        return bl_float_of_bits(sign | bl_bits_of_float((float)mantissa * 0x1p-24f));
    }
    exponent = exponent == 31 ? 255 : exponent + 127 - 15;
    return bl_float_of_bits(sign | exponent << 23 | mantissa << 13);
}
static inline BL_HD uint16_t bl_f16_of(float v) {
    uint32_t bits = bl_bits_of_float(v), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return 0x7fff;
    if (size >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* from 65520 on */
    if (size >= 0x38800000u) {                                  /* from 2^-14 on: normal */
        size += 0xfffu + (size >> 13 & 1);
        return (uint16_t)(sign | (size - ((127u - 15u) << 23)) >> 13);
    }
    if (size <= 0x33000000u) return (uint16_t)sign; /* up to 2^-25, half of the smallest denormal */
    uint32_t shift = 126 - (size >> 23), mantissa = (size & 0x7fffffu) | 0x800000u;
    uint32_t kept = mantissa >> shift, lost = mantissa & ((1u << shift) - 1),
             tie = 1u << (shift - 1);
    return (uint16_t)(sign | (kept + (lost > tie || (lost == tie && (kept & 1)))));
}

#endif
