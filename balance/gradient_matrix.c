#include "balance/gradient_matrix.h"

#include <stdbool.h>
#include <stdlib.h>

struct bl_gradient_matrix {
    bl_gradient_config config;
    double *a; /* K x K */
};

bl_gradient_config bl_gradient_config_default(int n_classes, int64_t warmup) {
    return (bl_gradient_config){.n_classes = n_classes, .warmup = warmup, .decay = 0.999};
}

bl_status bl_gradient_matrix_create(const bl_gradient_config *c, bl_gradient_matrix **out) {
    *out = NULL;
    if (c->n_classes < 2 || c->n_classes > 1 << 15) {
        return bl_fail(BL_EINVAL, "gradient matrix: %d classes, must be 2 to 32768", c->n_classes);
    }
    if (c->warmup < 0 || !(c->decay >= 0 && c->decay < 1)) {
        return bl_fail(BL_EINVAL,
                       "gradient matrix: the warm-up must be >= 0 and the decay in [0, 1)");
    }
    size_t cells = (size_t)c->n_classes * (size_t)c->n_classes;
    bl_gradient_matrix *g = calloc(1, sizeof *g);
    double *a = calloc(cells, sizeof *a);
    if (!g || !a) {
        free(g);
        free(a);
        return bl_no_memory("for %d classes (gradient matrix)", c->n_classes);
    }
    *g = (bl_gradient_matrix){*c, a};
    *out = g;
    return BL_OK;
}

void bl_gradient_matrix_destroy(bl_gradient_matrix *g) {
    if (!g) return;
    free(g->a);
    free(g);
}

void bl_gradient_matrix_update(bl_gradient_matrix *g, const double *m, int64_t t) {
    int64_t cells = (int64_t)g->config.n_classes * g->config.n_classes;
    bool warm = t < g->config.warmup;
    double keep = warm ? (double)t / (double)(t + 1) : g->config.decay;
    double take = warm ? 1 / (double)(t + 1) : 1 - g->config.decay;
    for (int64_t i = 0; i < cells; i++) g->a[i] = keep * g->a[i] + take * m[i];
}

const double *bl_gradient_matrix_values(const bl_gradient_matrix *g) {
    return g->a;
}

double *bl_gradient_matrix_state(bl_gradient_matrix *g, int64_t *n) {
    *n = (int64_t)g->config.n_classes * g->config.n_classes;
    return g->a;
}
