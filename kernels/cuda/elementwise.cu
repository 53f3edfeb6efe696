/* Flat arithmetic, and the two matrix helpers of linear layers. */
#include "kernels/cuda/columns.h"
#include "kernels/shared/norm.h"

/* Runs the statement with W as the values of a thread, where n of them and the arrays' addresses
 * allow packs, else with 1. */
#define PACKED(T, W, n, addresses, ...)                                                            \
    do {                                                                                           \
        if ((n) % (int64_t)(16 / sizeof(T)) == 0 && (addresses) % 16 == 0) {                       \
            enum { W = 16 / sizeof(T) };                                                           \
            __VA_ARGS__;                                                                           \
        } else {                                                                                   \
            enum { W = 1 };                                                                        \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
    } while (0)

/* In these kernels n counts packs of W values. */
template <typename T, int W>
static __global__ void act_bwd_kernel(const T *y, const T *dy, float slope, T *out, int64_t n) {
    BL_EACH(i, n) {
        bl_pack<T, W> a = bl_load<W>(y, i * W);
        bl_pack<T, W> d = bl_load<W>(dy, i * W);
        for (int v = 0; v < W; v++) {
            d.put(v, bl_act_grad_at(a.get(v), d.get(v), slope));
        }
        bl_store(out, i * W, d);
    }
}

static void act_bwd(bl_dtype type, const void *y, const void *dy, float slope, void *out,
                    int64_t n) {
    uintptr_t at = (uintptr_t)y | (uintptr_t)dy | (uintptr_t)out;
    BL_TYPED(type, T,
             PACKED(T, W, n, at,
                    BL_LAUNCH_EACH((act_bwd_kernel<T, W>), n / W, (const T *)y, (const T *)dy,
                                   slope, (T *)out, n / W)));
}

template <typename T, int W>
static __global__ void axpby_kernel(float a, const T *x, float b, T *y, int64_t n) {
    BL_EACH(i, n) {
        bl_pack<T, W> p = bl_load<W>(x, i * W);
        bl_pack<T, W> q = p;
        if (b != 0) q = bl_load<W>(y, i * W);
        for (int v = 0; v < W; v++) {
            float f = a * p.get(v);
            q.put(v, b == 0 ? f : f + b * q.get(v));
        }
        bl_store(y, i * W, q);
    }
}

static void axpby(bl_dtype type, float a, const void *x, float b, void *y, int64_t n) {
    BL_TYPED(
        type, T,
        PACKED(T, W, n, (uintptr_t)x | (uintptr_t)y,
               BL_LAUNCH_EACH((axpby_kernel<T, W>), n / W, a, (const T *)x, b, (T *)y, n / W)));
}

static __global__ void axpby_at_kernel(const float *a, const float *x, float b, float *y,
                                       int64_t n) {
    float f = *a;
    BL_EACH(i, n) y[i] = b == 0 ? f * x[i] : f * x[i] + b * y[i];
}

static void axpby_at(const float *a, const float *x, float b, float *y, int64_t n) {
    BL_LAUNCH_EACH(axpby_at_kernel, n, a, x, b, y, n);
}

template <typename T, int W>
static __global__ void add_kernel(const T *a, const T *b, T *y, int64_t n) {
    BL_EACH(i, n) {
        bl_pack<T, W> p = bl_load<W>(a, i * W);
        bl_pack<T, W> q = bl_load<W>(b, i * W);
        for (int v = 0; v < W; v++) p.put(v, p.get(v) + q.get(v));
        bl_store(y, i * W, p);
    }
}

static void add(bl_dtype type, const void *a, const void *b, void *y, int64_t n) {
    uintptr_t at = (uintptr_t)a | (uintptr_t)b | (uintptr_t)y;
    BL_TYPED(type, T,
             PACKED(T, W, n, at,
                    BL_LAUNCH_EACH((add_kernel<T, W>), n / W, (const T *)a, (const T *)b, (T *)y,
                                   n / W)));
}

/* `cols` counts packs, too: a pack lies within a row. */
template <typename T, int W>
static __global__ void bias_act_kernel(T *y, const float *bias, bool relu, int64_t n,
                                       int64_t cols) {
    BL_EACH(i, n) {
        bl_pack<T, W> p = bl_load<W>(y, i * W);
        const float *b = bias ? bias + i % cols * W : NULL;
        for (int v = 0; v < W; v++) {
            float f = p.get(v) + (b ? b[v] : 0);
            p.put(v, relu && f < 0 ? 0 : f);
        }
        bl_store(y, i * W, p);
    }
}

static void bias_act(bl_dtype type, void *y, const float *bias, bool relu, int64_t rows,
                     int64_t cols) {
    BL_TYPED(type, T,
             PACKED(T, W, cols, (uintptr_t)y,
                    BL_LAUNCH_EACH((bias_act_kernel<T, W>), rows * cols / W, (T *)y, bias, relu,
                                   rows * cols / W, cols / W)));
}

/* A warp a column: its sums over the chunks. */
static __global__ void col_sum_end(bl_columns s, const double *part, float *out) {
    BL_EACH_WARP(c, s.c) {
        bl_pair p = bl_column_total(&s, part, 0, c);
        if (threadIdx.x % BL_WARP == 0) out[c] += (float)p.a;
    }
}

/* In two stages: the rows of a bias gradient, the pixels of a batch, are many more than its columns. */
static void col_sum(bl_dtype type, const void *x, int64_t rows, int64_t cols, float *out) {
    if (rows == 0 || cols == 0) return;
    bl_tensor matrix = {};
    matrix.n = 1;
    matrix.c = cols;
    matrix.h = rows;
    matrix.w = 1;
    matrix.cb = (int32_t)cols;
    matrix.dtype = type;
    bl_columns s = bl_packs_sums(&matrix, true, (uintptr_t)x);
    double *part = (double *)bl_scratch((size_t)bl_columns_part(&s) * sizeof *part);
    if (!part) return;
    bl_columns_plain_sums(&s, x, part);
    BL_LAUNCH_WARPS(col_sum_end, cols, s, part, out);
    bl_scratch_free(part);
}

void bl_cuda_elementwise_slots(bl_kernels *k) {
    k->act_bwd = act_bwd;
    k->axpby = axpby;
    k->axpby_at = axpby_at;
    k->add = add;
    k->bias_act = bias_act;
    k->col_sum = col_sum;
}
