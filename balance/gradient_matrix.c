#include "balance/gradient_matrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bl_gradient_matrix {
    bl_gradient_config config;
    double *a, *scratch; /* K x K each */
};

bl_gradient_config bl_gradient_config_default(int n_classes, int64_t warmup) {
    return (bl_gradient_config){.n_classes = n_classes,
                                .focal = true,
                                .exponent = 1,
                                .offset = 1e-5,
                                .scale = 100,
                                .warmup = warmup,
                                .decay = 0.999};
}

bl_status bl_gradient_matrix_create(const bl_gradient_config *c, bl_gradient_matrix **out) {
    *out = NULL;
    if (c->n_classes < 2 || c->n_classes > 1 << 15) {
        return bl_fail(BL_EINVAL, "gradient matrix: %d classes, must be 2 to 32768", c->n_classes);
    }
    if (!(c->exponent >= 0) || !(c->offset >= 0) || !(c->scale > 0) || c->warmup < 0 ||
        !(c->decay >= 0 && c->decay < 1)) {
        return bl_fail(BL_EINVAL, "gradient matrix: exponent, offset and warm-up must be >= 0, the "
                                  "scale > 0 and the decay in [0, 1)");
    }
    size_t cells = (size_t)c->n_classes * (size_t)c->n_classes;
    bl_gradient_matrix *g = calloc(1, sizeof *g);
    double *both = calloc(2 * cells, sizeof *both);
    if (!g || !both) {
        free(g), free(both);
        return bl_fail(BL_ENOMEM, "gradient matrix: out of memory for %d classes", c->n_classes);
    }
    *g = (bl_gradient_matrix){*c, both, both + cells};
    *out = g;
    return BL_OK;
}

void bl_gradient_matrix_destroy(bl_gradient_matrix *g) {
    if (!g) return;
    free(g->a);
    free(g);
}

double bl_focal_loss(bool focal, double e, double t) {
    return (focal ? pow(fmax(1 - t, 0), e) : 1) * -log(t);
}

double bl_focal_slope(bool focal, double e, double t) {
    if (!focal || e == 0) return 1 / t;
    double rest = fmax(1 - t, 0);
    /* (1-t)^(e-1) ln t -> 0 as t -> 1 for every e > 0, but 0^(e-1) alone is infinite for e < 1. */
    double second = rest > 0 ? e * pow(rest, e - 1) * log(t) : 0;
    return pow(rest, e) / t - second;
}

/* softmax(z) + offset; false when a logit is not finite. */
static bool softmax(const float *z, int k, double offset, double *p) {
    double top = -INFINITY, sum = 0;
    for (int j = 0; j < k; j++) {
        if (!isfinite(z[j])) return false;
        if (z[j] > top) top = z[j];
    }
    for (int j = 0; j < k; j++) sum += p[j] = exp(z[j] - top);
    for (int j = 0; j < k; j++) p[j] = p[j] / sum + offset;
    return true;
}

bl_status bl_gradient_matrix_measure(const bl_gradient_matrix *g, const float *logits,
                                     const int32_t *labels, const float *weights, int64_t n,
                                     double lambda, double *m) {
    const bl_gradient_config *c = &g->config;
    int k = c->n_classes;
    memset(m, 0, (size_t)k * (size_t)k * sizeof *m);
    if (n <= 0) return BL_OK;
    double *p = malloc((size_t)k * sizeof *p);
    if (!p) return bl_fail(BL_ENOMEM, "gradient matrix: out of memory");
    bl_status status = BL_OK;
    for (int64_t i = 0; i < n && status == BL_OK; i++) {
        int32_t y = labels[i];
        double v = weights ? weights[i] : 1;
        if (y < 0 || y >= k) {
            status = bl_fail(BL_EINVAL, "gradient matrix: sample %lld: label %d is not in [0, %d)",
                             (long long)i, y, k);
        } else if (!softmax(logits + i * k, k, c->offset, p) || !isfinite(v)) {
            status =
                bl_fail(BL_ENUMERIC, "gradient matrix: sample %lld: logit or weight not finite",
                        (long long)i);
        } else {
            double t = p[y];
            double s =
                c->scale * lambda * v * bl_focal_slope(c->focal, c->exponent, t) * t / (double)n;
            double *row = m + (int64_t)y * k;
            double own = row[y] - s * (1 - t);
            for (int j = 0; j < k; j++) row[j] += s * p[j];
            row[y] = own;
        }
    }
    free(p);
    return status;
}

void bl_gradient_matrix_update(bl_gradient_matrix *g, const double *m, int64_t t) {
    int64_t cells = (int64_t)g->config.n_classes * g->config.n_classes;
    bool warm = t < g->config.warmup;
    double keep = warm ? (double)t / (double)(t + 1) : g->config.decay;
    double take = warm ? 1 / (double)(t + 1) : 1 - g->config.decay;
    for (int64_t i = 0; i < cells; i++) g->a[i] = keep * g->a[i] + take * m[i];
}

bl_status bl_gradient_matrix_add(bl_gradient_matrix *g, const float *logits, const int32_t *labels,
                                 const float *weights, int64_t n, double lambda, int64_t t) {
    BL_TRY(bl_gradient_matrix_measure(g, logits, labels, weights, n, lambda, g->scratch));
    bl_gradient_matrix_update(g, g->scratch, t);
    return BL_OK;
}

const double *bl_gradient_matrix_values(const bl_gradient_matrix *g) {
    return g->a;
}

double *bl_gradient_matrix_state(bl_gradient_matrix *g, int64_t *n) {
    *n = (int64_t)g->config.n_classes * g->config.n_classes;
    return g->a;
}
