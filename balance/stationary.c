#include <math.h>
#include <stdlib.h>

#include "balance/class_weights.h"

/* Relative to the smallest rate: the coupling that makes a chain irreducible where it is not. */
static const double coupling = 1e-10;

/* The rate that makes row `i` of A sum to zero over all classes, for its last entry. */
static double closing_rate(const double *row, int k, int i) {
    double rate = 0;
    for (int j = 0; j < k - 1; j++) rate -= row[j];
    return i == k - 1 ? 0 : rate;
}

/* Rates among the classes in `live`, as an n x n matrix. `couple` adds a uniform tiny rate. */
static void gather_rates(const double *a, int k, bool background, const int *live, int n,
                         bool couple, double *q) {
    double top = 0, least = INFINITY;
    for (int i = 0; i < n; i++) {
        const double *row = a + (int64_t)live[i] * k;
        for (int j = 0; j < n; j++) {
            bool closing = background && live[j] == k - 1;
            double rate = closing ? closing_rate(row, k, live[i]) : row[live[j]];
            /* Rounding could leave a tiny negative rate; a true one does not exist. */
            rate = i == j ? 0 : fmax(rate, 0);
            q[(int64_t)i * n + j] = rate;
            top = fmax(top, rate);
            if (rate > 0) least = fmin(least, rate);
        }
    }
    if (!couple) return;
    double extra = top > 0 ? coupling * fmax(least, 1e-200 * top) : 1;
    for (int64_t i = 0; i < (int64_t)n * n; i++) q[i] += extra;
}

/* Grassmann-Taksar-Heyman elimination; x gets an unnormalised stationary vector, x[0] = 1. False
 * when a class has no way out to those before it: then the vector is not unique. */
static bool eliminate(double *q, int n, double *x) {
    for (int s = n - 1; s > 0; s--) {
        const double *from = q + (int64_t)s * n;
        double out = 0;
        for (int j = 0; j < s; j++) out += from[j];
        if (!(out > 0)) return false;
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
    return true;
}

bl_status bl_stationary_weights(const double *a, int k, bool background, double guard, double cap,
                                double *w) {
    for (int64_t i = 0; i < (int64_t)k * k; i++) {
        if (!isfinite(a[i])) {
            return bl_fail(BL_ENUMERIC,
                           "class weights: the gradient matrix is not finite at [%d][%d]",
                           (int)(i / k), (int)(i % k));
        }
    }
    int *live = malloc((size_t)k * sizeof *live);
    double *q = malloc((size_t)k * (size_t)k * sizeof *q), *x = malloc((size_t)k * sizeof *x);
    bl_status status = live && q && x ? BL_OK : bl_no_memory("for the class weights");
    int n = 0;
    for (int j = 0; j < k && status == BL_OK; j++) {
        if (-a[(int64_t)j * k + j] > guard) {
            live[n++] = j;
        } else {
            w[j] = cap;
        }
    }
    if (status == BL_OK && n > 0) {
        gather_rates(a, k, background, live, n, false, q);
        if (!eliminate(q, n, x)) {
            gather_rates(a, k, background, live, n, true, q);
            eliminate(q, n, x);
        }
        double sum = 0;
        for (int i = 0; i < n; i++) sum += x[i];
        if (!isfinite(sum)) {
            status = bl_fail(BL_ENUMERIC, "class weights: the rates differ too much to be solved");
        }
        for (int i = 0; i < n; i++) w[live[i]] = x[i] / sum * n;
    }
    free(live);
    free(q);
    free(x);
    return status;
}
