#include <stdlib.h>
#include <string.h>

#include "kernels/ref/ref.h"
#include "kernels/shared/class_gradient.h"

/* The probabilities of one row; false when a logit is not finite. */
static bool probabilities(const float *z, int64_t k, double offset, double *p) {
    float top = -INFINITY;
    for (int64_t j = 0; j < k; j++) {
        if (!isfinite(z[j])) return false;
        if (z[j] > top) top = z[j];
    }
    double sum = 0;
    for (int64_t j = 0; j < k; j++) sum += p[j] = exp((double)z[j] - top);
    for (int64_t j = 0; j < k; j++) p[j] = p[j] / sum + offset;
    return true;
}

static bl_status class_gradients(const float *logits, int64_t n, int64_t k, const int32_t *label,
                                 const float *weight, const bl_class_gradient_attr *a, double *m) {
    double *p = malloc((size_t)k * sizeof *p);
    if (!p) return bl_no_memory("for %lld classes (class gradients)", (long long)k);
    memset(m, 0, (size_t)k * (size_t)k * sizeof *m);
    int64_t rows = 0;
    for (int64_t i = 0; i < n; i++) rows += label[i] >= 0;
    for (int64_t i = 0; i < n; i++) {
        if (label[i] < 0) continue;
        double *row = m + label[i] * k;
        if (!probabilities(logits + i * k, k, a->offset, p)) {
            row[label[i]] = NAN;
            continue;
        }
        double t = p[label[i]], s = bl_class_push(a, t, weight ? weight[i] : 1, rows);
        double own = row[label[i]] - s * (1 - t);
        for (int64_t j = 0; j < k; j++) row[j] += s * p[j];
        row[label[i]] = own;
    }
    free(p);
    return BL_OK;
}

void bl_ref_class_gradients(bl_kernels *k) {
    k->class_gradients = class_gradients;
}
