/* Random boxes and scores with every odd case: what the parity tests of RoIAlign, NMS and top-k
 * feed their kernels. */
#ifndef BALLAST_TESTS_DETECTION_INPUTS_H
#define BALLAST_TESTS_DETECTION_INPUTS_H

#include "tests/parity/kernels_parity.h"

static inline bl_box random_box(bl_rng *r, float size, int kind) {
    float x = bl_rng_range(r, -20, size), y = bl_rng_range(r, -20, size);
    float w = bl_rng_range(r, 0, size / 2), h = bl_rng_range(r, 0, size / 2);
    switch (kind) {
    case 0:
        w = h = 0;
        break; /* empty */
    case 1:
        w = -w;
        break; /* inverted */
    case 2:
        x += 3 * size;
        break; /* outside */
    case 3:
        x = y = -5 * size;
        w = h = 12 * size;
        break; /* far beyond the map */
    default:
        break;
    }
    return (bl_box){x, y, x + w, y + h};
}

static inline float tied_score(bl_rng *r) {
    uint32_t kind = bl_rng_u32(r) % 64;
    if (kind == 0) return NAN;
    if (kind == 1) return INFINITY;
    if (kind == 2) return -INFINITY;
    if (kind == 3) return -0.0f;
    return roundf(bl_rng_range(r, -20, 20)) / 20;
}

#endif
