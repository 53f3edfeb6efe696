#include <math.h>
#include <string.h>

#include "kernels/ref/ref.h"

static double dot(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t q = 0; q < n; q++) sum += (double)a[q] * b[q];
    return sum;
}

static void add(double a, const float *x, float *y, int64_t n) {
    for (int64_t q = 0; q < n; q++) y[q] += (float)(a * x[q]);
}

/* Rows of unit length, each followed by its norm, negative where it was too small to divide by. */
static void to_units(const float *e, int64_t n, int64_t d, float *unit) {
    const double least = 1e-8;
    for (int64_t i = 0; i < n; i++, e += d, unit += d + 1) {
        double norm = sqrt(dot(e, e, d));
        for (int64_t q = 0; q < d; q++) unit[q] = (float)(e[q] / fmax(norm, least));
        unit[d] = (float)(norm > least ? norm : -least);
    }
}

/* The gradient with respect to unit rows becomes the one with respect to the rows. */
static void from_units(const float *unit, int64_t n, int64_t d, float *g) {
    for (int64_t i = 0; i < n; i++, g += d, unit += d + 1) {
        double along = unit[d] > 0 ? dot(unit, g, d) : 0;
        for (int64_t q = 0; q < d; q++) g[q] = (float)((g[q] - along * unit[q]) / fabsf(unit[d]));
    }
}

/* Over all pairs (m, j), m a row of class c and j a negative of c: the mean of exp(cos / T); with
 * slope != 0 also adds slope times the mean's gradient. */
static double negatives(const bl_contrast_rows *a, const float *unit, int64_t c, double slope,
                        float *g) {
    const float *mask = a->negative + c * a->n;
    int64_t members = 0, others = 0, row = a->d + 1;
    double sum = 0, t = (double)a->negative_temperature;
    for (int64_t i = 0; i < a->n; i++) members += a->label[i] == c, others += mask[i] != 0;
    double share = 1 / ((double)members * (double)others);
    for (int64_t m = 0; m < a->n; m++) {
        if (a->label[m] != c) continue;
        for (int64_t j = 0; j < a->n; j++) {
            if (mask[j] == 0) continue;
            const float *um = unit + m * row, *uj = unit + j * row;
            double x = exp(dot(um, uj, a->d) / t);
            sum += x;
            if (slope == 0) continue;
            add(slope * share * x / t, uj, g + m * a->d, a->d);
            add(slope * share * x / t, um, g + j * a->d, a->d);
        }
    }
    return sum * share;
}

static double contrast(const float *e, const bl_contrast_rows *a, float *unit, float *g) {
    const double tiny = 1e-8;
    double total = 0, factor = (double)a->negative_factor;
    to_units(e, a->n, a->d, unit);
    memset(g, 0, (size_t)(a->n * a->d) * sizeof *g);
    for (int64_t c = 0; c < a->k; c++) {
        const float *centre = a->centre + c * a->d;
        double weight = 0, slope = 0, t = (double)a->temperature[c];
        for (int64_t i = 0; i < a->n; i++) weight += a->label[i] == c ? (double)a->weight[i] : 0;
        if (weight == 0) continue;
        double negative = factor * negatives(a, unit, c, 0, NULL);
        double length = fmax(sqrt(dot(centre, centre, a->d)), tiny);
        for (int64_t i = 0; i < a->n; i++) {
            if (a->label[i] != c || a->weight[i] == 0) continue;
            const float *u = unit + i * (a->d + 1);
            double w = (double)a->weight[i], pos = exp(dot(u, centre, a->d) / length / t);
            double all = pos + negative + tiny;
            total += w * (log(all) - log(pos));
            slope += w * factor / all;
            add(w * (pos / all - 1) / (t * length), centre, g + i * a->d, a->d);
        }
        negatives(a, unit, c, slope, g);
    }
    from_units(unit, a->n, a->d, g);
    return total;
}

void bl_ref_contrast(bl_kernels *k) {
    k->contrast = contrast;
}
