#include "detector/anchors.h"

#include <math.h>

void bl_anchors_base(const double *sizes, int n_sizes, const double *ratios, int n_ratios,
                     double stride, double offset, bool round, bl_box *out) {
    double c = offset * stride;
    for (int i = 0; i < n_sizes; i++)
        for (int j = 0; j < n_ratios; j++) {
            double r = sqrt(ratios[j]), w = sizes[i] / r, h = sizes[i] * r;
            double x1 = c - 0.5 * w, y1 = c - 0.5 * h, x2 = c + 0.5 * w, y2 = c + 0.5 * h;
            if (round) {
                x1 = rint(x1);
                y1 = rint(y1);
                x2 = rint(x2);
                y2 = rint(y2);
            }
            *out++ = (bl_box){(float)x1, (float)y1, (float)x2, (float)y2};
        }
}

void bl_anchor_grid_count(bl_anchor_grid *g) {
    g->first[0] = 0;
    for (int l = 0; l < g->n_levels; l++)
        g->first[l + 1] = g->first[l] + (int64_t)g->h[l] * g->w[l] * g->per_cell;
}
