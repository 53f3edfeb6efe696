/* The anchors of a cell; those of all cells follow from them (kernels/shared/anchors.h). */
#ifndef BALLAST_DETECTOR_ANCHORS_H
#define BALLAST_DETECTOR_ANCHORS_H

#include "kernels/shared/anchors.h"

/* The anchors of the cell at (0,0): for each size (side of the square of equal area, px), each
 * ratio (h/w),
 *
 *   w = size / sqrt(ratio),   h = size * sqrt(ratio),   centre (offset*stride, offset*stride).
 *
 * `round`: corners rounded to integers, ties to even. out has room for n_sizes*n_ratios. */
void bl_anchors_base(const double *sizes, int n_sizes, const double *ratios, int n_ratios,
                     double stride, double offset, bool round, bl_box *out);

/* Computes `first` from h, w and per_cell. */
void bl_anchor_grid_count(bl_anchor_grid *g);
#endif
