/* Flat arithmetic, and the two matrix helpers of linear layers. */
#include "kernels/cuda/typed.h"
#include "kernels/shared/norm.h"

template <typename T>
static __global__ void act_bwd_kernel(const T *y, const T *dy, float slope, T *out, int64_t n) {
    BL_EACH(i, n) bl_put(out, i, bl_act_grad_at(bl_get(y, i), bl_get(dy, i), slope));
}

static void act_bwd(bl_dtype type, const void *y, const void *dy, float slope, void *out,
                    int64_t n) {
    BL_TYPED(type, T,
             BL_LAUNCH_EACH(act_bwd_kernel<T>, n, (const T *)y, (const T *)dy, slope, (T *)out, n));
}

template <typename T>
static __global__ void axpby_kernel(float a, const T *x, float b, T *y, int64_t n) {
    BL_EACH(i, n) {
        float v = a * bl_get(x, i);
        bl_put(y, i, b == 0 ? v : v + b * bl_get(y, i));
    }
}

static void axpby(bl_dtype type, float a, const void *x, float b, void *y, int64_t n) {
    BL_TYPED(type, T, BL_LAUNCH_EACH(axpby_kernel<T>, n, a, (const T *)x, b, (T *)y, n));
}

static __global__ void axpby_at_kernel(const float *a, const float *x, float b, float *y,
                                       int64_t n) {
    float f = *a;
    BL_EACH(i, n) y[i] = b == 0 ? f * x[i] : f * x[i] + b * y[i];
}

static void axpby_at(const float *a, const float *x, float b, float *y, int64_t n) {
    BL_LAUNCH_EACH(axpby_at_kernel, n, a, x, b, y, n);
}

template <typename T> static __global__ void add_kernel(const T *a, const T *b, T *y, int64_t n) {
    BL_EACH(i, n) bl_put(y, i, bl_get(a, i) + bl_get(b, i));
}

static void add(bl_dtype type, const void *a, const void *b, void *y, int64_t n) {
    BL_TYPED(type, T, BL_LAUNCH_EACH(add_kernel<T>, n, (const T *)a, (const T *)b, (T *)y, n));
}

template <typename T>
static __global__ void bias_act_kernel(T *y, const float *bias, bool relu, int64_t n,
                                       int64_t cols) {
    BL_EACH(i, n) {
        float v = bl_get(y, i) + (bias ? bias[i % cols] : 0);
        bl_put(y, i, relu && v < 0 ? 0 : v);
    }
}

static void bias_act(bl_dtype type, void *y, const float *bias, bool relu, int64_t rows,
                     int64_t cols) {
    int64_t n = rows * cols;
    BL_TYPED(type, T, BL_LAUNCH_EACH(bias_act_kernel<T>, n, (T *)y, bias, relu, n, cols));
}

enum { SUM_ROWS = BL_THREADS / BL_WARP };

/* A block sums a warp's width of columns: warp w takes rows w, w + SUM_ROWS, ... */
template <typename T>
static __global__ void col_sum_kernel(const T *x, int64_t rows, int64_t cols, float *out) {
    __shared__ double part[SUM_ROWS][BL_WARP];
    int lane = (int)threadIdx.x % BL_WARP, warp = (int)threadIdx.x / BL_WARP;
    int64_t q = (int64_t)blockIdx.x * BL_WARP + lane;
    double sum = 0;
    for (int64_t i = warp; q < cols && i < rows; i += SUM_ROWS) sum += bl_get(x, i * cols + q);
    part[warp][lane] = sum;
    __syncthreads();
    if (warp > 0 || q >= cols) return;
    for (int w = 1; w < SUM_ROWS; w++) sum += part[w][lane];
    out[q] += (float)sum;
}

static void col_sum(bl_dtype type, const void *x, int64_t rows, int64_t cols, float *out) {
    if (rows == 0 || cols == 0) return;
    unsigned blocks = (unsigned)((cols + BL_WARP - 1) / BL_WARP);
    BL_TYPED(type, T,
             BL_LAUNCH(col_sum_kernel<T>, blocks, BL_THREADS, 0, (const T *)x, rows, cols, out));
}

void bl_cuda_elementwise_slots(bl_kernels *k) {
    k->act_bwd = act_bwd;
    k->axpby = axpby;
    k->axpby_at = axpby_at;
    k->add = add;
    k->bias_act = bias_act;
    k->col_sum = col_sum;
}
