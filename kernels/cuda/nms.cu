/* Greedy non-maximum suppression. Candidates are sorted by (score, index) and taken CHUNK at a
 * time: those that a box kept earlier suppresses fall first, all at once; then the chunk's own
 * overlaps are computed as a bit matrix, all at once, too; and one block walks the chunk 64
 * candidates at a time, which is the only serial part. Decisions are those of the reference kernel:
 * the same bl_iou() of the same pairs. */
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/select.h"
#include "kernels/cuda/sort.h"
#include "kernels/shared/iou.h"
#include "kernels/shared/rank.h"

enum { CHUNK = 2048, WORDS = CHUNK / 64 };

/* All on the device. */
typedef struct nms_state {
    uint64_t *key; /* sorted: rank key, index in the low word */
    bl_box *box;   /* kept boxes, best first, and their groups */
    int32_t *group;
    int32_t *dead;     /* [CHUNK]: suppressed by a box of an earlier chunk */
    uint64_t *overlap; /* [CHUNK][WORDS]: bit b of word w of row i: i suppresses 64 w + b > i */
    int32_t *kept;     /* how many */
} nms_state;

typedef struct nms_input {
    const bl_box *box;
    const int32_t *group;
    int64_t n, max_out;
} nms_input;

/* Candidates that take no part share the last rank with those of score -inf. */
static __global__ void nms_keys(const float *score, int64_t n, nms_state s) {
    BL_EACH(i, n) {
        s.key[i] = (uint64_t)bl_rank_key(score[i]) << 32 | (uint64_t)i;
        if (i == 0) *s.kept = 0;
    }
}

/* The candidate of this rank. */
static __device__ int32_t candidate(const nms_state *s, int64_t rank) {
    return (int32_t)(s->key[rank] & 0xffffffffu);
}

static __global__ void nms_earlier(nms_input in, float thr, nms_state s, int64_t first, int64_t n) {
    int32_t kept = *s.kept;
    if (kept >= in.max_out) return;
    BL_EACH(i, n) {
        int32_t c = candidate(&s, first + i), group = in.group[c];
        int32_t dead = group == (int32_t)BL_NMS_OUT;
        bl_box box = in.box[c];
        for (int64_t q = 0; q < kept && !dead; q++) {
            dead = s.group[q] == group && bl_iou(s.box[q], box) > thr;
        }
        s.dead[i] = dead;
    }
}

/* A thread is a word of the matrix; words left of the diagonal are never read. */
static __global__ void nms_overlap(nms_input in, float thr, nms_state s, int64_t first, int64_t n) {
    if (*s.kept >= in.max_out) return;
    int64_t words = (n + 63) / 64;
    BL_EACH(e, n * words) {
        int64_t i = e / words, w = e % words, end = w * 64 + 64 < n ? w * 64 + 64 : n;
        if (w < i / 64) continue;
        int32_t c = candidate(&s, first + i), group = in.group[c];
        bl_box box = in.box[c];
        uint64_t bits = 0;
        for (int64_t j = w * 64 > i ? w * 64 : i + 1; j < end; j++) {
            int32_t other = candidate(&s, first + j);
            bool hit = in.group[other] == group && bl_iou(box, in.box[other]) > thr;
            bits |= (uint64_t)hit << (j - w * 64);
        }
        s.overlap[i * WORDS + w] = bits;
    }
}

/* One block of 64 threads. */
static __global__ void nms_sweep(nms_input in, nms_state s, int64_t first, int64_t n,
                                 int32_t *keep) {
    __shared__ uint64_t removed[WORDS], diagonal[64];
    __shared__ int32_t dead[64];
    __shared__ int32_t slot[64], kept; /* where a candidate goes in `keep`, -1: nowhere */
    int t = (int)threadIdx.x, words = (int)((n + 63) / 64);
    for (int w = t; w < WORDS; w += 64) removed[w] = 0;
    if (t == 0) kept = *s.kept;
    __syncthreads();
    for (int g = 0; g < words && kept < in.max_out; g++) {
        int64_t i = (int64_t)g * 64 + t;
        dead[t] = i >= n || s.dead[i] || (removed[g] >> t & 1);
        diagonal[t] = i < n ? s.overlap[i * WORDS + g] : 0;
        __syncthreads();
        if (t == 0) {
            uint64_t gone = 0;
            for (int b = 0; b < 64; b++) {
                bool taken = !dead[b] && !(gone >> b & 1) && kept < in.max_out;
                slot[b] = taken ? kept++ : -1;
                if (taken) gone |= diagonal[b];
            }
        }
        __syncthreads();
        if (slot[t] >= 0) {
            int32_t c = candidate(&s, first + i);
            keep[slot[t]] = c;
            s.box[slot[t]] = in.box[c];
            s.group[slot[t]] = in.group[c];
        }
        for (int w = g + 1 + t; w < words; w += 64) {
            for (int b = 0; b < 64; b++) {
                if (slot[b] >= 0) removed[w] |= s.overlap[((int64_t)g * 64 + b) * WORDS + w];
            }
        }
        __syncthreads();
    }
    if (t == 0) *s.kept = kept;
}

/* All parts of the state in one piece of scratch memory, the widest first. */
static void *state_new(int64_t n, int64_t max_out, nms_state *s) {
    size_t key = bl_cuda_sort_bytes(n), overlap = CHUNK * WORDS * sizeof *s->overlap;
    size_t box = (size_t)max_out * sizeof *s->box, group = (size_t)max_out * sizeof *s->group;
    size_t dead = CHUNK * sizeof *s->dead;
    char *p = (char *)bl_scratch(key + overlap + box + group + dead);
    if (!p) return NULL;
    s->key = (uint64_t *)p;
    s->overlap = (uint64_t *)(p + key);
    s->box = (bl_box *)(p + key + overlap);
    s->group = (int32_t *)(p + key + overlap + box);
    s->dead = (int32_t *)(p + key + overlap + box + group);
    return p;
}

bl_status bl_cuda_nms(const bl_box *box, const float *score, const int32_t *group, int64_t n,
                      float thr, int64_t max_out, int32_t *keep, int32_t *kept) {
    if (max_out > n) max_out = n;
    if (max_out <= 0)
        return bl_cuda_status(cudaMemsetAsync(kept, 0, sizeof *kept, cudaStreamPerThread), "nms");
    nms_state s;
    void *memory = state_new(n, max_out, &s);
    if (!memory) return bl_fail(BL_ENOMEM, "nms: no device memory for %lld boxes", (long long)n);
    s.kept = kept;
    nms_input in = {box, group, n, max_out};
    BL_LAUNCH_EACH(nms_keys, n, score, n, s);
    bl_cuda_sort(s.key, n);
    for (int64_t first = 0; first < n; first += CHUNK) {
        int64_t part = n - first < (int64_t)CHUNK ? n - first : (int64_t)CHUNK;
        BL_LAUNCH_EACH(nms_earlier, part, in, thr, s, first, part);
        BL_LAUNCH_EACH(nms_overlap, part * ((part + 63) / 64), in, thr, s, first, part);
        BL_LAUNCH(nms_sweep, 1, 64, 0, in, s, first, part, keep);
    }
    bl_scratch_free(memory);
    return BL_OK;
}
