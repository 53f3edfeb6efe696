/* One candidate on its way to a proposal, for host and device code. */
#ifndef BALLAST_KERNELS_SHARED_PROPOSAL_H
#define BALLAST_KERNELS_SHARED_PROPOSAL_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/geom.h"
#include "kernels/shared/hd.h"

/* The level of candidate `at` of an image; level l's stand from first[l] on. */
static inline BL_HD int32_t bl_candidate_level(const int64_t *first, int32_t levels, int64_t at) {
    int32_t l = 0;
    while (l + 1 < levels && at >= first[l + 1]) l++;
    return l;
}

/* Whether it stays. Also false for NaN: a broken prediction yields no proposal. */
static inline BL_HD bool bl_proposal_ok(bl_box b, float logit, float least) {
    return b.x2 - b.x1 > least && b.y2 - b.y1 > least && logit == logit;
}

static inline BL_HD float bl_proposal_score(float logit) {
    return 1.0f / (1.0f + expf(-logit));
}

#endif
