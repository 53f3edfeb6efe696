#include "core/mt19937.h"

enum { N = 624, M = 397 };

void bl_mt19937_seed(bl_mt19937 *m, uint32_t seed) {
    m->state[0] = seed;
    for (int i = 1; i < N; i++)
        m->state[i] = 1812433253u * (m->state[i - 1] ^ (m->state[i - 1] >> 30)) + (uint32_t)i;
    m->next = N;
}

static void refill(bl_mt19937 *m) {
    uint32_t *s = m->state;
    for (int i = 0; i < N; i++) {
        uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % N] & 0x7fffffffu);
        s[i] = s[(i + M) % N] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    m->next = 0;
}

uint32_t bl_mt19937_u32(bl_mt19937 *m) {
    if (m->next == N) refill(m);
    uint32_t y = m->state[m->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* Uniform in 0..max by masking and rejection. */
static uint32_t interval(bl_mt19937 *m, uint32_t max) {
    uint32_t mask = max;
    for (int shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
    for (;;) {
        uint32_t v = bl_mt19937_u32(m) & mask;
        if (v <= max) return v;
    }
}

void bl_mt19937_shuffle(bl_mt19937 *m, int32_t *v, int32_t n) {
    for (int32_t i = n - 1; i > 0; i--) {
        uint32_t j = interval(m, (uint32_t)i);
        int32_t t = v[i];
        v[i] = v[j];
        v[j] = t;
    }
}
