/* Matching: which ground-truth box an anchor or a proposal stands for (Ren et al., NeurIPS 2015,
 * 3.1.2), the part of a pair of boxes, for host and device code. */
#ifndef BALLAST_KERNELS_SHARED_MATCH_H
#define BALLAST_KERNELS_SHARED_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/geom.h"
#include "kernels/shared/hd.h"

enum { BL_MATCH_NEGATIVE = -1, BL_MATCH_IGNORE = -2 }; /* else: index of the matched box */

/* What happens to boxes that are some ground truth's best match without reaching the foreground
 * threshold. */
typedef enum bl_low_quality {
    BL_LOWQ_NONE,
    BL_LOWQ_RELABEL, /* re-labelled with that box; of several boxes the last one wins */
    BL_LOWQ_KEEP     /* become foreground, but keep the box they overlap most */
} bl_low_quality;

typedef struct bl_match_rule {
    float pos_iou; /* foreground from here on, with the box of highest IoU (lowest index on ties) */
    float neg_iou; /* background below */
    float min_pos_iou; /* low-quality matches need at least this and more than 0 */
    bl_low_quality low_quality;
    float ignore_iof; /* boxes with intersection/own area >= this over an ignore region:
                         BL_MATCH_IGNORE */
} bl_match_rule;

/* Comparisons instead of fminf: one vector instruction each; boxes are finite. */
static inline BL_HD float bl_match_lower(float a, float b) {
    return a < b ? a : b;
}
static inline BL_HD float bl_match_upper(float a, float b) {
    return a > b ? a : b;
}

static inline BL_HD float bl_match_intersection(bl_box a, bl_box b) {
    float w = bl_match_lower(a.x2, b.x2) - bl_match_upper(a.x1, b.x1);
    float h = bl_match_lower(a.y2, b.y2) - bl_match_upper(a.y1, b.y1);
    return (w > 0 ? w : 0) * (h > 0 ? h : 0);
}

static inline BL_HD float bl_match_iou(bl_box b, bl_box g) {
    float ga = (g.x2 - g.x1) * (g.y2 - g.y1), in = bl_match_intersection(b, g);
    float un = (b.x2 - b.x1) * (b.y2 - b.y1) + ga - in;
    return in / (un > 1e-6f ? un : 1e-6f);
}

/* Whether box b takes no part because of ignore region r. */
static inline BL_HD bool bl_match_inside(const bl_match_rule *rule, bl_box b, bl_box r) {
    float in = bl_match_intersection(b, r);
    return in > 0 && in >= rule->ignore_iof * ((b.x2 - b.x1) * (b.y2 - b.y1));
}

/* Ignore regions and boxes without area are never matched. */
static inline BL_HD bool bl_match_able(bl_box g, bool ignore) {
    return !ignore && g.x2 > g.x1 && g.y2 > g.y1;
}

/* The match of a box that takes part, by its highest IoU `best`, with box `who`
 * (-1: touches none). */
static inline BL_HD int32_t bl_match_of(const bl_match_rule *rule, float best, int32_t who) {
    if (who >= 0 && best >= rule->pos_iou) return who;
    return best < rule->neg_iou ? BL_MATCH_NEGATIVE : BL_MATCH_IGNORE;
}

/* Whether boxes of IoU `top`, the highest with some ground truth, become its matches. */
static inline BL_HD bool bl_match_low_quality(const bl_match_rule *rule, float top) {
    return top > 0 && top >= rule->min_pos_iou;
}

#endif
