/* Random subsets, for host and device code: Floyd's algorithm (Bentley & Floyd, "A sample of
 * brilliance", CACM 1987), each of whose draws has its own place in a Philox stream.
 *
 * Of m ranks, k are chosen: draw j in [0,k) proposes t_j, uniform in [0, m-k+j]; if t_j was chosen
 * before, m-k+j is chosen instead. All subsets are equally likely. The proposals are independent,
 * so a device computes all of them at once and then only has to find out which were taken. */
#ifndef BALLAST_KERNELS_SHARED_SAMPLE_H
#define BALLAST_KERNELS_SHARED_SAMPLE_H

#include "core/rng.h"
#include "kernels/shared/hd.h"
#include "kernels/shared/match.h"

enum { BL_SAMPLE_POS, BL_SAMPLE_NEG, BL_SAMPLE_KINDS };

typedef struct bl_sample_attr {
    int64_t batch;           /* rows an image */
    int64_t max_pos;         /* of which at most so many foreground; background fills up */
    int64_t pos_only;        /* a flag: draw both, keep the foreground rows */
    uint64_t seed, key, use; /* the stream of image i: (seed, bl_rng_key(key, use, i)) */
} bl_sample_attr;

/* -1: the match takes no part. */
static inline BL_HD int bl_sample_kind(int32_t match) {
    return match >= 0 ? BL_SAMPLE_POS : match == BL_MATCH_NEGATIVE ? BL_SAMPLE_NEG : -1;
}

/* How many of an image's `have` candidates of each kind are drawn. */
static inline BL_HD void bl_sample_counts(const bl_sample_attr *a, const int32_t *have,
                                          int32_t *k) {
    int64_t pos = have[BL_SAMPLE_POS] < a->max_pos ? have[BL_SAMPLE_POS] : a->max_pos;
    int64_t room = a->batch - pos;
    k[BL_SAMPLE_POS] = (int32_t)pos;
    k[BL_SAMPLE_NEG] = (int32_t)(have[BL_SAMPLE_NEG] < room ? have[BL_SAMPLE_NEG] : room);
}
/* How many of those become rows. */
static inline BL_HD int32_t bl_sample_rows_of(const bl_sample_attr *a, const int32_t *k) {
    return k[BL_SAMPLE_POS] + (a->pos_only ? 0 : k[BL_SAMPLE_NEG]);
}

static inline BL_HD bl_rng bl_sample_stream(const bl_sample_attr *a, int32_t image, int kind) {
    uint64_t stream = bl_rng_key(a->key, a->use, (uint64_t)image);
    return bl_rng_make(a->seed, bl_rng_key(stream, (uint64_t)kind + 1, 0));
}

/* Proposal j of k out of m; r: the stream at its start. */
static inline BL_HD int64_t bl_sample_draw(const bl_rng *r, int64_t m, int64_t k, int64_t j) {
    bl_rng at = bl_rng_skip(r, (uint64_t)j);
    return bl_rng_below(&at, (uint32_t)(m - k + j + 1));
}

/* The weight of one of n sampled rows; normaliser 0: n itself, at least 1. */
static inline BL_HD float bl_row_share(int64_t n, float normaliser) {
    return 1.0f / (normaliser > 0 ? normaliser : n > 0 ? (float)n : 1.0f);
}
/* The factor of a loss's rows under this normaliser, which counts as 1 when it is less, or when a
 * weight was not a number: the loss will say so. */
static inline BL_HD float bl_row_factor(double normaliser) {
    return (float)(1 / (normaliser >= 1 ? normaliser : 1));
}

#endif
