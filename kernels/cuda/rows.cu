/* L2 normalisation: a block is a row, its sums are double. */
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"
#include "kernels/shared/rows.h"

enum { THREADS = 128 };

static unsigned row_grid(int64_t rows) {
    return (unsigned)(rows < (int64_t)BL_GRID_MAX ? rows : (int64_t)BL_GRID_MAX);
}

static __global__ void l2_fwd(const float *x, int64_t rows, int64_t cols, float eps, float *y,
                              float *norm) {
    for (int64_t i = blockIdx.x; i < rows; i += gridDim.x) {
        const float *xi = x + i * cols;
        double square = 0;
        for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) square += (double)xi[c] * xi[c];
        float by = bl_l2_norm(bl_block_sum(square), eps);
        for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
            y[i * cols + c] = bl_l2_value(xi[c], by);
        }
        if (threadIdx.x == 0) norm[i] = by;
    }
}

static void l2_normalize(const float *x, int64_t rows, int64_t cols, float eps, float *y,
                         float *norm) {
    if (rows == 0) return;
    BL_LAUNCH(l2_fwd, row_grid(rows), THREADS, 0, x, rows, cols, eps, y, norm);
}

static __global__ void l2_bwd(const float *y, const float *norm, const float *dy, int64_t rows,
                              int64_t cols, float *dx, float beta) {
    for (int64_t i = blockIdx.x; i < rows; i += gridDim.x) {
        const float *yi = y + i * cols, *di = dy + i * cols;
        double dot = 0;
        for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) dot += (double)yi[c] * di[c];
        dot = bl_block_sum(dot);
        if (!(norm[i] > 0)) dot = 0;
        for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
            float d = bl_l2_slope(yi[c], di[c], dot, norm[i]);
            dx[i * cols + c] = beta != 0 ? dx[i * cols + c] + d : d;
        }
    }
}

static void l2_normalize_bwd(const float *y, const float *norm, const float *dy, int64_t rows,
                             int64_t cols, float *dx, float beta) {
    if (rows == 0) return;
    BL_LAUNCH(l2_bwd, row_grid(rows), THREADS, 0, y, norm, dy, rows, cols, dx, beta);
}

void bl_cuda_rows_slots(bl_kernels *k) {
    k->l2_normalize = l2_normalize;
    k->l2_normalize_bwd = l2_normalize_bwd;
}
