#include "detector/anchors.h"

#include <math.h>

#include "core/parallel.h"

void bl_anchors_base(const double *sizes, int n_sizes, const double *ratios, int n_ratios,
                     double stride, double offset, bool round, bl_box *out) {
    double c = offset * stride;
    for (int i = 0; i < n_sizes; i++)
        for (int j = 0; j < n_ratios; j++) {
            double r = sqrt(ratios[j]), w = sizes[i] / r, h = sizes[i] * r;
            double x1 = c - 0.5 * w, y1 = c - 0.5 * h, x2 = c + 0.5 * w, y2 = c + 0.5 * h;
            if (round) x1 = rint(x1), y1 = rint(y1), x2 = rint(x2), y2 = rint(y2);
            *out++ = (bl_box){(float)x1, (float)y1, (float)x2, (float)y2};
        }
}

void bl_anchor_grid_count(bl_anchor_grid *g) {
    g->first[0] = 0;
    for (int l = 0; l < g->n_levels; l++)
        g->first[l + 1] = g->first[l] + (int64_t)g->h[l] * g->w[l] * g->per_cell;
}

static bl_box shifted(const bl_anchor_grid *g, int level, int32_t x, int32_t y, int32_t a) {
    bl_box b = g->base[level][a];
    float dx = (float)x * (float)g->stride[level], dy = (float)y * (float)g->stride[level];
    return (bl_box){b.x1 + dx, b.y1 + dy, b.x2 + dx, b.y2 + dy};
}

bl_box bl_anchor_at(const bl_anchor_grid *g, const bl_loc *loc) {
    return shifted(g, loc->level, loc->x, loc->y, loc->a);
}

bl_loc bl_anchor_loc(const bl_anchor_grid *g, int32_t n, int64_t i) {
    int l = 0;
    while (l + 1 < g->n_levels && i >= g->first[l + 1]) l++;
    int64_t k = i - g->first[l], cell = k / g->per_cell;
    return (bl_loc){.n = n,
                    .level = l,
                    .y = (int32_t)(cell / g->w[l]),
                    .x = (int32_t)(cell % g->w[l]),
                    .a = (int32_t)(k % g->per_cell)};
}

typedef struct fill_job {
    const bl_anchor_grid *g;
    bl_box *out;
    int level;
} fill_job;

static void fill_rows(void *arg, int64_t begin, int64_t end) {
    const fill_job *j = arg;
    const bl_anchor_grid *g = j->g;
    bl_box *o = j->out + begin * g->w[j->level] * g->per_cell;
    for (int64_t y = begin; y < end; y++)
        for (int32_t x = 0; x < g->w[j->level]; x++)
            for (int32_t a = 0; a < g->per_cell; a++) *o++ = shifted(g, j->level, x, (int32_t)y, a);
}

void bl_anchor_grid_fill(const bl_anchor_grid *g, bl_box *out) {
    for (int l = 0; l < g->n_levels; l++) {
        fill_job j = {g, out + g->first[l], l};
        bl_parallel_for(g->h[l], 64, fill_rows, &j);
    }
}

int64_t bl_anchor_grid_valid(const bl_anchor_grid *g, bl_size size, int32_t multiple,
                             uint8_t *valid) {
    float m = (float)(multiple > 0 ? multiple : 1);
    float pw = ceilf(size.w / m) * m, ph = ceilf(size.h / m) * m;
    int64_t invalid = 0;
    for (int l = 0; l < g->n_levels; l++)
        for (int32_t y = 0; y < g->h[l]; y++)
            for (int32_t x = 0; x < g->w[l]; x++) {
                bool ok =
                    (float)y * (float)g->stride[l] < ph && (float)x * (float)g->stride[l] < pw;
                for (int32_t a = 0; a < g->per_cell; a++) *valid++ = ok;
                if (!ok) invalid += g->per_cell;
            }
    return invalid;
}
