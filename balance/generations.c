#include "balance/generations.h"

#include <math.h>
#include <stdlib.h>

#include "balance/class_prior.h"

bl_status bl_generation_rates(const int64_t *counts, int n_classes, double alpha, double *rate) {
    int32_t *order = malloc((size_t)n_classes * sizeof *order);
    if (!order) return bl_no_memory("for %d classes", n_classes);
    bl_classes_by_count(counts, n_classes, order);
    double most = (double)counts[order[0]];
    bl_status status = BL_OK;
    if (!(alpha > 0) || !(most > 0))
        status = bl_fail(BL_EINVAL,
                         "rates of a generation: alpha %g, largest class %g; both must "
                         "be above 0",
                         alpha, most);
    for (int r = 0; status == BL_OK && r < n_classes; r++)
        rate[order[r]] = pow((double)counts[order[n_classes - 1 - r]] / most, 1 / alpha);
    free(order);
    return status;
}

double bl_generation_power(int64_t g, int64_t generations, double t_min) {
    double done = generations > 1 ? (double)g / (double)(generations - 1) : 0;
    return 1 - done + done * t_min;
}

typedef struct candidate {
    int32_t label;
    double confidence;
    int64_t image;
} candidate;

/* By class, then by falling confidence. */
static int by_confidence(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    if (x->confidence != y->confidence) return x->confidence > y->confidence ? -1 : 1;
    return x->image < y->image ? -1 : 1;
}

bl_status bl_generation_choose(const double *confidence, int64_t n, const double *rate,
                               int n_classes, int32_t none, int32_t *label) {
    candidate *list = malloc(((size_t)n + 1) * sizeof *list);
    if (!list) return bl_no_memory("for %lld candidates", (long long)n);
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++) {
        if (label[i] >= n_classes) {
            bl_status status = bl_fail(BL_EINVAL, "candidate %lld has label %d, expected 0..%d",
                                       (long long)i, (int)label[i], n_classes - 1);
            free(list);
            return status;
        }
        if (label[i] >= 0) list[m++] = (candidate){label[i], confidence[i], i};
        label[i] = none;
    }
    qsort(list, (size_t)m, sizeof *list, by_confidence);
    for (int64_t from = 0, to; from < m; from = to) {
        int32_t c = list[from].label;
        for (to = from; to < m && list[to].label == c; to++) {
        }
        /* The sliver above keeps a whole product, computed a little low, whole. */
        int64_t keep = (int64_t)floor(rate[c] * (double)(to - from) * (1 + 1e-12));
        for (int64_t i = from; i < from + keep && i < to; i++) label[list[i].image] = c;
    }
    free(list);
    return BL_OK;
}
