#include "balance/prior_cap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Instead of fading every count at each image, the weight of new images grows; counts are compared
 * with the sum of weights, and everything is scaled back before numbers get large. */
static const double LARGE = 1e9;

struct bl_prior_cap {
    int n_classes;
    double growth;    /* of the weight from one image to the next */
    double *expected; /* [n_classes] */
    double *state;    /* weight of the next image, sum of weights, counts [n_classes][bins] */
    double *counts;   /* in state */
};

enum { WEIGHT, TOTAL, COUNTS };

bl_status bl_prior_cap_create(int n_classes, const double *expected, int64_t window,
                              bl_prior_cap **out) {
    *out = NULL;
    if (n_classes < 1 || window < 1)
        return bl_fail(BL_EINVAL,
                       "prior cap: %d classes and a window of %lld images; both must be "
                       "at least 1",
                       n_classes, (long long)window);
    for (int c = 0; c < n_classes; c++)
        if (!(expected[c] > 0) || !isfinite(expected[c]))
            return bl_fail(BL_EINVAL,
                           "prior cap: class %d is expected %g times an image; give a "
                           "number above 0",
                           c, expected[c]);
    bl_prior_cap *p = calloc(1, sizeof *p);
    double *list = malloc((size_t)n_classes * sizeof *list);
    double *state = calloc(COUNTS + (size_t)n_classes * BL_PRIOR_CAP_BINS, sizeof *state);
    if (!p || !list || !state) {
        free(p);
        free(list);
        free(state);
        return bl_no_memory("for %d classes (prior cap)", n_classes);
    }
    memcpy(list, expected, (size_t)n_classes * sizeof *list);
    state[WEIGHT] = 1;
    double keep = 1 - 1 / (double)window;
    *p = (bl_prior_cap){n_classes, keep > 0 ? 1 / keep : LARGE, list, state, state + COUNTS};
    *out = p;
    return BL_OK;
}

void bl_prior_cap_destroy(bl_prior_cap *p) {
    if (!p) return;
    free(p->expected);
    free(p->state);
    free(p);
}

bl_status bl_prior_cap_observe(bl_prior_cap *p, const int32_t *classes, const float *scores,
                               int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (classes[i] < 0 || classes[i] >= p->n_classes || !(scores[i] >= 0 && scores[i] <= 1))
            return bl_fail(BL_EINVAL, "prior cap: detection %lld has class %d of %d and score %g",
                           (long long)i, (int)classes[i], p->n_classes, (double)scores[i]);
    for (int64_t i = 0; i < n; i++) {
        int bin = (int)(scores[i] * (float)BL_PRIOR_CAP_BINS);
        if (bin >= BL_PRIOR_CAP_BINS) bin = BL_PRIOR_CAP_BINS - 1;
        p->counts[classes[i] * BL_PRIOR_CAP_BINS + bin] += p->state[WEIGHT];
    }
    p->state[TOTAL] += p->state[WEIGHT];
    p->state[WEIGHT] *= p->growth;
    if (p->state[WEIGHT] < LARGE) return BL_OK;
    double scale = 1 / p->state[WEIGHT];
    for (int64_t i = 0; i < COUNTS + (int64_t)p->n_classes * BL_PRIOR_CAP_BINS; i++)
        p->state[i] *= scale;
    return BL_OK;
}

void bl_prior_cap_raise(const bl_prior_cap *p, double *theta) {
    for (int c = 0; p->state[TOTAL] > 0 && c < p->n_classes; c++) {
        double allowed = p->expected[c] * p->state[TOTAL], above = 0;
        int bin = BL_PRIOR_CAP_BINS;
        while (bin > 0 && above + p->counts[c * BL_PRIOR_CAP_BINS + bin - 1] <= allowed)
            above += p->counts[c * BL_PRIOR_CAP_BINS + --bin];
        theta[c] = fmax(theta[c], bin / (double)BL_PRIOR_CAP_BINS);
    }
}

double *bl_prior_cap_state(bl_prior_cap *p, int64_t *n) {
    *n = COUNTS + (int64_t)p->n_classes * BL_PRIOR_CAP_BINS;
    return p->state;
}
