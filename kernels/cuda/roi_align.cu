/* RoIAlign over all levels of a pyramid, one launch each way. */
#include "kernels/cuda/maps.h"
#include "kernels/cuda/typed.h"
#include "kernels/shared/bilinear.h"

typedef struct roi_list {
    const bl_box *box;
    const int32_t *batch, *level;
    int64_t count;
    int32_t size, sampling;
    int64_t aligned; /* a flag */
    float scale[BL_CUDA_MAPS];
} roi_list;

static roi_list roi_list_of(const bl_box *box, const int32_t *batch, const int32_t *level,
                            int64_t count, const bl_roi_attr *a) {
    roi_list r = {box, batch, level, count, a->size, a->sampling, a->aligned, {0}};
    for (int l = 0; l < BL_CUDA_MAPS; l++) r.scale[l] = a->scale[l];
    return r;
}

static __device__ bl_roi_frame frame_of(const roi_list *r, int64_t i) {
    return bl_roi_frame_make(r->box[i], r->scale[r->level[i]], r->size, r->sampling, r->aligned);
}

/* ---- forward: a thread is one element of the output, lanes of a channel block side by side ---- */

template <typename T>
static __device__ float bin_sum(const bl_roi_frame *f, int32_t by, int32_t bx, const T *plane,
                                int32_t h, int32_t w, int32_t cb) {
    float sum = 0;
    for (int32_t sy = 0; sy < f->y.grid; sy++) {
        bl_tap ty, tx;
        if (!bl_tap_at(bl_roi_axis_sample(&f->y, by, sy), h, &ty)) continue;
        for (int32_t sx = 0; sx < f->x.grid; sx++) {
            if (!bl_tap_at(bl_roi_axis_sample(&f->x, bx, sx), w, &tx)) continue;
            bl_corners c = bl_corners_of(ty, tx, w, f->norm);
            for (int q = 0; q < 4; q++) sum += c.weight[q] * bl_get(plane, c.at[q] * cb);
        }
    }
    return sum;
}

template <typename T>
static __global__ void roi_fwd(bl_cuda_maps maps, roi_list rois, bl_cuda_map out, int64_t n) {
    int64_t blocks = out.blocks, bins = out.h * out.w;
    BL_EACH(e, n) {
        int64_t lane = e % out.cb, bin = e / out.cb % bins, b = e / (out.cb * bins) % blocks;
        int64_t i = e / (out.cb * bins * blocks);
        if (rois.level[i] < 0) {
            bl_put((T *)out.data, e, 0.0f);
            continue;
        }
        const bl_cuda_map *m = &maps.m[rois.level[i]];
        bl_roi_frame f = frame_of(&rois, i);
        const T *plane =
            (const T *)m->data + (rois.batch[i] * blocks + b) * m->h * m->w * m->cb + lane;
        float sum = bin_sum(&f, (int32_t)(bin / out.w), (int32_t)(bin % out.w), plane,
                            (int32_t)m->h, (int32_t)m->w, (int32_t)m->cb);
        bl_put((T *)out.data, e, sum);
    }
}

static void roi_align_fwd(const bl_tensor *const *maps, int n_maps, const bl_box *rois,
                          const int32_t *batch, const int32_t *level, int64_t count,
                          const bl_roi_attr *a, bl_tensor *out) {
    roi_list list = roi_list_of(rois, batch, level, count, a);
    int64_t n = bl_storage(out);
    BL_TYPED(
        out->dtype, T,
        BL_LAUNCH_EACH(roi_fwd<T>, n, bl_cuda_maps_of(maps, n_maps), list, bl_cuda_map_of(out), n));
}

/* ---- backward ----
 * RoIs overlap, so a pixel's gradient has many terms, and their sum depends on their order. Instead
 * of scattering them, a block owns a tile of pixels of 32 channels and collects: it walks the RoIs
 * that meet the tile in list order, and, sampling being separable, adds bin * wy * wx * norm with
 * the shares wy and wx that the tile's rows and columns have in the bins. No float is added
 * atomically and every run gives the same bits. What that costs: each tile tests all RoIs (256 at a
 * time) and tables their shares again. What it saves: a scatter adds four times per sample and
 * channel, this reads each bin once per row and column it touches. */
enum { TILE = 8, LANES = BL_WARP, BINS = 16 }; /* TILE * LANES = 2 * TILE * BINS = BL_THREADS */

static const int64_t MOST_BLOCKS = 1 << 16; /* blocks differ in work: let the device schedule */

/* Tiles of all levels, one after the other; those of a level ordered (image, row, column, chunk of
 * channels). */
typedef struct tiling {
    int64_t first[BL_CUDA_MAPS + 1]; /* of each level; the end */
    int64_t rows[BL_CUDA_MAPS], columns[BL_CUDA_MAPS], chunks;
} tiling;

typedef struct tile {
    int32_t level, y, x; /* upper left pixel */
    int64_t image, channel;
} tile;

static __device__ tile tile_at(const tiling *t, int64_t i) {
    tile at;
    at.level = 0;
    while (i >= t->first[at.level + 1]) at.level++;
    i -= t->first[at.level];
    at.channel = i % t->chunks * LANES;
    i /= t->chunks;
    at.x = (int32_t)(i % t->columns[at.level]) * TILE;
    i /= t->columns[at.level];
    at.y = (int32_t)(i % t->rows[at.level]) * TILE;
    at.image = i / t->rows[at.level];
    return at;
}

/* Whether samples may touch pixels [lo, lo + TILE). A sample touches the pixels around it, at most
 * one away, and moves by at most one at the border. */
static __device__ bool axis_meets(const bl_roi_axis *a, int32_t bins, int32_t lo) {
    if (a->grid == 0) return false;
    float p = bl_roi_axis_sample(a, 0, 0), q = bl_roi_axis_sample(a, bins - 1, a->grid - 1);
    return fminf(p, q) - 2 < (float)(lo + TILE) && fmaxf(p, q) + 2 > (float)lo;
}

static __device__ bool meets(const roi_list *r, int64_t i, const tile *t) {
    if (i >= r->count || r->level[i] != t->level || r->batch[i] != t->image) return false;
    bl_roi_frame f = frame_of(r, i);
    return axis_meets(&f.y, r->size, t->y) && axis_meets(&f.x, r->size, t->x);
}

/* hit[0..returned) = the RoIs among first + [0, BL_THREADS) that meet the tile, in list order. */
static __device__ int collect(const roi_list *r, int64_t first, const tile *t, int64_t *hit,
                              int *warp_hits) {
    int lane = (int)threadIdx.x % BL_WARP, warp = (int)threadIdx.x / BL_WARP, before = 0, all = 0;
    bool mine = meets(r, first + threadIdx.x, t);
    unsigned votes = __ballot_sync(0xffffffffu, mine);
    if (lane == 0) warp_hits[warp] = __popc(votes);
    __syncthreads();
    for (int w = 0; w < BL_THREADS / BL_WARP; w++) {
        if (w < warp) before += warp_hits[w];
        all += warp_hits[w];
    }
    if (mine) hit[before + __popc(votes & ((1u << lane) - 1))] = first + threadIdx.x;
    __syncthreads();
    return all;
}

/* What a tile has of BINS by BINS bins. share[0][r][b]: weight of row t.y + r in bin first_y + b,
 * times norm; share[1]: likewise of columns. used[w]: a bit for each bin in which one of warp w's two
 * rows or columns has a weight; the first half of the warps have the rows. */
typedef struct shares {
    float share[2][TILE][BINS];
    unsigned used[BL_THREADS / BL_WARP];
} shares;

/* One entry a thread. */
static __device__ void table_shares(const bl_roi_frame *f, const bl_cuda_map *m, const tile *t,
                                    int32_t bins, int32_t first_y, int32_t first_x, shares *s) {
    int tid = (int)threadIdx.x, cell = tid / BINS % TILE, bin = tid % BINS;
    bool columns = tid / BINS >= TILE;
    int32_t b = (columns ? first_x : first_y) + bin, p = (columns ? t->x : t->y) + cell;
    int32_t extent = (int32_t)(columns ? m->w : m->h);
    float w =
        b < bins && p < extent ? bl_roi_axis_weight(columns ? &f->x : &f->y, b, p, extent) : 0;
    s->share[columns][cell][bin] = columns ? w : w * f->norm;
    unsigned votes = __ballot_sync(0xffffffffu, w != 0);
    if (tid % BL_WARP == 0) s->used[tid / BL_WARP] = (votes | votes >> BINS) & ((1u << BINS) - 1);
    __syncthreads();
}

/* The bins of an axis in which the tile has a weight: first to end - 1. */
typedef struct span {
    int first, end;
} span;

static __device__ span span_of(const shares *s, int axis) {
    enum { HALF = BL_THREADS / BL_WARP / 2 };
    unsigned bits = 0;
    for (int w = 0; w < HALF; w++) bits |= s->used[axis * HALF + w];
    span found = {0, 0};
    if (bits == 0) return found;
    found.first = __popc((bits & -bits) - 1); /* zeros below the lowest one */
    for (found.end = found.first; bits >> found.end; found.end++) continue;
    return found;
}

/* sum[x] += what the tabled bins give to the thread's row and column x. bin: its channel of the
 * first tabled bin. Only bins that the tile has a weight in are gone through: two or three of seven
 * on an axis. */
template <typename T>
static __device__ void add_bins(const shares *s, int row, const T *bin, int64_t bin_row,
                                int64_t bin_step, float sum[TILE]) {
    span ys = span_of(s, 0), xs = span_of(s, 1);
    for (int by = ys.first; by < ys.end; by++) {
        float wy = s->share[0][row][by];
        if (wy == 0) continue;
        for (int bx = xs.first; bx < xs.end; bx++) {
            float g = wy * bl_get(bin, by * bin_row + bx * bin_step);
            BL_UNROLL for (int x = 0; x < TILE; x++) {
                float wx = s->share[1][x][bx];
                if (wx != 0) sum[x] += wx * g; /* 0 times infinity is no share */
            }
        }
    }
}

/* Thread (warp, lane) owns row `warp` of the tile in channel `lane`. */
template <typename T>
static __global__ void roi_bwd(bl_cuda_maps maps, roi_list rois, bl_cuda_map dy, tiling tiles) {
    __shared__ int64_t hit[BL_THREADS];
    __shared__ int warp_hits[BL_THREADS / BL_WARP];
    __shared__ shares table;
    int row = (int)threadIdx.x / LANES, bins = rois.size;
    for (int64_t item = blockIdx.x; item < tiles.first[BL_CUDA_MAPS]; item += gridDim.x) {
        tile t = tile_at(&tiles, item);
        const bl_cuda_map *m = &maps.m[t.level];
        int64_t c = t.channel + threadIdx.x % LANES;
        bool idle = c >= m->c || t.y + row >= m->h, any = false;
        float sum[TILE] = {0, 0, 0, 0, 0, 0, 0, 0};
        for (int64_t first = 0; first < rois.count; first += BL_THREADS) {
            int hits = collect(&rois, first, &t, hit, warp_hits);
            for (int j = 0; j < hits; j++) {
                bl_roi_frame f = frame_of(&rois, hit[j]);
                for (int by = 0; by < bins; by += BINS) {
                    for (int bx = 0; bx < bins; bx += BINS) {
                        table_shares(&f, m, &t, bins, by, bx, &table);
                        if (!idle) {
                            const T *bin = (const T *)dy.data + bl_cuda_at(&dy, hit[j], c, by, bx);
                            add_bins(&table, row, bin, dy.w * dy.cb, dy.cb, sum);
                        }
                        __syncthreads(); /* before the next table */
                    }
                }
            }
            any = any || hits > 0;
        }
        if (idle || !any) continue;
        for (int x = 0; x < TILE && t.x + x < m->w; x++) {
            int64_t at = bl_cuda_at(m, t.image, c, t.y + row, t.x + x);
            bl_put((T *)m->data, at, bl_get((const T *)m->data, at) + sum[x]);
        }
    }
}

static void roi_align_bwd(const bl_tensor *dy, const bl_box *rois, const int32_t *batch,
                          const int32_t *level, int64_t count, const bl_roi_attr *a, int n_maps,
                          bl_tensor *const *dmaps) {
    tiling t;
    int64_t items = 0;
    t.chunks = (dy->c + LANES - 1) / LANES;
    for (int l = 0; l < BL_CUDA_MAPS; l++) {
        const bl_tensor *m = l < n_maps ? dmaps[l] : NULL;
        t.first[l] = items;
        t.rows[l] = m ? (m->h + TILE - 1) / TILE : 0;
        t.columns[l] = m ? (m->w + TILE - 1) / TILE : 0;
        items += m ? m->n * t.rows[l] * t.columns[l] * t.chunks : 0;
    }
    t.first[BL_CUDA_MAPS] = items;
    if (count == 0 || items == 0) return;
    roi_list list = roi_list_of(rois, batch, level, count, a);
    unsigned blocks = (unsigned)(items < MOST_BLOCKS ? items : MOST_BLOCKS);
    bl_cuda_maps maps = bl_cuda_maps_of((const bl_tensor *const *)dmaps, n_maps);
    BL_TYPED(dy->dtype, T,
             BL_LAUNCH(roi_bwd<T>, blocks, BL_THREADS, 0, maps, list, bl_cuda_map_of(dy), t));
}

void bl_cuda_roi_align_slots(bl_kernels *k) {
    k->roi_align_fwd = roi_align_fwd;
    k->roi_align_bwd = roi_align_bwd;
}
