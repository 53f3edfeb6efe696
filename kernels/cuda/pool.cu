/* Pooling. Backward gathers: an input adds up the windows that chose it, so nothing is written by
 * two threads. */
#include "kernels/cuda/columns.h"
#include "kernels/shared/window.h"

/* Without padding, which would hold whatever the stack held. */
typedef struct window {
    int64_t ih, iw, oh, ow;
    int32_t k, stride, pad, none;
} window;

static window window_of(const bl_tensor *in, const bl_tensor *out, int32_t k, int32_t stride,
                        int32_t pad) {
    window w = {in->h, in->w, out->h, out->w, k, stride, pad, 0};
    return w;
}

/* The first value of this column in a tensor of the same planes with `pixels` pixels each. */
static __device__ __forceinline__ int64_t base_in(const bl_columns *s, const bl_column *c,
                                                  int64_t pixels) {
    int64_t plane = c->image * s->blocks + c->channel / s->cb;
    return plane * pixels * s->cb + c->channel % s->cb;
}

/* Columns of the output. */
template <typename T>
static __global__ void max_fwd(bl_columns s, window w, const T *x, T *y, int32_t *arg) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        const T *in = x + base_in(&s, &c, w.ih * w.iw);
        BL_EACH_ROW(r, e, s, c) {
            bl_span rows = bl_window_inputs(r / w.ow, w.k, w.stride, w.pad, w.ih);
            bl_span cols = bl_window_inputs(r % w.ow, w.k, w.stride, w.pad, w.iw);
            float best = -INFINITY;
            int32_t at = -1;
            for (int64_t iy = rows.begin; iy < rows.end; iy++) {
                for (int64_t ix = cols.begin; ix < cols.end; ix++) {
                    float v = bl_get(in, (iy * w.iw + ix) * s.cb);
                    if (bl_max_leads(v, best, at)) {
                        best = v;
                        at = (int32_t)(iy * w.iw + ix);
                    }
                }
            }
            bl_put(y, e, best);
            arg[e] = at;
        }
    }
}

static void max_pool_fwd(const bl_tensor *x, int32_t k, int32_t stride, int32_t pad, bl_tensor *y,
                         int32_t *arg) {
    bl_columns s = bl_columns_each(y, false);
    BL_TYPED(x->dtype, T,
             BL_LAUNCH_COLUMNS(max_fwd<T>, s, window_of(x, y, k, stride, pad), bl_map<T>(x),
                               bl_map<T>(y), arg));
}

/* Columns of the input; windows in the order in which plain C meets them. */
template <typename T>
static __global__ void max_bwd(bl_columns s, window w, const T *dy, const int32_t *arg, T *dx,
                               bool add) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        int64_t base = base_in(&s, &c, w.oh * w.ow);
        BL_EACH_ROW(r, e, s, c) {
            bl_span rows = bl_window_outputs(r / w.iw, w.k, w.stride, w.pad, w.oh);
            bl_span cols = bl_window_outputs(r % w.iw, w.k, w.stride, w.pad, w.ow);
            float sum = add ? bl_get(dx, e) : 0;
            for (int64_t oy = rows.begin; oy < rows.end; oy++) {
                for (int64_t ox = cols.begin; ox < cols.end; ox++) {
                    int64_t o = base + (oy * w.ow + ox) * s.cb;
                    if (arg[o] == r) sum += bl_get(dy, o);
                }
            }
            bl_put(dx, e, sum);
        }
    }
}

static void max_pool_bwd(const bl_tensor *dy, const int32_t *arg, int32_t k, int32_t stride,
                         int32_t pad, bl_tensor *dx, float beta) {
    bl_columns s = bl_columns_each(dx, false);
    BL_TYPED(dx->dtype, T,
             BL_LAUNCH_COLUMNS(max_bwd<T>, s, window_of(dx, dy, k, stride, pad), bl_map<T>(dy), arg,
                               bl_map<T>(dx), beta != 0));
}

template <typename T> static __global__ void avg_sums(bl_columns s, const T *x, double *part) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        double sum = 0;
        BL_EACH_ROW(r, e, s, c) sum += bl_get(x, e);
        bl_unit_sum(&s, u, sum, 0, part);
    }
}

/* One pixel an image, in blocks of `cb` channels. */
static __device__ __forceinline__ int64_t vector_at(int64_t image, int64_t channel, int64_t c,
                                                    int32_t cb) {
    return (image * ((c + cb - 1) / cb) + channel / cb) * cb + channel % cb;
}

/* A warp each image and channel, the padding of y too. */
static __global__ void avg_end(bl_columns s, const double *part, float *y, int32_t cb,
                               int64_t padded) {
    BL_EACH_WARP(i, s.images * padded) {
        int64_t image = i / padded, c = i % padded;
        double sum = c < s.c ? bl_column_total(&s, part, image, c).a : 0;
        if (threadIdx.x % BL_WARP == 0) {
            y[vector_at(image, c, s.c, cb)] = (float)(sum / (double)s.pixels);
        }
    }
}

static void avg_pool_fwd(const bl_tensor *x, bl_tensor *y) {
    bl_columns s = bl_columns_sums(x, false);
    if (s.units == 0) return;
    double *part = (double *)bl_scratch((size_t)bl_columns_part(&s) * sizeof *part);
    if (!part) return;
    BL_TYPED(x->dtype, T, BL_LAUNCH_COLUMNS(avg_sums<T>, s, bl_map<T>(x), part));
    int64_t padded = bl_blocks(y) * y->cb;
    BL_LAUNCH_WARPS(avg_end, y->n * padded, s, part, bl_f32(y), y->cb, padded);
    bl_scratch_free(part);
}

template <typename T>
static __global__ void avg_bwd(bl_columns s, const float *dy, int32_t cb, T *dx, bool add) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        float g = c.channel < s.c ? dy[vector_at(c.image, c.channel, s.c, cb)] : 0;
        g /= (float)s.pixels;
        BL_EACH_ROW(r, e, s, c) bl_put(dx, e, add ? bl_get(dx, e) + g : g);
    }
}

static void avg_pool_bwd(const bl_tensor *dy, bl_tensor *dx, float beta) {
    bl_columns s = bl_columns_each(dx, false);
    BL_TYPED(dx->dtype, T,
             BL_LAUNCH_COLUMNS(avg_bwd<T>, s, bl_f32(dy), dy->cb, bl_map<T>(dx), beta != 0));
}

extern "C" void bl_cuda_pool_slots(bl_kernels *k) {
    k->max_pool_fwd = max_pool_fwd;
    k->max_pool_bwd = max_pool_bwd;
    k->avg_pool_fwd = avg_pool_fwd;
    k->avg_pool_bwd = avg_pool_bwd;
}
