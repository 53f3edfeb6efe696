/* Nearest upsampling and the parameter-free shortcut; backward gathers, see pool.cu. */
#include "kernels/cuda/columns.h"
#include "kernels/shared/window.h"

/* A tensor's layout, by value. All of one width: padding would hold whatever the stack held, which
 * the emulator may take for a host address. */
typedef struct grid {
    int64_t c, h, w, blocks, cb;
} grid;

static grid grid_of(const bl_tensor *t) {
    grid g = {t->c, t->h, t->w, bl_blocks(t), t->cb};
    return g;
}
/* First value of a channel's row. */
static __device__ __forceinline__ int64_t grid_row(const grid *g, int64_t image, int64_t channel,
                                                   int64_t row) {
    int64_t plane = image * g->blocks + channel / g->cb;
    return (plane * g->h + row) * g->w * g->cb + channel % g->cb;
}

/* Columns of the fine map; both maps have one channel block. */
template <typename T>
static __global__ void up_fwd(bl_columns s, grid fine, grid coarse, const T *x, const T *from,
                              T *y) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        BL_EACH_ROW(r, e, s, c) {
            int64_t row = bl_nearest(r / fine.w, fine.h, coarse.h);
            int64_t col = bl_nearest(r % fine.w, fine.w, coarse.w);
            int64_t at = grid_row(&coarse, c.image, c.channel, row) + col * coarse.cb;
            bl_put(y, e, bl_get(x, e) + bl_get(from, at));
        }
    }
}

static void upsample_add_fwd(const bl_tensor *fine, const bl_tensor *coarse, bl_tensor *y) {
    bl_columns s = bl_columns_each(fine, false);
    BL_TYPED(fine->dtype, T,
             BL_LAUNCH_COLUMNS(up_fwd<T>, s, grid_of(fine), grid_of(coarse), bl_map<T>(fine),
                               bl_map<T>(coarse), bl_map<T>(y)));
}

/* Columns of the coarse map. */
template <typename T>
static __global__ void up_bwd(bl_columns s, grid fine, grid coarse, const T *dy, T *dx, bool add) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        BL_EACH_ROW(r, e, s, c) {
            bl_span rows = bl_nearest_readers(r / coarse.w, fine.h, coarse.h);
            bl_span cols = bl_nearest_readers(r % coarse.w, fine.w, coarse.w);
            float sum = add ? bl_get(dx, e) : 0;
            for (int64_t fy = rows.begin; fy < rows.end; fy++) {
                int64_t at = grid_row(&fine, c.image, c.channel, fy);
                for (int64_t fx = cols.begin; fx < cols.end; fx++) {
                    sum += bl_get(dy, at + fx * fine.cb);
                }
            }
            bl_put(dx, e, sum);
        }
    }
}

static void upsample_bwd(const bl_tensor *dy, bl_tensor *dcoarse, float beta) {
    bl_columns s = bl_columns_each(dcoarse, false);
    BL_TYPED(dy->dtype, T,
             BL_LAUNCH_COLUMNS(up_bwd<T>, s, grid_of(dy), grid_of(dcoarse), bl_map<T>(dy),
                               bl_map<T>(dcoarse), beta != 0));
}

/* Columns of the output, padding included; x may have another channel block. */
template <typename T>
static __global__ void short_fwd(bl_columns s, grid in, grid out, int32_t stride, int64_t first,
                                 const T *x, T *y) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        int64_t from = c.channel - first;
        BL_EACH_ROW(r, e, s, c) {
            float v = 0;
            if (from >= 0 && from < in.c) {
                int64_t row = r / out.w * stride, col = r % out.w * stride;
                v = bl_get(x, grid_row(&in, c.image, from, row) + col * in.cb);
            }
            bl_put(y, e, v);
        }
    }
}

static void shortcut_fwd(const bl_tensor *x, int32_t stride, int64_t first, bl_tensor *y) {
    bl_columns s = bl_columns_each(y, false);
    BL_TYPED(x->dtype, T,
             BL_LAUNCH_COLUMNS(short_fwd<T>, s, grid_of(x), grid_of(y), stride, first, bl_map<T>(x),
                               bl_map<T>(y)));
}

/* Columns of the input. */
template <typename T>
static __global__ void short_bwd(bl_columns s, grid in, grid out, int32_t stride, int64_t first,
                                 const T *dy, T *dx, bool add) {
    BL_EACH_UNIT(u, s) {
        bl_column c = bl_column_at(&s, u);
        BL_EACH_ROW(r, e, s, c) {
            int64_t row = r / in.w, col = r % in.w;
            float v = add ? bl_get(dx, e) : 0;
            if (c.channel < in.c && row % stride == 0 && col % stride == 0) {
                int64_t at = grid_row(&out, c.image, c.channel + first, row / stride);
                v += bl_get(dy, at + col / stride * out.cb);
            }
            bl_put(dx, e, v);
        }
    }
}

static void shortcut_bwd(const bl_tensor *dy, int32_t stride, int64_t first, bl_tensor *dx,
                         float beta) {
    bl_columns s = bl_columns_each(dx, false);
    BL_TYPED(dx->dtype, T,
             BL_LAUNCH_COLUMNS(short_bwd<T>, s, grid_of(dx), grid_of(dy), stride, first,
                               bl_map<T>(dy), bl_map<T>(dx), beta != 0));
}

extern "C" void bl_cuda_resample_slots(bl_kernels *k) {
    k->upsample_add_fwd = upsample_add_fwd;
    k->upsample_bwd = upsample_bwd;
    k->shortcut_fwd = shortcut_fwd;
    k->shortcut_bwd = shortcut_bwd;
}
