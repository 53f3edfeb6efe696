#include "balance/alignment.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "balance/simplex.h"

/* One block of doubles, so that the state is one array:
 * target[K] model[K] | seen | ring: window slots of (rows, sum[K]). */
struct bl_alignment {
    bl_alignment_config config;
    double *block;
    int64_t n_block;
    double *target, *model, *seen, *ring;
};

bl_status bl_alignment_create(const bl_alignment_config *c, bl_alignment **out) {
    *out = NULL;
    bool queue = c->mean != BL_ALIGN_AVERAGE;
    if (c->n_classes < 1 || (queue && c->window < 1) ||
        (!queue && !(c->decay >= 0 && c->decay < 1))) {
        return bl_fail(BL_EINVAL,
                       "distribution alignment: %d classes, window %d, decay %g; at least 1 class, "
                       "a window of 1 and a decay in [0, 1) are needed",
                       c->n_classes, c->window, c->decay);
    }
    int64_t k = c->n_classes, n = 2 * k + 1 + (queue ? c->window * (k + 1) : 0);
    bl_alignment *a = calloc(1, sizeof *a);
    double *block = calloc((size_t)n, sizeof *block);
    if (!a || !block) {
        free(a);
        free(block);
        return bl_no_memory("for a window of %d (distribution alignment)", c->window);
    }
    *a = (bl_alignment){*c, block, n, block, block + k, block + 2 * k, block + 2 * k + 1};
    for (int64_t j = 0; j < k; j++) a->target[j] = 1 / (double)k;
    *out = a;
    return BL_OK;
}

void bl_alignment_destroy(bl_alignment *a) {
    if (!a) return;
    free(a->block);
    free(a);
}

bl_status bl_alignment_set_target(bl_alignment *a, const double *target) {
    double sum = 0;
    for (int k = 0; k < a->config.n_classes; k++) {
        if (!(target[k] >= 0 && isfinite(target[k]))) {
            return bl_fail(BL_EINVAL, "distribution alignment: target of class %d is %g", k,
                           target[k]);
        }
        sum += target[k];
    }
    if (!(sum > 0)) return bl_fail(BL_EINVAL, "distribution alignment: the target is all zeros");
    for (int k = 0; k < a->config.n_classes; k++) a->target[k] = target[k] / sum;
    return BL_OK;
}

/* The mean over the ring. The window is short and K small: summed afresh, so nothing drifts. */
static void ring_mean(bl_alignment *a) {
    int k = a->config.n_classes;
    double weight = 0;
    memset(a->model, 0, (size_t)k * sizeof *a->model);
    for (int s = 0; s < a->config.window; s++) {
        const double *slot = a->ring + s * (k + 1);
        if (slot[0] == 0) continue;
        double share = a->config.mean == BL_ALIGN_ROWS ? 1 : 1 / slot[0];
        weight += share * slot[0];
        for (int j = 0; j < k; j++) a->model[j] += share * slot[1 + j];
    }
    for (int j = 0; j < k; j++) a->model[j] /= weight;
}

void bl_alignment_observe(bl_alignment *a, const double *p, int64_t n) {
    if (n <= 0) return;
    int k = a->config.n_classes;
    if (a->config.mean == BL_ALIGN_AVERAGE) {
        double keep = *a->seen > 0 ? a->config.decay : 0;
        for (int j = 0; j < k; j++) {
            double sum = 0;
            for (int64_t i = 0; i < n; i++) sum += p[i * k + j];
            a->model[j] = keep * a->model[j] + (1 - keep) * sum / (double)n;
        }
        *a->seen += 1;
        return;
    }
    double *slot = a->ring + ((int64_t)*a->seen % a->config.window) * (k + 1);
    slot[0] = (double)n;
    for (int j = 0; j < k; j++) {
        slot[1 + j] = 0;
        for (int64_t i = 0; i < n; i++) slot[1 + j] += p[i * k + j];
    }
    *a->seen += 1;
    ring_mean(a);
}

void bl_alignment_apply(const bl_alignment *a, double *p, int64_t n) {
    const double floor = 1e-6;
    int k = a->config.n_classes;
    if (*a->seen == 0) return;
    for (int64_t i = 0; i < n; i++, p += k) {
        for (int j = 0; j < k; j++) p[j] *= (a->target[j] + floor) / (a->model[j] + floor);
        bl_normalize(p, k);
    }
}

const double *bl_alignment_model(const bl_alignment *a) {
    return a->model;
}

void bl_alignment_reset(bl_alignment *a) {
    memset(a->model, 0, (size_t)(a->n_block - a->config.n_classes) * sizeof *a->model);
}

double *bl_alignment_state(bl_alignment *a, int64_t *n) {
    *n = a->n_block;
    return a->block;
}
