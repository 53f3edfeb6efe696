#include "balance/weighted_sampling.h"

#include <stdlib.h>

#include "core/rng.h"

static bl_status check_labels(const char *what, const int32_t *labels, int64_t n, int n_classes) {
    if (n < 1 || n > INT32_MAX) {
        return bl_fail(BL_EINVAL, "%s: %lld samples to draw from", what, (long long)n);
    }
    for (int64_t i = 0; i < n; i++) {
        if (labels[i] < 0 || labels[i] >= n_classes) {
            return bl_fail(BL_EINVAL, "%s: label %d of sample %lld is not in [0, %d)", what,
                           labels[i], (long long)i, n_classes);
        }
    }
    return BL_OK;
}

bl_status bl_weighted_draws(const int32_t *labels, int64_t n, const double *class_weight,
                            int n_classes, uint64_t seed, uint64_t epoch, int64_t draws,
                            int64_t *list) {
    BL_TRY(check_labels("weighted sampling", labels, n, n_classes));
    double *sum = malloc((size_t)n * sizeof *sum), total = 0;
    if (!sum) return bl_no_memory("for the weighted sampling");
    bl_status status = BL_OK;
    for (int64_t i = 0; i < n && status == BL_OK; i++) {
        double w = class_weight[labels[i]];
        if (!(w >= 0)) {
            status =
                bl_fail(BL_EINVAL, "weighted sampling: class %d has the weight %g", labels[i], w);
        }
        sum[i] = total += w;
    }
    if (status == BL_OK && !(total > 0)) {
        status = bl_fail(BL_EINVAL, "weighted sampling: all weights are zero");
    }
    bl_rng rng = bl_rng_make(seed, bl_rng_key(0x77736d70, epoch, 0));
    for (int64_t j = 0; j < draws && status == BL_OK; j++) {
        /* 48 bits, so that large sets have no samples that can never be hit. */
        uint64_t high = bl_rng_u32(&rng) >> 8, low = bl_rng_u32(&rng) >> 8;
        double at = (double)(high << 24 | low) * 0x1p-48 * total;
        int64_t lo = 0, hi = n - 1; /* the first i with sum[i] > at */
        while (lo < hi) {
            int64_t mid = lo + (hi - lo) / 2;
            if (sum[mid] > at) {
                hi = mid;
            } else {
                lo = mid + 1;
            }
        }
        list[j] = lo;
    }
    free(sum);
    return status;
}

/* A list that is gone through in shuffled order, again and again. */
typedef struct cycle {
    int32_t *items;
    int64_t n, at;
} cycle;

static int32_t cycle_next(cycle *c, bl_rng *rng) {
    if (c->at == c->n) c->at = 0;
    if (c->at == 0) bl_rng_shuffle(rng, c->items, c->n);
    return c->items[c->at++];
}

bl_status bl_class_aware_draws(const int32_t *labels, int64_t n, int n_classes, int per_class,
                               uint64_t seed, uint64_t epoch, int64_t draws, int64_t *list) {
    BL_TRY(check_labels("class-aware sampling", labels, n, n_classes));
    if (per_class < 1) {
        return bl_fail(BL_EINVAL, "class-aware sampling: %d samples a class drawn", per_class);
    }
    int32_t *items = malloc(((size_t)n + (size_t)n_classes) * sizeof *items);
    cycle *samples = calloc((size_t)n_classes, sizeof *samples);
    if (!items || !samples) {
        free(items);
        free(samples);
        return bl_no_memory("for the class-aware sampling");
    }
    for (int64_t i = 0; i < n; i++) samples[labels[i]].n++;
    cycle classes = {items + n, 0, 0};
    int64_t start = 0;
    for (int k = 0; k < n_classes; k++) {
        samples[k].items = items + start;
        start += samples[k].n;
        if (samples[k].n > 0) classes.items[classes.n++] = k;
        samples[k].n = 0;
    }
    for (int64_t i = 0; i < n; i++) {
        cycle *s = &samples[labels[i]];
        s->items[s->n++] = (int32_t)i;
    }
    bl_rng rng = bl_rng_make(seed, bl_rng_key(0x636c7361, epoch, 0));
    for (int64_t j = 0; j < draws;) {
        int32_t k = cycle_next(&classes, &rng);
        for (int m = 0; m < per_class && j < draws; m++) {
            list[j++] = cycle_next(&samples[k], &rng);
        }
    }
    free(items);
    free(samples);
    return BL_OK;
}
