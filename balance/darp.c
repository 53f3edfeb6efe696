#include "balance/darp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "balance/simplex.h"

enum { MAX_NEWTON = 100 };
static const double TINY = 1e-6, MAX_STEP = 5, E = 2.718281828459045;

/* ---- denoising ---- */

typedef struct {
    double v;
    int64_t row;
} entry;

/* Falling; equal ones in the order of their rows. */
static int by_value(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->v != y->v) return x->v < y->v ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

bl_status bl_darp_denoise(double *p, int64_t n, int k, const double *target, double alpha) {
    entry *column = malloc(sizeof *column * (size_t)(n > 0 ? n : 1));
    if (!column) return bl_no_memory("for %lld pseudo-labels", (long long)n);
    for (int c = 0; c < k; c++) {
        for (int64_t i = 0; i < n; i++) column[i] = (entry){p[i * k + c], i};
        qsort(column, (size_t)n, sizeof *column, by_value);
        double most = floor(alpha * target[c]), sum = 0;
        int64_t keep = most < (double)n ? (int64_t)most : n;
        for (int64_t i = 0; i < keep; i++) sum += column[i].v;
        double scale = (target[c] + TINY) / (sum + TINY);
        for (int64_t i = 0; i < n; i++)
            p[column[i].row * k + c] = i < keep ? column[i].v * scale : 0;
    }
    free(column);
    for (int64_t i = 0; i < n; i++) {
        for (int c = 0; c < k; c++) p[i * k + c] += TINY;
        bl_normalize(p + i * k, k);
    }
    return BL_OK;
}

/* ---- the alternation ---- */

typedef struct {
    int64_t n;
    int k;
    double *a;        /* [n][k] */
    double *rate, *x; /* [n]: 1 / w_n, which is the entropy of the row; X_n */
    double *nu;       /* [k] */
} dual;

/* The entropy as the authors compute it, kept above 0. */
static double row_entropy(const double *p, int k) {
    double h = 0;
    for (int c = 0; c < k; c++) h -= p[c] * log(p[c] + TINY);
    return h > TINY ? h : TINY;
}

static void solve_rows(dual *d) {
    for (int64_t i = 0; i < d->n; i++) {
        double sum = 0;
        for (int c = 0; c < d->k; c++) sum += d->a[i * d->k + c] * exp(-d->nu[c] * d->rate[i]);
        d->x[i] = 1 / sum;
    }
}

/* From the left Newton's method on a falling convex function goes steadily to the root; from the
 * right its first step lands left of it, and is kept short. */
static void solve_column(dual *d, int c, double target, double tolerance) {
    double nu = d->nu[c];
    for (int step = 0; step < MAX_NEWTON; step++) {
        double f = -target, slope = 0;
        for (int64_t i = 0; i < d->n; i++) {
            double v = d->a[i * d->k + c] * d->x[i] * exp(-nu * d->rate[i]);
            f += v;
            slope -= v * d->rate[i];
        }
        if (!(slope < 0)) break;
        double change = -f / slope;
        if (change > MAX_STEP) change = MAX_STEP;
        if (change < -MAX_STEP) change = -MAX_STEP;
        nu += change;
        if (fabs(change) < tolerance) break;
    }
    d->nu[c] = nu;
}

static bl_status check(const double *target, int k) {
    double sum = 0;
    for (int c = 0; c < k; c++) {
        if (!(target[c] >= 0) || !isfinite(target[c]))
            return bl_fail(BL_EINVAL, "class count %d is %g, expected a number from 0", c,
                           target[c]);
        sum += target[c];
    }
    return sum > 0 ? BL_OK : bl_fail(BL_EINVAL, "all class counts are 0");
}

bl_status bl_darp_refine(const bl_darp_config *cfg, const double *p, int64_t n, int k,
                         const double *target, double *r) {
    BL_TRY(check(target, k));
    size_t rows = (size_t)n, all = rows * (size_t)k;
    dual d = {n, k, r, NULL, NULL, NULL}; /* A is made where R will be */
    double *memory = malloc(sizeof *memory * (2 * rows + (size_t)k));
    if (!memory) return bl_no_memory("for %lld pseudo-labels", (long long)n);
    d.rate = memory;
    d.x = d.rate + rows;
    d.nu = d.x + rows;
    memcpy(r, p, sizeof *r * all);
    bl_status status = BL_OK;
    if (cfg->alpha > 0) status = bl_darp_denoise(r, n, k, target, cfg->alpha);
    if (status == BL_OK) {
        for (int64_t i = 0; i < n; i++) d.rate[i] = row_entropy(r + i * k, k);
        for (size_t i = 0; i < all; i++) r[i] /= E;
        for (int c = 0; c < k; c++) d.nu[c] = 1; /* the first X; the search starts from 0 */
        for (int t = 0; t < cfg->rounds; t++) {
            solve_rows(&d);
            for (int c = 0; c < k; c++) {
                if (t == 0) d.nu[c] = 0;
                solve_column(&d, c, target[c], cfg->tolerance);
            }
        }
        solve_rows(&d);
        for (int64_t i = 0; i < n; i++)
            for (int c = 0; c < k; c++) r[i * k + c] *= d.x[i] * exp(-d.nu[c] * d.rate[i]);
    }
    free(memory);
    return status;
}
