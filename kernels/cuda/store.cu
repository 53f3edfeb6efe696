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

/* ---- reductions to the host: the number of partial sums follows from n alone, and the host adds
 * them in order. These slots wait for the stream, since they return a value. ---- */

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

/* NaN and -1 when the device failed; it reports why. */
static void reduce(const float *x, int64_t n, double *sum, int64_t *bad) {
    part host[PARTS_MAX];
    unsigned parts = bl_grid(n) < PARTS_MAX ? bl_grid(n) : (unsigned)PARTS_MAX;
    *sum = 0, *bad = 0;
    if (n == 0) return;
    part *out = (part *)bl_scratch(parts * sizeof *out);
    bool done = out != nullptr;
    if (done) {
        BL_LAUNCH(reduce_kernel, parts, BL_THREADS, 0, x, n, out);
        done = bl_fetch(host, out, parts * sizeof *out);
    }
    bl_scratch_free(out);
    for (unsigned i = 0; done && i < parts; i++) *sum += host[i].sum, *bad += (int64_t)host[i].bad;
    if (!done) *sum = (double)NAN, *bad = -1;
}

static double sum_squares(const float *x, int64_t n) {
    double sum;
    int64_t bad;
    reduce(x, n, &sum, &bad);
    return sum;
}

static int64_t count_nonfinite(const float *x, int64_t n) {
    double sum;
    int64_t bad;
    reduce(x, n, &sum, &bad);
    return bad;
}

void bl_cuda_store_slots(bl_kernels *k) {
    k->sgd = sgd;
    k->adam = adam;
    k->ema = ema;
    k->sum_squares = sum_squares;
    k->count_nonfinite = count_nonfinite;
}
