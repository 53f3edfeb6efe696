#include <math.h>
#include <stdlib.h>

#include "balance/class_weights.h"

/* Relative size of the coupling that makes every chain irreducible; below the rounding of real
 * rates. */
static const double coupling = 1e-14;

/* Off-diagonal rates of the classes in `live`, as an n x n matrix. */
static void gather_rates(const double *a, int k, const int *live, int n, double *q) {
    double top = 0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            /* Rounding could leave a tiny negative rate; a true one does not exist. */
            double rate = i == j ? 0 : fmax(a[(int64_t)live[i] * k + live[j]], 0);
            q[(int64_t)i * n + j] = rate;
            top = fmax(top, rate);
        }
    }
    double extra = top > 0 ? top * coupling : 1;
    for (int64_t i = 0; i < (int64_t)n * n; i++) q[i] += extra;
}

/* Grassmann-Taksar-Heyman elimination; x gets an unnormalised stationary vector, x[0] = 1. */
static void eliminate(double *q, int n, double *x) {
    for (int s = n - 1; s > 0; s--) {
        const double *from = q + (int64_t)s * n;
        double out = 0;
        for (int j = 0; j < s; j++) out += from[j];
        for (int i = 0; i < s; i++) {
            double *row = q + (int64_t)i * n;
            row[s] /= out;
            for (int j = 0; j < s; j++) row[j] += row[s] * from[j];
        }
    }
    x[0] = 1;
    for (int s = 1; s < n; s++) {
        x[s] = 0;
        for (int i = 0; i < s; i++) x[s] += x[i] * q[(int64_t)i * n + s];
    }
}

bl_status bl_stationary_weights(const double *a, int k, double guard, double cap, double *w) {
    for (int64_t i = 0; i < (int64_t)k * k; i++) {
        if (!isfinite(a[i])) {
            return bl_fail(BL_ENUMERIC,
                           "class weights: the gradient matrix is not finite at [%d][%d]",
                           (int)(i / k), (int)(i % k));
        }
    }
    int *live = malloc((size_t)k * sizeof *live);
    double *q = malloc((size_t)k * (size_t)k * sizeof *q), *x = malloc((size_t)k * sizeof *x);
    bl_status status = live && q && x ? BL_OK : bl_fail(BL_ENOMEM, "class weights: out of memory");
    int n = 0;
    for (int j = 0; j < k && status == BL_OK; j++) {
        if (-a[(int64_t)j * k + j] > guard) {
            live[n++] = j;
        } else {
            w[j] = cap;
        }
    }
    if (status == BL_OK && n > 0) {
        gather_rates(a, k, live, n, q);
        eliminate(q, n, x);
        double sum = 0;
        for (int i = 0; i < n; i++) sum += x[i];
        for (int i = 0; i < n; i++) w[live[i]] = x[i] * n / sum;
    }
    free(live), free(q), free(x);
    return status;
}
