/* Kernels over flat parameter stores. */
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"
#include "kernels/shared/store.h"

static __global__ void sgd_kernel(float *w, float *m, const float *g, int64_t n, float lr, float mu,
                                  float decay, float gscale, bool nesterov) {
    BL_EACH(i, n) bl_sgd_at(&w[i], &m[i], g[i], lr, mu, decay, gscale, nesterov);
}

static void sgd(float *w, float *m, const float *g, int64_t n, float lr, float mu, float decay,
                float gscale, bool nesterov) {
    BL_LAUNCH_EACH(sgd_kernel, n, w, m, g, n, lr, mu, decay, gscale, nesterov);
}

static __global__ void adam_kernel(float *w, float *m, float *v, const float *g, int64_t n,
                                   bl_adam_kernel a) {
    BL_EACH(i, n) bl_adam_at(&w[i], &m[i], &v[i], g[i], &a);
}

static void adam(float *w, float *m, float *v, const float *g, int64_t n, const bl_adam_kernel *a) {
    BL_LAUNCH_EACH(adam_kernel, n, w, m, v, g, n, *a);
}

static __global__ void ema_kernel(float *t, const float *s, int64_t n, float keep) {
    BL_EACH(i, n) t[i] = bl_ema_at(t[i], s[i], keep);
}

static void ema(float *t, const float *s, int64_t n, float keep) {
    BL_LAUNCH_EACH(ema_kernel, n, t, s, n, keep);
}

/* ---- reductions to one number: the grid is fixed by n, one block adds its parts in order ---- */

enum { PARTS_MAX = 512 };

typedef struct part {
    double sum; /* of squares */
    unsigned long long bad;
} part;

static __global__ void reduce_kernel(const float *x, int64_t n, part *out) {
    double sum = 0;
    unsigned long long bad = 0;
    BL_EACH(i, n) {
        float v = x[i];
        sum += (double)v * v;
        bad += !isfinite(v);
    }
    sum = bl_block_sum(sum);
    bad = bl_block_sum(bad);
    if (threadIdx.x == 0) out[blockIdx.x] = part{sum, bad};
}

/* One block. */
static __global__ void reduce_end(const part *in, int n, double *sum, int64_t *bad) {
    double s = 0;
    unsigned long long b = 0;
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        s += in[i].sum;
        b += in[i].bad;
    }
    s = bl_block_sum(s);
    b = bl_block_sum(b);
    if (threadIdx.x != 0) return;
    if (sum) *sum = s;
    if (bad) *bad = (int64_t)b;
}

/* sum or bad may be NULL. */
static void reduce(const float *x, int64_t n, double *sum, int64_t *bad) {
    unsigned parts = bl_grid(n) < PARTS_MAX ? bl_grid(n) : (unsigned)PARTS_MAX;
    part *out = (part *)bl_scratch((parts + 1) * sizeof *out);
    if (!out) return;
    if (parts > 0) BL_LAUNCH(reduce_kernel, parts, BL_THREADS, 0, x, n, out);
    BL_LAUNCH(reduce_end, 1, BL_THREADS, 0, out, (int)parts, sum, bad);
    bl_scratch_free(out);
}

static void sum_squares(const float *x, int64_t n, double *sum) {
    reduce(x, n, sum, NULL);
}

static void count_nonfinite(const float *x, int64_t n, int64_t *count) {
    reduce(x, n, NULL, count);
}

void bl_cuda_store_slots(bl_kernels *k) {
    k->sgd = sgd;
    k->adam = adam;
    k->ema = ema;
    k->sum_squares = sum_squares;
    k->count_nonfinite = count_nonfinite;
}
