/* Dense maps to lists and back. */
#include "kernels/cuda/maps.h"
#include "kernels/cuda/sort.h"
#include "kernels/cuda/typed.h"

static __device__ int64_t element_of(const bl_cuda_map *m, const bl_loc *l, int32_t per,
                                     int32_t q) {
    return bl_cuda_at(m, l->n, (int64_t)l->a * per + q, l->y, l->x);
}

template <typename T>
static __global__ void gather_kernel(bl_cuda_maps maps, const bl_loc *loc, int64_t values,
                                     int32_t per, float *out) {
    BL_EACH(e, values) {
        bl_loc l = loc[e / per];
        const bl_cuda_map *m = &maps.m[l.level < 0 ? 0 : l.level];
        out[e] = l.level < 0
                     ? 0
                     : bl_get((const T *)m->data, element_of(m, &l, per, (int32_t)(e % per)));
    }
}

static void gather(const bl_tensor *const *maps, int n_maps, const bl_loc *loc, int64_t count,
                   int32_t per, float *out) {
    int64_t n = count * per;
    BL_TYPED(maps[0]->dtype, T,
             BL_LAUNCH_EACH(gather_kernel<T>, n, bl_cuda_maps_of(maps, n_maps), loc, n, per, out));
}

/* ---- scatter ----
 * Locations may repeat, and sums depend on the order of their terms. So the list is sorted by
 * location, stably, and one thread owns each location and value: it adds the location's terms in
 * list order, which gives the CPU's result to the bit. The sort is the price, a launch for up to
 * 2048 entries; adding atomically would save it and make the last bits depend on the timing. */

/* Key = place of the location among all pixels and anchors of all maps, then place in the list. The
 * device could not hold maps and a list for which 64 bits are too few. */
typedef struct places {
    int64_t first[BL_CUDA_MAPS]; /* place of each map's first entry */
    int64_t anchors[BL_CUDA_MAPS], list_bits;
} places;

static __global__ void location_keys(bl_cuda_maps maps, places p, const bl_loc *loc, int64_t count,
                                     uint64_t *key) {
    BL_EACH(i, count) {
        bl_loc l = loc[i];
        uint64_t place = ~(uint64_t)0; /* nowhere, or a map without gradient: behind all others */
        const bl_cuda_map *m = &maps.m[l.level < 0 ? 0 : l.level];
        if (l.level >= 0 && m->data) {
            int64_t pixel = ((int64_t)l.n * m->h + l.y) * m->w + l.x;
            place = (uint64_t)(p.first[l.level] + pixel * p.anchors[l.level] + l.a);
        }
        key[i] = place << p.list_bits | (uint64_t)i;
    }
}

/* Thread = (entry of the sorted list, value); the first entry of each location does its work. */
template <typename T>
static __global__ void add_segments(bl_cuda_maps maps, int64_t list_bits, const uint64_t *key,
                                    const bl_loc *loc, const float *dy, int64_t count,
                                    int32_t per) {
    uint64_t list_mask = ((uint64_t)1 << list_bits) - 1;
    BL_EACH(e, count * per) {
        int64_t i = e / per;
        int32_t q = (int32_t)(e % per);
        uint64_t place = key[i] >> list_bits;
        if (i > 0 && key[i - 1] >> list_bits == place) continue;
        bl_loc l = loc[key[i] & list_mask];
        if (l.level < 0 || !maps.m[l.level].data) continue;
        const bl_cuda_map *m = &maps.m[l.level];
        T *to = (T *)m->data;
        int64_t at = element_of(m, &l, per, q);
        float sum = bl_get(to, at);
        for (; i < count && key[i] >> list_bits == place; i++) {
            sum += dy[(int64_t)(key[i] & list_mask) * per + q];
        }
        bl_put(to, at, sum);
    }
}

static void scatter_add(const float *dy, const bl_loc *loc, int64_t count, int32_t per, int n_maps,
                        bl_tensor *const *dmaps) {
    if (count == 0) return;
    bl_cuda_maps maps = bl_cuda_maps_of((const bl_tensor *const *)dmaps, n_maps);
    places p = {{0}, {0}, 1};
    int64_t place = 0;
    for (int l = 0; l < n_maps; l++) {
        const bl_cuda_map *m = &maps.m[l];
        p.first[l] = place;
        p.anchors[l] = m->c / per;
        place += m->n * m->h * m->w * p.anchors[l];
    }
    while (count >> p.list_bits) p.list_bits++;
    uint64_t *key = (uint64_t *)bl_scratch(bl_cuda_sort_bytes(count));
    if (!key) return;
    BL_LAUNCH_EACH(location_keys, count, maps, p, loc, count, key);
    bl_cuda_sort(key, count);
    bl_dtype type = BL_F32;
    for (int l = 0; l < n_maps; l++) type = dmaps[l] ? dmaps[l]->dtype : type;
    BL_TYPED(
        type, T,
        BL_LAUNCH_EACH(add_segments<T>, count * per, maps, p.list_bits, key, loc, dy, count, per));
    bl_scratch_free(key);
}

void bl_cuda_gather_slots(bl_kernels *k) {
    k->gather = gather;
    k->scatter_add = scatter_add;
}
