/* Anchors by number and by location, for host and device code (Ren et al., NeurIPS 2015; one size
 * per pyramid level: Lin et al., CVPR 2017).
 *
 * Order everywhere: level, then row, column and anchor (fastest). An anchor's number is its
 * position in that order over all levels. */
#ifndef BALLAST_KERNELS_SHARED_ANCHORS_H
#define BALLAST_KERNELS_SHARED_ANCHORS_H

#include <math.h>
#include <stdint.h>

#include "core/geom.h"
#include "kernels/shared/hd.h"

enum { BL_ANCHORS_MAX = 16, BL_ANCHOR_LEVELS_MAX = 8 };

/* One entry of a dense prediction: image n, pyramid level, row y, column x, anchor a. Level -1:
 * none; it reads as 0 and takes no gradient. */
typedef struct bl_loc {
    int32_t n, level, y, x, a;
} bl_loc;

/* The anchors of all levels of one batch of feature maps. */
typedef struct bl_anchor_grid {
    int32_t n_levels, per_cell;
    int32_t stride_x[BL_ANCHOR_LEVELS_MAX], stride_y[BL_ANCHOR_LEVELS_MAX]; /* px */
    int32_t h[BL_ANCHOR_LEVELS_MAX], w[BL_ANCHOR_LEVELS_MAX];
    bl_box base[BL_ANCHOR_LEVELS_MAX][BL_ANCHORS_MAX]; /* of the cell at (0,0) */
    /* Number of each level's first anchor; last: the total */
    int64_t first[BL_ANCHOR_LEVELS_MAX + 1];
} bl_anchor_grid;

/* The anchor at a location (loc.n is ignored). */
static inline BL_HD bl_box bl_anchor_at(const bl_anchor_grid *g, const bl_loc *loc) {
    bl_box b = g->base[loc->level][loc->a];
    float dx = (float)loc->x * (float)g->stride_x[loc->level];
    float dy = (float)loc->y * (float)g->stride_y[loc->level];
    b.x1 += dx;
    b.y1 += dy;
    b.x2 += dx;
    b.y2 += dy;
    return b;
}

/* Location of the k-th anchor of a level in image n, and of anchor number i. */
static inline BL_HD bl_loc bl_anchor_loc_in(const bl_anchor_grid *g, int32_t n, int32_t level,
                                            int64_t k) {
    int64_t cell = k / g->per_cell;
    bl_loc l = {n, level, (int32_t)(cell / g->w[level]), (int32_t)(cell % g->w[level]),
                (int32_t)(k % g->per_cell)};
    return l;
}
static inline BL_HD bl_loc bl_anchor_loc(const bl_anchor_grid *g, int32_t n, int64_t i) {
    int32_t l = 0;
    while (l + 1 < g->n_levels && i >= g->first[l + 1]) l++;
    return bl_anchor_loc_in(g, n, l, i - g->first[l]);
}

/* Whether the location's cell begins inside an image padded to `multiple` px. Cells of batch
 * padding never take part in training. */
static inline BL_HD bool bl_anchor_valid(const bl_anchor_grid *g, int32_t level, int32_t y,
                                         int32_t x, bl_size size, int32_t multiple) {
    float m = (float)(multiple > 0 ? multiple : 1);
    float pw = ceilf(size.w / m) * m, ph = ceilf(size.h / m) * m;
    return (float)y * (float)g->stride_y[level] < ph && (float)x * (float)g->stride_x[level] < pw;
}

#endif
