#include "detector/sampler.h"

#include <stdbool.h>

#include "core/rng.h"
#include "detector/matcher.h"

/* Marks k of m ranks, all subsets equally likely (Floyd's algorithm; Bentley & Floyd, CACM 1987).
 */
static void draw(bl_rng *r, int64_t m, int64_t k, uint64_t *set) {
    for (int64_t j = m - k; j < m; j++) {
        int64_t t = bl_rng_below(r, (uint32_t)(j + 1));
        if (set[t >> 6] >> (t & 63) & 1) t = j;
        set[t >> 6] |= 1ull << (t & 63);
    }
}

/* The chosen indices of one kind. */
static bl_status choose(bl_arena *arena, const int32_t *match, int64_t n, bool positive,
                        int64_t have, int64_t want, bl_rng r, int32_t *out, int64_t *n_out) {
    int64_t k = have < want ? have : want, rank = 0, got = 0;
    uint64_t *set = BL_NEW_ARRAY(arena, uint64_t, have / 64 + 1);
    if (!set) return BL_ENOMEM;
    draw(&r, have, k, set);
    for (int64_t i = 0; i < n && got < k; i++) {
        if (positive ? match[i] < 0 : match[i] != BL_MATCH_NEGATIVE) continue;
        if (set[rank >> 6] >> (rank & 63) & 1) out[got++] = (int32_t)i;
        rank++;
    }
    *n_out = got;
    return BL_OK;
}

bl_status bl_sample(bl_arena *arena, const int32_t *match, int64_t n, int64_t batch,
                    double pos_fraction, uint64_t seed, uint64_t stream, int32_t *pos,
                    int64_t *n_pos, int32_t *neg, int64_t *n_neg) {
    int64_t fg = 0, bg = 0;
    for (int64_t i = 0; i < n; i++) fg += match[i] >= 0, bg += match[i] == BL_MATCH_NEGATIVE;
    bl_arena_mark mark = bl_arena_save(arena);
    bl_status status = choose(arena, match, n, true, fg, (int64_t)((double)batch * pos_fraction),
                              bl_rng_make(seed, bl_rng_key(stream, 1, 0)), pos, n_pos);
    if (status == BL_OK)
        status = choose(arena, match, n, false, bg, batch - *n_pos,
                        bl_rng_make(seed, bl_rng_key(stream, 2, 0)), neg, n_neg);
    bl_arena_restore(arena, mark);
    return status;
}
