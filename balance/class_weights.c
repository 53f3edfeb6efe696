#include "balance/class_weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bl_class_weights {
    bl_class_weights_config config;
    double *state;                           /* the block that all of the following lie in */
    double *a, *velocity, *gradient, *w, *m; /* K, K, K, K, 1 */
    double *target;                          /* K, scratch */
};

bl_class_weights_config bl_class_weights_config_default(int n_classes, bool background,
                                                        int64_t warmup) {
    return (bl_class_weights_config){.n_classes = n_classes,
                                     .background = background,
                                     .solver = BL_SOLVER_ONLINE,
                                     .warmup = warmup,
                                     .target_min = 1.0 / 3,
                                     .target_max = 5,
                                     .background_max = 1,
                                     .guard = 1e-6,
                                     .momentum = 0.9,
                                     .weight_decay = 1e-4,
                                     .mean_decay = 0.999};
}

bl_status bl_class_weights_create(const bl_class_weights_config *c, bl_class_weights **out) {
    *out = NULL;
    if (c->n_classes < 2 || c->n_classes > 1 << 15) {
        return bl_fail(BL_EINVAL, "class weights: %d classes, must be 2 to 32768", c->n_classes);
    }
    if (!(c->target_min > 0 && c->target_min <= c->target_max &&
          c->target_min <= c->background_max)) {
        return bl_fail(BL_ECONFIG,
                       "gbr.lower = %g, upper = %g, background_upper = %g: must satisfy 0 < lower "
                       "<= upper and lower <= background_upper",
                       c->target_min, c->target_max, c->background_max);
    }
    if (!(c->guard > 0) || !(c->momentum >= 0 && c->momentum < 1) || !(c->weight_decay >= 0) ||
        !(c->mean_decay >= 0 && c->mean_decay < 1)) {
        return bl_fail(BL_EINVAL,
                       "class weights: guard must be > 0, weight decay >= 0, momentum and "
                       "mean decay in [0, 1)");
    }
    size_t k = (size_t)c->n_classes;
    bl_class_weights *cw = calloc(1, sizeof *cw);
    double *state = calloc(5 * k + 1, sizeof *state);
    if (!cw || !state) {
        free(cw);
        free(state);
        return bl_no_memory("for %d classes (class weights)", c->n_classes);
    }
    *cw = (bl_class_weights){.config = *c,
                             .state = state,
                             .a = state,
                             .velocity = state + k,
                             .gradient = state + 2 * k,
                             .w = state + 3 * k,
                             .m = state + 4 * k,
                             .target = state + 4 * k + 1};
    for (size_t j = 0; j < k; j++) cw->w[j] = 1;
    *cw->m = 1;
    *out = cw;
    return BL_OK;
}

void bl_class_weights_destroy(bl_class_weights *cw) {
    if (!cw) return;
    free(cw->state);
    free(cw);
}

static double clamp(double v, double lo, double hi) {
    return v < lo ? lo : v > hi ? hi : v;
}

void bl_class_weights_target(const bl_class_weights_config *c, const double *a, const double *w,
                             bool clamped, double *target) {
    int k = c->n_classes, last = k - 1;
    for (int j = 0; j < k; j++) target[j] = 0;
    for (int i = 0; i < k; i++) {
        const double *row = a + (int64_t)i * k;
        for (int j = 0; j < k; j++) target[j] += w[i] * row[j];
    }
    for (int j = 0; j < k; j++) {
        target[j] = target[j] / (c->guard - a[(int64_t)j * k + j]) + w[j];
    }
    if (!clamped) return;
    if (c->background) {
        double sum = 0;
        for (int j = 0; j < last; j++) sum += target[j];
        target[last] = k - sum;
    }
    for (int j = 0; j < k; j++) {
        bool bg = c->background && j == last;
        target[j] = clamp(target[j], c->target_min, bg ? c->background_max : c->target_max);
    }
}

/* w = K softmax(a). */
static void softmax_weights(bl_class_weights *cw) {
    int k = cw->config.n_classes;
    double top = cw->a[0], sum = 0;
    for (int j = 1; j < k; j++) top = fmax(top, cw->a[j]);
    for (int j = 0; j < k; j++) sum += cw->w[j] = exp(cw->a[j] - top);
    for (int j = 0; j < k; j++) cw->w[j] *= k / sum;
}

bl_status bl_class_weights_pull(bl_class_weights *cw, const double *a, double lambda, int64_t t,
                                double *loss) {
    const bl_class_weights_config *c = &cw->config;
    int k = c->n_classes;
    if (loss) *loss = 0;
    if (t <= c->warmup) return BL_OK;
    if (c->solver == BL_SOLVER_DIRECT) {
        return bl_stationary_weights(a, k, c->background, c->guard, c->target_max, cw->w);
    }
    softmax_weights(cw);
    bl_class_weights_target(c, a, cw->w, true, cw->target);
    double sum = 0;
    for (int j = 0; j < k; j++) {
        double d = cw->a[j] - log(cw->target[j]);
        cw->gradient[j] += lambda * 2 / k * d;
        sum += d * d;
    }
    if (loss) *loss = sum / k;
    return isfinite(sum) ? BL_OK
                         : bl_fail(BL_ENUMERIC, "class weights: the gradient matrix is not finite");
}

void bl_class_weights_step(bl_class_weights *cw, double lr) {
    const bl_class_weights_config *c = &cw->config;
    for (int j = 0; j < c->n_classes; j++) {
        double g = cw->gradient[j] + c->weight_decay * cw->a[j];
        cw->velocity[j] = c->momentum * cw->velocity[j] + g;
        cw->a[j] -= lr * cw->velocity[j];
        cw->gradient[j] = 0;
    }
}

bl_status bl_class_weights_apply(bl_class_weights *cw, const int32_t *labels, int64_t n,
                                 double beta, float *u) {
    const bl_class_weights_config *c = &cw->config;
    if (n <= 0) return BL_OK;
    for (int64_t i = 0; i < n; i++) {
        if (labels[i] < 0 || labels[i] >= c->n_classes) {
            return bl_fail(BL_EINVAL, "class weights: sample %lld: label %d is not in [0, %d)",
                           (long long)i, labels[i], c->n_classes);
        }
    }
    double *power = cw->target; /* one power a class, not one a sample */
    for (int j = 0; j < c->n_classes; j++) {
        power[j] = pow(clamp(cw->w[j], c->target_min, c->target_max), beta);
    }
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += power[labels[i]];
    *cw->m = c->mean_decay * *cw->m + (1 - c->mean_decay) * (sum / (double)n);
    for (int64_t i = 0; i < n; i++) u[i] = (float)(power[labels[i]] / *cw->m);
    return BL_OK;
}

const double *bl_class_weights_values(const bl_class_weights *cw) {
    return cw->w;
}

double bl_class_weights_mean(const bl_class_weights *cw) {
    return *cw->m;
}

const double *bl_class_weights_logits(const bl_class_weights *cw) {
    return cw->a;
}

double *bl_class_weights_state(bl_class_weights *cw, int64_t *n) {
    *n = 4 * (int64_t)cw->config.n_classes + 1;
    return cw->state;
}
