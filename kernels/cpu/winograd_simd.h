/* Winograd F(4x4, 3x3) in the vector vocabulary; see winograd.h.
 *
 * Tiles are numbered over all images and worked on in groups of `group`, one thread a group: its
 * transformed input V[36][group][IC] and products M[36][group][OC] stay in the second-level cache.
 * The transformed weights are U[36][OC / 2VW][IC][2VW], so that a product's inner loop streams them
 * and broadcasts V. */

enum { WINO_POINTS = 36, WINO_PAD = 16, WINO_CHUNKS = 8 };
/* Rows of a product and of an outer product whose sums, two vectors each, stay in registers. */
enum { WINO_ROWS = VREGS == 32 ? 12 : 6, WINO_OUTER = VREGS == 32 ? 8 : 4 };

typedef struct wino_geom {
    int32_t n, ih, iw, oh, ow, pad;
    int64_t bi, bo, ci, co; /* channel blocks and padded channels */
    int64_t across, per_image, tiles, group, groups;
    int64_t v_point, m_point, u_point; /* floats between two of the 36 points */
    int64_t slot;                      /* floats of one thread's V and M */
} wino_geom;

/* `rows`: the group is a multiple of this. */
static wino_geom wino_geometry(const bl_conv_shape *s, bl_winograd_dir dir) {
    bool data = dir == BL_WINOGRAD_BWD_DATA; /* dy is the input, dx the output */
    wino_geom g = {.n = s->n,
                   .ih = data ? s->oh : s->ih,
                   .iw = data ? s->ow : s->iw,
                   .oh = data ? s->ih : s->oh,
                   .ow = data ? s->iw : s->ow,
                   .pad = data ? 2 - s->pad : s->pad};
    g.bi = ((data ? s->oc : s->ic) + VW - 1) / VW;
    g.bo = ((data ? s->ic : s->oc) + VW - 1) / VW;
    g.ci = g.bi * VW;
    g.co = g.bo * VW;
    g.across = (g.ow + 3) / 4;
    g.per_image = g.across * ((g.oh + 3) / 4);
    g.tiles = g.n * g.per_image;
    enum { CACHE = 48 * 1024 }; /* floats */
    g.group = CACHE / (WINO_POINTS * (g.ci + g.co)) / WINO_ROWS * WINO_ROWS;
    if (g.group < 2 * WINO_ROWS) g.group = 2 * WINO_ROWS;
    if (g.group > 48) g.group = 48;
    g.groups = (g.tiles + g.group - 1) / g.group;
    /* Not a multiple of the page size: 36 streams would share cache sets. */
    g.v_point = g.group * g.ci + WINO_PAD;
    g.m_point = g.group * g.co + WINO_PAD;
    g.u_point = g.ci * g.co + WINO_PAD;
    g.slot = WINO_POINTS * (g.v_point + g.m_point);
    return g;
}

/* ---- one-dimensional transforms ---- */

static inline __attribute__((always_inline)) void wino_input6(const vf d[6], vf o[6]) {
    vf m4 = v_set(-4), m5 = v_set(-5), p4 = v_set(4);
    vf a = v_fma(m4, d[2], d[4]), b = v_fma(m4, d[1], d[3]);
    vf c = v_sub(d[4], d[2]), e = v_sub(d[3], d[1]);
    e = v_add(e, e);
    o[0] = v_fma(p4, d[0], v_fma(m5, d[2], d[4]));
    o[1] = v_add(a, b);
    o[2] = v_sub(a, b);
    o[3] = v_add(c, e);
    o[4] = v_sub(c, e);
    o[5] = v_fma(p4, d[1], v_fma(m5, d[3], d[5]));
}

static inline __attribute__((always_inline)) void wino_output6(const vf m[6], vf y[4]) {
    vf s = v_add(m[1], m[2]), d = v_sub(m[1], m[2]);
    vf p = v_add(m[3], m[4]), q = v_sub(m[3], m[4]);
    y[0] = v_add(v_add(m[0], s), p);
    y[1] = v_fma(v_set(2), q, d);
    y[2] = v_fma(v_set(4), p, s);
    y[3] = v_add(v_fma(v_set(8), q, d), m[5]);
}

/* The adjoint of wino_output6. */
static inline __attribute__((always_inline)) void wino_gradient4(const vf y[4], vf o[6]) {
    vf even = v_add(y[0], y[2]), odd = v_add(y[1], y[3]);
    vf even4 = v_fma(v_set(4), y[2], y[0]), odd4 = v_fma(v_set(4), y[3], y[1]);
    odd4 = v_add(odd4, odd4);
    o[0] = y[0];
    o[1] = v_add(even, odd);
    o[2] = v_sub(even, odd);
    o[3] = v_add(even4, odd4);
    o[4] = v_sub(even4, odd4);
    o[5] = y[3];
}

static inline __attribute__((always_inline)) void wino_weight3(const vf g[3], vf o[6]) {
    vf sixth = v_set(-1.0f / 6), s = v_add(g[0], g[2]);
    vf p = v_fma(v_set(1.0f / 24), g[0], v_mul(v_set(1.0f / 6), g[2]));
    vf q = v_mul(v_set(1.0f / 12), g[1]);
    o[0] = v_mul(v_set(0.25f), g[0]);
    o[1] = v_mul(sixth, v_add(s, g[1]));
    o[2] = v_mul(sixth, v_sub(s, g[1]));
    o[3] = v_add(p, q);
    o[4] = v_sub(p, q);
    o[5] = g[2];
}

/* The adjoint of wino_weight3. */
static inline __attribute__((always_inline)) void wino_weight_gradient6(const vf o[6], vf g[3]) {
    vf s = v_add(o[1], o[2]), p = v_add(o[3], o[4]);
    vf sixth = v_mul(v_set(1.0f / 6), s);
    g[0] = v_fma(v_set(0.25f), o[0], v_sub(v_mul(v_set(1.0f / 24), p), sixth));
    g[1] = v_fma(v_set(1.0f / 6), v_sub(o[2], o[1]), v_mul(v_set(1.0f / 12), v_sub(o[3], o[4])));
    g[2] = v_add(o[5], v_sub(v_mul(v_set(1.0f / 6), p), sixth));
}

/* ---- tiles ---- */

/* Pixel (y, x) of a tile stands at p + y row + x VW. */
typedef struct wino_tile {
    const float *p;
    int64_t row;
} wino_tile;

/* A place for a tile that reaches out of its plane: its pixels in [y0, y1) x [x0, x1), the others
 * stay zero from one channel block to the next. */
typedef struct wino_border {
    _Alignas(64) float pixel[WINO_POINTS * VW];
    int64_t y0, y1, x0, x1;
    bool any;
} wino_border;

/* For the tile of side x side pixels at (y0, x0) of a plane of h x w. */
static inline void wino_border_at(wino_border *e, int64_t h, int64_t w, int64_t y0, int64_t x0,
                                  int side) {
    e->y0 = y0 < 0 ? -y0 : 0;
    e->x0 = x0 < 0 ? -x0 : 0;
    e->y1 = h - y0 < side ? h - y0 : side;
    e->x1 = w - x0 < side ? w - x0 : side;
    e->any = e->y0 > 0 || e->x0 > 0 || e->y1 < side || e->x1 < side;
    if (e->any) memset(e->pixel, 0, sizeof e->pixel);
}

/* The pixels from `at`, floats behind the plane's start, in rows of `row` floats. */
static inline wino_tile wino_tile_of(wino_border *e, const float *plane, int64_t at, int64_t row) {
    enum { ROW = 6 * VW };
    if (!e->any) return (wino_tile){plane + at, row};
    for (int64_t y = e->y0; y < e->y1; y++) {
        for (int64_t x = e->x0; x < e->x1; x++) {
            v_store(e->pixel + y * ROW + x * VW, v_load(plane + (at + y * row + x * VW)));
        }
    }
    return (wino_tile){e->pixel, ROW};
}

/* Asks for the 4x4 pixels from `p`, those that the tile below is the first to read: the tiles' order
 * is one that no hardware foresees. */
static inline void wino_fetch(const float *p, int64_t row) {
    for (int y = 0; y < 4; y++) {
        for (int x = 0; x < 4 * VW; x += 16) __builtin_prefetch(p + y * row + x);
    }
}

/* Rows first .. first + 2 of the 36 points of a 6x6 tile: half of them, so that what lies between the
 * two transforms stays in registers. */
static inline __attribute__((always_inline)) void wino_input_rows(wino_tile s, const int first,
                                                                  float *to, int64_t point) {
    vf t[18], in[6], out[6];
    for (int x = 0; x < 6; x++) {
        for (int y = 0; y < 6; y++) in[y] = v_load(s.p + y * s.row + x * VW);
        wino_input6(in, out);
        for (int y = 0; y < 3; y++) t[y * 6 + x] = out[first + y];
    }
    for (int y = 0; y < 3; y++) {
        wino_input6(t + y * 6, out);
        for (int x = 0; x < 6; x++) v_store(to + ((first + y) * 6 + x) * point, out[x]);
    }
}

/* A tile of 6x6 pixels -> the 36 points, each `point` floats after the one before. */
static inline void wino_transform_input(wino_tile s, float *to, int64_t point) {
    wino_input_rows(s, 0, to, point);
    wino_input_rows(s, 3, to, point);
}

/* A tile of 4x4 output gradients -> the 36 points. */
static inline void wino_transform_gradient(wino_tile s, float *to, int64_t point) {
    vf t[24], in[4], out[6];
    for (int x = 0; x < 4; x++) {
        for (int y = 0; y < 4; y++) in[y] = v_load(s.p + y * s.row + x * VW);
        wino_gradient4(in, out);
        for (int y = 0; y < 6; y++) t[y * 4 + x] = out[y];
    }
    for (int y = 0; y < 6; y++) {
        wino_gradient4(t + y * 4, out);
        for (int x = 0; x < 6; x++) v_store(to + (y * 6 + x) * point, out[x]);
    }
}

/* The tiles [first, first+count) of x, every channel block, to V. */
static void wino_gather(const wino_geom *g, const float *x, int64_t first, int64_t count,
                        float *v) {
    int64_t row = (int64_t)g->iw * VW, plane = g->ih * row;
    wino_border e;
    for (int64_t t = 0; t < count; t++) {
        int64_t tile = first + t, n = tile / g->per_image, q = tile % g->per_image;
        int64_t y0 = q / g->across * 4 - g->pad, x0 = q % g->across * 4 - g->pad;
        const float *from = x + n * g->bi * plane;
        wino_border_at(&e, g->ih, g->iw, y0, x0, 6);
        for (int64_t b = 0; b < g->bi; b++, from += plane) {
            wino_fetch(from + (y0 + 6) * row + x0 * VW, row);
            wino_tile s = wino_tile_of(&e, from, y0 * row + x0 * VW, row);
            wino_transform_input(s, v + t * g->ci + b * VW, g->v_point);
        }
    }
}

/* The same for output gradients, to M. */
static void wino_gather_gradient(const wino_geom *g, const float *dy, int64_t first, int64_t count,
                                 float *m) {
    int64_t row = (int64_t)g->ow * VW, plane = g->oh * row;
    wino_border e;
    for (int64_t t = 0; t < count; t++) {
        int64_t tile = first + t, n = tile / g->per_image, q = tile % g->per_image;
        int64_t y0 = q / g->across * 4, x0 = q % g->across * 4;
        const float *from = dy + n * g->bo * plane;
        wino_border_at(&e, g->oh, g->ow, y0, x0, 4);
        for (int64_t b = 0; b < g->bo; b++, from += plane) {
            wino_fetch(from + (y0 + 4) * row + x0 * VW, row);
            wino_tile s = wino_tile_of(&e, from, y0 * row + x0 * VW, row);
            wino_transform_gradient(s, m + t * g->co + b * VW, g->m_point);
        }
    }
}

typedef struct wino_job {
    wino_geom g;
    const float *x, *w, *b, *dy;
    float *u, *y, *slots, *dw, *db;
    int64_t parts, ic, oc;
    bool relu, add, transposed;
} wino_job;

/* The rows x cols pixels of one tile and block from its 36 points at m. */
static inline __attribute__((always_inline)) void wino_put_pixels(const wino_job *j, const float *m,
                                                                  vf bias, float *to,
                                                                  const int64_t rows,
                                                                  const int64_t cols) {
    vf t[24], in[6], out[4], zero = v_zero();
    for (int c = 0; c < 6; c++) {
        for (int i = 0; i < 6; i++) in[i] = v_load(m + (i * 6 + c) * j->g.m_point);
        wino_output6(in, out);
        for (int i = 0; i < 4; i++) t[i * 6 + c] = out[i];
    }
    for (int64_t i = 0; i < rows; i++, to += j->g.ow * VW) {
        wino_output6(t + i * 6, out);
        for (int64_t c = 0; c < cols; c++) {
            vf v = v_add(out[c], bias);
            if (j->relu) v = v_max(v, zero);
            v_store(to + c * VW, j->add ? v_add(v, v_load(to + c * VW)) : v);
        }
    }
}

/* M of one tile -> its pixels of y, every block. */
static void wino_put(const wino_job *j, const float *m, int64_t tile) {
    const wino_geom *g = &j->g;
    int64_t n = tile / g->per_image, q = tile % g->per_image;
    int64_t y0 = q / g->across * 4, x0 = q % g->across * 4;
    int64_t rows = g->oh - y0 < 4 ? g->oh - y0 : 4, cols = g->ow - x0 < 4 ? g->ow - x0 : 4;
    float *to = j->y + ((n * g->bo * g->oh + y0) * g->ow + x0) * VW;
    for (int64_t b = 0; b < g->bo; b++, m += VW, to += (int64_t)g->oh * g->ow * VW) {
        vf bias = j->b ? v_load(j->b + b * VW) : v_zero();
        if (rows == 4 && cols == 4) {
            wino_put_pixels(j, m, bias, to, 4, 4);
        } else {
            wino_put_pixels(j, m, bias, to, rows, cols);
        }
    }
}

/* ---- products ---- */

/* m[r][0..VW*wide) = sum_i v[r][i] * u[i][..] for WINO_ROWS rows. */
static inline __attribute__((always_inline)) void wino_product(const float *v, int64_t v_row,
                                                               const float *u, int64_t k, float *m,
                                                               int64_t m_row, const int wide) {
    vf a[WINO_ROWS][2];
    for (int r = 0; r < WINO_ROWS; r++) a[r][0] = a[r][1] = v_zero();
    for (int64_t i = 0; i < k; i++, u += wide * VW) {
        vf u0 = v_load(u), u1 = wide > 1 ? v_load(u + VW) : u0;
        for (int r = 0; r < WINO_ROWS; r++) {
            vf s = v_set(v[r * v_row + i]);
            a[r][0] = v_fma(s, u0, a[r][0]);
            if (wide > 1) a[r][1] = v_fma(s, u1, a[r][1]);
        }
    }
    for (int r = 0; r < WINO_ROWS; r++) {
        v_store(m + r * m_row, a[r][0]);
        if (wide > 1) v_store(m + r * m_row + VW, a[r][1]);
    }
}

/* M = V U at all points; the rows beyond `count` up to a multiple of WINO_ROWS hold nothing of use.
 */
static void wino_multiply(const wino_geom *g, const float *v, const float *u, int64_t count,
                          float *m) {
    for (int p = 0; p < WINO_POINTS; p++) {
        for (int64_t b = 0; b < g->bo; b += 2) {
            const float *ub = u + p * g->u_point + b * VW * g->ci;
            for (int64_t t = 0; t < count; t += WINO_ROWS) {
                const float *vt = v + p * g->v_point + t * g->ci;
                float *mt = m + p * g->m_point + t * g->co + b * VW;
                if (b + 1 < g->bo) {
                    wino_product(vt, g->ci, ub, g->ci, mt, g->co, 2);
                } else {
                    wino_product(vt, g->ci, ub, g->ci, mt, g->co, 1);
                }
            }
        }
    }
}

/* du[r][0..VW*wide) (+)= sum_t v[t][r] * m[t][..] for WINO_OUTER rows; the second vector of M
 * stands `second` floats behind the first. */
static inline __attribute__((always_inline)) void
wino_outer(const float *v, int64_t v_row, const float *m, int64_t m_row, int64_t second, int64_t k,
           float *du, int64_t du_row, bool add, const int wide) {
    vf a[WINO_OUTER][2];
    for (int r = 0; r < WINO_OUTER; r++) {
        a[r][0] = add ? v_load(du + r * du_row) : v_zero();
        a[r][1] = add && wide > 1 ? v_load(du + r * du_row + VW) : v_zero();
    }
    for (int64_t t = 0; t < k; t++, v += v_row, m += m_row) {
        vf m0 = v_load(m), m1 = wide > 1 ? v_load(m + second) : m0;
        for (int r = 0; r < WINO_OUTER; r++) {
            vf s = v_set(v[r]);
            a[r][0] = v_fma(s, m0, a[r][0]);
            if (wide > 1) a[r][1] = v_fma(s, m1, a[r][1]);
        }
    }
    for (int r = 0; r < WINO_OUTER; r++) {
        v_store(du + r * du_row, a[r][0]);
        if (wide > 1) v_store(du + r * du_row + VW, a[r][1]);
    }
}

/* ---- weights ---- */

/* U for one pair of output blocks. Index = pair. */
static void wino_weights_range(void *arg, int64_t begin, int64_t end) {
    const wino_job *j = arg;
    const wino_geom *g = &j->g;
    for (int64_t b = 2 * begin; b < 2 * end && b < g->bo; b++) {
        int64_t pair = b / 2 * 2, wide = pair + 1 < g->bo ? 2 : 1;
        float *to = j->u + pair * VW * g->ci + b % 2 * VW;
        for (int64_t i = 0; i < g->ci; i++, to += wide * VW) {
            float tap[9][VW] = {{0}};
            for (int64_t l = 0; l < VW; l++) {
                int64_t o = b * VW + l, oc = j->transposed ? i : o, ic = j->transposed ? o : i;
                if (oc >= j->oc || ic >= j->ic) continue;
                const float *w = j->w + (oc * j->ic + ic) * 9;
                for (int k = 0; k < 9; k++) tap[k][l] = w[j->transposed ? 8 - k : k];
            }
            vf t[18], in[3], out[6];
            for (int c = 0; c < 3; c++) {
                for (int r = 0; r < 3; r++) in[r] = v_load(tap[r * 3 + c]);
                wino_weight3(in, out);
                for (int r = 0; r < 6; r++) t[r * 3 + c] = out[r];
            }
            for (int r = 0; r < 6; r++) {
                wino_weight3(t + r * 3, out);
                for (int c = 0; c < 6; c++) v_store(to + (r * 6 + c) * g->u_point, out[c]);
            }
        }
    }
}

/* ---- forward ---- */

/* Index = part: one slot of scratch, an equal share of the groups. */
static void wino_forward_range(void *arg, int64_t begin, int64_t end) {
    const wino_job *j = arg;
    const wino_geom *g = &j->g;
    for (int64_t part = begin; part < end; part++) {
        float *v = j->slots + part * g->slot, *m = v + WINO_POINTS * g->v_point;
        int64_t last = (part + 1) * g->groups / j->parts;
        for (int64_t q = part * g->groups / j->parts; q < last; q++) {
            int64_t first = q * g->group;
            int64_t count = g->tiles - first < g->group ? g->tiles - first : g->group;
            wino_gather(g, j->x, first, count, v);
            wino_multiply(g, v, j->u, count, m);
            for (int64_t t = 0; t < count; t++) wino_put(j, m + t * g->co, first + t);
        }
    }
}

static void wino_run(wino_job *j, void *scratch) {
    j->u = scratch;
    j->slots = j->u + (WINO_POINTS * j->g.u_point + 15) / 16 * 16;
    j->parts = bl_threads();
    bl_parallel_for((j->g.bo + 1) / 2, 1, wino_weights_range, j);
    bl_parallel_for(j->parts, 1, wino_forward_range, j);
}

static void wino_forward(const bl_conv_shape *s, const float *x, const float *w, const float *b,
                         bool relu, float *y, void *scratch) {
    wino_job j = {.g = wino_geometry(s, BL_WINOGRAD_FWD),
                  .x = x,
                  .w = w,
                  .y = y,
                  .ic = s->ic,
                  .oc = s->oc,
                  .relu = relu};
    float *bias = scratch; /* padded with zeros to whole blocks */
    if (b) {
        for (int64_t c = 0; c < j.g.co; c++) bias[c] = c < s->oc ? b[c] : 0;
        j.b = bias;
    }
    wino_run(&j, bias + (j.g.co + 15) / 16 * 16);
}

static void wino_backward_data(const bl_conv_shape *s, const float *dy, const float *w, float *dx,
                               bool accumulate, void *scratch) {
    wino_job j = {.g = wino_geometry(s, BL_WINOGRAD_BWD_DATA),
                  .x = dy,
                  .w = w,
                  .y = dx,
                  .ic = s->ic,
                  .oc = s->oc,
                  .add = accumulate,
                  .transposed = true};
    wino_run(&j, scratch);
}

/* ---- backward of weights ---- */

/* Chunks of tiles with sums of their own: as many as the problem says, whatever the threads. */
static int64_t wino_chunks(const wino_geom *g) {
    int64_t chunks = g->groups / 4, room = ((int64_t)16 << 20) / (WINO_POINTS * g->ci * g->co);
    if (chunks > WINO_CHUNKS) chunks = WINO_CHUNKS;
    if (chunks > room) chunks = room;
    return chunks < 2 ? 2 : chunks;
}

/* Index = chunk. */
static void wino_chunk_range(void *arg, int64_t begin, int64_t end) {
    const wino_job *j = arg;
    const wino_geom *g = &j->g;
    for (int64_t part = begin; part < end; part++) {
        float *v = j->slots + part * g->slot, *m = v + WINO_POINTS * g->v_point;
        float *du = j->u + part * WINO_POINTS * g->u_point;
        int64_t q0 = part * g->groups / j->parts, q1 = (part + 1) * g->groups / j->parts;
        if (q0 == q1) memset(du, 0, (size_t)(WINO_POINTS * g->u_point) * sizeof *du);
        for (int64_t q = q0; q < q1; q++) {
            int64_t first = q * g->group;
            int64_t count = g->tiles - first < g->group ? g->tiles - first : g->group;
            wino_gather(g, j->x, first, count, v);
            wino_gather_gradient(g, j->dy, first, count, m);
            for (int p = 0; p < WINO_POINTS; p++) {
                const float *vp = v + p * g->v_point, *mp = m + p * g->m_point;
                float *to = du + p * g->u_point;
                for (int64_t i = 0; i < g->ci; i += WINO_OUTER) {
                    int64_t b = 0;
                    for (; b + 1 < g->bo; b += 2) {
                        wino_outer(vp + i, g->ci, mp + b * VW, g->co, VW, count,
                                   to + i * g->co + b * VW, g->co, q > q0, 2);
                    }
                    if (b < g->bo) {
                        wino_outer(vp + i, g->ci, mp + b * VW, g->co, VW, count,
                                   to + i * g->co + b * VW, g->co, q > q0, 1);
                    }
                }
            }
        }
    }
}

#include "kernels/cpu/winograd_wide_simd.h"

/* Sums the chunks in order and transforms back into dw. Index = output block. */
static void wino_weight_gradient_range(void *arg, int64_t begin, int64_t end) {
    const wino_job *j = arg;
    const wino_geom *g = &j->g;
    for (int64_t b = begin; b < end; b++) {
        for (int64_t i = 0; i < j->ic; i++) {
            vf d[WINO_POINTS], t[18], in[6], out[3];
            const float *from = j->u + i * g->co + b * VW;
            for (int p = 0; p < WINO_POINTS; p++) {
                d[p] = v_load(from + p * g->u_point);
                for (int64_t c = 1; c < j->parts; c++) {
                    d[p] = v_add(d[p], v_load(from + (c * WINO_POINTS + p) * g->u_point));
                }
            }
            for (int c = 0; c < 6; c++) {
                for (int r = 0; r < 6; r++) in[r] = d[r * 6 + c];
                wino_weight_gradient6(in, out);
                for (int r = 0; r < 3; r++) t[r * 6 + c] = out[r];
            }
            float tap[9][VW];
            for (int r = 0; r < 3; r++) {
                wino_weight_gradient6(t + r * 6, out);
                for (int c = 0; c < 3; c++) v_store(tap[r * 3 + c], out[c]);
            }
            for (int64_t l = 0; l < VW && b * VW + l < j->oc; l++) {
                float *dw = j->dw + ((b * VW + l) * j->ic + i) * 9;
                for (int k = 0; k < 9; k++) dw[k] += tap[k][l];
            }
        }
    }
}

/* db += sums of dy. Index = output block. */
static void wino_bias_range(void *arg, int64_t begin, int64_t end) {
    const wino_job *j = arg;
    const wino_geom *g = &j->g;
    int64_t pixels = (int64_t)g->oh * g->ow;
    for (int64_t b = begin; b < end; b++) {
        vd sum = vd_zero();
        for (int64_t n = 0; n < g->n; n++) {
            const float *p = j->dy + (n * g->bo + b) * pixels * VW;
            for (int64_t q = 0; q < pixels; q++) sum = vd_add(sum, vd_of(v_load(p + q * VW)));
        }
        double lane[VW];
        vd_store(lane, sum);
        for (int64_t l = 0; l < VW && b * VW + l < j->oc; l++) {
            j->db[b * VW + l] += (float)lane[l];
        }
    }
}

static void wino_backward_weights(const bl_conv_shape *s, const float *x, const float *dy,
                                  float *dw, float *db, void *scratch) {
    wino_job j = {.g = wino_geometry(s, BL_WINOGRAD_BWD_WEIGHTS),
                  .x = x,
                  .dy = dy,
                  .dw = dw,
                  .db = db,
                  .ic = s->ic,
                  .oc = s->oc};
    bool wide = wino_is_wide(&j.g);
    j.parts = wide ? 1 : wino_chunks(&j.g);
    j.u = scratch;
    j.slots = j.u + (j.parts * WINO_POINTS * j.g.u_point + 15) / 16 * 16;
    if (wide) {
        wino_wide_sums(&j);
    } else {
        bl_parallel_for(j.parts, 1, wino_chunk_range, &j);
    }
    bl_parallel_for(j.g.bo, 1, wino_weight_gradient_range, &j);
    if (db) bl_parallel_for(j.g.bo, 1, wino_bias_range, &j);
}

static size_t wino_scratch_bytes(const bl_conv_shape *s, bl_winograd_dir dir) {
    wino_geom g = wino_geometry(s, dir);
    bool weights = dir == BL_WINOGRAD_BWD_WEIGHTS;
    if (weights && wino_is_wide(&g)) return (wino_wide_floats(&g) + 64) * sizeof(float);
    int64_t parts = weights ? wino_chunks(&g) : bl_threads(), u = weights ? parts : 1;
    return (size_t)(u * WINO_POINTS * g.u_point + parts * g.slot + g.co + 64) * sizeof(float);
}

static const bl_winograd winograd_table = {VW == 16 ? "avx512" : "avx2", VW,
                                           wino_scratch_bytes,           wino_forward,
                                           wino_backward_data,           wino_backward_weights};
