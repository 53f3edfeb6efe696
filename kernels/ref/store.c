/* Kernels over flat parameter stores. Reductions use a number of chunks fixed by the problem. */
#include <math.h>

#include "core/parallel.h"
#include "kernels/ref/ref.h"
#include "kernels/shared/store.h"

enum { CHUNKS = 64, GRAIN = 1 << 14 };

typedef struct store_job {
    float *w, *m;
    const float *g;
    int64_t n;
    float lr, mu, decay, gscale, keep;
    bool nesterov;
    double *partial;
    int64_t *found;
} store_job;

static void sgd_range(void *arg, int64_t begin, int64_t end) {
    const store_job *j = arg;
    for (int64_t i = begin; i < end; i++) {
        bl_sgd_at(&j->w[i], &j->m[i], j->g[i], j->lr, j->mu, j->decay, j->gscale, j->nesterov);
    }
}

static void sgd(float *w, float *m, const float *g, int64_t n, float lr, float mu, float decay,
                float gscale, bool nesterov) {
    store_job j = {.w = w,
                   .m = m,
                   .g = g,
                   .lr = lr,
                   .mu = mu,
                   .decay = decay,
                   .gscale = gscale,
                   .nesterov = nesterov};
    bl_parallel_for(n, GRAIN, sgd_range, &j);
}

typedef struct adam_job {
    float *w, *m, *v;
    const float *g;
    bl_adam_kernel a;
} adam_job;

static void adam_range(void *arg, int64_t begin, int64_t end) {
    const adam_job *j = arg;
    const bl_adam_kernel a = j->a;
    for (int64_t i = begin; i < end; i++) {
        bl_adam_at(&j->w[i], &j->m[i], &j->v[i], j->g[i], &a);
    }
}

static void adam(float *w, float *m, float *v, const float *g, int64_t n, const bl_adam_kernel *a) {
    adam_job j = {w, m, v, g, *a};
    bl_parallel_for(n, GRAIN, adam_range, &j);
}

static void ema_range(void *arg, int64_t begin, int64_t end) {
    const store_job *j = arg;
    for (int64_t i = begin; i < end; i++) j->w[i] = bl_ema_at(j->w[i], j->g[i], j->keep);
}

static void ema(float *t, const float *s, int64_t n, float keep) {
    store_job j = {.w = t, .g = s, .keep = keep};
    bl_parallel_for(n, GRAIN, ema_range, &j);
}

/* Index = chunk. */
static void reduce_range(void *arg, int64_t begin, int64_t end) {
    const store_job *j = arg;
    for (int64_t i = begin; i < end; i++) {
        int64_t from = j->n * i / CHUNKS, to = j->n * (i + 1) / CHUNKS, bad = 0;
        double sum = 0;
        for (int64_t e = from; e < to; e++) {
            sum += (double)j->g[e] * j->g[e];
            bad += !isfinite(j->g[e]);
        }
        j->partial[i] = sum;
        j->found[i] = bad;
    }
}

static void reduce(const float *x, int64_t n, double *sum, int64_t *bad) {
    double partial[CHUNKS];
    int64_t found[CHUNKS];
    store_job j = {.g = x, .n = n, .partial = partial, .found = found};
    bl_parallel_for(CHUNKS, n < GRAIN ? CHUNKS : 1, reduce_range, &j);
    *sum = 0;
    *bad = 0;
    for (int i = 0; i < CHUNKS; i++) {
        *sum += partial[i];
        *bad += found[i];
    }
}

static void sum_squares(const float *x, int64_t n, double *sum) {
    int64_t bad;
    reduce(x, n, sum, &bad);
}

static void count_nonfinite(const float *x, int64_t n, int64_t *count) {
    double sum;
    reduce(x, n, &sum, count);
}

void bl_ref_store(bl_kernels *k) {
    k->sgd = sgd;
    k->adam = adam;
    k->ema = ema;
    k->sum_squares = sum_squares;
    k->count_nonfinite = count_nonfinite;
}
