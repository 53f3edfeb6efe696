/* Nearest upsampling: fine row i reads coarse row floor(i*Hc/Hf). Shortcut: every stride-th row and
 * column, channels moved up by `first`. */
#include <string.h>

#include "core/parallel.h"
#include "kernels/ref/ref.h"
#include "kernels/shared/window.h"

typedef struct up_job {
    const bl_tensor *fine, *coarse, *dy;
    bl_tensor *y, *dcoarse;
    float beta;
} up_job;

/* Index = (image, channel block, fine row). */
static void fwd_range(void *arg, int64_t begin, int64_t end) {
    const up_job *j = arg;
    const bl_tensor *f = j->fine, *c = j->coarse;
    for (int64_t i = begin; i < end; i++) {
        int64_t cy = bl_nearest(i % f->h, f->h, c->h);
        const float *row = bl_f32(c) + (i / f->h * c->h + cy) * c->w * c->cb;
        for (int64_t x = 0; x < f->w; x++) {
            const float *from = row + bl_nearest(x, f->w, c->w) * c->cb;
            int64_t e = (i * f->w + x) * f->cb;
            for (int32_t l = 0; l < f->cb; l++) {
                bl_f32(j->y)[e + l] = bl_f32(f)[e + l] + from[l];
            }
        }
    }
}

static void upsample_add_fwd(const bl_tensor *fine, const bl_tensor *coarse, bl_tensor *y) {
    up_job j = {.fine = fine, .coarse = coarse, .y = y};
    bl_parallel_for(fine->n * bl_blocks(fine) * fine->h, 4, fwd_range, &j);
}

/* Index = (image, channel block, coarse row). */
static void bwd_range(void *arg, int64_t begin, int64_t end) {
    const up_job *j = arg;
    const bl_tensor *dy = j->dy, *dc = j->dcoarse;
    int32_t cb = dc->cb;
    for (int64_t i = begin; i < end; i++) {
        bl_span rows = bl_nearest_readers(i % dc->h, dy->h, dc->h);
        for (int64_t x = 0; x < dc->w; x++) {
            float *out = bl_f32(dc) + (i * dc->w + x) * cb;
            bl_span cols = bl_nearest_readers(x, dy->w, dc->w);
            if (j->beta == 0) memset(out, 0, (size_t)cb * sizeof *out);
            for (int64_t fy = rows.begin; fy < rows.end; fy++) {
                for (int64_t fx = cols.begin; fx < cols.end; fx++) {
                    const float *g = bl_f32(dy) + ((i / dc->h * dy->h + fy) * dy->w + fx) * cb;
                    for (int32_t l = 0; l < cb; l++) out[l] += g[l];
                }
            }
        }
    }
}

static void upsample_bwd(const bl_tensor *dy, bl_tensor *dcoarse, float beta) {
    up_job j = {.dy = dy, .dcoarse = dcoarse, .beta = beta};
    bl_parallel_for(dcoarse->n * bl_blocks(dcoarse) * dcoarse->h, 4, bwd_range, &j);
}

typedef struct shortcut_job {
    const bl_tensor *x, *dy;
    bl_tensor *y, *dx;
    int32_t stride;
    int64_t first;
    float beta;
} shortcut_job;

/* Index = (image, output row). */
static void shortcut_fwd_range(void *arg, int64_t begin, int64_t end) {
    const shortcut_job *j = arg;
    const bl_tensor *x = j->x, *y = j->y;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / y->h, row = i % y->h, padded = bl_blocks(y) * y->cb;
        for (int64_t c = 0; c < padded; c++) {
            float *to = bl_f32(y) + bl_index(y, n, c, row, 0);
            bool from_x = c >= j->first && c < j->first + x->c;
            const float *from =
                bl_f32(x) + (from_x ? bl_index(x, n, c - j->first, row * j->stride, 0) : 0);
            for (int64_t q = 0; q < y->w; q++, to += y->cb, from += j->stride * x->cb) {
                *to = from_x ? *from : 0;
            }
        }
    }
}

static void shortcut_fwd(const bl_tensor *x, int32_t stride, int64_t first, bl_tensor *y) {
    shortcut_job j = {.x = x, .stride = stride, .first = first, .y = y};
    bl_parallel_for(y->n * y->h, 4, shortcut_fwd_range, &j);
}

/* Index = (image, input row). */
static void shortcut_bwd_range(void *arg, int64_t begin, int64_t end) {
    const shortcut_job *j = arg;
    const bl_tensor *dy = j->dy;
    bl_tensor *dx = j->dx;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / dx->h, row = i % dx->h;
        for (int64_t b = 0; j->beta == 0 && b < bl_blocks(dx); b++) {
            float *to = bl_f32(dx) + bl_index(dx, n, b * dx->cb, row, 0);
            memset(to, 0, (size_t)(dx->w * dx->cb) * sizeof *to);
        }
        if (row % j->stride != 0) continue;
        for (int64_t c = 0; c < dx->c; c++) {
            const float *from = bl_f32(dy) + bl_index(dy, n, c + j->first, row / j->stride, 0);
            float *to = bl_f32(dx) + bl_index(dx, n, c, row, 0);
            for (int64_t q = 0; q < dy->w; q++, from += dy->cb, to += j->stride * dx->cb) {
                *to += *from;
            }
        }
    }
}

static void shortcut_bwd(const bl_tensor *dy, int32_t stride, int64_t first, bl_tensor *dx,
                         float beta) {
    shortcut_job j = {.dy = dy, .stride = stride, .first = first, .dx = dx, .beta = beta};
    bl_parallel_for(dx->n * dx->h, 4, shortcut_bwd_range, &j);
}

void bl_ref_resample(bl_kernels *k) {
    k->shortcut_fwd = shortcut_fwd;
    k->shortcut_bwd = shortcut_bwd;
    k->upsample_add_fwd = upsample_add_fwd;
    k->upsample_bwd = upsample_bwd;
}
