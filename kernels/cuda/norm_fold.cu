/* Batch norm's per-channel folding, see shared/norm.h. */
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"
#include "kernels/shared/norm.h"

static __global__ void running_kernel(int64_t c, double count, float momentum, const float *mean,
                                      const float *var, float *running_mean, float *running_var) {
    BL_EACH(i, c) {
        bl_bn_running_at(mean[i], var[i], count, momentum, &running_mean[i], &running_var[i]);
    }
}

static void bn_running(int64_t c, double count, float momentum, const float *mean, const float *var,
                       float *running_mean, float *running_var) {
    BL_LAUNCH_EACH(running_kernel, c, c, count, momentum, mean, var, running_mean, running_var);
}

static __global__ void fold_kernel(int64_t c, int64_t padded, const float *mean, const float *var,
                                   const float *gamma, const float *beta, float eps,
                                   float *mean_out, float *rstd, float *scale, float *shift) {
    BL_EACH(i, padded) {
        float m = i < c ? mean[i] : 0, r = i < c ? bl_rstd(var[i], eps) : 0;
        bl_norm_map map = {0, 0};
        if (i < c) map = bl_norm_fold(gamma[i], beta[i], m, r);
        mean_out[i] = m;
        rstd[i] = r;
        scale[i] = map.scale;
        shift[i] = map.shift;
    }
}

static void bn_fold(int64_t c, int64_t padded, const float *mean, const float *var,
                    const float *gamma, const float *beta, float eps, float *mean_out, float *rstd,
                    float *scale, float *shift) {
    BL_LAUNCH_EACH(fold_kernel, padded, c, padded, mean, var, gamma, beta, eps, mean_out, rstd,
                   scale, shift);
}

static __global__ void bwd_fold_kernel(int64_t c, int64_t padded, double count, const float *gamma,
                                       const float *mean, const float *rstd, const float *sum_g,
                                       const float *sum_gx, float *a, float *b, float *k) {
    BL_EACH(i, padded) {
        float s = i < c ? gamma[i] * rstd[i] : 0;
        a[i] = s;
        if (!b) continue;
        bl_bn_slope slope = {0, 0};
        if (i < c) slope = bl_bn_slope_at(s, mean[i], rstd[i], sum_g[i], sum_gx[i], count);
        b[i] = slope.b;
        k[i] = slope.k;
    }
}

static void bn_bwd_fold(int64_t c, int64_t padded, double count, const float *gamma,
                        const float *mean, const float *rstd, const float *sum_g,
                        const float *sum_gx, float *a, float *b, float *k) {
    BL_LAUNCH_EACH(bwd_fold_kernel, padded, c, padded, count, gamma, mean, rstd, sum_g, sum_gx, a,
                   b, k);
}

void bl_cuda_norm_fold_slots(bl_kernels *k) {
    k->bn_running = bn_running;
    k->bn_fold = bn_fold;
    k->bn_bwd_fold = bn_bwd_fold;
}
