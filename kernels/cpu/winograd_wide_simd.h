/* Backward of weights for many channels; part of winograd_simd.h.
 *
 * There the sums dU of one chunk, 36 IC OC floats, are read and written once a group of tiles,
 * which is cheap while they fit the second-level cache. Beyond, this path transforms a slab of
 * tiles first, about as many as make V and M twice the size of dU, and then takes point after
 * point: V and M are V[36][IC / VW][slab][VW], so that a product reads them in order. Threads own
 * points and rows, so there are no chunks to add up. */

enum { WINO_WIDE = VREGS == 32 ? 32768 : INT32_MAX }; /* IC OC from which on */

typedef struct wino_slab {
    const wino_job *job;
    int64_t first, count, room; /* tiles; room for so many */
    float *v, *m;
} wino_slab;

static bool wino_is_wide(const wino_geom *g) {
    return g->ci * g->co >= WINO_WIDE;
}

static int64_t wino_slab_tiles(const wino_geom *g) {
    int64_t tiles = 2 * g->ci * g->co / (g->ci + g->co);
    return (g->tiles < tiles ? g->tiles : tiles) + 1; /* odd strides spread over the cache's sets */
}

static size_t wino_wide_floats(const wino_geom *g) {
    return (size_t)(WINO_POINTS * (g->u_point + wino_slab_tiles(g) * (g->ci + g->co)));
}

/* One channel block of a slab to V, or with `gradient` to M. */
static void wino_slab_block(const wino_slab *s, const float *x, int64_t blocks, int64_t b,
                            bool gradient, float *to) {
    const wino_geom *g = &s->job->g;
    int64_t h = gradient ? g->oh : g->ih, w = gradient ? g->ow : g->iw, row = w * VW;
    int64_t pad = gradient ? 0 : g->pad, point = blocks * s->room * VW;
    wino_border e;
    for (int64_t t = 0; t < s->count; t++) {
        int64_t tile = s->first + t, n = tile / g->per_image, q = tile % g->per_image;
        const float *plane = x + (n * blocks + b) * h * row;
        int64_t y0 = q / g->across * 4 - pad, x0 = q % g->across * 4 - pad;
        float *at = to + (b * s->room + t) * VW;
        wino_border_at(&e, h, w, y0, x0, gradient ? 4 : 6);
        wino_tile from = wino_tile_of(&e, plane, y0 * row + x0 * VW, row);
        if (gradient) {
            wino_transform_gradient(from, at, point);
        } else {
            wino_transform_input(from, at, point);
        }
    }
}

/* Index = block, those of x before those of dy. */
static void wino_slab_range(void *arg, int64_t begin, int64_t end) {
    const wino_slab *s = arg;
    const wino_job *j = s->job;
    for (int64_t i = begin; i < end; i++) {
        if (i < j->g.bi) {
            wino_slab_block(s, j->x, j->g.bi, i, false, s->v);
        } else {
            wino_slab_block(s, j->dy, j->g.bo, i - j->g.bi, true, s->m);
        }
    }
}

/* Index = point and block of rows: dU (+)= V^T M there. */
static void wino_wide_range(void *arg, int64_t begin, int64_t end) {
    const wino_slab *s = arg;
    const wino_geom *g = &s->job->g;
    int64_t block = s->room * VW;
    for (int64_t i = begin; i < end; i++) {
        int64_t p = i / g->bi, bi = i % g->bi;
        const float *v = s->v + i * block, *m = s->m + p * g->bo * block;
        float *du = s->job->u + p * g->u_point + bi * VW * g->co;
        for (int64_t b = 0; b < g->bo; b += 2) {
            for (int r = 0; r < VW; r += WINO_OUTER) {
                float *to = du + r * g->co + b * VW;
                if (b + 1 < g->bo) {
                    wino_outer(v + r, VW, m + b * block, VW, block, s->count, to, g->co,
                               s->first > 0, 2);
                } else {
                    wino_outer(v + r, VW, m + b * block, VW, 0, s->count, to, g->co, s->first > 0,
                               1);
                }
            }
        }
    }
}

/* dU of all tiles; scratch holds wino_wide_floats(). */
static void wino_wide_sums(wino_job *j) {
    wino_slab s = {.job = j, .room = wino_slab_tiles(&j->g)};
    s.v = j->u + WINO_POINTS * j->g.u_point;
    s.m = s.v + WINO_POINTS * s.room * j->g.ci;
    for (; s.first < j->g.tiles; s.first += s.count) {
        s.count = j->g.tiles - s.first < s.room - 1 ? j->g.tiles - s.first : s.room - 1;
        bl_parallel_for(j->g.bi + j->g.bo, 1, wino_slab_range, &s);
        bl_parallel_for(WINO_POINTS * j->g.bi, 1, wino_wide_range, &s);
    }
}
