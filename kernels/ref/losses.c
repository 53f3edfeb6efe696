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

/* Adjusted logits of one row into z: gain * (x - margin at `label`) + bias. */
static const float *adjust(const float *x, int64_t k, int32_t label, const bl_softmax_attr *a,
                           float gain, float *z) {
    for (int64_t q = 0; q < k; q++) {
        float m = a->margin && q == label ? a->margin[q] : 0;
        z[q] = bl_adjusted_logit(x[q], m, a->bias ? a->bias[q] : 0, gain);
    }
    return z;
}

/* The row's adjusted logits go through its own gradient memory. */
static void softmax_loss(const float *logits, int64_t n, int64_t k, const int32_t *label,
                         const float *weight, const bl_softmax_attr *a, float scale, float *d,
                         float *value) {
    double total = 0;
    float gain = a->gain != 0 ? a->gain : 1;
    bool plain = gain == 1 && !a->bias && !a->margin;
    for (int64_t i = 0; i < n; i++, logits += k, d += k) {
        if (label[i] < 0) {
            memset(d, 0, (size_t)k * sizeof *d);
            continue;
        }
        float max, w = weight ? weight[i] : 1;
        const float *z = plain ? logits : adjust(logits, k, label[i], a, gain, d);
        float true_logit = z[label[i]];
        double log_sum = softmax_row(z, k, d, &max), rest = 0;
        for (int64_t q = 0; q < k; q++) rest += q == label[i] ? 0 : d[q];
        float nll = (float)(log_sum + max - true_logit);
        bl_row_loss row = bl_hard_row(nll, rest, w, scale, gain, a->focal, a->weight_in_focal);
        total += row.value;
        for (int64_t q = 0; q < k; q++) d[q] *= row.slope;
        d[label[i]] = (float)(-(double)row.slope * rest); /* p - 1 */
    }
    *value = (float)total;
}

static void soft_target_loss(const float *logits, int64_t n, int64_t k, const float *target,
                             const float *weight, const bl_softmax_attr *a, float scale, float *d,
                             float *value) {
    double total = 0;
    float gain = a->gain != 0 ? a->gain : 1;
    for (int64_t i = 0; i < n; i++, logits += k, target += k, d += k) {
        float max, w = scale * (weight ? weight[i] : 1);
        double cross = 0, mass = 0;
        adjust(logits, k, -1, a, gain, d);
        for (int64_t q = 0; q < k; q++) {
            mass += target[q];
            if (target[q] != 0) cross += (double)target[q] * d[q];
        }
        double log_sum = softmax_row(d, k, d, &max);
        total += bl_soft_row(log_sum + max, mass, cross, w);
        for (int64_t q = 0; q < k; q++) d[q] = bl_soft_slope(d[q], target[q], mass, w, gain);
    }
    *value = (float)total;
}

static void entropy_loss(const float *logits, int64_t n, int64_t k, const float *weight,
                         float scale, float *d, float *value) {
    double total = 0;
    for (int64_t i = 0; i < n; i++, logits += k, d += k) {
        float max, w = scale * (weight ? weight[i] : 1);
        double log_total = softmax_row(logits, k, d, &max) + max, entropy = 0;
        for (int64_t q = 0; q < k; q++) entropy += bl_entropy_term(d[q], logits[q], log_total);
        total += w * entropy;
        for (int64_t q = 0; q < k; q++) {
            d[q] = bl_entropy_slope(d[q], logits[q], log_total, entropy, w);
        }
    }
    *value = (float)total;
}

static void info_nce(const float *q, const float *keys, int64_t n, int64_t c, int64_t nq,
                     float temperature, float scale, float *s, float *d, float *value) {
    double total = 0;
    for (int64_t i = 0; i < n; i++, q += c, keys += c, s += nq, d += c) {
        double pos = 0, sum;
        for (int64_t e = 0; e < c; e++) pos += (double)q[e] * keys[e];
        pos /= temperature;
        double max = pos;
        for (int64_t j = 0; j < nq; j++) max = s[j] / temperature > max ? s[j] / temperature : max;
        sum = exp(pos - max);
        for (int64_t j = 0; j < nq; j++) sum += exp((double)s[j] / temperature - max);
        total += scale * (log(sum) + max - pos);
        double slope = (double)scale / temperature, rest = 0;
        for (int64_t j = 0; j < nq; j++) {
            double p = exp((double)s[j] / temperature - max) / sum;
            rest += p;
            s[j] = (float)(slope * p);
        }
        for (int64_t e = 0; e < c; e++) d[e] = (float)(-slope * rest * keys[e]);
    }
    *value = (float)total;
}

static void sigmoid_bce(const float *x, int64_t n, const float *target, const float *weight,
                        float scale, float *d, float *value) {
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        float w = scale * (weight ? weight[i] : 1);
        bl_loss_at f = bl_sigmoid_bce_at(x[i], target[i]);
        total += (double)w * f.value;
        d[i] = w * f.slope;
    }
    *value = (float)total;
}

static void smooth_l1(const float *x, int64_t n, int64_t k, const int32_t *first,
                      const float *target, const float *weight, int32_t per, float beta,
                      float scale, float *d, float *value) {
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
    *value = (float)total;
}

static void softmax(const float *logits, int64_t n, int64_t k, float *out) {
    float max;
    for (int64_t i = 0; i < n; i++) softmax_row(logits + i * k, k, out + i * k, &max);
}

void bl_ref_losses(bl_kernels *k) {
    k->softmax_loss = softmax_loss;
    k->soft_target_loss = soft_target_loss;
    k->entropy_loss = entropy_loss;
    k->info_nce = info_nce;
    k->sigmoid_bce = sigmoid_bce;
    k->smooth_l1 = smooth_l1;
    k->softmax = softmax;
}
