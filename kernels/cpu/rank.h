/* Sorting by score: highest first, ties by lower index. */
#ifndef BALLAST_KERNELS_CPU_RANK_H
#define BALLAST_KERNELS_CPU_RANK_H

#include "kernels/shared/rank.h"

typedef struct bl_ranked {
    uint32_t key;
    int32_t index;
} bl_ranked;

/* Stable sort by key, ascending; `tmp` has room for n entries. */
void bl_rank_sort(bl_ranked *v, bl_ranked *tmp, int64_t n);

#endif
