#include "kernels/shared/rows.h"
#include "core/parallel.h"
#include "kernels/ref/ref.h"

typedef struct norm_job {
    const float *x, *y, *dy;
    int64_t cols;
    float eps, beta, *out, *norm;
} norm_job;

static void fwd_range(void *arg, int64_t begin, int64_t end) {
    const norm_job *j = arg;
    for (int64_t i = begin; i < end; i++) {
        const float *x = j->x + i * j->cols;
        double square = 0;
        for (int64_t c = 0; c < j->cols; c++) square += (double)x[c] * x[c];
        j->norm[i] = bl_l2_norm(square, j->eps);
        for (int64_t c = 0; c < j->cols; c++) {
            j->out[i * j->cols + c] = bl_l2_value(x[c], j->norm[i]);
        }
    }
}

static void l2_normalize(const float *x, int64_t rows, int64_t cols, float eps, float *y,
                         float *norm) {
    norm_job j = {.x = x, .cols = cols, .eps = eps, .out = y, .norm = norm};
    bl_parallel_for(rows, 16, fwd_range, &j);
}

static void bwd_range(void *arg, int64_t begin, int64_t end) {
    const norm_job *j = arg;
    for (int64_t i = begin; i < end; i++) {
        const float *y = j->y + i * j->cols, *dy = j->dy + i * j->cols;
        float *dx = j->out + i * j->cols;
        double dot = 0;
        for (int64_t c = 0; c < j->cols && j->norm[i] > 0; c++) dot += (double)y[c] * dy[c];
        for (int64_t c = 0; c < j->cols; c++) {
            float d = bl_l2_slope(y[c], dy[c], dot, j->norm[i]);
            dx[c] = j->beta != 0 ? dx[c] + d : d;
        }
    }
}

static void l2_normalize_bwd(const float *y, const float *norm, const float *dy, int64_t rows,
                             int64_t cols, float *dx, float beta) {
    norm_job j = {.y = y, .norm = (float *)norm, .dy = dy, .cols = cols, .out = dx, .beta = beta};
    bl_parallel_for(rows, 16, bwd_range, &j);
}

void bl_ref_rows(bl_kernels *k) {
    k->l2_normalize = l2_normalize;
    k->l2_normalize_bwd = l2_normalize_bwd;
}
