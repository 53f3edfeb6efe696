#include "balance/class_prior.h"

#include <math.h>

#include "balance/simplex.h"

bl_status bl_class_prior(const int64_t *counts, int n_classes, double *pi) {
    double sum = 0;
    for (int k = 0; k < n_classes; k++) {
        if (counts[k] < 0) {
            return bl_fail(BL_EINVAL, "class prior: class %d has the negative count %lld", k,
                           (long long)counts[k]);
        }
        sum += (double)counts[k];
    }
    if (sum == 0) return bl_fail(BL_EINVAL, "class prior: no class has a sample");
    for (int k = 0; k < n_classes; k++) pi[k] = (double)counts[k] / sum;
    return BL_OK;
}

void bl_prior_power(const double *pi, int n_classes, double exponent, double *out) {
    for (int k = 0; k < n_classes; k++) out[k] = pow(pi[k], exponent);
    bl_normalize(out, n_classes);
}

void bl_classes_by_count(const int64_t *counts, int n_classes, int32_t *order) {
    for (int k = 0; k < n_classes; k++) { /* insertion sort: stable, a few hundred classes */
        int at = k;
        for (; at > 0 && counts[order[at - 1]] < counts[k]; at--) order[at] = order[at - 1];
        order[at] = k;
    }
}

double bl_effective_number(int64_t count, double beta) {
    /* expm1 keeps the digits of 1 - beta^n for beta close to 1 and small n. */
    if (count <= 0) return 0;
    if (beta == 0) return 1;
    return -expm1((double)count * log(beta)) / (1 - beta);
}

bl_status bl_class_balanced_weights(const int64_t *counts, int n_classes, double beta, double *w) {
    if (!(beta >= 0 && beta < 1)) {
        return bl_fail(BL_EINVAL, "class-balanced weights: beta is %g, it must lie in [0, 1)",
                       beta);
    }
    double sum = 0;
    int present = 0;
    for (int k = 0; k < n_classes; k++) {
        double e = bl_effective_number(counts[k], beta);
        w[k] = e > 0 ? 1 / e : 0;
        sum += w[k];
        present += e > 0;
    }
    if (!present) return bl_fail(BL_EINVAL, "class-balanced weights: no class has a sample");
    for (int k = 0; k < n_classes; k++) w[k] *= present / sum;
    return BL_OK;
}

bl_status bl_deferred_weights(const int64_t *counts, int n_classes, double beta, int64_t epoch,
                              int64_t start, double *w) {
    if (epoch >= start) return bl_class_balanced_weights(counts, n_classes, beta, w);
    for (int k = 0; k < n_classes; k++) w[k] = 1;
    return BL_OK;
}
