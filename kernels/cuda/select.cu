/* The k best entries of a map: radix selection, then a sort of what it found. Keys are (rank of the
 * score, place in the image), so no two are equal and ties need no care: whichever order the
 * selection finds its entries in, the sort makes the same list of them. */
#include "kernels/cuda/select.h"

#include "kernels/cuda/maps.h"
#include "kernels/cuda/sort.h"
#include "kernels/cuda/typed.h"
#include "kernels/shared/rank.h"

enum { BINS = 2048, SORTED_WHOLE = 2048, PASSES = 6 };

/* Digits of a key, highest first; a digit belongs to the score or to the place. */
static const int32_t digit_bits[PASSES] = {11, 11, 10, 11, 11, 10};

/* The search for the k-th key, on the device. Keys with (key & mask) < prefix are among the k best,
 * those with (key & mask) == prefix are in question, `left` of them are wanted. */
typedef struct search {
    uint64_t prefix, mask;
    int32_t left, found; /* found: entries collected */
    int32_t done;        /* all in question are wanted */
    int32_t bin[BINS];
} search;

/* The key of the e-th entry of the image's storage; false for padding. */
template <typename T>
static __device__ bool key_at(const bl_cuda_map *map, int64_t image, int64_t e, uint64_t *key) {
    int64_t pixels = map->h * map->w, c = e / (pixels * map->cb) * map->cb + e % map->cb;
    if (c >= map->c) return false;
    float score = bl_get((const T *)map->data, image * map->blocks * pixels * map->cb + e);
    uint64_t place = (uint64_t)(e / map->cb % pixels * map->c + c);
    *key = (uint64_t)bl_rank_key(score) << 32 | place;
    return true;
}

/* One block. Until a digit is known, all keys are among the best. */
static __global__ void search_begin(search *s, int32_t count) {
    for (int b = (int)threadIdx.x; b < BINS; b += (int)blockDim.x) s->bin[b] = 0;
    if (threadIdx.x > 0) return;
    s->prefix = s->mask = 0;
    s->left = count;
    s->found = 0;
    s->done = 0;
}

/* Counts the digit at `shift` of the keys in question. */
template <typename T>
static __global__ void search_count(bl_cuda_map map, int64_t image, int64_t entries, int32_t shift,
                                    int32_t bits, search *s) {
    __shared__ int32_t bin[BINS];
    if (s->done) return;
    uint64_t prefix = s->prefix, mask = s->mask, digit = ((uint64_t)1 << bits) - 1, key;
    for (int b = (int)threadIdx.x; b < BINS; b += (int)blockDim.x) bin[b] = 0;
    __syncthreads();
    BL_EACH(e, entries) {
        if (!key_at<T>(&map, image, e, &key) || (key & mask) != prefix) continue;
        atomicAdd(&bin[key >> shift & digit], 1);
    }
    __syncthreads();
    for (int b = (int)threadIdx.x; b < BINS; b += (int)blockDim.x) {
        if (bin[b]) atomicAdd(&s->bin[b], bin[b]);
    }
}

/* One block of BL_THREADS: the bin that holds the k-th key extends the prefix. */
static __global__ void search_step(search *s, int32_t shift, int32_t bits) {
    __shared__ int32_t part[BL_THREADS];
    enum { PER = BINS / BL_THREADS };
    int32_t *mine = s->bin + threadIdx.x * PER, sum = 0;
    if (s->done) return;
    for (int b = 0; b < PER; b++) sum += mine[b];
    part[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        int32_t left = s->left, t = 0;
        while (part[t] < left) left -= part[t++];
        int32_t b = t * PER;
        while (s->bin[b] < left) left -= s->bin[b++];
        s->prefix |= (uint64_t)b << shift;
        s->mask |= (((uint64_t)1 << bits) - 1) << shift;
        s->left = left;
        s->done = s->bin[b] == left;
    }
    __syncthreads();
    for (int b = 0; b < PER; b++) mine[b] = 0;
}

/* All keys with (key & mask) <= prefix, in any order. */
template <typename T>
static __global__ void search_collect(bl_cuda_map map, int64_t image, int64_t entries, search *s,
                                      uint64_t *key) {
    uint64_t prefix = s->prefix, mask = s->mask, k;
    BL_EACH(e, entries) {
        if (key_at<T>(&map, image, e, &k) && (k & mask) <= prefix) key[atomicAdd(&s->found, 1)] = k;
    }
}

template <typename T>
static __global__ void write_best(bl_cuda_map map, int64_t image, const uint64_t *key,
                                  int64_t count, int32_t *pos, float *score) {
    BL_EACH(i, count) {
        int64_t place = (int64_t)(key[i] & 0xffffffffu), c = place % map.c, q = place / map.c;
        pos[i] = (int32_t)place;
        score[i] = bl_get((const T *)map.data, bl_cuda_at(&map, image, c, q / map.w, q % map.w));
    }
}

template <typename T>
static int64_t topk_of(const bl_tensor *map, int64_t image, int64_t k, int32_t *pos, float *score) {
    int64_t all = map->c * map->h * map->w, count = k < all ? k : all;
    int64_t entries = bl_blocks(map) * map->h * map->w * map->cb;
    if (count <= 0) return 0;
    bool whole = all <= SORTED_WHOLE || count == all; /* nothing to search */
    int64_t sorted = whole ? all : count;
    search *s = (search *)bl_scratch(sizeof *s + bl_cuda_sort_bytes(sorted));
    if (!s) return 0;
    uint64_t *key = (uint64_t *)(s + 1);
    BL_LAUNCH(search_begin, 1, BL_THREADS, 0, s, (int32_t)count);
    int32_t shift = 64;
    for (int p = 0; p < PASSES && !whole; p++) {
        shift -= digit_bits[p];
        BL_LAUNCH_EACH(search_count<T>, entries, bl_cuda_map_of(map), image, entries, shift,
                       digit_bits[p], s);
        BL_LAUNCH(search_step, 1, BL_THREADS, 0, s, shift, digit_bits[p]);
    }
    BL_LAUNCH_EACH(search_collect<T>, entries, bl_cuda_map_of(map), image, entries, s, key);
    bl_cuda_sort(key, sorted);
    BL_LAUNCH_EACH(write_best<T>, count, bl_cuda_map_of(map), image, key, count, pos, score);
    bl_scratch_free(s);
    return count;
}

static int64_t topk(const bl_tensor *map, int64_t image, int64_t k, int32_t *pos, float *score) {
    BL_TYPED(map->dtype, T, return topk_of<T>(map, image, k, pos, score));
    return 0;
}

void bl_cuda_select_slots(bl_kernels *k) {
    k->nms = bl_cuda_nms;
    k->topk = topk;
}
