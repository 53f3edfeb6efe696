/* Group norm: a group is a range of channels and need not line up with the channel blocks, so every
 * channel is walked as a strided plane. */
#include <math.h>
#include <string.h>

#include "core/parallel.h"
#include "kernels/ref/ref.h"
#include "kernels/shared/norm.h"

typedef struct gn_job {
    const bl_tensor *x, *y, *dy, *skip;
    const float *gamma, *beta;
    int32_t groups;
    float eps, slope, beta_dx, beta_dskip;
    float *mean, *rstd, *dgamma, *dbeta;
    const float *mean_in, *rstd_in;
    bl_tensor *out, *dx, *dskip;
} gn_job;

/* Padding channels of image n: zero when `t` is freshly written. */
static void zero_padding(bl_tensor *t, int64_t n) {
    int64_t used = t->c % t->cb, pixels = t->h * t->w;
    if (used == 0) return;
    float *v = bl_f32(t) + ((n + 1) * bl_blocks(t) - 1) * pixels * t->cb;
    for (int64_t q = 0; q < pixels; q++, v += t->cb) {
        memset(v + used, 0, (size_t)(t->cb - used) * sizeof *v);
    }
}

static void group_stats(const bl_tensor *x, int64_t n, int64_t first, int64_t channels, float eps,
                        float *mean_out, float *rstd_out) {
    int64_t pixels = x->h * x->w;
    double mean = 0, var = 0, count = (double)(channels * pixels);
    for (int pass = 0; pass < 2; pass++) {
        double sum = 0;
        for (int64_t c = first; c < first + channels; c++) {
            const float *v = bl_f32(x) + bl_index(x, n, c, 0, 0);
            for (int64_t q = 0; q < pixels; q++, v += x->cb) {
                double d = *v - mean;
                sum += pass ? d * d : d;
            }
        }
        *(pass ? &var : &mean) = sum / count;
    }
    *mean_out = (float)mean;
    *rstd_out = bl_rstd(var, eps);
}

/* Index = (image, group). */
static void fwd_range(void *arg, int64_t begin, int64_t end) {
    const gn_job *j = arg;
    const bl_tensor *x = j->x;
    int64_t per = x->c / j->groups, pixels = x->h * x->w;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / j->groups, first = i % j->groups * per;
        group_stats(x, n, first, per, j->eps, &j->mean[i], &j->rstd[i]);
        for (int64_t c = first; c < first + per; c++) {
            bl_norm_map map = bl_norm_fold(j->gamma[c], j->beta[c], j->mean[i], j->rstd[i]);
            int64_t e = bl_index(x, n, c, 0, 0);
            for (int64_t q = 0; q < pixels; q++, e += x->cb) {
                float v = bl_f32(x)[e] * map.scale + map.shift + (j->skip ? bl_f32(j->skip)[e] : 0);
                bl_f32(j->out)[e] = bl_act_at(v, j->slope);
            }
        }
        if (first + per == x->c) zero_padding(j->out, n);
    }
}

static void gn_fwd(const bl_tensor *x, const float *gamma, const float *beta, int32_t groups,
                   float eps, const bl_tensor *skip, float slope, bl_tensor *y, float *mean,
                   float *rstd) {
    gn_job j = {.x = x,
                .gamma = gamma,
                .beta = beta,
                .groups = groups,
                .eps = eps,
                .skip = skip,
                .slope = slope,
                .out = y,
                .mean = mean,
                .rstd = rstd};
    bl_parallel_for(x->n * groups, 1, fwd_range, &j);
}

static float masked(const gn_job *j, int64_t e) {
    return bl_act_grad_at(bl_f32(j->y)[e], bl_f32(j->dy)[e], j->slope);
}

/* Adds the sums of g and g*xhat of every channel to dgamma and dbeta; s[0], s[1]: the same times
 * gamma, summed over the group. */
static void group_sums(const gn_job *j, int64_t n, int64_t first, int64_t per, double mean,
                       double rstd, double *s) {
    const bl_tensor *x = j->x;
    s[0] = s[1] = 0;
    for (int64_t c = first; c < first + per; c++) {
        double sum_g = 0, sum_gx = 0;
        int64_t e = bl_index(x, n, c, 0, 0);
        for (int64_t q = 0; q < x->h * x->w; q++, e += x->cb) {
            double g = masked(j, e);
            sum_g += g;
            sum_gx += g * (bl_f32(x)[e] - mean) * rstd;
        }
        s[0] += j->gamma[c] * sum_g;
        s[1] += j->gamma[c] * sum_gx;
        j->dbeta[c] += (float)sum_g;
        j->dgamma[c] += (float)sum_gx;
    }
}

/* dx = rstd * (g*gamma - s0/M - xhat*s1/M), with g going to the skip too. */
static void group_apply(const gn_job *j, int64_t n, int64_t first, int64_t per, double mean,
                        double rstd, const double *s) {
    const bl_tensor *x = j->x;
    double count = (double)(per * x->h * x->w);
    for (int64_t c = first; c < first + per; c++) {
        int64_t e = bl_index(x, n, c, 0, 0);
        for (int64_t q = 0; q < x->h * x->w; q++, e += x->cb) {
            float g = masked(j, e);
            double xhat = (bl_f32(x)[e] - mean) * rstd;
            float d = (float)(rstd * (g * j->gamma[c] - s[0] / count - xhat * s[1] / count));
            float *dx = bl_f32(j->dx) + e;
            *dx = j->beta_dx != 0 ? *dx + d : d;
            if (!j->dskip) continue;
            float *dskip = bl_f32(j->dskip) + e;
            *dskip = j->beta_dskip != 0 ? *dskip + g : g;
        }
    }
}

/* Index = group: its images one after the other, so that dgamma and dbeta have one owner. */
static void bwd_range(void *arg, int64_t begin, int64_t end) {
    const gn_job *j = arg;
    const bl_tensor *x = j->x;
    int64_t per = x->c / j->groups;
    for (int64_t group = begin; group < end; group++) {
        for (int64_t n = 0; n < x->n; n++) {
            double s[2], mean = j->mean_in[n * j->groups + group];
            double rstd = j->rstd_in[n * j->groups + group];
            group_sums(j, n, group * per, per, mean, rstd, s);
            group_apply(j, n, group * per, per, mean, rstd, s);
            if (group + 1 < j->groups) continue;
            if (j->beta_dx == 0) zero_padding(j->dx, n);
            if (j->dskip && j->beta_dskip == 0) zero_padding(j->dskip, n);
        }
    }
}

static void gn_bwd(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy, const float *gamma,
                   int32_t groups, const float *mean, const float *rstd, float slope, bl_tensor *dx,
                   float beta_dx, bl_tensor *dskip, float beta_dskip, float *dgamma, float *dbeta) {
    gn_job j = {.x = x,
                .y = y,
                .dy = dy,
                .gamma = gamma,
                .groups = groups,
                .mean_in = mean,
                .rstd_in = rstd,
                .slope = slope,
                .dx = dx,
                .dskip = dskip,
                .beta_dx = beta_dx,
                .beta_dskip = beta_dskip,
                .dgamma = dgamma,
                .dbeta = dbeta};
    bl_parallel_for(groups, 1, bwd_range, &j);
}

void bl_ref_group_norm(bl_kernels *k) {
    k->gn_fwd = gn_fwd;
    k->gn_bwd = gn_bwd;
}
