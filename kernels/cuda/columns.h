/* A tensor as columns: a column is one channel of one image, or of all images joined end to end,
 * and its rows are the pixels. A block of threads takes a tile of adjacent channels times a chunk
 * of rows, so that adjacent threads touch adjacent memory for every channel block: with cb >= 32
 * (NHWC) a warp spans 32 channels of a pixel, with cb = 1 (planar) 32 pixels of a channel.
 *
 * Where channels lie side by side in aligned runs of 16 bytes, a thread of a wide kernel takes such
 * a run, a pack, instead of one channel, and has several rows on their way: one load of two bytes a
 * thread does not keep a GPU's memory busy.
 *
 * Tiles and chunks depend on the shape alone: sums have the same bits on every device. */
#ifndef BALLAST_KERNELS_CUDA_COLUMNS_H
#define BALLAST_KERNELS_CUDA_COLUMNS_H

#include "kernels/cuda/typed.h"

typedef struct bl_columns {
    int64_t images; /* columns per channel: one an image, or 1: the images are joined */
    int64_t rows;   /* of a column */
    int64_t pixels; /* rows of one image */
    int64_t c;      /* channels; columns from c to blocks * cb are padding */
    int64_t blocks; /* channel blocks of an image */
    int32_t cb;
    int32_t wide;          /* channels of a thread: 1, or those of a pack */
    int32_t lanes;         /* threads of a tile, side by side: a power of two up to 32 */
    int32_t dtype;         /* of the maps: a bl_dtype; no padding, which would hold anything */
    int64_t tiles;         /* of a channel block */
    int64_t chunk, chunks; /* rows of a unit; units of a tile of columns */
    int64_t units;
} bl_columns;

/* What one thread has of a unit. */
typedef struct bl_column {
    int64_t image, channel;    /* the first of `wide` */
    int64_t base;              /* position of the column's first value in the tensor */
    int64_t first, last, step; /* its rows; none when the thread is beyond the channel block */
} bl_column;

static inline int64_t bl_columns_padded(const bl_columns *s) {
    return s->blocks * s->cb;
}

/* Channels of a tile. */
static __host__ __device__ __forceinline__ int64_t bl_columns_span(const bl_columns *s) {
    return (int64_t)s->lanes * s->wide;
}

/* BL_EACH_ROWS: values of a thread that goes over every value, or half as many packs. */
enum { BL_SUM_UNITS = 2048, BL_EACH_ROWS = 16 };

/* `joined`: columns run through all images. */
static inline bl_columns bl_columns_make(const bl_tensor *t, bool joined, int32_t wide) {
    bl_columns s;
    s.dtype = t->dtype;
    s.images = joined ? 1 : t->n;
    s.pixels = t->h * t->w;
    s.rows = joined ? t->n * s.pixels : s.pixels;
    s.c = t->c;
    s.blocks = bl_blocks(t);
    s.cb = t->cb;
    s.wide = wide;
    for (s.lanes = 1; s.lanes < BL_WARP && s.lanes * wide < t->cb;) s.lanes *= 2;
    s.tiles = (t->cb + bl_columns_span(&s) - 1) / bl_columns_span(&s);
    return s;
}
static inline uintptr_t bl_address(const bl_tensor *t) {
    return t ? (uintptr_t)t->data : 0;
}
/* Channels of a pack in maps like t; 1 when packs do not fit. `addresses`: those of all maps, or'ed. */
static inline int32_t bl_pack_channels(const bl_tensor *t, uintptr_t addresses) {
    int32_t channels = t->dtype == BL_F32 ? 4 : 8;
    bool fit = t->cb == t->c && t->c % channels == 0 && addresses % 16 == 0;
    return fit ? channels : 1;
}
static inline void bl_columns_cut(bl_columns *s, int64_t chunk) {
    s->chunk = chunk > 0 ? chunk : 1;
    s->chunks = (s->rows + s->chunk - 1) / s->chunk;
    if (s->chunks == 0) s->chunks = 1; /* a column without rows still has a sum */
    s->units = s->images * s->blocks * s->tiles * s->chunks;
}
static inline bl_columns bl_columns_cut_each(bl_columns s) {
    bl_columns_cut(&s, (int64_t)BL_THREADS / s.lanes * BL_EACH_ROWS / (s.wide > 1 ? 2 : 1));
    return s;
}
static inline bl_columns bl_columns_cut_sums(bl_columns s) {
    int64_t across = s.images * s.blocks * s.tiles;
    int64_t chunks = across > 0 && across < BL_SUM_UNITS ? BL_SUM_UNITS / across : 1;
    int64_t chunk = (s.rows + chunks - 1) / chunks, least = (int64_t)BL_THREADS / s.lanes * 4;
    bl_columns_cut(&s, chunk > least ? chunk : least);
    return s;
}
/* For kernels that go over every value, one channel a thread. */
static inline bl_columns bl_columns_each(const bl_tensor *t, bool joined) {
    return bl_columns_cut_each(bl_columns_make(t, joined, 1));
}
/* For sums over columns: about BL_SUM_UNITS units, where the columns are long enough. */
static inline bl_columns bl_columns_sums(const bl_tensor *t, bool joined) {
    return bl_columns_cut_sums(bl_columns_make(t, joined, 1));
}
/* The same for the wide kernels below; `addresses`: those of all maps, or'ed. */
static inline bl_columns bl_packs_each(const bl_tensor *t, bool joined, uintptr_t addresses) {
    return bl_columns_cut_each(bl_columns_make(t, joined, bl_pack_channels(t, addresses)));
}
static inline bl_columns bl_packs_sums(const bl_tensor *t, bool joined, uintptr_t addresses) {
    return bl_columns_cut_sums(bl_columns_make(t, joined, bl_pack_channels(t, addresses)));
}
static inline unsigned bl_columns_grid(const bl_columns *s) {
    return (unsigned)(s->units < (int64_t)BL_GRID_MAX ? s->units : (int64_t)BL_GRID_MAX);
}

/* Launches a kernel(columns, ...) over the units of s, if there are any. */
#define BL_LAUNCH_COLUMNS(kernel, s, ...)                                                          \
    do {                                                                                           \
        if ((s).units > 0) {                                                                       \
            BL_LAUNCH(kernel, bl_columns_grid(&(s)), BL_THREADS, 0, s, __VA_ARGS__);               \
        }                                                                                          \
    } while (0)

/* for (u in this block's units). */
#define BL_EACH_UNIT(u, s) for (int64_t u = blockIdx.x; u < (s).units; u += gridDim.x)

static __device__ __forceinline__ bl_column bl_column_at(const bl_columns *s, int64_t unit) {
    int64_t tile = unit % s->tiles, rest = unit / s->tiles;
    int64_t chunk = rest % s->chunks, plane = rest / s->chunks;
    int64_t lane = tile * bl_columns_span(s) + (int64_t)threadIdx.x % s->lanes * s->wide;
    bl_column c;
    c.image = plane / s->blocks;
    c.channel = plane % s->blocks * s->cb + lane;
    c.base = plane * s->pixels * s->cb + lane;
    c.first = chunk * s->chunk + (int64_t)threadIdx.x / s->lanes;
    c.last = (chunk + 1) * s->chunk < s->rows ? (chunk + 1) * s->chunk : s->rows;
    c.step = (int64_t)blockDim.x / s->lanes;
    if (lane >= s->cb) c.last = c.first;
    return c;
}
/* Where row r of a column lies in the tensor. */
static __device__ __forceinline__ int64_t bl_row_at(const bl_columns *s, const bl_column *c,
                                                    int64_t r) {
    int64_t n = r < s->pixels || s->blocks == 1 ? 0 : r / s->pixels; /* images passed */
    return c->base + (r + n * (s->blocks - 1) * s->pixels) * s->cb;
}
/* for (r in this thread's rows of column c, value at e). */
#define BL_EACH_ROW(r, e, s, c)                                                                    \
    for (int64_t r = (c).first, e = 0; r < (c).last && ((e = bl_row_at(&(s), &(c), r)), true);     \
         r += (c).step)

/* ---- packs: W channels of a row, W = 1 or 16 bytes' worth ---- */

template <typename T, int W> struct alignas(W > 1 ? 16 : sizeof(T)) bl_pack {
    T v[W];
    __device__ __forceinline__ float get(int i) const {
        return bl_get(v, i);
    }
    __device__ __forceinline__ void put(int i, float f) {
        bl_put(v, i, f);
    }
};
/* 16-bit values stay two in a register until they are wanted. */
template <typename T> struct alignas(16) bl_pack<T, 8> {
    uint32_t word[4];
    __device__ __forceinline__ float get(int i) const {
        T one;
        one.bits = (uint16_t)(word[i / 2] >> i % 2 * 16);
        return bl_get(&one, 0);
    }
    __device__ __forceinline__ void put(int i, float f) {
        T one;
        bl_put(&one, 0, f);
        uint32_t keep = word[i / 2] & (i % 2 ? 0xffffu : 0xffff0000u);
        word[i / 2] = keep | (uint32_t)one.bits << i % 2 * 16;
    }
};
template <int W, typename T>
static __device__ __forceinline__ bl_pack<T, W> bl_load(const T *p, int64_t at) {
    return *(const bl_pack<T, W> *)(p + at);
}
template <typename T, int W>
static __device__ __forceinline__ void bl_store(T *p, int64_t at, bl_pack<T, W> v) {
    *(bl_pack<T, W> *)(p + at) = v;
}
/* for (r = the first of up to n of this thread's rows of column c): whose loads are on their way at
 * once. */
#define BL_EACH_ROWS_AHEAD(r, n, c) for (int64_t r = (c).first; r < (c).last; r += (n) * (c).step)
/* for (k in those rows that there are, value at e). */
#define BL_EACH_AHEAD(k, e, r, n, s, c)                                                            \
    BL_UNROLL for (int k = 0; k < (n); k++) if (int64_t e = bl_row_ahead(&(s), &(c), r, k); e >= 0)
static __device__ __forceinline__ int64_t bl_row_ahead(const bl_columns *s, const bl_column *c,
                                                       int64_t r, int k) {
    r += k * c->step;
    return r < c->last ? bl_row_at(s, c, r) : -1;
}
/* Runs the statement with W as the channels of a thread of maps of type T. */
#define BL_PACKED(s, T, W, ...)                                                                    \
    do {                                                                                           \
        if ((s).wide > 1) {                                                                        \
            enum { W = 16 / sizeof(T) };                                                           \
            __VA_ARGS__;                                                                           \
        } else {                                                                                   \
            enum { W = 1 };                                                                        \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
    } while (0)

/* ---- sums over columns ---- */

/* Adds up W pairs of numbers over the threads of each column of unit u, into `part`: see
 * bl_column_total. All threads of the block must call. */
template <int W>
static __device__ __forceinline__ void bl_unit_sums(const bl_columns *s, int64_t u, const double *a,
                                                    const double *b, double *part) {
    __shared__ double sum[2][BL_THREADS / BL_WARP][BL_WARP];
    int t = (int)threadIdx.x, lane = t % s->lanes, which = t / s->lanes;
    BL_UNROLL for (int v = 0; v < W; v++) {
        double p = a[v], q = b[v];
        for (int bit = s->lanes; bit < BL_WARP; bit *= 2) {
            p += __shfl_xor_sync(0xffffffffu, p, bit);
            q += __shfl_xor_sync(0xffffffffu, q, bit);
        }
        sum[0][t / BL_WARP][t % BL_WARP] = p;
        sum[1][t / BL_WARP][t % BL_WARP] = q;
        __syncthreads();
        if (which < 2) {
            double total = sum[which][0][lane];
            for (int w = 1; w < BL_THREADS / BL_WARP; w++) total += sum[which][w][lane];
            part[(u * 2 + which) * bl_columns_span(s) + lane * W + v] = total;
        }
        __syncthreads(); /* sum is used again */
    }
}
static __device__ __forceinline__ void bl_unit_sum(const bl_columns *s, int64_t u, double a,
                                                   double b, double *part) {
    bl_unit_sums<1>(s, u, &a, &b, part);
}
/* Doubles of `part`. */
static inline int64_t bl_columns_part(const bl_columns *s) {
    return s->units * 2 * bl_columns_span(s);
}
typedef struct bl_pair {
    double a, b;
} bl_pair;
/* The pair of one column over all its chunks; every lane of the calling, full warp gets it. */
static __device__ __forceinline__ bl_pair bl_column_total(const bl_columns *s, const double *part,
                                                          int64_t image, int64_t channel) {
    int64_t plane = image * s->blocks + channel / s->cb, l = channel % s->cb;
    int64_t span = bl_columns_span(s);
    bl_pair p = {0, 0};
    for (int64_t i = threadIdx.x % BL_WARP; i < s->chunks; i += BL_WARP) {
        int64_t unit = (plane * s->chunks + i) * s->tiles + l / span;
        p.a += part[unit * 2 * span + l % span];
        p.b += part[(unit * 2 + 1) * span + l % span];
    }
    p.a = bl_warp_sum(p.a);
    p.b = bl_warp_sum(p.b);
    return p;
}
/* Of the sums of bl_columns_stats: a = the column's mean, b = the sum of squared
 * distances to it. */
template <typename T>
static __device__ __forceinline__ bl_pair bl_column_moments(const bl_columns *s, const double *part,
                                                            const T *x, int64_t image,
                                                            int64_t channel) {
    bl_pair p = bl_column_total(s, part, image, channel);
    double mean = p.a / (double)s->rows;
    int64_t plane = image * s->blocks + channel / s->cb;
    p.b -= p.a * mean;
    p.a = mean + bl_get(x, plane * s->pixels * s->cb + channel % s->cb);
    return p;
}
/* for (i in this warp's share of [0,n)), launched by BL_LAUNCH_WARPS. */
#define BL_EACH_WARP(i, n)                                                                         \
    for (int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) / BL_WARP; i < (n);          \
         i += (int64_t)gridDim.x * blockDim.x / BL_WARP)
/* A launch of n warps; nothing when n is 0. */
#define BL_LAUNCH_WARPS(kernel, n, ...) BL_LAUNCH_EACH(kernel, (n)*BL_WARP, __VA_ARGS__)

/* ---- normalisation, over columns that are joined (batch norm) or not (group norm); void pointers
 * are maps of the columns' type ---- */

/* part: sums of x, and zeros. */
void bl_columns_plain_sums(const bl_columns *s, const void *x, double *part);
/* part: sums of x - first and of its square, `first` being the column's first value. */
void bl_columns_stats(const bl_columns *s, const void *x, double *part);
/* part: sums of g and g * (x - mean) with g = dy*act'(y); the mean of a column is
 * mean[image * groups + channel / per]. */
void bl_columns_grads(const bl_columns *s, const void *x, const void *y, const void *dy,
                      const float *mean, int64_t groups, int64_t per, float slope, double *part);
/* y = act(x*scale + shift + skip), the padding scaled to zero; entry image * blocks * cb + channel
 * of scale and shift belongs to a column. */
void bl_columns_affine(const bl_columns *s, const void *x, const float *scale, const float *shift,
                       const void *skip, float slope, void *y);
/* dx (+)= g*a + x*b + k, dskip (+)= g, with a, b and k as scale above; x, b and k may be NULL, and
 * so may dx or dskip. */
void bl_columns_apply(const bl_columns *s, const void *x, const void *y, const void *dy,
                      const float *a, const float *b, const float *k, float slope, void *dx,
                      bool add_dx, void *dskip, bool add_dskip);

#endif
