#include "balance/contrast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double least_norm = 1e-8, tiny = 1e-8;

/* Rows scaled to unit length, what they were divided by, and the gradient with respect to them. */
typedef struct units {
    double *u, *norm, *g;
} units;

static double dot(const double *a, const double *b, int n) {
    double sum = 0;
    for (int d = 0; d < n; d++) sum += a[d] * b[d];
    return sum;
}

static void add(double a, const double *x, double *y, int n) {
    for (int d = 0; d < n; d++) y[d] += a * x[d];
}

/* u = x / max(|x|, least_norm); returns the divisor, negative where it is the least one. */
static double unit(const float *x, int dim, double *u) {
    double square = 0;
    for (int d = 0; d < dim; d++) square += (double)x[d] * x[d];
    double norm = sqrt(square) > least_norm ? sqrt(square) : -least_norm;
    for (int d = 0; d < dim; d++) u[d] = x[d] / fabs(norm);
    return norm;
}

/* neg_c, and with slope != 0 slope times its gradient. */
static double negatives(const bl_contrast *a, int c, double slope, units *r) {
    const uint8_t *mask = a->negative + c * a->n;
    int64_t members = 0, others = 0;
    double sum = 0, t = a->negative_temperature;
    for (int64_t i = 0; i < a->n; i++) {
        members += a->label[i] == c;
        others += mask[i];
    }
    double share = 1 / ((double)members * (double)others);
    for (int64_t m = 0; m < a->n; m++) {
        if (a->label[m] != c) continue;
        for (int64_t j = 0; j < a->n; j++) {
            if (!mask[j]) continue;
            const double *um = r->u + m * a->dim, *uj = r->u + j * a->dim;
            double x = exp(dot(um, uj, a->dim) / t);
            sum += x;
            if (slope == 0) continue;
            add(slope * share * x / t, uj, r->g + m * a->dim, a->dim);
            add(slope * share * x / t, um, r->g + j * a->dim, a->dim);
        }
    }
    return sum * share;
}

/* The summed loss of class c and its gradient, for a row weight of weight[i] / total. */
static double class_loss(const bl_contrast *a, int c, double total, const double *centre,
                         units *r) {
    double negative = a->factor * negatives(a, c, 0, r), loss = 0, slope = 0;
    double t = a->temperature[c];
    for (int64_t i = 0; i < a->n; i++) {
        if (a->label[i] != c || a->weight[i] == 0) continue;
        double w = a->weight[i] / total;
        double pos = exp(dot(r->u + i * a->dim, centre, a->dim) / t);
        double all = pos + negative + tiny;
        loss += w * (log(all) - log(pos));
        slope += w * a->factor / all;
        add(w * (pos / all - 1) / t, centre, r->g + i * a->dim, a->dim);
    }
    negatives(a, c, slope, r);
    return loss;
}

/* The weight of a class's rows in the loss: 0 without a centre or without a negative. */
static double class_weight(const bl_contrast *a, int c) {
    double weight = 0;
    int64_t others = 0;
    for (int64_t i = 0; i < a->n; i++) {
        weight += a->label[i] == c ? a->weight[i] : 0;
        others += a->negative[c * a->n + i];
    }
    return a->present[c] && others > 0 ? weight : 0;
}

static bl_status check(const bl_contrast *a) {
    if (!(a->negative_temperature > 0 && a->factor >= 0) || a->n_classes < 1 || a->dim < 1) {
        return bl_fail(BL_EINVAL,
                       "contrast: %d classes, rows of %d, temperature %g and factor %g are not "
                       "possible",
                       a->n_classes, a->dim, a->negative_temperature, a->factor);
    }
    for (int c = 0; c < a->n_classes; c++) {
        if (!(a->temperature[c] > 0)) {
            return bl_fail(BL_EINVAL, "contrast: the temperature of class %d is %g", c,
                           a->temperature[c]);
        }
    }
    for (int64_t i = 0; i < a->n; i++) {
        if (a->label[i] < 0 || a->label[i] >= a->n_classes) {
            return bl_fail(BL_EINVAL, "contrast: label %d of row %lld is not in [0, %d)",
                           a->label[i], (long long)i, a->n_classes);
        }
    }
    return BL_OK;
}

bl_status bl_contrast_loss(const bl_contrast *a, const float *e, double *loss, float *gradient) {
    BL_TRY(check(a));
    *loss = 0;
    size_t n = (size_t)a->n, dim = (size_t)a->dim;
    double *block = calloc(n * (2 * dim + 1) + dim, sizeof *block);
    if (!block) return bl_no_memory("for %zu rows (contrast)", n);
    units r = {block, block + n * dim, block + n * dim + n};
    double *centre = r.g + n * dim, total = tiny;
    for (int64_t i = 0; i < a->n; i++) {
        r.norm[i] = unit(e + i * a->dim, a->dim, r.u + i * a->dim);
    }
    for (int c = 0; c < a->n_classes; c++) total += class_weight(a, c);
    for (int c = 0; c < a->n_classes; c++) {
        if (class_weight(a, c) == 0) continue;
        unit(a->centre + (int64_t)c * a->dim, a->dim, centre);
        *loss += class_loss(a, c, total, centre, &r);
    }
    /* From the gradient of unit rows to that of the rows: what points along the row is lost. */
    for (int64_t i = 0; i < a->n; i++) {
        const double *u = r.u + i * a->dim, *g = r.g + i * a->dim;
        double along = r.norm[i] > 0 ? dot(u, g, a->dim) : 0;
        for (int d = 0; d < a->dim; d++) {
            gradient[i * a->dim + d] = (float)((g[d] - along * u[d]) / fabs(r.norm[i]));
        }
    }
    free(block);
    return BL_OK;
}
