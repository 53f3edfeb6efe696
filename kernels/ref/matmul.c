/* Row-major matrix products, tiled so that a tile of B stays in cache while the rows of
 * C pass by. */
#include <string.h>

#include "core/parallel.h"
#include "kernels/ref/ref.h"

enum { TILE_N = 256, TILE_K = 128, LANES = 8 };

typedef struct matmul_job {
    bool ta, tb;
    int64_t m, n, k;
    const float *a, *b;
    float *c, beta;
} matmul_job;

static float a_at(const matmul_job *j, int64_t i, int64_t p) {
    return j->ta ? j->a[p * j->m + i] : j->a[i * j->k + p];
}

/* c[0..n) += sum over p in [p0, p1) of A[i,p] * B[p, n0..]. */
static void row_plain(const matmul_job *j, int64_t i, int64_t n0, int64_t n1, int64_t p0,
                      int64_t p1) {
    float *c = j->c + i * j->n;
    for (int64_t p = p0; p < p1; p++) {
        const float *b = j->b + p * j->n;
        float a = a_at(j, i, p);
        for (int64_t q = n0; q < n1; q++) c[q] += a * b[q];
    }
}

/* The same with B stored transposed: dot products in LANES partial sums. */
static void row_transposed(const matmul_job *j, int64_t i, int64_t n0, int64_t n1, int64_t p0,
                           int64_t p1) {
    float a[TILE_K];
    for (int64_t p = p0; p < p1; p++) a[p - p0] = a_at(j, i, p);
    for (int64_t q = n0; q < n1; q++) {
        const float *b = j->b + q * j->k + p0;
        float sum[LANES] = {0}, total = 0;
        int64_t p = 0, len = p1 - p0;
        for (; p + LANES <= len; p += LANES) {
            for (int l = 0; l < LANES; l++) sum[l] += a[p + l] * b[p + l];
        }
        for (; p < len; p++) total += a[p] * b[p];
        for (int l = 0; l < LANES; l++) total += sum[l];
        j->c[i * j->n + q] += total;
    }
}

/* Index = row of C. */
static void matmul_range(void *arg, int64_t begin, int64_t end) {
    const matmul_job *j = arg;
    if (j->beta == 0)
        memset(j->c + begin * j->n, 0, (size_t)((end - begin) * j->n) * sizeof(float));
    for (int64_t n0 = 0; n0 < j->n; n0 += TILE_N) {
        int64_t n1 = n0 + TILE_N < j->n ? n0 + TILE_N : j->n;
        for (int64_t p0 = 0; p0 < j->k; p0 += TILE_K) {
            int64_t p1 = p0 + TILE_K < j->k ? p0 + TILE_K : j->k;
            for (int64_t i = begin; i < end; i++) {
                (j->tb ? row_transposed : row_plain)(j, i, n0, n1, p0, p1);
            }
        }
    }
}

static bl_status matmul(bl_ctx *ctx, bool ta, bool tb, int64_t m, int64_t n, int64_t k, bl_dtype in,
                        const void *a, const void *b, float beta, bl_dtype out, void *c) {
    matmul_job j = {ta, tb, m, n, k, a, b, c, beta};
    bl_parallel_for(m, 1, matmul_range, &j);
    return BL_OK;
}

static void bias_act(bl_dtype type, void *to, const float *bias, bool relu, int64_t rows,
                     int64_t cols) {
    float *y = to;
    for (int64_t i = 0; i < rows; i++, y += cols) {
        for (int64_t q = 0; q < cols; q++) {
            float v = y[q] + (bias ? bias[q] : 0);
            y[q] = relu && v < 0 ? 0 : v;
        }
    }
}

static void col_sum(bl_dtype type, const void *from, int64_t rows, int64_t cols, float *out) {
    const float *x = from;
    for (int64_t q = 0; q < cols; q++) {
        double sum = 0;
        for (int64_t i = 0; i < rows; i++) sum += x[i * cols + q];
        out[q] += (float)sum;
    }
}

void bl_ref_matmul(bl_kernels *k) {
    k->matmul = matmul;
    k->bias_act = bias_act;
    k->col_sum = col_sum;
}
