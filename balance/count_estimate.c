#include "balance/count_estimate.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SWEEPS = 60 };

static double dot(const double *a, const double *b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void rotate(double *a, double *b, int n, double c, double s) {
    for (int i = 0; i < n; i++) {
        double x = a[i], y = b[i];
        a[i] = c * x - s * y;
        b[i] = s * x + c * y;
    }
}

/* Makes the k vectors in `a` orthogonal to each other; v takes the same rotations. */
static void orthogonalise(double *a, double *v, int k) {
    bool turned = true;
    for (int sweep = 0; turned && sweep < MAX_SWEEPS; sweep++) {
        turned = false;
        for (int p = 0; p < k; p++) {
            for (int q = p + 1; q < k; q++) {
                double *x = a + (size_t)p * (size_t)k, *y = a + (size_t)q * (size_t)k;
                double xx = dot(x, x, k), yy = dot(y, y, k), xy = dot(x, y, k);
                if (fabs(xy) <= 4 * DBL_EPSILON * sqrt(xx * yy)) continue;
                double zeta = (yy - xx) / (2 * xy);
                double t = copysign(1 / (fabs(zeta) + sqrt(1 + zeta * zeta)), zeta);
                double c = 1 / sqrt(1 + t * t);
                rotate(x, y, k, c, c * t);
                rotate(v + (size_t)p * (size_t)k, v + (size_t)q * (size_t)k, k, c, c * t);
                turned = true;
            }
        }
    }
}

bl_status bl_count_estimate(const double *mean, const double *sum, int k, double *counts,
                            double *condition) {
    size_t n = (size_t)k * (size_t)k;
    double *a = malloc(2 * n * sizeof *a), *v = a + n;
    if (!a) return bl_no_memory("for an estimate of %d counts", k);
    memcpy(a, mean, n * sizeof *a);
    for (size_t i = 0; i < n; i++) v[i] = i % ((size_t)k + 1) == 0;
    orthogonalise(a, v, k);
    double least = INFINITY, most = 0;
    for (int j = 0; j < k; j++) {
        double s = sqrt(dot(a + (size_t)j * (size_t)k, a + (size_t)j * (size_t)k, k));
        least = fmin(least, s);
        most = fmax(most, s);
    }
    *condition = least > most * k * DBL_EPSILON ? most / least : INFINITY;
    if (isfinite(*condition)) {
        memset(counts, 0, (size_t)k * sizeof *counts);
        for (int j = 0; j < k; j++) {
            const double *u = a + (size_t)j * (size_t)k, *w = v + (size_t)j * (size_t)k;
            double part = dot(u, sum, k) / dot(u, u, k);
            for (int i = 0; i < k; i++) counts[i] += part * w[i];
        }
    }
    free(a);
    return BL_OK;
}
