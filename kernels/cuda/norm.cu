/* Batch norm: statistics of a channel over all images, and its affine maps. */
#include "kernels/cuda/columns.h"

/* A warp each channel: the chunks' sums into mean and biased variance. */
template <typename T>
static __global__ void stats_end(bl_columns s, const T *x, const double *part, float *mean,
                                 float *var) {
    BL_EACH_WARP(c, s.c) {
        bl_pair p = bl_column_moments(&s, part, x, 0, c);
        if (threadIdx.x % BL_WARP != 0) continue;
        mean[c] = (float)p.a;
        var[c] = (float)(p.b < 0 ? 0 : p.b / (double)s.rows);
    }
}

static void bn_stats(const bl_tensor *x, float *mean, float *var) {
    bl_columns s = bl_packs_sums(x, true, bl_address(x));
    if (s.rows == 0) return;
    double *part = (double *)bl_scratch((size_t)bl_columns_part(&s) * sizeof *part);
    if (!part) return;
    bl_columns_stats(&s, x->data, part);
    BL_TYPED(x->dtype, T, BL_LAUNCH_WARPS(stats_end<T>, s.c, s, bl_map<T>(x), part, mean, var));
    bl_scratch_free(part);
}

static void affine_act(const bl_tensor *x, const float *scale, const float *shift,
                       const bl_tensor *skip, float slope, bl_tensor *y) {
    bl_columns s = bl_packs_each(x, true, bl_address(x) | bl_address(skip) | bl_address(y));
    bl_columns_affine(&s, x->data, scale, shift, skip ? skip->data : NULL, slope, y->data);
}

static __global__ void reduce_end(bl_columns s, const double *part, const float *rstd, float *sum_g,
                                  float *sum_gx) {
    BL_EACH_WARP(c, s.blocks * s.cb) {
        bl_pair p = bl_column_total(&s, part, 0, c);
        if (threadIdx.x % BL_WARP != 0) continue;
        sum_g[c] = (float)p.a;
        sum_gx[c] = (float)(p.b * rstd[c]);
    }
}

static void bn_bwd_reduce(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy,
                          const float *mean, const float *rstd, float slope, float *sum_g,
                          float *sum_gx) {
    bl_columns s = bl_packs_sums(x, true, bl_address(x) | bl_address(y) | bl_address(dy));
    if (s.units == 0) return;
    double *part = (double *)bl_scratch((size_t)bl_columns_part(&s) * sizeof *part);
    if (!part) return;
    bl_columns_grads(&s, x->data, y->data, dy->data, mean, 0, 1, slope, part);
    BL_LAUNCH_WARPS(reduce_end, bl_columns_padded(&s), s, part, rstd, sum_g, sum_gx);
    bl_scratch_free(part);
}

static void bn_bwd_apply(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy,
                         const float *a, const float *b, const float *k, float slope, bl_tensor *dx,
                         float beta_dx, bl_tensor *dskip, float beta_dskip) {
    uintptr_t maps = bl_address(x) | bl_address(y) | bl_address(dy) | bl_address(dx);
    bl_columns s = bl_packs_each(dy, true, maps | bl_address(dskip));
    bl_columns_apply(&s, x ? x->data : NULL, y->data, dy->data, a, x ? b : NULL, k, slope,
                     dx ? dx->data : NULL, beta_dx != 0, dskip ? dskip->data : NULL,
                     beta_dskip != 0);
}

extern "C" void bl_cuda_norm_slots(bl_kernels *k) {
    k->bn_stats = bn_stats;
    k->affine_act = affine_act;
    k->bn_bwd_reduce = bn_bwd_reduce;
    k->bn_bwd_apply = bn_bwd_apply;
}
