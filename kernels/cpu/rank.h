/* Orders of scores as integers: highest score first, ties by lower index, NaN like minus infinity.
 */
#ifndef BALLAST_KERNELS_CPU_RANK_H
#define BALLAST_KERNELS_CPU_RANK_H

#include <stdint.h>
#include <string.h>

/* Ascending keys are descending scores; +0 and -0 share a key. */
static inline uint32_t bl_rank_key(float score) {
    uint32_t bits;
    score = score != score ? -__builtin_inff() : score + 0.0f; /* -0 + 0 = +0 */
    memcpy(&bits, &score, sizeof bits);
    return ~(bits & 0x80000000u ? ~bits : bits | 0x80000000u);
}

typedef struct bl_ranked {
    uint32_t key;
    int32_t index;
} bl_ranked;

/* Stable sort by key, ascending; `tmp` has room for n entries. */
void bl_rank_sort(bl_ranked *v, bl_ranked *tmp, int64_t n);

#endif
