/* The losses: a block is a row, its sums are double. Each kernel leaves one term per row (or per
 * block of elements); a second launch adds them in a fixed order. */
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"
#include "kernels/shared/losses.h"

/* Threads of a block whose row has k columns: enough for a column each, up to BL_THREADS. */
static int row_threads(int64_t k) {
    int threads = BL_WARP;
    while (threads < k && threads < BL_THREADS) threads *= 2;
    return threads;
}
/* A block a row. */
static unsigned row_grid(int64_t rows) {
    return (unsigned)(rows < (int64_t)BL_GRID_MAX ? rows : (int64_t)BL_GRID_MAX);
}

static __global__ void sum_terms(const double *term, int64_t n, float *value) {
    double sum = 0;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) sum += term[i];
    sum = bl_block_sum(sum);
    if (threadIdx.x == 0) *value = (float)sum;
}

/* Room for the terms of a loss over n rows or elements; NULL, with the value set, when n is 0. */
static double *terms_new(int64_t n, int64_t terms, float *value) {
    if (n == 0) cudaMemsetAsync(value, 0, sizeof *value, cudaStreamPerThread);
    return n == 0 ? NULL : (double *)bl_scratch((size_t)terms * sizeof(double));
}
/* Their sum, after which the room is gone. */
static void terms_total(double *term, int64_t terms, float *value) {
    BL_LAUNCH(sum_terms, 1, BL_THREADS, 0, term, terms, value);
    bl_scratch_free(term);
}

/* ---- rows: loops of one block over the columns of one row ---- */

/* Adjusted logits of a row, on the fly. label: where the margin goes, -1 for nowhere. */
typedef struct logits {
    const float *x, *bias, *margin;
    float gain;
    int32_t label;
} logits;

static __device__ float logit_at(const logits *z, int64_t q) {
    float m = z->margin && q == z->label ? z->margin[q] : 0;
    return bl_adjusted_logit(z->x[q], m, z->bias ? z->bias[q] : 0, z->gain);
}

typedef struct row_sums {
    float max;
    double sum, rest; /* of e^(z - max): all columns; all but the label's */
} row_sums;

static __device__ row_sums sums_of(const logits *z, int64_t k) {
    row_sums r = {-INFINITY, 0, 0};
    for (int64_t q = threadIdx.x; q < k; q += blockDim.x) r.max = fmaxf(r.max, logit_at(z, q));
    r.max = bl_block_max(r.max);
    for (int64_t q = threadIdx.x; q < k; q += blockDim.x) {
        double e = expf(logit_at(z, q) - r.max);
        r.sum += e;
        if (q != z->label) r.rest += e;
    }
    r.sum = bl_block_sum(r.sum);
    r.rest = bl_block_sum(r.rest);
    return r;
}

static __device__ float probability(const logits *z, const row_sums *r, int64_t q) {
    return (float)(expf(logit_at(z, q) - r->max) / r->sum);
}

/* A matrix of logits and what goes with its rows. */
typedef struct rows {
    const float *x, *weight, *bias, *margin; /* the last three may be NULL */
    int64_t n, k;
    float gain, scale;
} rows;

static rows rows_of(const float *x, int64_t n, int64_t k, const float *weight,
                    const bl_softmax_attr *a, float scale) {
    rows m = {x, weight, NULL, NULL, n, k, 1, scale};
    if (a) {
        m.bias = a->bias;
        m.margin = a->margin;
        if (a->gain != 0) m.gain = a->gain;
    }
    return m;
}
static __device__ logits row_of(const rows *m, int64_t i, int32_t label) {
    logits z = {m->x + i * m->k, m->bias, m->margin, m->gain, label};
    return z;
}
static __device__ float weight_of(const rows *m, int64_t i) {
    return m->weight ? m->weight[i] : 1;
}

static __global__ void hard_rows(rows m, const int32_t *label, float focal, bool weight_in_focal,
                                 float *d, double *term) {
    for (int64_t i = blockIdx.x; i < m.n; i += gridDim.x) {
        float *di = d + i * m.k;
        if (label[i] < 0) {
            for (int64_t q = threadIdx.x; q < m.k; q += blockDim.x) di[q] = 0;
            if (threadIdx.x == 0) term[i] = 0;
            continue;
        }
        logits z = row_of(&m, i, label[i]);
        row_sums r = sums_of(&z, m.k);
        float nll = (float)(log(r.sum) + r.max - logit_at(&z, label[i]));
        double rest = r.rest / r.sum;
        bl_row_loss row =
            bl_hard_row(nll, rest, weight_of(&m, i), m.scale, m.gain, focal, weight_in_focal);
        for (int64_t q = threadIdx.x; q < m.k; q += blockDim.x) {
            di[q] = q == z.label ? (float)(-(double)row.slope * rest) /* p - 1 */
                                 : probability(&z, &r, q) * row.slope;
        }
        if (threadIdx.x == 0) term[i] = row.value;
    }
}

static void softmax_loss(const float *x, int64_t n, int64_t k, const int32_t *label,
                         const float *weight, const bl_softmax_attr *a, float scale, float *d,
                         float *value) {
    double *term = terms_new(n, n, value);
    if (!term) return;
    BL_LAUNCH(hard_rows, row_grid(n), row_threads(k), 0, rows_of(x, n, k, weight, a, scale), label,
              a->focal, a->weight_in_focal, d, term);
    terms_total(term, n, value);
}

static __global__ void soft_rows(rows m, const float *target, float *d, double *term) {
    for (int64_t i = blockIdx.x; i < m.n; i += gridDim.x) {
        const float *t = target + i * m.k;
        logits z = row_of(&m, i, -1);
        row_sums r = sums_of(&z, m.k);
        double mass = 0, cross = 0;
        for (int64_t q = threadIdx.x; q < m.k; q += blockDim.x) {
            mass += t[q];
            if (t[q] != 0) cross += (double)t[q] * logit_at(&z, q);
        }
        mass = bl_block_sum(mass);
        cross = bl_block_sum(cross);
        float w = m.scale * weight_of(&m, i);
        for (int64_t q = threadIdx.x; q < m.k; q += blockDim.x) {
            d[i * m.k + q] = bl_soft_slope(probability(&z, &r, q), t[q], mass, w, m.gain);
        }
        if (threadIdx.x == 0) term[i] = bl_soft_row(log(r.sum) + r.max, mass, cross, w);
    }
}

static void soft_target_loss(const float *x, int64_t n, int64_t k, const float *target,
                             const float *weight, const bl_softmax_attr *a, float scale, float *d,
                             float *value) {
    double *term = terms_new(n, n, value);
    if (!term) return;
    BL_LAUNCH(soft_rows, row_grid(n), row_threads(k), 0, rows_of(x, n, k, weight, a, scale), target,
              d, term);
    terms_total(term, n, value);
}

static __global__ void entropy_rows(rows m, float *d, double *term) {
    for (int64_t i = blockIdx.x; i < m.n; i += gridDim.x) {
        logits z = row_of(&m, i, -1);
        row_sums r = sums_of(&z, m.k);
        double log_total = log(r.sum) + r.max, entropy = 0;
        for (int64_t q = threadIdx.x; q < m.k; q += blockDim.x) {
            entropy += bl_entropy_term(probability(&z, &r, q), z.x[q], log_total);
        }
        entropy = bl_block_sum(entropy);
        float w = m.scale * weight_of(&m, i);
        for (int64_t q = threadIdx.x; q < m.k; q += blockDim.x) {
            float p = probability(&z, &r, q);
            d[i * m.k + q] = bl_entropy_slope(p, z.x[q], log_total, entropy, w);
        }
        if (threadIdx.x == 0) term[i] = w * entropy;
    }
}

static void entropy_loss(const float *x, int64_t n, int64_t k, const float *weight, float scale,
                         float *d, float *value) {
    double *term = terms_new(n, n, value);
    if (!term) return;
    BL_LAUNCH(entropy_rows, row_grid(n), row_threads(k), 0, rows_of(x, n, k, weight, NULL, scale),
              d, term);
    terms_total(term, n, value);
}

static __global__ void softmax_rows(rows m, float *out) {
    for (int64_t i = blockIdx.x; i < m.n; i += gridDim.x) {
        logits z = row_of(&m, i, -1);
        row_sums r = sums_of(&z, m.k);
        for (int64_t q = threadIdx.x; q < m.k; q += blockDim.x) {
            out[i * m.k + q] = probability(&z, &r, q);
        }
    }
}

static void softmax(const float *x, int64_t n, int64_t k, float *out) {
    if (n == 0) return;
    BL_LAUNCH(softmax_rows, row_grid(n), row_threads(k), 0, rows_of(x, n, k, NULL, NULL, 1), out);
}

/* ---- InfoNCE: s holds q.queue and becomes its gradient ---- */

static __global__ void nce_rows(const float *q, const float *keys, int64_t n, int64_t c, int64_t nq,
                                float temperature, float scale, float *s, float *d, double *term) {
    for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
        const float *qi = q + i * c, *key = keys + i * c;
        float *si = s + i * nq;
        double positive = 0, sum = 0;
        for (int64_t e = threadIdx.x; e < c; e += blockDim.x) positive += (double)qi[e] * key[e];
        positive = bl_block_sum(positive) / temperature;
        double max = positive;
        for (int64_t j = threadIdx.x; j < nq; j += blockDim.x) {
            max = si[j] / temperature > max ? si[j] / temperature : max;
        }
        max = bl_block_max(max);
        for (int64_t j = threadIdx.x; j < nq; j += blockDim.x) {
            sum += exp((double)si[j] / temperature - max);
        }
        sum = bl_block_sum(sum);
        double first = exp(positive - max), all = sum + first, slope = (double)scale / temperature;
        for (int64_t j = threadIdx.x; j < nq; j += blockDim.x) {
            si[j] = (float)(slope * (exp((double)si[j] / temperature - max) / all));
        }
        for (int64_t e = threadIdx.x; e < c; e += blockDim.x) {
            d[i * c + e] = (float)(-slope * (sum / all) * key[e]);
        }
        if (threadIdx.x == 0) term[i] = scale * (log(all) + max - positive);
    }
}

static void info_nce(const float *q, const float *keys, int64_t n, int64_t c, int64_t nq,
                     float temperature, float scale, float *s, float *d, float *value) {
    double *term = terms_new(n, n, value);
    if (!term) return;
    BL_LAUNCH(nce_rows, row_grid(n), row_threads(nq > c ? nq : c), 0, q, keys, n, c, nq,
              temperature, scale, s, d, term);
    terms_total(term, n, value);
}

/* ---- elementwise: one term a block, the grid is fixed by n ---- */

static __global__ void bce_elements(const float *x, int64_t n, const float *target,
                                    const float *weight, float scale, float *d, double *term) {
    double sum = 0;
    BL_EACH(i, n) {
        float w = scale * (weight ? weight[i] : 1);
        bl_loss_at f = bl_sigmoid_bce_at(x[i], target[i]);
        sum += (double)w * f.value;
        d[i] = w * f.slope;
    }
    sum = bl_block_sum(sum);
    if (threadIdx.x == 0) term[blockIdx.x] = sum;
}

static void sigmoid_bce(const float *x, int64_t n, const float *target, const float *weight,
                        float scale, float *d, float *value) {
    unsigned grid = bl_grid(n);
    double *term = terms_new(n, grid, value);
    if (!term) return;
    BL_LAUNCH(bce_elements, grid, BL_THREADS, 0, x, n, target, weight, scale, d, term);
    terms_total(term, grid, value);
}

/* Over all of d: what lies outside of a row's chosen columns becomes 0. */
static __global__ void smooth_l1_elements(const float *x, int64_t n, int64_t k,
                                          const int32_t *first, const float *target,
                                          const float *weight, int32_t per, float beta, float scale,
                                          float *d, double *term) {
    double sum = 0;
    BL_EACH(e, n * k) {
        int64_t i = e / k, q = e % k - first[i];
        float slope = 0;
        if (first[i] >= 0 && q >= 0 && q < per) {
            float w = scale * (weight ? weight[i] : 1);
            bl_loss_at f = bl_smooth_l1_at(x[e] - target[i * per + q], beta);
            sum += (double)w * f.value;
            slope = w * f.slope;
        }
        d[e] = slope;
    }
    sum = bl_block_sum(sum);
    if (threadIdx.x == 0) term[blockIdx.x] = sum;
}

static void smooth_l1(const float *x, int64_t n, int64_t k, const int32_t *first,
                      const float *target, const float *weight, int32_t per, float beta,
                      float scale, float *d, float *value) {
    unsigned grid = bl_grid(n * k);
    double *term = terms_new(n * k, grid, value);
    if (!term) return;
    BL_LAUNCH(smooth_l1_elements, grid, BL_THREADS, 0, x, n, k, first, target, weight, per, beta,
              scale, d, term);
    terms_total(term, grid, value);
}

void bl_cuda_losses_slots(bl_kernels *k) {
    k->softmax_loss = softmax_loss;
    k->soft_target_loss = soft_target_loss;
    k->entropy_loss = entropy_loss;
    k->info_nce = info_nce;
    k->sigmoid_bce = sigmoid_bce;
    k->smooth_l1 = smooth_l1;
    k->softmax = softmax;
}
