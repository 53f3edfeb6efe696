#include "balance/repeat_factor.h"

#include <math.h>
#include <stdlib.h>

#include "core/rng.h"

bl_status bl_classify_image_counts(const bl_image_classes *images, int n_classes, int64_t *counts) {
    /* last[c]: the image that counted c last, so that repetitions within an image count once. */
    int64_t *last = malloc((size_t)(n_classes > 0 ? n_classes : 1) * sizeof *last);
    if (!last) return bl_no_memory("for %d classes (class counts)", n_classes);
    for (int c = 0; c < n_classes; c++) {
        counts[c] = 0;
        last[c] = -1;
    }
    bl_status status = BL_OK;
    for (int64_t i = 0; i < images->n_images && status == BL_OK; i++) {
        for (int64_t k = images->offsets[i]; k < images->offsets[i + 1]; k++) {
            int32_t c = images->classes[k];
            if (c < 0 || c >= n_classes) {
                status = bl_fail(BL_EINVAL, "class counts: image %lld: class %d is not in [0, %d)",
                                 (long long)i, c, n_classes);
                break;
            }
            if (last[c] != i) counts[c]++;
            last[c] = i;
        }
    }
    free(last);
    return status;
}

void bl_repeat_factors(const int64_t *counts, int n_classes, double total, double tau, double *r) {
    for (int c = 0; c < n_classes; c++) {
        r[c] = counts[c] > 0 ? fmax(1, sqrt(tau / ((double)counts[c] / total))) : 1;
    }
}

void bl_image_factors(const bl_image_classes *images, const double *r, double *factors) {
    for (int64_t i = 0; i < images->n_images; i++) {
        factors[i] = 1;
        for (int64_t k = images->offsets[i]; k < images->offsets[i + 1]; k++) {
            factors[i] = fmax(factors[i], r[images->classes[k]]);
        }
    }
}

int64_t bl_repeat_copies(double factor, bl_rounding rounding, uint64_t seed, uint64_t epoch,
                         int64_t image) {
    if (rounding == BL_ROUND_CEIL) return (int64_t)ceil(factor);
    bl_rng rng = bl_rng_make(seed, bl_rng_key(0x52465321u, epoch, (uint64_t)image));
    double whole = floor(factor);
    return (int64_t)whole + (bl_rng_uniform(&rng) < factor - whole);
}

int64_t bl_repeat_list(const double *factors, int64_t n_images, bl_rounding rounding, uint64_t seed,
                       uint64_t epoch, int64_t *list) {
    int64_t n = 0;
    for (int64_t i = 0; i < n_images; i++) {
        int64_t copies = bl_repeat_copies(factors[i], rounding, seed, epoch, i);
        for (int64_t k = 0; k < copies; k++, n++) {
            if (list) list[n] = i;
        }
    }
    return n;
}
