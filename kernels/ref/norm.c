/* Per-channel statistics and affine maps of batch norm. */
#include "kernels/shared/norm.h"
#include "core/parallel.h"
#include "kernels/ref/ref.h"

enum { LANES = BL_REF_LANES };

typedef struct norm_job {
    const bl_tensor *x, *y, *dy, *skip;
    const float *mean, *rstd, *scale, *shift, *a, *b, *k;
    float *out0, *out1;
    bl_tensor *out, *dx, *dskip;
    float slope, beta_dx, beta_dskip;
} norm_job;

static int64_t pieces_of(const bl_tensor *x) {
    return bl_blocks(x) * bl_pieces_per_block(x->cb);
}

/* Index = piece of channels. Two passes in double: exact enough for any count. */
static void stats_range(void *arg, int64_t begin, int64_t end) {
    const norm_job *j = arg;
    const bl_tensor *x = j->x;
    int64_t pixels = x->h * x->w;
    double count = (double)(x->n * pixels);
    for (int64_t i = begin; i < end; i++) {
        bl_piece p = bl_piece_at(i, x->cb);
        int64_t c = p.block * x->cb + p.first;
        double mean[LANES] = {0}, var[LANES] = {0};
        for (int pass = 0; pass < 2; pass++) {
            double *sum = pass ? var : mean;
            for (int64_t n = 0; n < x->n; n++) {
                const float *v =
                    bl_f32(x) + (n * bl_blocks(x) + p.block) * pixels * x->cb + p.first;
                for (int64_t q = 0; q < pixels; q++, v += x->cb) {
                    for (int l = 0; l < p.lanes; l++) {
                        double d = v[l] - mean[l];
                        sum[l] += pass ? d * d : v[l];
                    }
                }
            }
            for (int l = 0; l < p.lanes; l++) sum[l] /= count;
        }
        for (int l = 0; l < p.lanes && c + l < x->c; l++) {
            j->out0[c + l] = (float)mean[l];
            j->out1[c + l] = (float)var[l];
        }
    }
}

static void bn_stats(const bl_tensor *x, float *mean, float *var) {
    norm_job j = {.x = x, .out0 = mean, .out1 = var};
    bl_parallel_for(pieces_of(x), 1, stats_range, &j);
}

static void bn_running(int64_t c, double count, float momentum, const float *mean, const float *var,
                       float *running_mean, float *running_var) {
    for (int64_t i = 0; i < c; i++) {
        bl_bn_running_at(mean[i], var[i], count, momentum, &running_mean[i], &running_var[i]);
    }
}

static void bn_fold(int64_t c, int64_t padded, const float *mean, const float *var,
                    const float *gamma, const float *beta, float eps, float *mean_out, float *rstd,
                    float *scale, float *shift) {
    for (int64_t i = 0; i < padded; i++) {
        bl_norm_map map = {0, 0};
        mean_out[i] = i < c ? mean[i] : 0;
        rstd[i] = i < c ? bl_rstd(var[i], eps) : 0;
        if (i < c) map = bl_norm_fold(gamma[i], beta[i], mean_out[i], rstd[i]);
        scale[i] = map.scale;
        shift[i] = map.shift;
    }
}

static void bn_bwd_fold(int64_t c, int64_t padded, double count, const float *gamma,
                        const float *mean, const float *rstd, const float *sum_g,
                        const float *sum_gx, float *a, float *b, float *k) {
    for (int64_t i = 0; i < padded; i++) {
        a[i] = i < c ? gamma[i] * rstd[i] : 0;
        if (!b) continue;
        bl_bn_slope s = {0, 0};
        if (i < c) s = bl_bn_slope_at(a[i], mean[i], rstd[i], sum_g[i], sum_gx[i], count);
        b[i] = s.b;
        k[i] = s.k;
    }
}

/* Index = (image, channel block). */
static void affine_range(void *arg, int64_t begin, int64_t end) {
    const norm_job *j = arg;
    const bl_tensor *x = j->x;
    int64_t pixels = x->h * x->w;
    int32_t cb = x->cb;
    for (int64_t i = begin; i < end; i++) {
        const float *scale = j->scale + i % bl_blocks(x) * cb;
        const float *shift = j->shift + i % bl_blocks(x) * cb;
        const float *in = bl_f32(x) + i * pixels * cb;
        const float *skip = j->skip ? bl_f32(j->skip) + i * pixels * cb : NULL;
        float *out = bl_f32(j->out) + i * pixels * cb;
        for (int64_t q = 0; q < pixels; q++) {
            for (int32_t l = 0; l < cb; l++) {
                int64_t e = q * cb + l;
                float v = in[e] * scale[l] + shift[l] + (skip ? skip[e] : 0);
                out[e] = bl_act_at(v, j->slope);
            }
        }
    }
}

static void affine_act(const bl_tensor *x, const float *scale, const float *shift,
                       const bl_tensor *skip, float slope, bl_tensor *y) {
    norm_job j = {.x = x, .scale = scale, .shift = shift, .skip = skip, .slope = slope, .out = y};
    bl_parallel_for(x->n * bl_blocks(x), 1, affine_range, &j);
}

/* Index = piece of channels; double sums over the fixed order of images and pixels. */
static void reduce_range(void *arg, int64_t begin, int64_t end) {
    const norm_job *j = arg;
    const bl_tensor *x = j->x;
    int64_t pixels = x->h * x->w;
    for (int64_t i = begin; i < end; i++) {
        bl_piece p = bl_piece_at(i, x->cb);
        int64_t c = p.block * x->cb + p.first;
        double sum_g[LANES] = {0}, sum_gx[LANES] = {0};
        for (int64_t n = 0; n < x->n; n++) {
            int64_t base = (n * bl_blocks(x) + p.block) * pixels * x->cb + p.first;
            for (int64_t q = 0; q < pixels; q++, base += x->cb) {
                for (int l = 0; l < p.lanes; l++) {
                    float g =
                        bl_act_grad_at(bl_f32(j->y)[base + l], bl_f32(j->dy)[base + l], j->slope);
                    sum_g[l] += g;
                    sum_gx[l] += (double)g * (bl_f32(x)[base + l] - j->mean[c + l]);
                }
            }
        }
        for (int l = 0; l < p.lanes; l++) {
            j->out0[c + l] = (float)sum_g[l];
            j->out1[c + l] = (float)(sum_gx[l] * j->rstd[c + l]);
        }
    }
}

static void bn_bwd_reduce(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy,
                          const float *mean, const float *rstd, float slope, float *sum_g,
                          float *sum_gx) {
    norm_job j = {.x = x,
                  .y = y,
                  .dy = dy,
                  .mean = mean,
                  .rstd = rstd,
                  .slope = slope,
                  .out0 = sum_g,
                  .out1 = sum_gx};
    bl_parallel_for(pieces_of(x), 1, reduce_range, &j);
}

/* Index = (image, channel block). */
static void apply_range(void *arg, int64_t begin, int64_t end) {
    const norm_job *j = arg;
    const bl_tensor *dy = j->dy;
    int64_t pixels = dy->h * dy->w;
    int32_t cb = dy->cb;
    for (int64_t i = begin; i < end; i++) {
        int64_t c = i % bl_blocks(dy) * cb;
        for (int64_t q = 0; q < pixels; q++) {
            for (int32_t l = 0; l < cb; l++) {
                int64_t e = (i * pixels + q) * cb + l;
                float g = bl_act_grad_at(bl_f32(j->y)[e], bl_f32(dy)[e], j->slope);
                float d = g * j->a[c + l];
                if (j->b) d += bl_f32(j->x)[e] * j->b[c + l] + j->k[c + l];
                float *dx = bl_f32(j->dx) + e;
                *dx = j->beta_dx != 0 ? *dx + d : d;
                if (!j->dskip) continue;
                float *dskip = bl_f32(j->dskip) + e;
                *dskip = j->beta_dskip != 0 ? *dskip + g : g;
            }
        }
    }
}

static void bn_bwd_apply(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy,
                         const float *a, const float *b, const float *k, float slope, bl_tensor *dx,
                         float beta_dx, bl_tensor *dskip, float beta_dskip) {
    norm_job j = {.x = x,
                  .y = y,
                  .dy = dy,
                  .a = a,
                  .b = b,
                  .k = k,
                  .slope = slope,
                  .dx = dx,
                  .dskip = dskip,
                  .beta_dx = beta_dx,
                  .beta_dskip = beta_dskip};
    bl_parallel_for(dy->n * bl_blocks(dy), 1, apply_range, &j);
}

void bl_ref_norm(bl_kernels *k) {
    k->bn_stats = bn_stats;
    k->bn_running = bn_running;
    k->bn_fold = bn_fold;
    k->bn_bwd_fold = bn_bwd_fold;
    k->affine_act = affine_act;
    k->bn_bwd_reduce = bn_bwd_reduce;
    k->bn_bwd_apply = bn_bwd_apply;
}
