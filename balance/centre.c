#include "balance/centre.h"

#include <stdlib.h>

#include "balance/simplex.h"

struct bl_centre {
    int dim;
    double momentum;
    double *at, *minus; /* one block: the centre, and its negative for bl_softmax_rows */
};

bl_status bl_centre_create(int dim, double momentum, bl_centre **out) {
    *out = NULL;
    if (dim < 1 || !(momentum >= 0 && momentum <= 1)) {
        return bl_fail(BL_EINVAL,
                       "centre: %d coordinates, momentum %g; at least 1 and a momentum in [0, 1] "
                       "are needed",
                       dim, momentum);
    }
    bl_centre *c = calloc(1, sizeof *c);
    double *block = calloc(2 * (size_t)dim, sizeof *block);
    if (!c || !block) {
        free(c);
        free(block);
        return bl_no_memory("for %d coordinates (centre)", dim);
    }
    *c = (bl_centre){dim, momentum, block, block + dim};
    *out = c;
    return BL_OK;
}

void bl_centre_destroy(bl_centre *c) {
    if (!c) return;
    free(c->at);
    free(c);
}

void bl_centre_teacher(const bl_centre *c, const float *e, int64_t n, double temperature,
                       double *p) {
    for (int d = 0; d < c->dim; d++) c->minus[d] = -c->at[d];
    bl_softmax_rows(e, n, c->dim, c->minus, temperature, p);
}

void bl_centre_update(bl_centre *c, const double *rows, int64_t n) {
    if (n <= 0) return;
    for (int d = 0; d < c->dim; d++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += rows[i * c->dim + d];
        c->at[d] = c->momentum * c->at[d] + (1 - c->momentum) * sum / (double)n;
    }
}

double *bl_centre_state(bl_centre *c, int64_t *n) {
    *n = c->dim;
    return c->at;
}
