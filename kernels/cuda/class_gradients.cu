/* Class-to-class gradients: first what each row sends, then, class by class, the sum of its rows in
 * their order. The class matrix has many more cells than the batch has rows, so a cell is a thread
 * that looks for its rows instead of a row that scatters. */
#include <math.h>

#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"
#include "kernels/shared/class_gradient.h"

typedef struct row {
    double sum; /* of exp(z - top); NaN when a logit is not finite */
    double t, push;
    float top;
} row;

/* A block each row; rows of label -1 do not count. */
static __global__ void rows_kernel(const float *logits, int64_t n, int64_t k, const int32_t *label,
                                   const float *weight, bl_class_gradient_attr a, row *rows) {
    int used = 0;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) used += label[i] >= 0;
    used = bl_block_sum(used);
    for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
        if (label[i] < 0) continue;
        const float *z = logits + i * k;
        row r;
        r.top = -INFINITY;
        for (int64_t j = threadIdx.x; j < k; j += blockDim.x) r.top = z[j] > r.top ? z[j] : r.top;
        r.top = bl_block_max(r.top);
        double sum = 0;
        for (int64_t j = threadIdx.x; j < k; j += blockDim.x) {
            sum += isfinite(z[j]) ? exp((double)z[j] - r.top) : NAN;
        }
        r.sum = bl_block_sum(sum);
        if (threadIdx.x != 0) continue;
        r.t = bl_class_probability(z[label[i]], r.top, r.sum, a.offset);
        r.push = bl_class_push(&a, r.t, weight ? weight[i] : 1, used);
        rows[i] = r;
    }
}

/* Blocks take tiles of columns of one class: all their threads meet the same rows. */
static __global__ void sums_kernel(const float *logits, int64_t n, int64_t k, const int32_t *label,
                                   double offset, const row *rows, double *m) {
    int64_t tiles = (k + blockDim.x - 1) / blockDim.x;
    for (int64_t u = blockIdx.x; u < k * tiles; u += gridDim.x) {
        int64_t y = u / tiles, j = u % tiles * blockDim.x + threadIdx.x;
        if (j >= k) continue;
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            if (label[i] != y) continue;
            double p = bl_class_probability(logits[i * k + j], rows[i].top, rows[i].sum, offset);
            sum += rows[i].push * (j == y ? p - 1 : p);
        }
        m[y * k + j] = sum;
    }
}

static bl_status class_gradients(const float *logits, int64_t n, int64_t k, const int32_t *label,
                                 const float *weight, const bl_class_gradient_attr *a, double *m) {
    if (k == 0) return BL_OK;
    row *rows = (row *)bl_scratch((size_t)(n > 0 ? n : 1) * sizeof *rows);
    if (!rows)
        return bl_fail(BL_ENOMEM, "class gradients: no device memory for %lld rows", (long long)n);
    int64_t tiles = (k + BL_THREADS - 1) / BL_THREADS;
    if (n > 0) {
        BL_LAUNCH(rows_kernel, bl_grid(n * BL_THREADS), BL_THREADS, 0, logits, n, k, label, weight,
                  *a, rows);
    }
    BL_LAUNCH(sums_kernel, bl_grid(k * tiles * BL_THREADS), BL_THREADS, 0, logits, n, k, label,
              a->offset, rows, m);
    bl_scratch_free(rows);
    return BL_OK;
}

extern "C" void bl_cuda_class_gradients_slots(bl_kernels *k) {
    k->class_gradients = class_gradients;
}
