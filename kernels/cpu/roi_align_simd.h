/* RoIAlign on channel-blocked maps. Included once per instruction set after norm_simd.h.
 *
 * The mean of bilinear samples on a regular grid is separable: a bin is sum_y wy[y] sum_x wx[x]
 * p(y,x), with the samples' weights gathered per pixel row and column. That touches each pixel of a
 * bin once, where sampling touches four per sample. Forward: threads own RoIs. Backward: threads
 * own columns (VW channels of an image), each adds its RoIs in list order, so there are no atomics
 * and one result for any thread count. */

enum { ROI_BINS = 64, ROI_WEIGHTS = 4096 };

/* One axis of one RoI: bin b covers pixels [first[b], first[b] + count[b]) with weights
 * w[at[b]...]. */
typedef struct roi_axis {
    int32_t first[ROI_BINS], count[ROI_BINS], at[ROI_BINS];
    float w[ROI_WEIGHTS];
} roi_axis;

/* false when the box is so large that the table overflows. */
static bool roi_axis_fill(roi_axis *t, float lo, float hi, float scale, int32_t extent,
                          const bl_roi_attr *a, int32_t *grid) {
    bl_roi_axis axis = bl_roi_axis_make(lo, hi, scale, a->size, a->sampling, a->aligned);
    *grid = axis.grid;
    if (axis.grid > ROI_WEIGHTS) return false;
    int32_t used = 0;
    for (int32_t b = 0; b < a->size; b++) {
        int32_t first = -1, count = 0;
        t->at[b] = used;
        /* A bin of positive extent walks forward, so its pixels are met in ascending order. */
        for (int32_t s = 0; s < axis.grid; s++) {
            bl_tap tap;
            if (!bl_tap_at(bl_roi_axis_sample(&axis, b, s), extent, &tap)) continue;
            if (first < 0) first = tap.lo;
            if (tap.lo < first || used + (tap.hi - first) >= ROI_WEIGHTS) return false;
            while (count <= tap.hi - first) t->w[used + count++] = 0.0f;
            t->w[used + tap.lo - first] += tap.wlo;
            t->w[used + tap.hi - first] += tap.whi;
        }
        t->first[b] = first < 0 ? 0 : first;
        t->count[b] = count;
        used += count;
    }
    return true;
}

typedef struct roi_table {
    roi_axis y, x;
} roi_table;

/* Both axes; the mean's 1/samples goes into the rows' weights. */
static bool roi_table_fill(roi_table *t, const bl_box *box, float scale, const bl_tensor *map,
                           const bl_roi_attr *a) {
    int32_t gy, gx;
    if (!roi_axis_fill(&t->y, box->y1, box->y2, scale, (int32_t)map->h, a, &gy) ||
        !roi_axis_fill(&t->x, box->x1, box->x2, scale, (int32_t)map->w, a, &gx)) {
        return false;
    }
    float samples = (float)gy * (float)gx, norm = samples > 1.0f ? 1.0f / samples : 1.0f;
    int32_t last = a->size - 1, n = t->y.at[last] + t->y.count[last];
    for (int32_t i = 0; i < n; i++) t->y.w[i] *= norm;
    return true;
}

typedef struct roi_job {
    columns s; /* of out or dy: an "image" is a RoI, a pixel is a bin */
    const bl_tensor *const *maps;
    bl_tensor *const *dmaps;
    const bl_box *rois;
    const int32_t *batch, *level;
    int64_t count;
    const bl_roi_attr *a;
    const bl_tensor *dy;
    bl_tensor *out;
} roi_job;

static int64_t map_column(const bl_tensor *m, int64_t image, int64_t q, int64_t lanes) {
    return (image * bl_blocks(m) + q / lanes) * m->h * m->w * m->cb + q % lanes * VW;
}

/* The reference kernel for one RoI that the table cannot hold. */
static void roi_fwd_one(const roi_job *j, int64_t i) {
    bl_tensor one = *j->out;
    one.n = 1;
    one.data = bl_f32(j->out) + i * j->s.blocks * j->s.pixels * j->s.cb;
    bl_kernels ref;
    bl_kernels_init_ref(&ref);
    ref.roi_align_fwd(j->maps, j->rois + i, j->batch + i, j->level + i, 1, j->a, &one);
}

static void roi_fwd_range(void *arg, int64_t begin, int64_t end) {
    const roi_job *j = arg;
    int64_t size = j->a->size, step = j->s.cb;
    roi_table t;
    for (int64_t i = begin; i < end; i++) {
        const bl_tensor *m = j->maps[j->level[i]];
        if (!roi_table_fill(&t, &j->rois[i], j->a->scale[j->level[i]], m, j->a)) {
            roi_fwd_one(j, i);
            continue;
        }
        for (int64_t q = 0; q < j->s.per_image; q++) {
            const float *plane = bl_f32(m) + map_column(m, j->batch[i], q, j->s.lanes);
            float *out = bl_f32(j->out) + column_at(&j->s, i, q);
            for (int64_t by = 0; by < size; by++) {
                for (int64_t bx = 0; bx < size; bx++, out += step) {
                    const float *wx = t.x.w + t.x.at[bx], *wy = t.y.w + t.y.at[by];
                    int32_t nx = t.x.count[bx];
                    const float *row = plane + (t.y.first[by] * m->w + t.x.first[bx]) * step;
                    vf sum = v_zero();
                    for (int32_t y = 0; y < t.y.count[by]; y++, row += m->w * step) {
                        vf r = v_zero();
                        for (int32_t x = 0; x < nx; x++) {
                            r = v_fma(v_load(row + x * step), v_set(wx[x]), r);
                        }
                        sum = v_fma(r, v_set(wy[y]), sum);
                    }
                    v_store(out, sum);
                }
            }
        }
    }
}

static bool roi_maps_fit(const bl_tensor *list, const bl_tensor *const *maps, const int32_t *level,
                         int64_t count, const bl_roi_attr *a) {
    if (a->size > ROI_BINS || list->h != a->size || list->w != a->size) return false;
    for (int64_t i = 0; i < count; i++) {
        const bl_tensor *m = maps[level[i]];
        if (m && (m->cb != list->cb || m->c != list->c)) return false;
    }
    return true;
}

static void roi_align_fwd(const bl_tensor *const *maps, const bl_box *rois, const int32_t *batch,
                          const int32_t *level, int64_t count, const bl_roi_attr *a,
                          bl_tensor *out) {
    roi_job j = {.maps = maps,
                 .rois = rois,
                 .batch = batch,
                 .level = level,
                 .count = count,
                 .a = a,
                 .out = out};
    if (!columns_of(out, &j.s) || !roi_maps_fit(out, maps, level, count, a)) {
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.roi_align_fwd(maps, rois, batch, level, count, a, out);
        return;
    }
    bl_parallel_for(count, 4, roi_fwd_range, &j);
}

/* Adds one RoI's gradient to column q of its map. */
static void roi_bwd_column(const roi_job *j, const roi_table *t, int64_t i, int64_t q) {
    bl_tensor *m = j->dmaps[j->level[i]];
    int64_t size = j->a->size, step = j->s.cb;
    float *plane = bl_f32(m) + map_column(m, j->batch[i], q, j->s.lanes);
    const float *dy = bl_f32(j->dy) + column_at(&j->s, i, q);
    for (int64_t by = 0; by < size; by++) {
        for (int64_t bx = 0; bx < size; bx++, dy += step) {
            const float *wx = t->x.w + t->x.at[bx], *wy = t->y.w + t->y.at[by];
            int32_t nx = t->x.count[bx];
            float *row = plane + (t->y.first[by] * m->w + t->x.first[bx]) * step;
            vf g = v_load(dy);
            for (int32_t y = 0; y < t->y.count[by]; y++, row += m->w * step) {
                vf gy = v_mul(g, v_set(wy[y]));
                for (int32_t x = 0; x < nx; x++) {
                    float *d = row + x * step;
                    v_store(d, v_fma(gy, v_set(wx[x]), v_load(d)));
                }
            }
        }
    }
}

/* The same by samples, for boxes that the table cannot hold. */
static void roi_bwd_samples(const roi_job *j, int64_t i, int64_t q) {
    bl_tensor *m = j->dmaps[j->level[i]];
    const bl_roi_attr *a = j->a;
    const bl_box *b = &j->rois[i];
    float scale = a->scale[j->level[i]];
    bl_roi_axis ay = bl_roi_axis_make(b->y1, b->y2, scale, a->size, a->sampling, a->aligned);
    bl_roi_axis ax = bl_roi_axis_make(b->x1, b->x2, scale, a->size, a->sampling, a->aligned);
    float samples = (float)ay.grid * (float)ax.grid, norm = samples > 1.0f ? 1.0f / samples : 1.0f;
    float *plane = bl_f32(m) + map_column(m, j->batch[i], q, j->s.lanes);
    const float *dy = bl_f32(j->dy) + column_at(&j->s, i, q);
    for (int32_t bin = 0; bin < a->size * a->size; bin++, dy += j->s.cb) {
        for (int32_t sy = 0; sy < ay.grid; sy++) {
            bl_tap ty, tx;
            if (!bl_tap_at(bl_roi_axis_sample(&ay, bin / a->size, sy), (int32_t)m->h, &ty))
                continue;
            for (int32_t sx = 0; sx < ax.grid; sx++) {
                if (!bl_tap_at(bl_roi_axis_sample(&ax, bin % a->size, sx), (int32_t)m->w, &tx))
                    continue;
                int64_t at[4] = {ty.lo * m->w + tx.lo, ty.lo * m->w + tx.hi, ty.hi * m->w + tx.lo,
                                 ty.hi * m->w + tx.hi};
                float w[4] = {ty.wlo * tx.wlo, ty.wlo * tx.whi, ty.whi * tx.wlo, ty.whi * tx.whi};
                for (int c = 0; c < 4; c++) {
                    float *d = plane + at[c] * j->s.cb;
                    v_store(d, v_fma(v_load(dy), v_set(w[c] * norm), v_load(d)));
                }
            }
        }
    }
}

/* Index = (image, column). A range's tables are made once per image, whatever the number of
 * columns. */
static void roi_bwd_range(void *arg, int64_t begin, int64_t end) {
    const roi_job *j = arg;
    int64_t per = j->s.per_image;
    roi_table t;
    for (int64_t image = begin / per; image * per < end; image++) {
        int64_t q0 = image * per > begin ? 0 : begin - image * per;
        int64_t q1 = (image + 1) * per < end ? per : end - image * per;
        for (int64_t i = 0; i < j->count; i++) {
            const bl_tensor *m = j->dmaps[j->level[i]];
            if (!m || j->batch[i] != image) continue;
            bool fits = roi_table_fill(&t, &j->rois[i], j->a->scale[j->level[i]], m, j->a);
            for (int64_t q = q0; q < q1; q++) {
                if (fits)
                    roi_bwd_column(j, &t, i, q);
                else
                    roi_bwd_samples(j, i, q);
            }
        }
    }
}

static void roi_align_bwd(const bl_tensor *dy, const bl_box *rois, const int32_t *batch,
                          const int32_t *level, int64_t count, const bl_roi_attr *a, int n_maps,
                          bl_tensor *const *dmaps) {
    roi_job j = {.dmaps = dmaps,
                 .rois = rois,
                 .batch = batch,
                 .level = level,
                 .count = count,
                 .a = a,
                 .dy = dy};
    if (!columns_of(dy, &j.s) ||
        !roi_maps_fit(dy, (const bl_tensor *const *)dmaps, level, count, a)) {
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.roi_align_bwd(dy, rois, batch, level, count, a, n_maps, dmaps);
        return;
    }
    int64_t images = 0;
    for (int64_t i = 0; i < count; i++) {
        if (batch[i] >= images) images = batch[i] + 1;
    }
    bl_parallel_for(images * j.s.per_image, 1, roi_bwd_range, &j);
}

static void init_roi_align(bl_kernels *k) {
    k->roi_align_fwd = roi_align_fwd;
    k->roi_align_bwd = roi_align_bwd;
}
