#include "balance/simplex.h"

#include <math.h>

void bl_softmax_rows(const float *logits, int64_t n, int n_classes, const double *offset,
                     double temperature, double *p) {
    for (int64_t i = 0; i < n; i++, logits += n_classes, p += n_classes) {
        double top = -INFINITY, sum = 0;
        for (int k = 0; k < n_classes; k++) {
            p[k] = (logits[k] + (offset ? offset[k] : 0)) / temperature;
            if (p[k] > top) top = p[k];
        }
        for (int k = 0; k < n_classes; k++) sum += p[k] = exp(p[k] - top);
        for (int k = 0; k < n_classes; k++) p[k] /= sum;
    }
}

int bl_argmax(const double *row, int n_classes) {
    int best = 0;
    for (int k = 1; k < n_classes; k++) {
        if (row[k] > row[best]) best = k;
    }
    return best;
}

void bl_argmax_rows(const double *p, int64_t n, int n_classes, int32_t *label, double *top) {
    for (int64_t i = 0; i < n; i++, p += n_classes) {
        int best = bl_argmax(p, n_classes);
        if (label) label[i] = best;
        if (top) top[i] = p[best];
    }
}

double bl_entropy(const double *p, int n_classes) {
    const double floor = 1e-8;
    double h = 0;
    for (int k = 0; k < n_classes; k++) {
        double q = fmin(fmax(p[k], floor), 1 - floor);
        h -= q * log(q);
    }
    return h;
}

void bl_normalize(double *p, int n) {
    double sum = 0;
    for (int k = 0; k < n; k++) sum += p[k];
    if (!(sum > 0)) return;
    for (int k = 0; k < n; k++) p[k] /= sum;
}

void bl_sharpen_rows(double *p, int64_t n, int n_classes, double temperature) {
    for (int64_t i = 0; i < n; i++, p += n_classes) {
        double top = p[bl_argmax(p, n_classes)];
        if (!(top > 0)) continue;
        for (int k = 0; k < n_classes; k++) p[k] = pow(p[k] / top, 1 / temperature);
        bl_normalize(p, n_classes);
    }
}
