/* Group norm: sums of each image's channels, combined over the channels of a group and folded to an
 * affine map for each channel of each image. */
#include "kernels/cuda/columns.h"
#include "kernels/shared/norm.h"

/* A warp each image and group. The channels' sums are taken about different values, so that the
 * group's mean comes first and its variance from the distances to it. */
template <typename T>
static __global__ void fwd_fold(bl_columns s, const T *x, const double *part, const float *gamma,
                                const float *beta, int32_t groups, float eps, float *mean,
                                float *rstd, float *scale, float *shift) {
    int64_t per = s.c / groups;
    double pixels = (double)s.pixels, count = pixels * (double)per;
    BL_EACH_WARP(i, s.images * groups) {
        int64_t image = i / groups, first = i % groups * per;
        double m = 0, v = 0;
        for (int64_t c = first; c < first + per; c++) {
            m += bl_column_moments(&s, part, x, image, c).a;
        }
        m /= (double)per;
        for (int64_t c = first; c < first + per; c++) {
            bl_pair p = bl_column_moments(&s, part, x, image, c);
            v += p.b + pixels * (p.a - m) * (p.a - m);
        }
        float mf = (float)m, rf = bl_rstd(v / count, eps);
        int64_t lane = threadIdx.x % BL_WARP, at = image * s.blocks * s.cb;
        if (lane == 0) {
            mean[i] = mf;
            rstd[i] = rf;
        }
        for (int64_t c = first + lane; c < first + per; c += BL_WARP) {
            bl_norm_map map = bl_norm_fold(gamma[c], beta[c], mf, rf);
            scale[at + c] = map.scale;
            shift[at + c] = map.shift;
        }
    }
}

static void gn_fwd(const bl_tensor *x, const float *gamma, const float *beta, int32_t groups,
                   float eps, const bl_tensor *skip, float slope, bl_tensor *y, float *mean,
                   float *rstd) {
    if (bl_storage(x) == 0) return;
    uintptr_t maps = bl_address(x) | bl_address(skip) | bl_address(y);
    bl_columns sums = bl_packs_sums(x, false, maps), each = bl_packs_each(x, false, maps);
    int64_t columns = x->n * bl_columns_padded(&each);
    double *part = (double *)bl_scratch((size_t)bl_columns_part(&sums) * sizeof *part);
    float *scale = (float *)bl_scratch((size_t)columns * 2 * sizeof *scale);
    if (part && scale) {
        bl_columns_stats(&sums, x->data, part);
        BL_TYPED(x->dtype, T,
                 BL_LAUNCH_WARPS(fwd_fold<T>, x->n * groups, sums, bl_map<T>(x), part, gamma, beta,
                                 groups, eps, mean, rstd, scale, scale + columns));
        bl_columns_affine(&each, x->data, scale, scale + columns, skip ? skip->data : NULL, slope,
                          y->data);
    }
    bl_scratch_free(part);
    bl_scratch_free(scale);
}

/* A warp each image and group: with g scaled by gamma, the group is a channel of a batch norm
 * without scale. */
static __global__ void bwd_fold(bl_columns s, const double *part, const float *gamma,
                                int32_t groups, const float *mean, const float *rstd, float *a,
                                float *b, float *k) {
    int64_t per = s.c / groups;
    double count = (double)s.pixels * (double)per;
    BL_EACH_WARP(i, s.images * groups) {
        int64_t image = i / groups, first = i % groups * per;
        double sum_g = 0, sum_gx = 0;
        for (int64_t c = first; c < first + per; c++) {
            bl_pair p = bl_column_total(&s, part, image, c);
            sum_g += gamma[c] * p.a;
            sum_gx += gamma[c] * p.b * rstd[i];
        }
        bl_bn_slope slope =
            bl_bn_slope_at(rstd[i], mean[i], rstd[i], (float)sum_g, (float)sum_gx, count);
        int64_t lane = threadIdx.x % BL_WARP, at = image * s.blocks * s.cb;
        for (int64_t c = first + lane; c < first + per; c += BL_WARP) {
            a[at + c] = gamma[c] * rstd[i];
            b[at + c] = slope.b;
            k[at + c] = slope.k;
        }
    }
}

/* A warp each channel: its sums over the images. */
static __global__ void bwd_leaves(bl_columns s, const double *part, int32_t groups,
                                  const float *rstd, float *dgamma, float *dbeta) {
    int64_t per = s.c / groups;
    BL_EACH_WARP(c, s.c) {
        double sum_g = 0, sum_gx = 0;
        for (int64_t image = 0; image < s.images; image++) {
            bl_pair p = bl_column_total(&s, part, image, c);
            sum_g += p.a;
            sum_gx += p.b * rstd[image * groups + c / per];
        }
        if (threadIdx.x % BL_WARP != 0) continue;
        dbeta[c] += (float)sum_g;
        dgamma[c] += (float)sum_gx;
    }
}

static void gn_bwd(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy, const float *gamma,
                   int32_t groups, const float *mean, const float *rstd, float slope, bl_tensor *dx,
                   float beta_dx, bl_tensor *dskip, float beta_dskip, float *dgamma, float *dbeta) {
    if (bl_storage(x) == 0) return;
    uintptr_t maps = bl_address(x) | bl_address(y) | bl_address(dy) | bl_address(dx);
    maps |= bl_address(dskip);
    bl_columns sums = bl_packs_sums(x, false, maps), each = bl_packs_each(x, false, maps);
    int64_t columns = x->n * bl_columns_padded(&each);
    double *part = (double *)bl_scratch((size_t)bl_columns_part(&sums) * sizeof *part);
    float *a = (float *)bl_scratch((size_t)columns * 3 * sizeof *a);
    float *b = a + columns, *k = b + columns;
    if (part && a) {
        bl_columns_grads(&sums, x->data, y->data, dy->data, mean, groups, x->c / groups, slope,
                         part);
        BL_LAUNCH_WARPS(bwd_fold, x->n * groups, sums, part, gamma, groups, mean, rstd, a, b, k);
        BL_LAUNCH_WARPS(bwd_leaves, x->c, sums, part, groups, rstd, dgamma, dbeta);
        bl_columns_apply(&each, x->data, y->data, dy->data, a, b, k, slope, dx ? dx->data : NULL,
                         beta_dx != 0, dskip ? dskip->data : NULL, beta_dskip != 0);
    }
    bl_scratch_free(part);
    bl_scratch_free(a);
}

extern "C" void bl_cuda_group_norm_slots(bl_kernels *k) {
    k->gn_fwd = gn_fwd;
    k->gn_bwd = gn_bwd;
}
