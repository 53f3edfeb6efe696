/* The passes over memory that batch norm and group norm have in common. Sums are in double: a batch
 * statistic multiplies every value of its channel, and a GPU that trains has the double-precision
 * units to keep up with its memory. */
#include "kernels/cuda/columns.h"
#include "kernels/shared/norm.h"

static __global__ void stats_kernel(bl_columns s, const float *x, double *part) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        double sum = 0, square = 0, first = c.first < c.last ? x[bl_row_at(&s, &c, 0)] : 0;
        BL_EACH_ROW(r, e, s, c) {
            double d = x[e] - first;
            sum += d;
            square += d * d;
        }
        bl_unit_sum(&s, u, sum, square, part);
    }
}

void bl_columns_stats(const bl_columns *s, const float *x, double *part) {
    BL_LAUNCH_COLUMNS(stats_kernel, *s, x, part);
}

/* Without an activation y is not read. */
static __device__ __forceinline__ float grad_at(const float *y, const float *dy, float slope,
                                                int64_t e) {
    return slope == 1 ? dy[e] : bl_act_grad_at(y[e], dy[e], slope);
}

static __global__ void grads_kernel(bl_columns s, const float *x, const float *y, const float *dy,
                                    const float *mean, int64_t groups, int64_t per, float slope,
                                    double *part) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        double sum = 0, sum_x = 0;
        if (c.channel < s.c) {
            double m = mean[c.image * groups + c.channel / per];
            BL_EACH_ROW(r, e, s, c) {
                double g = grad_at(y, dy, slope, e);
                sum += g;
                sum_x += g * (x[e] - m);
            }
        }
        bl_unit_sum(&s, u, sum, sum_x, part);
    }
}

void bl_columns_grads(const bl_columns *s, const float *x, const float *y, const float *dy,
                      const float *mean, int64_t groups, int64_t per, float slope, double *part) {
    BL_LAUNCH_COLUMNS(grads_kernel, *s, x, y, dy, mean, groups, per, slope, part);
}

static __global__ void affine_kernel(bl_columns s, const float *x, const float *scale,
                                     const float *shift, const float *skip, float slope, float *y) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        if (c.first >= c.last) continue;
        int64_t i = c.image * s.blocks * s.cb + c.channel;
        bool real = c.channel < s.c;
        float a = real ? scale[i] : 0, b = real ? shift[i] : 0;
        BL_EACH_ROW(r, e, s, c) {
            y[e] = bl_act_at(x[e] * a + b + (skip ? skip[e] : 0), slope);
        }
    }
}

void bl_columns_affine(const bl_columns *s, const float *x, const float *scale, const float *shift,
                       const float *skip, float slope, float *y) {
    BL_LAUNCH_COLUMNS(affine_kernel, *s, x, scale, shift, skip, slope, y);
}

static __global__ void apply_kernel(bl_columns s, const float *x, const float *y, const float *dy,
                                    const float *a, const float *b, const float *k, float slope,
                                    float *dx, bool add_dx, float *dskip, bool add_dskip) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        if (c.first >= c.last) continue;
        int64_t i = c.image * s.blocks * s.cb + c.channel;
        bool real = c.channel < s.c;
        float ca = real ? a[i] : 0, cb = real && b ? b[i] : 0, ck = real && b ? k[i] : 0;
        BL_EACH_ROW(r, e, s, c) {
            float g = grad_at(y, dy, slope, e);
            if (dskip) dskip[e] = add_dskip ? dskip[e] + g : g;
            if (!dx) continue;
            float d = g * ca;
            if (b) d += x[e] * cb + ck;
            dx[e] = add_dx ? dx[e] + d : d;
        }
    }
}

void bl_columns_apply(const bl_columns *s, const float *x, const float *y, const float *dy,
                      const float *a, const float *b, const float *k, float slope, float *dx,
                      bool add_dx, float *dskip, bool add_dskip) {
    BL_LAUNCH_COLUMNS(apply_kernel, *s, x, y, dy, a, b, k, slope, dx, add_dx, dskip, add_dskip);
}
