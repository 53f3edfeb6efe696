/* Sorting on the device. */
#ifndef BALLAST_KERNELS_CUDA_SORT_H
#define BALLAST_KERNELS_CUDA_SORT_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that bl_cuda_sort() needs for n keys: those of n rounded up to a power of two. */
size_t bl_cuda_sort_bytes(int64_t n);

/* Sorts n distinct keys, ascending, in place, on the thread's stream; v has bl_cuda_sort_bytes(n)
 * bytes, those behind the keys are overwritten. A stable sort by a smaller key is a sort by (key,
 * place), the place in the low bits. */
void bl_cuda_sort(uint64_t *v, int64_t n);

#endif
