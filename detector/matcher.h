/* Matching: which ground-truth box every anchor or proposal stands for (Ren et al., NeurIPS
 * 2015, 3.1.2). */
#ifndef BALLAST_DETECTOR_MATCHER_H
#define BALLAST_DETECTOR_MATCHER_H

#include "core/arena.h"
#include "core/status.h"
#include "detector/boxes.h"
#include "detector/style.h"

enum { BL_MATCH_NEGATIVE = -1, BL_MATCH_IGNORE = -2 }; /* else: index of the matched box */

typedef struct bl_match_rule {
    float pos_iou; /* foreground from here on, with the box of highest IoU (lowest index on ties) */
    float neg_iou; /* background below */
    float min_pos_iou; /* low-quality matches need at least this and more than 0 */
    bl_low_quality low_quality;
    float ignore_iof; /* boxes with intersection/own area >= this over an ignore region:
                         BL_MATCH_IGNORE */
} bl_match_rule;

/* One image. */
typedef struct bl_match_job {
    const bl_box *box;    /* [n] */
    const uint8_t *valid; /* [n] or NULL: invalid boxes are BL_MATCH_IGNORE and match nothing */
    int64_t n;
    const bl_boxes *gt; /* ignore regions and boxes without area are never matched */
    int32_t *match;     /* [n] out */
} bl_match_job;

/* Runs all jobs, in parallel over fixed chunks of boxes. IoU is computed once per pair whose chunk
 * the gt touches and never stored; temporaries come from `arena` and are given back. */
bl_status bl_match(bl_arena *arena, bl_match_job *jobs, int n_jobs, const bl_match_rule *rule);

#endif
