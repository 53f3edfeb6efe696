/* The Mersenne Twister (Matsumoto and Nishimura, 1998) as NumPy's legacy generator uses it, for
 * data splits that other code drew with it. Everything else uses core/rng.h. */
#ifndef BALLAST_CORE_MT19937_H
#define BALLAST_CORE_MT19937_H

#include <stdint.h>

typedef struct bl_mt19937 {
    uint32_t state[624];
    int next;
} bl_mt19937;

void bl_mt19937_seed(bl_mt19937 *m, uint32_t seed); /* numpy.random.seed(seed) */
uint32_t bl_mt19937_u32(bl_mt19937 *m);
void bl_mt19937_shuffle(bl_mt19937 *m, int32_t *v, int32_t n); /* numpy.random.shuffle */

#endif
