#include <math.h>
#include <string.h>

#include "core/parallel.h"
#include "kernels/ref/ref.h"
#include "kernels/shared/window.h"

typedef struct pool_job {
    const bl_tensor *x, *dy;
    bl_tensor *y, *dx;
    int32_t kernel, stride, pad, *arg;
    const int32_t *arg_in;
    float beta;
} pool_job;

/* The largest value of the window at (oy, ox). */
static void max_window(const pool_job *j, const float *plane, int64_t oy, int64_t ox, int32_t lane,
                       float *best, int32_t *arg) {
    const bl_tensor *x = j->x;
    bl_span rows = bl_window_inputs(oy, j->kernel, j->stride, j->pad, x->h);
    bl_span cols = bl_window_inputs(ox, j->kernel, j->stride, j->pad, x->w);
    *best = -INFINITY;
    *arg = -1;
    for (int64_t iy = rows.begin; iy < rows.end; iy++) {
        for (int64_t ix = cols.begin; ix < cols.end; ix++) {
            float v = plane[(iy * x->w + ix) * x->cb + lane];
            if (bl_max_leads(v, *best, *arg)) {
                *best = v;
                *arg = (int32_t)(iy * x->w + ix);
            }
        }
    }
}

/* Index = (image, channel block). */
static void max_fwd_range(void *arg, int64_t begin, int64_t end) {
    const pool_job *j = arg;
    const bl_tensor *x = j->x, *y = j->y;
    for (int64_t i = begin; i < end; i++) {
        const float *plane = bl_f32(x) + i * x->h * x->w * x->cb;
        for (int64_t q = 0; q < y->h * y->w; q++) {
            int64_t e = (i * y->h * y->w + q) * y->cb;
            for (int32_t l = 0; l < y->cb; l++) {
                max_window(j, plane, q / y->w, q % y->w, l, &bl_f32(y)[e + l], &j->arg[e + l]);
            }
        }
    }
}

static void max_pool_fwd(const bl_tensor *x, int32_t k, int32_t stride, int32_t pad, bl_tensor *y,
                         int32_t *arg) {
    pool_job j = {.x = x, .y = y, .kernel = k, .stride = stride, .pad = pad, .arg = arg};
    bl_parallel_for(x->n * bl_blocks(x), 1, max_fwd_range, &j);
}

static void max_bwd_range(void *arg, int64_t begin, int64_t end) {
    const pool_job *j = arg;
    const bl_tensor *dy = j->dy;
    bl_tensor *dx = j->dx;
    int64_t in = dx->h * dx->w * dx->cb, out = dy->h * dy->w * dy->cb;
    for (int64_t i = begin; i < end; i++) {
        float *plane = bl_f32(dx) + i * in;
        if (j->beta == 0) memset(plane, 0, (size_t)in * sizeof *plane);
        for (int64_t e = 0; e < out; e++) {
            plane[(int64_t)j->arg_in[i * out + e] * dx->cb + e % dx->cb] += bl_f32(dy)[i * out + e];
        }
    }
}

/* Outputs know their input, so the window's shape is of no use here: inputs that gather need it. */
static void max_pool_bwd(const bl_tensor *dy, const int32_t *arg, int32_t k, int32_t stride,
                         int32_t pad, bl_tensor *dx, float beta) {
    (void)k;
    (void)stride;
    (void)pad;
    pool_job j = {.dy = dy, .arg_in = arg, .dx = dx, .beta = beta};
    bl_parallel_for(dy->n * bl_blocks(dy), 1, max_bwd_range, &j);
}

/* Index = (image, channel). */
static void avg_fwd_range(void *arg, int64_t begin, int64_t end) {
    const pool_job *j = arg;
    const bl_tensor *x = j->x;
    int64_t pixels = x->h * x->w;
    for (int64_t i = begin; i < end; i++) {
        const float *v = bl_f32(x) + bl_index(x, i / x->c, i % x->c, 0, 0);
        double sum = 0;
        for (int64_t q = 0; q < pixels; q++, v += x->cb) sum += *v;
        bl_f32(j->y)[bl_index(j->y, i / x->c, i % x->c, 0, 0)] = (float)(sum / (double)pixels);
    }
}

static void avg_pool_fwd(const bl_tensor *x, bl_tensor *y) {
    pool_job j = {.x = x, .y = y};
    bl_parallel_for(x->n * x->c, 16, avg_fwd_range, &j);
}

/* Index = (image, channel block). */
static void avg_bwd_range(void *arg, int64_t begin, int64_t end) {
    const pool_job *j = arg;
    bl_tensor *dx = j->dx;
    int64_t pixels = dx->h * dx->w, blocks = bl_blocks(dx);
    for (int64_t i = begin; i < end; i++) {
        for (int32_t l = 0; l < dx->cb; l++) {
            int64_t c = i % blocks * dx->cb + l;
            float g = c < dx->c ? bl_f32(j->dy)[bl_index(j->dy, i / blocks, c, 0, 0)] : 0;
            g /= (float)pixels;
            float *d = bl_f32(dx) + i * pixels * dx->cb + l;
            for (int64_t q = 0; q < pixels; q++, d += dx->cb) *d = j->beta != 0 ? *d + g : g;
        }
    }
}

static void avg_pool_bwd(const bl_tensor *dy, bl_tensor *dx, float beta) {
    pool_job j = {.dy = dy, .dx = dx, .beta = beta};
    bl_parallel_for(dx->n * bl_blocks(dx), 1, avg_bwd_range, &j);
}

void bl_ref_pool(bl_kernels *k) {
    k->max_pool_fwd = max_pool_fwd;
    k->max_pool_bwd = max_pool_bwd;
    k->avg_pool_fwd = avg_pool_fwd;
    k->avg_pool_bwd = avg_pool_bwd;
}
