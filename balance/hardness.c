#include "balance/hardness.h"

#include <math.h>

#include "balance/simplex.h"

void bl_hardness_weights(const double *p, int64_t n, int n_classes, double s, double *w) {
    for (int64_t i = 0; i < n; i++) {
        w[i] = s * bl_entropy(p + i * n_classes, n_classes) / log(n_classes) + 1 - s;
    }
}
