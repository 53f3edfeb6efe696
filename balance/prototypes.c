#include "balance/prototypes.h"

#include <math.h>

static double dot(const float *a, const float *b, int n) {
    double sum = 0;
    for (int d = 0; d < n; d++) sum += (double)a[d] * b[d];
    return sum;
}

static double similarity_of(bl_similarity kind, const float *z, const float *c, int dim) {
    if (kind == BL_SIMILARITY_COSINE) {
        const double least = 1e-8;
        return dot(z, c, dim) /
               (fmax(sqrt(dot(z, z, dim)), least) * fmax(sqrt(dot(c, c, dim)), least));
    }
    double sum = 0;
    for (int d = 0; d < dim; d++) {
        double e = (double)z[d] - c[d];
        sum += e * e;
    }
    return -sqrt(sum);
}

void bl_semantic_rows(bl_similarity similarity, const float *features, int64_t n, int dim,
                      const float *prototypes, const uint8_t *present, int n_classes,
                      double temperature, double *p) {
    for (int64_t i = 0; i < n; i++, p += n_classes) {
        double top = -INFINITY, sum = 0;
        for (int k = 0; k < n_classes; k++) {
            if (present && !present[k]) continue;
            p[k] =
                similarity_of(similarity, features + i * dim, prototypes + (int64_t)k * dim, dim) /
                temperature;
            if (p[k] > top) top = p[k];
        }
        for (int k = 0; k < n_classes; k++) {
            p[k] = present && !present[k] ? 0 : exp(p[k] - top);
            sum += p[k];
        }
        for (int k = 0; sum > 0 && k < n_classes; k++) p[k] /= sum;
    }
}
