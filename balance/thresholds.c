#include "balance/thresholds.h"

#include <math.h>
#include <stdlib.h>

struct bl_thresholds {
    bl_thresholds_config config;
    double *s, *seen; /* n_classes each, one block */
};

bl_thresholds_config bl_thresholds_config_default(int n_classes, int64_t warmup) {
    return (bl_thresholds_config){.n_classes = n_classes,
                                  .mode = BL_THRESHOLD_CODE,
                                  .base = 0.9,
                                  .low = 0.5,
                                  .high = 0.9,
                                  .warmup = warmup,
                                  .count = 1000};
}

bl_status bl_thresholds_create(const bl_thresholds_config *c, bl_thresholds **out) {
    *out = NULL;
    if (c->n_classes < 1) {
        return bl_fail(BL_EINVAL, "thresholds: %d classes, at least 1 is needed", c->n_classes);
    }
    if (!(c->base >= 0 && c->base <= 1 && c->low >= 0 && c->low <= c->high && c->high <= 1) ||
        c->count < 1 || c->warmup < 0) {
        return bl_fail(BL_EINVAL,
                       "thresholds: base, low <= high must lie in [0, 1], the count must be "
                       ">= 1 and the warm-up >= 0");
    }
    bl_thresholds *th = calloc(1, sizeof *th);
    double *state = calloc(2 * (size_t)c->n_classes, sizeof *state);
    if (!th || !state) {
        free(th);
        free(state);
        return bl_no_memory("for %d classes (thresholds)", c->n_classes);
    }
    *th = (bl_thresholds){*c, state, state + c->n_classes};
    *out = th;
    return BL_OK;
}

void bl_thresholds_destroy(bl_thresholds *th) {
    if (!th) return;
    free(th->s);
    free(th);
}

bl_status bl_thresholds_observe(bl_thresholds *th, const int32_t *classes, const float *scores,
                                int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (classes[i] < 0 || classes[i] >= th->config.n_classes) {
            return bl_fail(BL_EINVAL, "thresholds: detection %lld: class %d is not in [0, %d)",
                           (long long)i, classes[i], th->config.n_classes);
        }
        if (!isfinite(scores[i])) {
            return bl_fail(BL_ENUMERIC, "thresholds: detection %lld: the score is not finite",
                           (long long)i);
        }
    }
    double share = 1 / (double)th->config.count;
    for (int64_t i = 0; i < n; i++) {
        int32_t c = classes[i];
        if (th->seen[c] < (double)th->config.count) {
            th->s[c] += share * scores[i];
            th->seen[c] += 1;
        } else {
            th->s[c] = (1 - share) * th->s[c] + share * scores[i];
        }
    }
    return BL_OK;
}

bl_status bl_thresholds_get(const bl_thresholds *th, const double *w, int64_t t, double *theta) {
    const bl_thresholds_config *c = &th->config;
    bool weights = bl_threshold_weighs(c->mode);
    bool scores = c->mode == BL_THRESHOLD_CODE || c->mode == BL_THRESHOLD_SCORE;
    bool plain = c->mode == BL_THRESHOLD_FIXED || t < c->warmup;
    if (weights && !plain && !w) {
        return bl_fail(BL_EINVAL, "thresholds: this mode needs the class weights");
    }
    double mean = 0;
    for (int j = 0; j < c->n_classes; j++) mean += th->s[j] / c->n_classes;
    for (int j = 0; j < c->n_classes; j++) {
        theta[j] = c->base;
        if (plain) continue;
        if (scores && mean > 0) theta[j] = c->base * th->s[j] / mean;
        if (weights) theta[j] = scores ? fmin(theta[j], c->base / w[j]) : c->base / w[j];
        theta[j] = fmin(fmax(theta[j], c->low), c->high);
    }
    return BL_OK;
}

const double *bl_thresholds_scores(const bl_thresholds *th) {
    return th->s;
}

double *bl_thresholds_state(bl_thresholds *th, int64_t *n) {
    *n = 2 * (int64_t)th->config.n_classes;
    return th->s;
}
