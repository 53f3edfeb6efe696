/* The order of scores as an integer, for host and device code: highest first, NaN like minus
 * infinity. */
#ifndef BALLAST_KERNELS_SHARED_RANK_H
#define BALLAST_KERNELS_SHARED_RANK_H

#include <stdint.h>
#include <string.h>

#include "kernels/shared/hd.h"

/* Ascending keys are descending scores; +0 and -0 share a key. */
static inline BL_HD uint32_t bl_rank_key(float score) {
    uint32_t bits;
    score = score != score ? -__builtin_inff() : score + 0.0f; /* -0 + 0 = +0 */
    memcpy(&bits, &score, sizeof bits);
    return ~(bits & 0x80000000u ? ~bits : bits | 0x80000000u);
}

#endif
