/* Sampling by Floyd's algorithm (kernels/shared/sample.h), all draws at once, and what the sampled
 * rows stand for. The subsets are those of the plain C kernel.
 *
 * Of draw j, the proposal t_j is taken when an earlier draw proposed it too (then it is in the set
 * by either of them), or when it is m-k+i for an earlier draw i whose own proposal was taken. The
 * first is k comparisons, the second a chain that steps back through draws and is nearly always
 * empty. Finding a rank's place in the list is a search in counts by chunks of candidates. */
#include "kernels/shared/sample.h"

#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"

enum { CHUNK = BL_THREADS, KINDS = BL_SAMPLE_KINDS, POS = BL_SAMPLE_POS, NEG = BL_SAMPLE_NEG };

/* Scratch of all images. */
typedef struct drawing {
    int32_t *chunk; /* [image][kind][chunks]: candidates; then of the chunks before it */
    int32_t *have;  /* [image][kind]: candidates */
    int32_t *t;     /* [image][kind][batch]: proposals */
    int32_t *rank;  /* [image][kind][batch]: chosen ranks, in order of the draws */
    int64_t chunks, batch;
} drawing;

/* A block is a chunk of an image. */
static __global__ void count_kinds(const int32_t *match, int64_t n, int32_t images, drawing d) {
    for (int64_t u = blockIdx.x; u < images * d.chunks; u += gridDim.x) {
        int64_t image = u / d.chunks, c = u % d.chunks, i = c * CHUNK + threadIdx.x;
        int kind = i < n ? bl_sample_kind(match[image * n + i]) : -1;
        int pos = bl_block_sum(kind == (int)POS ? 1 : 0);
        int neg = bl_block_sum(kind == (int)NEG ? 1 : 0);
        if (threadIdx.x > 0) continue;
        d.chunk[(image * KINDS + POS) * d.chunks + c] = pos;
        d.chunk[(image * KINDS + NEG) * d.chunks + c] = neg;
    }
}

/* A block is an image and kind: counts become the number before each chunk. */
static __global__ void sum_chunks(drawing d) {
    __shared__ int32_t part[BL_THREADS + 1];
    int32_t *count = d.chunk + blockIdx.x * d.chunks;
    int64_t per = (d.chunks + BL_THREADS - 1) / BL_THREADS, from = threadIdx.x * per;
    int64_t to = from + per < d.chunks ? from + per : d.chunks;
    int32_t sum = 0;
    for (int64_t c = from; c < to; c++) sum += count[c];
    part[threadIdx.x + 1] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        part[0] = 0;
        for (int i = 0; i < BL_THREADS; i++) part[i + 1] += part[i];
        d.have[blockIdx.x] = part[BL_THREADS];
    }
    __syncthreads();
    sum = part[threadIdx.x];
    for (int64_t c = from; c < to; c++) {
        int32_t own = count[c];
        count[c] = sum;
        sum += own;
    }
}

/* Whether the proposal of draw j had been taken. */
static __device__ bool proposed_before(const int32_t *t, int64_t j) {
    bool found = false;
    for (int64_t i = 0; i < j && !found; i++) found = t[i] == t[j];
    return found;
}
static __device__ bool taken(const int32_t *t, int64_t m, int64_t k, int64_t j) {
    while (!proposed_before(t, j)) {
        int64_t i = t[j] - (m - k);
        if (i < 0 || i >= j) return false;
        j = i; /* t_j = m-k+i is in the set if draw i fell back to it */
    }
    return true;
}

/* The candidate of this kind and rank: a warp's work. */
static __device__ int32_t candidate_of(const int32_t *match, int64_t n, const int32_t *before,
                                       int64_t chunks, int kind, int32_t rank) {
    int64_t low = 0, high = chunks; /* the last chunk with at most `rank` candidates before it */
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if (before[middle] <= rank)
            low = middle;
        else
            high = middle;
    }
    int lane = (int)threadIdx.x % BL_WARP, left = rank - before[low];
    for (int64_t i = low * CHUNK;; i += BL_WARP) {
        bool mine = i + lane < n && bl_sample_kind(match[i + lane]) == kind;
        unsigned votes = __ballot_sync(0xffffffffu, mine);
        int found = __popc(votes);
        if (left >= found) {
            left -= found;
            continue;
        }
        bool this_one = mine && __popc(votes & ((1u << lane) - 1)) == left;
        int at = __ffs((int)__ballot_sync(0xffffffffu, this_one)) - 1;
        return (int32_t)(i + at);
    }
}

/* Rows of the images before this one. */
static __device__ int32_t rows_before(const bl_sample_attr *a, const drawing *d, int64_t image) {
    int32_t sum = 0, k[KINDS];
    for (int64_t i = 0; i < image; i++) {
        bl_sample_counts(a, d->have + i * KINDS, k);
        sum += bl_sample_rows_of(a, k);
    }
    return sum;
}

/* A block is an image and kind. */
static __global__ void draw_rows(const int32_t *match, int64_t n, bl_sample_attr a, drawing d,
                                 bl_samples_kernel rows) {
    int64_t image = blockIdx.x / KINDS;
    int kind = (int)(blockIdx.x % KINDS);
    int32_t count[KINDS];
    bl_sample_counts(&a, d.have + image * KINDS, count);
    int64_t m = d.have[blockIdx.x], k = count[kind];
    if (threadIdx.x == 0) rows.count[blockIdx.x] = (int32_t)k;
    if (kind == (int)NEG && a.pos_only) return;
    int32_t *t = d.t + blockIdx.x * d.batch, *rank = d.rank + blockIdx.x * d.batch;
    bl_rng r = bl_sample_stream(&a, (int32_t)image, kind);
    bool all = k == m; /* nothing to draw */
    for (int64_t j = threadIdx.x; j < k && !all; j += blockDim.x) {
        t[j] = (int32_t)bl_sample_draw(&r, m, k, j);
    }
    __syncthreads();
    for (int64_t j = threadIdx.x; j < k && !all; j += blockDim.x) {
        rank[j] = taken(t, m, k, j) ? (int32_t)(m - k + j) : t[j];
    }
    __syncthreads();
    int32_t first = rows_before(&a, &d, image) + (kind == (int)NEG ? count[POS] : 0);
    const int32_t *list = match + image * n, *before = d.chunk + blockIdx.x * d.chunks;
    int warps = (int)blockDim.x / BL_WARP, lane = (int)threadIdx.x % BL_WARP;
    for (int64_t j = threadIdx.x / BL_WARP; j < k; j += warps) {
        int32_t mine = all ? (int32_t)j : rank[j];
        int place = 0;
        for (int64_t i = lane; i < k && !all; i += BL_WARP) place += rank[i] < mine;
        place = all ? (int)j : bl_warp_sum(place);
        int32_t at = candidate_of(list, n, before, d.chunks, kind, mine);
        if (lane > 0) continue;
        rows.image[first + place] = (int32_t)image;
        rows.index[first + place] = at;
        rows.gt[first + place] = kind == (int)POS ? list[at] : -1;
    }
}

static __global__ void mark_unused(int32_t images, bl_sample_attr a, drawing d,
                                   bl_samples_kernel rows) {
    int32_t used = rows_before(&a, &d, images);
    BL_EACH(i, rows.n) {
        if (i < used) continue;
        rows.image[i] = rows.gt[i] = -1;
        rows.index[i] = 0;
    }
}

static int64_t sample(const int32_t *match, int32_t images, int64_t n, const bl_sample_attr *a,
                      const bl_samples_kernel *rows) {
    drawing d;
    d.chunks = (n + CHUNK - 1) / CHUNK;
    d.batch = a->batch < n ? a->batch : n;
    size_t lists = (size_t)images * KINDS, chunk = lists * (size_t)d.chunks;
    size_t draws = lists * (size_t)d.batch;
    int32_t *memory = (int32_t *)bl_scratch((chunk + lists + 2 * draws) * sizeof *memory);
    if (!memory) return -1;
    d.chunk = memory;
    d.have = memory + chunk;
    d.t = d.have + lists;
    d.rank = d.t + draws;
    int64_t blocks = images * d.chunks;
    BL_LAUNCH(count_kinds, (unsigned)(blocks < BL_GRID_MAX ? blocks : (int64_t)BL_GRID_MAX), CHUNK,
              0, match, n, images, d);
    BL_LAUNCH(sum_chunks, (unsigned)lists, BL_THREADS, 0, d);
    BL_LAUNCH(draw_rows, (unsigned)lists, BL_THREADS, 0, match, n, *a, d, *rows);
    BL_LAUNCH_EACH(mark_unused, rows->n, images, *a, d, *rows);
    bl_scratch_free(memory);
    return rows->n; /* how many are used is not known here */
}

/* ---- what the rows stand for: a thread is a row ---- */

static __device__ int64_t drawn(const bl_samples_kernel *rows, int64_t images) {
    int64_t n = 0;
    for (int64_t i = 0; i < KINDS * images; i++) n += rows->count[i];
    return n;
}

static __device__ void encode(const bl_box_coder *coder, bl_box from, const bl_samples_kernel *rows,
                              const bl_gt_kernel *gt, int64_t i, float *delta) {
    float d[4] = {0, 0, 0, 0};
    if (rows->image[i] >= 0 && rows->gt[i] >= 0) {
        bl_box_encode(coder, from, gt->box[rows->image[i] * gt->cap + rows->gt[i]], d);
    }
    for (int q = 0; q < 4; q++) delta[q] = d[q];
}

static __global__ void anchor_rows(bl_anchor_grid g, bl_box_coder coder, bl_samples_kernel rows,
                                   bl_gt_kernel gt, float normaliser, bl_loc *loc, float *object,
                                   float *weight, int32_t *first, float *delta) {
    float share = bl_row_share(drawn(&rows, gt.images), normaliser);
    BL_EACH(i, rows.n) {
        bool used = rows.image[i] >= 0, fg = used && rows.gt[i] >= 0;
        bl_loc l = bl_anchor_loc(&g, rows.image[i], rows.index[i]);
        encode(&coder, bl_anchor_at(&g, &l), &rows, &gt, i, &delta[4 * i]);
        if (!used) l.level = -1;
        loc[i] = l;
        object[i] = fg ? 1.0f : 0.0f;
        weight[i] = used ? share : 0;
        first[i] = fg ? 0 : -1;
    }
}

static void anchor_targets(const bl_anchor_grid *g, const bl_box_coder *coder,
                           const bl_samples_kernel *rows, const bl_gt_kernel *gt, float normaliser,
                           bl_loc *loc, float *object, float *weight, int32_t *first,
                           float *delta) {
    BL_LAUNCH_EACH(anchor_rows, rows->n, *g, *coder, *rows, *gt, normaliser, loc, object, weight,
                   first, delta);
}

static __global__ void roi_rows(bl_candidates_kernel c, bl_box_coder coder, bl_samples_kernel rows,
                                bl_gt_kernel gt, int32_t classes, bl_box *roi, int32_t *label,
                                float *weight, float *share, int32_t *first, float *delta) {
    float of_one = bl_row_share(drawn(&rows, gt.images), 0);
    BL_EACH(i, rows.n) {
        int64_t image = rows.image[i];
        bool used = image >= 0, fg = used && rows.gt[i] >= 0;
        bl_box b = {0, 0, 0, 0};
        if (used) b = c.box[(c.shared ? 0 : image * c.n) + rows.index[i]];
        roi[i] = b;
        label[i] = fg ? gt.label[image * gt.cap + rows.gt[i]] : used ? classes : -1;
        encode(&coder, b, &rows, &gt, i, &delta[4 * i]);
        weight[i] = used ? 1.0f : 0.0f;
        share[i] = used ? of_one : 0;
        first[i] = fg ? 4 * label[i] : -1;
    }
}

static void roi_targets(const bl_candidates_kernel *c, const bl_box_coder *coder,
                        const bl_samples_kernel *rows, const bl_gt_kernel *gt, int32_t classes,
                        bl_box *roi, int32_t *label, float *weight, float *share, int32_t *first,
                        float *delta) {
    BL_LAUNCH_EACH(roi_rows, rows->n, *c, *coder, *rows, *gt, classes, roi, label, weight, share,
                   first, delta);
}

/* One block. */
static __global__ void weigh_rows(const float *v, const float *u, int64_t n, bool positive,
                                  float *out) {
    double sum = 0;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) sum += positive ? v[i] > 0 : v[i];
    float factor = bl_row_factor(bl_block_sum(sum));
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        out[i] = (u ? u[i] * v[i] : v[i]) * factor;
    }
}

static void row_weights(const float *v, const float *u, int64_t n, bool positive, float *out) {
    if (n > 0) BL_LAUNCH(weigh_rows, 1, BL_THREADS, 0, v, u, n, positive, out);
}

/* One block, which keeps the order. */
static __global__ void collect_rows(const int32_t *label, int32_t wanted, const bl_box *box,
                                    const int32_t *image, int64_t n, const bl_affine *map,
                                    const bl_size *size, int32_t *row, bl_box *to_box,
                                    int32_t *to_image) {
    __shared__ int32_t found[BL_THREADS / BL_WARP];
    int lane = (int)threadIdx.x % BL_WARP, warp = (int)threadIdx.x / BL_WARP;
    int64_t used = 0;
    for (int64_t first = 0; first < n; first += BL_THREADS) {
        int64_t i = first + threadIdx.x;
        bool mine = i < n && label[i] == wanted;
        unsigned votes = __ballot_sync(0xffffffffu, mine);
        if (lane == 0) found[warp] = __popc(votes);
        __syncthreads();
        int64_t at = used + __popc(votes & ((1u << lane) - 1));
        for (int w = 0; w < BL_THREADS / BL_WARP; w++) {
            if (w < warp) at += found[w];
            used += found[w];
        }
        if (mine) {
            bl_size s = size[image[i]];
            row[at] = (int32_t)i;
            to_image[at] = image[i];
            to_box[at] = bl_box_clip(bl_affine_box(map[image[i]], box[i]), s.w, s.h);
        }
        __syncthreads();
    }
    for (int64_t i = used + threadIdx.x; i < n; i += BL_THREADS) {
        bl_box none = {0, 0, 0, 0};
        row[i] = to_image[i] = -1;
        to_box[i] = none;
    }
}

static int64_t map_rows(const int32_t *label, int32_t wanted, const bl_box *box,
                        const int32_t *image, int64_t n, const bl_affine *map, const bl_size *size,
                        int32_t *row, bl_box *to_box, int32_t *to_image) {
    if (n > 0) {
        BL_LAUNCH(collect_rows, 1, BL_THREADS, 0, label, wanted, box, image, n, map, size, row,
                  to_box, to_image);
    }
    return n;
}

static __global__ void put_column(const float *x, int64_t n, int64_t k, int64_t column,
                                  const int32_t *row, float *to) {
    BL_EACH(i, n) {
        if (row[i] >= 0) to[row[i]] = x[i * k + column];
    }
}

static void scatter_column(const float *x, int64_t n, int64_t k, int64_t column, const int32_t *row,
                           float *to) {
    BL_LAUNCH_EACH(put_column, n, x, n, k, column, row, to);
}

static __global__ void level_rows(const bl_box *box, const int32_t *image, int64_t n,
                                  bl_level_rule rule, int32_t *level) {
    BL_EACH(i, n) level[i] = image[i] < 0 ? -1 : bl_level_of(&rule, box[i]);
}

static void levels(const bl_box *box, const int32_t *image, int64_t n, const bl_level_rule *rule,
                   int32_t *level) {
    BL_LAUNCH_EACH(level_rows, n, box, image, n, *rule, level);
}

extern "C" void bl_cuda_sample_slots(bl_kernels *k) {
    k->sample = sample;
    k->anchor_targets = anchor_targets;
    k->roi_targets = roi_targets;
    k->row_weights = row_weights;
    k->map_rows = map_rows;
    k->scatter_column = scatter_column;
    k->levels = levels;
}
