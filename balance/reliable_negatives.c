#include "balance/reliable_negatives.h"

#include <math.h>

/* Place of class c among the probabilities of a row, 0 = most probable. */
static int rank_of(const double *p, int n_classes, int c) {
    int rank = 0;
    for (int k = 0; k < n_classes; k++) rank += p[k] > p[c] || (p[k] == p[c] && k < c);
    return rank;
}

bl_status bl_reliable_negatives(const int32_t *labels, const double *p, int64_t n, int n_classes,
                                int top, uint8_t *negative) {
    if (top < 1 || top > n_classes) {
        return bl_fail(BL_EINVAL, "reliable negatives: the top %d of %d classes are not possible",
                       top, n_classes);
    }
    for (int64_t i = 0; i < n; i++) {
        if (labels[i] < -1 || labels[i] >= n_classes) {
            return bl_fail(BL_EINVAL,
                           "reliable negatives: label %d of sample %lld is not in "
                           "[-1, %d)",
                           labels[i], (long long)i, n_classes);
        }
        for (int c = 0; c < n_classes; c++) {
            negative[c * n + i] =
                labels[i] >= 0 ? labels[i] != c : rank_of(p + i * n_classes, n_classes, c) >= top;
        }
    }
    return BL_OK;
}

void bl_balanced_temperatures(const int64_t *counts, int n_classes, double tau0, double eta,
                              double progress, double *tau) {
    int64_t most = 0;
    for (int c = 0; c < n_classes; c++) {
        if (counts[c] > most) most = counts[c];
    }
    double left = 1 - fmin(fmax(progress, 0), 1);
    for (int c = 0; c < n_classes; c++) {
        double share = most > 0 ? (double)counts[c] / (double)most : 0;
        tau[c] = tau0 * (1 - left * left * eta * sqrt(share));
    }
}
