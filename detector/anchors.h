/* Anchors (Ren et al., NeurIPS 2015; one size per pyramid level: Lin et al., CVPR 2017).
 *
 * Order everywhere: level, then row, column and anchor (fastest). An anchor's number is its
 * position in that order over all levels. */
#ifndef BALLAST_DETECTOR_ANCHORS_H
#define BALLAST_DETECTOR_ANCHORS_H

#include "detector/boxes.h"
#include "kernels/ops.h"

enum { BL_ANCHORS_MAX = 16, BL_ANCHOR_LEVELS_MAX = 8 };

/* The anchors of the cell at (0,0): for each size (side of the square of equal area, px), each
 * ratio (h/w): w = size/sqrt(ratio), h = size*sqrt(ratio), centred at (offset*stride,
 * offset*stride). `round`: corners rounded to integers, ties to even. out has room for
 * n_sizes*n_ratios. */
void bl_anchors_base(const double *sizes, int n_sizes, const double *ratios, int n_ratios,
                     double stride, double offset, bool round, bl_box *out);

/* The anchors of all levels of one batch of feature maps. */
typedef struct bl_anchor_grid {
    int n_levels, per_cell;
    int32_t stride[BL_ANCHOR_LEVELS_MAX], h[BL_ANCHOR_LEVELS_MAX], w[BL_ANCHOR_LEVELS_MAX];
    bl_box base[BL_ANCHOR_LEVELS_MAX][BL_ANCHORS_MAX];
    int64_t
        first[BL_ANCHOR_LEVELS_MAX + 1]; /* number of each level's first anchor; last: the total */
} bl_anchor_grid;

/* Computes `first` from h, w and per_cell. */
void bl_anchor_grid_count(bl_anchor_grid *g);
/* The anchor at a location (loc.n is ignored). */
bl_box bl_anchor_at(const bl_anchor_grid *g, const bl_loc *loc);
/* Location of anchor number i in image n. */
bl_loc bl_anchor_loc(const bl_anchor_grid *g, int32_t n, int64_t i);
/* All anchors in order; out has room for g->first[n_levels]. */
void bl_anchor_grid_fill(const bl_anchor_grid *g, bl_box *out);
/* valid[i] = 1 when anchor i's cell begins inside the image padded to `multiple` px; returns the
 * number of invalid ones. Cells of batch padding never take part in training. */
int64_t bl_anchor_grid_valid(const bl_anchor_grid *g, bl_size size, int32_t multiple,
                             uint8_t *valid);

#endif
