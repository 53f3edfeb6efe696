/* Flat arithmetic, and the two matrix helpers of linear layers. */
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"
#include "kernels/shared/norm.h"

static __global__ void act_bwd_kernel(const float *y, const float *dy, float slope, float *out,
                                      int64_t n) {
    BL_EACH(i, n) out[i] = bl_act_grad_at(y[i], dy[i], slope);
}

static void act_bwd(const float *y, const float *dy, float slope, float *out, int64_t n) {
    BL_LAUNCH_EACH(act_bwd_kernel, n, y, dy, slope, out, n);
}

static __global__ void axpby_kernel(float a, const float *x, float b, float *y, int64_t n) {
    BL_EACH(i, n) y[i] = b == 0 ? a * x[i] : a * x[i] + b * y[i];
}

static void axpby(float a, const float *x, float b, float *y, int64_t n) {
    BL_LAUNCH_EACH(axpby_kernel, n, a, x, b, y, n);
}

static __global__ void axpby_at_kernel(const float *a, const float *x, float b, float *y,
                                       int64_t n) {
    float f = *a;
    BL_EACH(i, n) y[i] = b == 0 ? f * x[i] : f * x[i] + b * y[i];
}

static void axpby_at(const float *a, const float *x, float b, float *y, int64_t n) {
    BL_LAUNCH_EACH(axpby_at_kernel, n, a, x, b, y, n);
}

static __global__ void add_kernel(const float *a, const float *b, float *y, int64_t n) {
    BL_EACH(i, n) y[i] = a[i] + b[i];
}

static void add(const float *a, const float *b, float *y, int64_t n) {
    BL_LAUNCH_EACH(add_kernel, n, a, b, y, n);
}

static __global__ void bias_act_kernel(float *y, const float *bias, bool relu, int64_t n,
                                       int64_t cols) {
    BL_EACH(i, n) {
        float v = y[i] + (bias ? bias[i % cols] : 0);
        y[i] = relu && v < 0 ? 0 : v;
    }
}

static void bias_act(float *y, const float *bias, bool relu, int64_t rows, int64_t cols) {
    BL_LAUNCH_EACH(bias_act_kernel, rows * cols, y, bias, relu, rows * cols, cols);
}

enum { SUM_ROWS = BL_THREADS / BL_WARP };

/* A block sums a warp's width of columns: warp w takes rows w, w + SUM_ROWS, ... */
static __global__ void col_sum_kernel(const float *x, int64_t rows, int64_t cols, float *out) {
    __shared__ double part[SUM_ROWS][BL_WARP];
    int lane = (int)threadIdx.x % BL_WARP, warp = (int)threadIdx.x / BL_WARP;
    int64_t q = (int64_t)blockIdx.x * BL_WARP + lane;
    double sum = 0;
    for (int64_t i = warp; q < cols && i < rows; i += SUM_ROWS) sum += x[i * cols + q];
    part[warp][lane] = sum;
    __syncthreads();
    if (warp > 0 || q >= cols) return;
    for (int w = 1; w < SUM_ROWS; w++) sum += part[w][lane];
    out[q] += (float)sum;
}

static void col_sum(const float *x, int64_t rows, int64_t cols, float *out) {
    if (rows == 0 || cols == 0) return;
    BL_LAUNCH(col_sum_kernel, (unsigned)((cols + BL_WARP - 1) / BL_WARP), BL_THREADS, 0, x, rows,
              cols, out);
}

void bl_cuda_elementwise_slots(bl_kernels *k) {
    k->act_bwd = act_bwd;
    k->axpby = axpby;
    k->axpby_at = axpby_at;
    k->add = add;
    k->bias_act = bias_act;
    k->col_sum = col_sum;
}
