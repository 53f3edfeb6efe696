/* The passes over memory that batch norm and group norm have in common. Sums are in double: a batch
 * statistic multiplies every value of its channel, and a GPU that trains has the double-precision
 * units to keep up with its memory. */
#include "kernels/cuda/columns.h"
#include "kernels/shared/norm.h"

template <typename T> static __global__ void stats_kernel(bl_columns s, const T *x, double *part) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        double sum = 0, square = 0, first = c.first < c.last ? bl_get(x, bl_row_at(&s, &c, 0)) : 0;
        BL_EACH_ROW(r, e, s, c) {
            double d = bl_get(x, e) - first;
            sum += d;
            square += d * d;
        }
        bl_unit_sum(&s, u, sum, square, part);
    }
}

void bl_columns_stats(const bl_columns *s, const void *x, double *part) {
    BL_TYPED(s->dtype, T, BL_LAUNCH_COLUMNS(stats_kernel<T>, *s, (const T *)x, part));
}

/* Without an activation y is not read. */
template <typename T>
static __device__ __forceinline__ float grad_at(const T *y, const T *dy, float slope, int64_t e) {
    return slope == 1 ? bl_get(dy, e) : bl_act_grad_at(bl_get(y, e), bl_get(dy, e), slope);
}

template <typename T>
static __global__ void grads_kernel(bl_columns s, const T *x, const T *y, const T *dy,
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
                sum_x += g * (bl_get(x, e) - m);
            }
        }
        bl_unit_sum(&s, u, sum, sum_x, part);
    }
}

void bl_columns_grads(const bl_columns *s, const void *x, const void *y, const void *dy,
                      const float *mean, int64_t groups, int64_t per, float slope, double *part) {
    BL_TYPED(s->dtype, T,
             BL_LAUNCH_COLUMNS(grads_kernel<T>, *s, (const T *)x, (const T *)y, (const T *)dy, mean,
                               groups, per, slope, part));
}

template <typename T>
static __global__ void affine_kernel(bl_columns s, const T *x, const float *scale,
                                     const float *shift, const T *skip, float slope, T *y) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        if (c.first >= c.last) continue;
        int64_t i = c.image * s.blocks * s.cb + c.channel;
        bool real = c.channel < s.c;
        float a = real ? scale[i] : 0, b = real ? shift[i] : 0;
        BL_EACH_ROW(r, e, s, c) {
            float v = bl_get(x, e) * a + b + (skip ? bl_get(skip, e) : 0);
            bl_put(y, e, bl_act_at(v, slope));
        }
    }
}

void bl_columns_affine(const bl_columns *s, const void *x, const float *scale, const float *shift,
                       const void *skip, float slope, void *y) {
    BL_TYPED(s->dtype, T,
             BL_LAUNCH_COLUMNS(affine_kernel<T>, *s, (const T *)x, scale, shift, (const T *)skip,
                               slope, (T *)y));
}

template <typename T>
static __global__ void apply_kernel(bl_columns s, const T *x, const T *y, const T *dy,
                                    const float *a, const float *b, const float *k, float slope,
                                    T *dx, bool add_dx, T *dskip, bool add_dskip) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        if (c.first >= c.last) continue;
        int64_t i = c.image * s.blocks * s.cb + c.channel;
        bool real = c.channel < s.c;
        float ca = real ? a[i] : 0, cb = real && b ? b[i] : 0, ck = real && b ? k[i] : 0;
        BL_EACH_ROW(r, e, s, c) {
            float g = grad_at(y, dy, slope, e);
            if (dskip) bl_put(dskip, e, add_dskip ? bl_get(dskip, e) + g : g);
            if (!dx) continue;
            float d = g * ca;
            if (b) d += bl_get(x, e) * cb + ck;
            bl_put(dx, e, add_dx ? bl_get(dx, e) + d : d);
        }
    }
}

void bl_columns_apply(const bl_columns *s, const void *x, const void *y, const void *dy,
                      const float *a, const float *b, const float *k, float slope, void *dx,
                      bool add_dx, void *dskip, bool add_dskip) {
    BL_TYPED(s->dtype, T,
             BL_LAUNCH_COLUMNS(apply_kernel<T>, *s, (const T *)x, (const T *)y, (const T *)dy, a, b,
                               k, slope, (T *)dx, add_dx, (T *)dskip, add_dskip));
}
