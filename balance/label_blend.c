#include "balance/label_blend.h"

#include "balance/simplex.h"

void bl_blend_by_label(double *linear, const double *semantic, int64_t n, int n_classes,
                       const double *v) {
    for (int64_t i = 0; i < n; i++, linear += n_classes, semantic += n_classes) {
        double share = v[bl_argmax(linear, n_classes)];
        for (int k = 0; k < n_classes; k++) {
            linear[k] = (1 - share) * linear[k] + share * semantic[k];
        }
    }
}

void bl_blend_by_class(double *linear, const double *semantic, int64_t n, int n_classes, double v,
                       const double *w, const uint8_t *present) {
    for (int64_t i = 0; i < n; i++, linear += n_classes, semantic += n_classes) {
        for (int k = 0; k < n_classes; k++) {
            if (present && !present[k]) continue;
            double share = v * w[k];
            linear[k] = (1 - share) * linear[k] + share * semantic[k];
        }
    }
}
