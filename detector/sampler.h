/* Random sampling of matched boxes to a fixed budget (Ren et al., NeurIPS 2015, 3.1.3). */
#ifndef BALLAST_DETECTOR_SAMPLER_H
#define BALLAST_DETECTOR_SAMPLER_H

#include <stdint.h>

#include "core/arena.h"
#include "core/status.h"

/* Draws at most floor(batch*pos_fraction) foreground indices (match >= 0) and fills up to `batch`
 * with background ones (BL_MATCH_NEGATIVE), uniformly without replacement. pos has room for the
 * first number, neg for `batch`; both come out ascending. The draw depends on (seed, stream) and
 * the two counts only: give every image a stream of its own and images do not influence each other.
 */
bl_status bl_sample(bl_arena *arena, const int32_t *match, int64_t n, int64_t batch,
                    double pos_fraction, uint64_t seed, uint64_t stream, int32_t *pos,
                    int64_t *n_pos, int32_t *neg, int64_t *n_neg);

#endif
