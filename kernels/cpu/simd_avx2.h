/* The vector vocabulary of the *_simd.h kernels, in AVX2: 8 floats, masks as all-ones lanes; see
 * simd_avx512.h. */
#ifndef BALLAST_KERNELS_CPU_SIMD_AVX2_H
#define BALLAST_KERNELS_CPU_SIMD_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

enum { VW = 8, VREGS = 16 }; /* floats in a vector, vector registers */
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;
typedef struct vd {
    __m256d lo, hi;
} vd;

static inline __m256i first_n(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf v_load(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vf a) {
    _mm256_storeu_ps(p, a);
}
static inline vf v_load_n(const float *p, int64_t n) {
    return _mm256_maskload_ps(p, first_n(n));
}
static inline void v_store_n(float *p, int64_t n, vf a) {
    _mm256_maskstore_ps(p, first_n(n), a);
}
static inline vf v_set(float x) {
    return _mm256_set1_ps(x);
}
static inline vf v_zero(void) {
    return _mm256_setzero_ps();
}
static inline vf v_add(vf a, vf b) {
    return _mm256_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b) {
    return _mm256_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b) {
    return _mm256_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b) {
    return _mm256_div_ps(a, b);
}
static inline vf v_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline vf v_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
static inline vf v_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
static inline vm v_gt(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}
static inline vm v_gt_or_nan(vf a, vf b) {
    return _mm256_or_ps(v_gt(a, b), _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}
static inline vm v_nonfinite(vf a) {
    __m256i exp = _mm256_set1_epi32(0x7f800000);
    return _mm256_castsi256_ps(
        _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_castps_si256(a), exp), exp));
}
static inline vf v_select(vm m, vf a, vf b) {
    return _mm256_blendv_ps(b, a, m);
}
static inline vi vi_select(vm m, vi a, vi b) {
    return _mm256_blendv_epi8(b, a, _mm256_castps_si256(m));
}
static inline unsigned v_bits(vm m) {
    return (unsigned)_mm256_movemask_ps(m);
}
static inline vi vi_set(int32_t x) {
    return _mm256_set1_epi32(x);
}
static inline void vi_store(int32_t *p, vi a) {
    _mm256_storeu_si256((__m256i *)p, a);
}

static inline vd vd_zero(void) {
    return (vd){_mm256_setzero_pd(), _mm256_setzero_pd()};
}
static inline vd vd_add(vd a, vd b) {
    return (vd){_mm256_add_pd(a.lo, b.lo), _mm256_add_pd(a.hi, b.hi)};
}
static inline vd vd_of(vf a) {
    return (vd){_mm256_cvtps_pd(_mm256_castps256_ps128(a)),
                _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1))};
}
static inline vd vd_fma(vd a, vd b, vd c) {
    return (vd){_mm256_fmadd_pd(a.lo, b.lo, c.lo), _mm256_fmadd_pd(a.hi, b.hi, c.hi)};
}
static inline void vd_store(double *p, vd a) {
    _mm256_storeu_pd(p, a.lo);
    _mm256_storeu_pd(p + 4, a.hi);
}

#endif
