#include "balance/logit_adjustment.h"

#include <math.h>

void bl_logit_offsets(const double *pi, int n_classes, double tau, double floor, double *offset) {
    for (int k = 0; k < n_classes; k++) offset[k] = tau * log(pi[k] + floor);
}

bl_status bl_ldam_margins(const int64_t *counts, int n_classes, double largest, double *margin) {
    double top = 0;
    for (int k = 0; k < n_classes; k++) {
        if (counts[k] < 1) {
            return bl_fail(BL_EINVAL,
                           "LDAM: class %d has no labelled sample and so no margin; remove the "
                           "class or give it a sample",
                           k);
        }
        margin[k] = 1 / sqrt(sqrt((double)counts[k]));
        if (margin[k] > top) top = margin[k];
    }
    for (int k = 0; k < n_classes; k++) margin[k] *= largest / top;
    return BL_OK;
}
