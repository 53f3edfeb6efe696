/* The passes over memory that batch norm and group norm have in common. Sums are in double: a batch
 * statistic multiplies every value of its channel, and a GPU that trains has the double-precision
 * units to keep up with its memory. */
#include "kernels/cuda/columns.h"
#include "kernels/shared/norm.h"

/* Rows of a thread on their way at once: few where a row has three maps or more, for the registers. */
enum { MANY = 4, FEW = 2 };

template <typename T, int W>
static __global__ void sums_kernel(bl_columns s, const T *x, double *part) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        double sum[W] = {0}, none[W] = {0};
        BL_EACH_ROWS_AHEAD(r, MANY, c) {
            bl_pack<T, W> p[MANY] = {};
            BL_EACH_AHEAD(k, e, r, MANY, s, c) p[k] = bl_load<W>(x, e);
            BL_EACH_AHEAD(k, e, r, MANY, s, c) {
                for (int v = 0; v < W; v++) sum[v] += p[k].get(v);
            }
        }
        bl_unit_sums<W>(&s, u, sum, none, part);
    }
}

void bl_columns_plain_sums(const bl_columns *s, const void *x, double *part) {
    BL_TYPED(s->dtype, T,
             BL_PACKED(*s, T, W, BL_LAUNCH_COLUMNS((sums_kernel<T, W>), *s, (const T *)x, part)));
}

template <typename T, int W>
static __global__ void stats_kernel(bl_columns s, const T *x, double *part) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        double sum[W] = {0}, square[W] = {0};
        bl_pack<T, W> first = {};
        if (c.first < c.last) first = bl_load<W>(x, c.base);
        BL_EACH_ROWS_AHEAD(r, MANY, c) {
            bl_pack<T, W> p[MANY] = {};
            BL_EACH_AHEAD(k, e, r, MANY, s, c) p[k] = bl_load<W>(x, e);
            BL_EACH_AHEAD(k, e, r, MANY, s, c) {
                for (int v = 0; v < W; v++) {
                    double d = p[k].get(v) - first.get(v);
                    sum[v] += d;
                    square[v] += d * d;
                }
            }
        }
        bl_unit_sums<W>(&s, u, sum, square, part);
    }
}

void bl_columns_stats(const bl_columns *s, const void *x, double *part) {
    BL_TYPED(s->dtype, T,
             BL_PACKED(*s, T, W, BL_LAUNCH_COLUMNS((stats_kernel<T, W>), *s, (const T *)x, part)));
}

/* Rows of y and dy on their way. Without an activation y is not read. */
template <typename T, int W> struct grad_pack {
    bl_pack<T, W> y, dy;
    __device__ __forceinline__ void load(const T *from_y, const T *from_dy, float slope,
                                         int64_t e) {
        if (slope != 1) y = bl_load<W>(from_y, e);
        dy = bl_load<W>(from_dy, e);
    }
    __device__ __forceinline__ float at(float slope, int v) const {
        return slope == 1 ? dy.get(v) : bl_act_grad_at(y.get(v), dy.get(v), slope);
    }
};

template <typename T, int W>
static __global__ void grads_kernel(bl_columns s, const T *x, const T *y, const T *dy,
                                    const float *mean, int64_t groups, int64_t per, float slope,
                                    double *part) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        double sum[W] = {0}, sum_x[W] = {0}, m[W];
        if (c.channel >= s.c) c.last = c.first; /* padding */
        for (int v = 0; v < W; v++) {
            int64_t channel = c.channel + v < s.c ? c.channel + v : 0;
            m[v] = mean[c.image * groups + channel / per];
        }
        BL_EACH_ROWS_AHEAD(r, FEW, c) {
            grad_pack<T, W> g[FEW] = {};
            bl_pack<T, W> p[FEW] = {};
            BL_EACH_AHEAD(k, e, r, FEW, s, c) {
                g[k].load(y, dy, slope, e);
                p[k] = bl_load<W>(x, e);
            }
            BL_EACH_AHEAD(k, e, r, FEW, s, c) {
                for (int v = 0; v < W; v++) {
                    double d = g[k].at(slope, v);
                    sum[v] += d;
                    sum_x[v] += d * (p[k].get(v) - m[v]);
                }
            }
        }
        bl_unit_sums<W>(&s, u, sum, sum_x, part);
    }
}

void bl_columns_grads(const bl_columns *s, const void *x, const void *y, const void *dy,
                      const float *mean, int64_t groups, int64_t per, float slope, double *part) {
    BL_TYPED(s->dtype, T,
             BL_PACKED(*s, T, W,
                       BL_LAUNCH_COLUMNS((grads_kernel<T, W>), *s, (const T *)x, (const T *)y,
                                         (const T *)dy, mean, groups, per, slope, part)));
}

/* The factors of a thread's channels, zero for the padding and without a vector. */
template <int W>
static __device__ __forceinline__ void factors(const bl_columns *s, const bl_column *c,
                                               const float *vector, float *out) {
    int64_t i = c->image * s->blocks * s->cb + c->channel;
    for (int v = 0; v < W; v++) out[v] = vector && c->channel + v < s->c ? vector[i + v] : 0;
}

template <typename T, int W>
static __global__ void affine_kernel(bl_columns s, const T *x, const float *scale,
                                     const float *shift, const T *skip, float slope, T *y) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        float a[W], b[W];
        if (c.first >= c.last) continue;
        factors<W>(&s, &c, scale, a);
        factors<W>(&s, &c, shift, b);
        BL_EACH_ROWS_AHEAD(r, MANY, c) {
            bl_pack<T, W> p[MANY] = {};
            bl_pack<T, W> q[MANY] = {};
            BL_EACH_AHEAD(k, e, r, MANY, s, c) {
                p[k] = bl_load<W>(x, e);
                if (skip) q[k] = bl_load<W>(skip, e);
            }
            BL_EACH_AHEAD(k, e, r, MANY, s, c) {
                for (int v = 0; v < W; v++) {
                    float f = p[k].get(v) * a[v] + b[v] + (skip ? q[k].get(v) : 0);
                    p[k].put(v, bl_act_at(f, slope));
                }
                bl_store(y, e, p[k]);
            }
        }
    }
}

void bl_columns_affine(const bl_columns *s, const void *x, const float *scale, const float *shift,
                       const void *skip, float slope, void *y) {
    BL_TYPED(s->dtype, T,
             BL_PACKED(*s, T, W,
                       BL_LAUNCH_COLUMNS((affine_kernel<T, W>), *s, (const T *)x, scale, shift,
                                         (const T *)skip, slope, (T *)y)));
}

/* What apply_kernel does with a row: where dx and dskip add to what is there, they are read. */
template <typename T, int W> struct apply_row {
    grad_pack<T, W> g;
    bl_pack<T, W> x, dx, dskip;
};

template <typename T, int W>
static __global__ void apply_kernel(bl_columns s, const T *x, const T *y, const T *dy,
                                    const float *a, const float *b, const float *k_, float slope,
                                    T *dx, bool add_dx, T *dskip, bool add_dskip) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        float ca[W], cb[W], ck[W];
        if (c.first >= c.last) continue;
        factors<W>(&s, &c, a, ca);
        factors<W>(&s, &c, b, cb);
        factors<W>(&s, &c, b ? k_ : b, ck);
        BL_EACH_ROWS_AHEAD(r, FEW, c) {
            apply_row<T, W> row[FEW] = {};
            BL_EACH_AHEAD(k, e, r, FEW, s, c) {
                row[k].g.load(y, dy, slope, e);
                if (b) row[k].x = bl_load<W>(x, e);
                if (dx && add_dx) row[k].dx = bl_load<W>(dx, e);
                if (dskip && add_dskip) row[k].dskip = bl_load<W>(dskip, e);
            }
            BL_EACH_AHEAD(k, e, r, FEW, s, c) {
                apply_row<T, W> *o = &row[k];
                for (int v = 0; v < W; v++) {
                    float g = o->g.at(slope, v), d = g * ca[v];
                    if (b) d += o->x.get(v) * cb[v] + ck[v];
                    o->dx.put(v, dx && add_dx ? o->dx.get(v) + d : d);
                    o->dskip.put(v, dskip && add_dskip ? o->dskip.get(v) + g : g);
                }
                if (dskip) bl_store(dskip, e, o->dskip);
                if (dx) bl_store(dx, e, o->dx);
            }
        }
    }
}

void bl_columns_apply(const bl_columns *s, const void *x, const void *y, const void *dy,
                      const float *a, const float *b, const float *k, float slope, void *dx,
                      bool add_dx, void *dskip, bool add_dskip) {
    BL_TYPED(s->dtype, T,
             BL_PACKED(*s, T, W,
                       BL_LAUNCH_COLUMNS((apply_kernel<T, W>), *s, (const T *)x, (const T *)y,
                                         (const T *)dy, a, b, k, slope, (T *)dx, add_dx, (T *)dskip,
                                         add_dskip)));
}
