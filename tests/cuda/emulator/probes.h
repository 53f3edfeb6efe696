/* Launches of the kernels that probe the emulator (probes.cu). */
#ifndef BALLAST_TESTS_EMULATOR_PROBES_H
#define BALLAST_TESTS_EMULATOR_PROBES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* out[i] = i over a grid-stride loop. */
void probe_index(int *out, int64_t n, int blocks, int threads);
/* out[b] = sum of x over block b's share; any number of whole warps. */
void probe_sum(const float *x, int64_t n, float *out, int blocks, int threads);
/* y = x backwards within each block of n <= 1024 elements, through dynamic shared memory. */
void probe_turn(const float *x, float *y, int n, bool with_barrier);
/* out[l]: shuffles and votes of one warp, 8 results a lane. */
void probe_warp(int *out);
void probe_write(int *p, int64_t at);   /* p[at] = 1 */
void probe_deadlock(int *out);          /* half of the threads skip a barrier to wait for a warp */
void probe_bad_mask(int *out);          /* a shuffle whose mask leaves out its caller */
void probe_stale_shared(float *out);    /* static shared memory of a new block */
void probe_struct(const void *pointer); /* a struct argument with a pointer inside */
void probe_configuration(int threads, int blocks);
void probe_two_dims(int *out); /* a 3x2 grid of 4x2x2 blocks, each thread's flat index */

#ifdef __cplusplus
}
#endif

#endif
