#include "balance/balance_mask.h"

#include <math.h>
#include <stdbool.h>

#include "core/rng.h"

bl_status bl_balance_rates(const int64_t *counts, int n_classes, double *keep) {
    int64_t least = INT64_MAX;
    for (int k = 0; k < n_classes; k++) {
        if (counts[k] < 1) {
            return bl_fail(BL_EINVAL,
                           "balance mask: class %d has no labelled sample, so no sampling rate "
                           "can equal its frequency; remove the class or give it a sample",
                           k);
        }
        if (counts[k] < least) least = counts[k];
    }
    for (int k = 0; k < n_classes; k++) keep[k] = (double)least / (double)counts[k];
    return BL_OK;
}

void bl_balance_anneal(const double *rates, int n_classes, double progress, double *keep) {
    progress = fmin(fmax(progress, 0), 1);
    for (int k = 0; k < n_classes; k++) keep[k] = 1 - progress * (1 - rates[k]);
}

void bl_balance_mask(const double *keep, int n_classes, const int32_t *labels, int64_t n,
                     uint64_t seed, uint64_t step, uint64_t stream, uint8_t *mask) {
    for (int64_t i = 0; i < n; i++) {
        bl_rng rng = bl_rng_make(seed, bl_rng_key(stream, step, (uint64_t)i));
        bool known = labels[i] >= 0 && labels[i] < n_classes;
        mask[i] = known && bl_rng_uniform(&rng) < keep[labels[i]];
    }
}
