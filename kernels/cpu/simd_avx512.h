/* The vector vocabulary of the *_simd.h kernels, in AVX-512: 16 floats, a mask register per
 * comparison. simd_avx2.h defines the same names. Include system and project headers first:
 * everything after this file is compiled for AVX-512. */
#ifndef BALLAST_KERNELS_CPU_SIMD_AVX512_H
#define BALLAST_KERNELS_CPU_SIMD_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang attribute push(                                                                      \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

enum { VW = 16, VREGS = 32 }; /* floats in a vector, vector registers */
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm; /* one truth value per lane */
typedef struct vd {   /* VW doubles */
    __m512d lo, hi;
} vd;

static inline vf v_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vf a) {
    _mm512_storeu_ps(p, a);
}
/* The first n lanes (0 < n <= VW); the others read as zero and are not written. */
static inline vf v_load_n(const float *p, int64_t n) {
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
static inline void v_store_n(float *p, int64_t n, vf a) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a);
}
static inline vf v_set(float x) {
    return _mm512_set1_ps(x);
}
static inline vf v_zero(void) {
    return _mm512_setzero_ps();
}
static inline vf v_add(vf a, vf b) {
    return _mm512_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b) {
    return _mm512_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b) {
    return _mm512_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b) {
    return _mm512_div_ps(a, b);
}
static inline vf v_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
} /* a*b + c */
static inline vf v_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
} /* b when either is NaN */
static inline vf v_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
static inline vm v_gt(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}
static inline vm v_gt_or_nan(vf a, vf b) { /* a > b, or a is NaN */
    return v_gt(a, b) | _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
static inline vm v_nonfinite(vf a) { /* NaN and both infinities */
    return _mm512_fpclass_ps_mask(a, 0x99);
}
static inline vf v_select(vm m, vf a, vf b) {
    return _mm512_mask_blend_ps(m, b, a);
} /* m ? a : b */
static inline vi vi_select(vm m, vi a, vi b) {
    return _mm512_mask_blend_epi32(m, b, a);
}
static inline unsigned v_bits(vm m) {
    return m;
}
static inline vi vi_set(int32_t x) {
    return _mm512_set1_epi32(x);
}
static inline void vi_store(int32_t *p, vi a) {
    _mm512_storeu_si512(p, a);
}

static inline vd vd_zero(void) {
    return (vd){_mm512_setzero_pd(), _mm512_setzero_pd()};
}
static inline vd vd_add(vd a, vd b) {
    return (vd){_mm512_add_pd(a.lo, b.lo), _mm512_add_pd(a.hi, b.hi)};
}
static inline vd vd_of(vf a) {
    return (vd){_mm512_cvtps_pd(_mm512_castps512_ps256(a)),
                _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1))};
}
static inline vd vd_fma(vd a, vd b, vd c) {
    return (vd){_mm512_fmadd_pd(a.lo, b.lo, c.lo), _mm512_fmadd_pd(a.hi, b.hi, c.hi)};
}
static inline void vd_store(double *p, vd a) {
    _mm512_storeu_pd(p, a.lo);
    _mm512_storeu_pd(p + 8, a.hi);
}

#endif
