/* The k best entries of a map by radix selection, and the radix sort behind it and NMS: linear time
 * whatever the scores are, and ties in index order for free. */
#include "kernels/cpu/rank.h"

#include <stdlib.h>

#include "kernels/cpu/cpu.h"

void bl_rank_sort(bl_ranked *v, bl_ranked *tmp, int64_t n) {
    bl_ranked *from = v, *to = tmp;
    for (int shift = 0; shift < 32; shift += 8) {
        int64_t at[256] = {0}, sum = 0;
        for (int64_t i = 0; i < n; i++) at[from[i].key >> shift & 255]++;
        if (n > 0 && at[from[0].key >> shift & 255] == n) continue; /* one digit: nothing moves */
        for (int d = 0; d < 256; d++) {
            int64_t count = at[d];
            at[d] = sum;
            sum += count;
        }
        for (int64_t i = 0; i < n; i++) to[at[from[i].key >> shift & 255]++] = from[i];
        bl_ranked *swap = from;
        from = to;
        to = swap;
    }
    if (from != v) memcpy(v, from, (size_t)n * sizeof *v);
}

/* The keys of one image in index order: channel fastest, then x, y. */
static void map_keys(const bl_tensor *map, int64_t image, uint32_t *key) {
    int64_t pixels = map->h * map->w;
    for (int64_t c = 0; c < map->c; c++) {
        const float *v = bl_f32(map) + bl_index(map, image, c, 0, 0);
        for (int64_t q = 0; q < pixels; q++) key[q * map->c + c] = bl_rank_key(v[q * map->cb]);
    }
}

/* The key of the k-th entry (1 <= k <= n) in ascending order; *before = how many are smaller. */
static uint32_t kth_key(const uint32_t *key, int64_t n, int64_t k, int64_t *before) {
    static const int bits[3] = {12, 12, 8};
    uint32_t prefix = 0, mask = 0;
    int shift = 32;
    *before = 0;
    for (int level = 0; level < 3; level++) {
        int64_t count[4096] = {0};
        shift -= bits[level];
        uint32_t digit = (1u << bits[level]) - 1, d = 0;
        for (int64_t i = 0; i < n; i++) {
            if ((key[i] & mask) == prefix) count[key[i] >> shift & digit]++;
        }
        while (*before + count[d] < k) *before += count[d++];
        prefix |= d << shift;
        mask |= digit << shift;
    }
    return prefix;
}

static int64_t topk(const bl_tensor *map, int64_t image, int64_t k, int32_t *pos, float *score) {
    int64_t all = map->c * map->h * map->w, count = k < all ? k : all;
    if (count <= 0) return 0;
    uint32_t *key = malloc((size_t)all * sizeof *key);
    bl_ranked *best = malloc((size_t)count * 2 * sizeof *best);
    if (!key || !best) {
        free(key);
        free(best);
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        return ref.topk(map, image, k, pos, score);
    }
    map_keys(map, image, key);
    int64_t before, found = 0;
    uint32_t last = kth_key(key, all, count, &before);
    int64_t ties = count - before; /* the first so many of those that equal the last key */
    for (int64_t i = 0; i < all && found < count; i++) {
        if (key[i] > last || (key[i] == last && ties-- <= 0)) continue;
        best[found++] = (bl_ranked){key[i], (int32_t)i};
    }
    bl_rank_sort(best, best + count, count);
    for (int64_t i = 0; i < count; i++) {
        int64_t c = best[i].index % map->c, q = best[i].index / map->c;
        pos[i] = best[i].index;
        score[i] = bl_f32(map)[bl_index(map, image, c, 0, 0) + q * map->cb];
    }
    free(key);
    free(best);
    return count;
}

void bl_kernels_select_cpu(bl_kernels *k) {
    k->topk = topk;
}
