/* Bitonic sort (Batcher, "Sorting networks and their applications", AFIPS 1968) of 64-bit keys. A
 * network compares the same pairs whatever the keys are, so there is nothing to count and nothing
 * whose order could vary. Pairs up to TILE apart meet in shared memory, one launch for all of their
 * steps: up to TILE keys (a NMS, a level's proposals) are sorted by a single launch. */
#include "kernels/cuda/sort.h"

#include "kernels/cuda/launch.h"

enum { TILE = 2048 };

/* Pairs of a step of stride s: entry i and i + s, for every i whose bit s is clear. */
static __device__ int64_t pair_low(int64_t p, int64_t stride) {
    return p / stride * 2 * stride + p % stride;
}

/* Sorted runs of `run` entries go up and down by turns, so that two of them make
 * one bitonic one. */
static __device__ void order(uint64_t *a, uint64_t *b, bool up) {
    if ((*a > *b) == up) {
        uint64_t t = *a;
        *a = *b;
        *b = t;
    }
}

static __global__ void fill_tail(uint64_t *v, int64_t n, int64_t room) {
    BL_EACH(i, room - n) v[n + i] = ~(uint64_t)0;
}

/* Merges runs of first_run, 2 first_run, ... last_run entries, from the stride min(run, tile) / 2
 * down to 1. Block = tile of `tile` entries (a power of two). */
static __global__ void merge_tile(uint64_t *v, int64_t tiles, int32_t tile, int64_t first_run,
                                  int64_t last_run) {
    __shared__ uint64_t s[TILE];
    for (int64_t t = blockIdx.x; t < tiles; t += gridDim.x) {
        uint64_t *at = v + t * tile;
        for (int32_t i = (int32_t)threadIdx.x; i < tile; i += (int32_t)blockDim.x) s[i] = at[i];
        __syncthreads();
        for (int64_t run = first_run; run <= last_run; run *= 2) {
            for (int64_t stride = (run < tile ? run : tile) / 2; stride > 0; stride /= 2) {
                for (int32_t p = (int32_t)threadIdx.x; p < tile / 2; p += (int32_t)blockDim.x) {
                    int64_t i = pair_low(p, stride);
                    order(&s[i], &s[i + stride], ((t * tile + i) & run) == 0);
                }
                __syncthreads();
            }
        }
        for (int32_t i = (int32_t)threadIdx.x; i < tile; i += (int32_t)blockDim.x) at[i] = s[i];
        __syncthreads();
    }
}

/* One step of a stride that no tile holds. */
static __global__ void merge_step(uint64_t *v, int64_t pairs, int64_t run, int64_t stride) {
    BL_EACH(p, pairs) {
        int64_t i = pair_low(p, stride);
        order(&v[i], &v[i + stride], (i & run) == 0);
    }
}

static int64_t room_for(int64_t n) {
    int64_t room = 1;
    while (room < n) room *= 2;
    return room;
}

size_t bl_cuda_sort_bytes(int64_t n) {
    return (size_t)room_for(n) * sizeof(uint64_t);
}

static void merge_tiles(uint64_t *v, int64_t room, int32_t tile, int64_t first_run,
                        int64_t last_run) {
    int64_t tiles = room / tile;
    int threads = tile / 2 < BL_WARP ? BL_WARP : tile / 2;
    unsigned grid = (unsigned)(tiles < (int64_t)BL_GRID_MAX ? tiles : (int64_t)BL_GRID_MAX);
    BL_LAUNCH(merge_tile, grid, threads, 0, v, tiles, tile, first_run, last_run);
}

void bl_cuda_sort(uint64_t *v, int64_t n) {
    int64_t room = room_for(n), tile = room < (int64_t)TILE ? room : (int64_t)TILE;
    if (room < 2) return;
    BL_LAUNCH_EACH(fill_tail, room - n, v, n, room);
    merge_tiles(v, room, (int32_t)tile, 2, tile);
    for (int64_t run = 2 * tile; run <= room; run *= 2) {
        for (int64_t stride = run / 2; stride >= tile; stride /= 2) {
            BL_LAUNCH_EACH(merge_step, room / 2, v, room / 2, run, stride);
        }
        merge_tiles(v, room, (int32_t)tile, run, run);
    }
}
