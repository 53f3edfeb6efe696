#include <math.h>
#include <string.h>

#include "kernels/ref/ref.h"
#include "kernels/shared/losses.h"

/* p = softmax of one row; returns the row's ln sum exp(z - max) and its max. */
static double softmax_row(const float *z, int64_t k, float *p, float *max) {
    *max = z[0];
    for (int64_t q = 1; q < k; q++) {
        if (z[q] > *max) *max = z[q];
    }
    double sum = 0;
    for (int64_t q = 0; q < k; q++) sum += p[q] = expf(z[q] - *max);
    for (int64_t q = 0; q < k; q++) p[q] = (float)(p[q] / sum);
    return log(sum);
}

static double softmax_loss(const float *logits, int64_t n, int64_t k, const int32_t *label,
                           const float *weight, float focal, float scale, float *d) {
    double total = 0;
    for (int64_t i = 0; i < n; i++, logits += k, d += k) {
        if (label[i] < 0) {
            memset(d, 0, (size_t)k * sizeof *d);
            continue;
        }
        float max, w = scale * (weight ? weight[i] : 1);
        double log_sum = softmax_row(logits, k, d, &max), rest = 0;
        for (int64_t q = 0; q < k; q++) rest += q == label[i] ? 0 : d[q];
        float nll = (float)(log_sum + max - logits[label[i]]);
        bl_loss_at f = bl_focal_at(nll, (float)rest, focal);
        total += (double)w * f.value;
        for (int64_t q = 0; q < k; q++) d[q] *= w * f.slope;
        d[label[i]] = (float)(-(double)w * f.slope * rest); /* p - 1 */
    }
    return total;
}

static double sigmoid_bce(const float *x, int64_t n, const float *target, const float *weight,
                          float scale, float *d) {
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        float w = scale * (weight ? weight[i] : 1);
        bl_loss_at f = bl_sigmoid_bce_at(x[i], target[i]);
        total += (double)w * f.value;
        d[i] = w * f.slope;
    }
    return total;
}

static double smooth_l1(const float *x, int64_t n, int64_t k, const int32_t *first,
                        const float *target, const float *weight, int32_t per, float beta,
                        float scale, float *d) {
    double total = 0;
    memset(d, 0, (size_t)(n * k) * sizeof *d);
    for (int64_t i = 0; i < n; i++) {
        if (first[i] < 0) continue;
        float w = scale * (weight ? weight[i] : 1);
        for (int32_t q = 0; q < per; q++) {
            int64_t e = i * k + first[i] + q;
            bl_loss_at f = bl_smooth_l1_at(x[e] - target[i * per + q], beta);
            total += (double)w * f.value;
            d[e] = w * f.slope;
        }
    }
    return total;
}

static void softmax(const float *logits, int64_t n, int64_t k, float *out) {
    float max;
    for (int64_t i = 0; i < n; i++) softmax_row(logits + i * k, k, out + i * k, &max);
}

void bl_ref_losses(bl_kernels *k) {
    k->softmax_loss = softmax_loss;
    k->sigmoid_bce = sigmoid_bce;
    k->smooth_l1 = smooth_l1;
    k->softmax = softmax;
}
