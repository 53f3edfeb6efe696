/* RoIAlign on channel-blocked maps. Included once per instruction set after norm_simd.h.
 *
 * The mean of bilinear samples on a regular grid is separable: a bin is sum_y wy[y] sum_x wx[x]
 * p(y,x), with the samples' weights gathered per pixel row and column. That touches each pixel of a
 * bin once, where sampling touches four per sample. The weights of all RoIs are tabled first; then
 * threads own columns (VW channels of one image) and walk that image's RoIs in list order: one
 * column of a map stays in cache, the backward pass needs no atomics, and results are the same for
 * any number of threads. */

enum { ROI_BINS = 64, ROI_WEIGHTS = 4096 };

/* One bin along one axis: pixels [first, first + count) with weights w[at...]. */
typedef struct roi_span {
    int32_t first, count, at;
} roi_span;

typedef struct roi_table {
    const bl_roi_attr *a;
    roi_span *span; /* [roi][axis: y, x][bin] */
    bool *fits;     /* [roi]; false: too large for tables, sampled instead */
    int32_t *order; /* RoIs by image, list order within; image i: order[begin[i]..begin[i+1]) */
    int64_t *begin; /* [images + 1] */
    int64_t images;
    float *w;
    int64_t used, room;
} roi_table;

static void roi_table_free(roi_table *t) {
    free(t->span);
    free(t->fits);
    free(t->order);
    free(t->begin);
    free(t->w);
}

/* Tables one axis of one RoI. Returns the samples per bin, or -1 when the box is too large or runs
 * backwards; at most ROI_WEIGHTS weights are written to t->w + t->used, which has room. */
static int32_t roi_axis_fill(roi_table *t, roi_span *span, float lo, float hi, float scale,
                             int32_t extent) {
    const bl_roi_attr *a = t->a;
    bl_roi_axis axis = bl_roi_axis_make(lo, hi, scale, a->size, a->sampling, a->aligned);
    if (axis.grid > ROI_WEIGHTS) return -1;
    float *w = t->w + t->used;
    int32_t used = 0;
    for (int32_t b = 0; b < a->size; b++) {
        int32_t first = -1, count = 0;
        span[b].at = (int32_t)t->used + used;
        for (int32_t s = 0; s < axis.grid; s++) {
            bl_tap tap;
            if (!bl_tap_at(bl_roi_axis_sample(&axis, b, s), extent, &tap)) continue;
            if (first < 0) first = tap.lo;
            if (tap.lo < first || used + (tap.hi - first) >= ROI_WEIGHTS) return -1;
            while (count <= tap.hi - first) w[used + count++] = 0.0f;
            w[used + tap.lo - first] += tap.wlo;
            w[used + tap.hi - first] += tap.whi;
        }
        span[b].first = first < 0 ? 0 : first;
        span[b].count = count;
        used += count;
    }
    t->used += used;
    return axis.grid;
}

static bool roi_room(roi_table *t, int64_t more) {
    if (t->used + more <= t->room) return true;
    if (t->used + more > INT32_MAX) return false;
    int64_t room = 2 * t->room + more;
    float *w = realloc(t->w, (size_t)room * sizeof *w);
    if (!w) return false;
    t->w = w;
    t->room = room;
    return true;
}

/* Both axes of RoI i; the mean's 1/samples goes into the rows' weights. */
static void roi_fill(roi_table *t, int64_t i, const bl_box *box, float scale,
                     const bl_tensor *map) {
    int64_t mark = t->used;
    roi_span *y = t->span + i * 2 * t->a->size, *x = y + t->a->size;
    int32_t gy = roi_axis_fill(t, y, box->y1, box->y2, scale, (int32_t)map->h), gx = -1;
    int64_t rows_end = t->used;
    if (gy >= 0) gx = roi_axis_fill(t, x, box->x1, box->x2, scale, (int32_t)map->w);
    t->fits[i] = gx >= 0;
    if (!t->fits[i]) {
        t->used = mark;
        return;
    }
    float samples = (float)gy * (float)gx, norm = samples > 1.0f ? 1.0f / samples : 1.0f;
    for (int64_t q = mark; q < rows_end; q++) t->w[q] *= norm;
}

/* Tables of all RoIs and their order by image. false: no memory. */
static bool roi_table_make(roi_table *t, const bl_tensor *const *maps, const bl_box *rois,
                           const int32_t *batch, const int32_t *level, int64_t count,
                           const bl_roi_attr *a) {
    *t = (roi_table){.a = a};
    for (int64_t i = 0; i < count; i++) {
        if (batch[i] >= t->images) t->images = batch[i] + 1;
    }
    t->span = malloc((size_t)(count * 2 * a->size) * sizeof *t->span + 1);
    t->fits = malloc((size_t)count + 1);
    t->order = malloc((size_t)count * sizeof *t->order + 1);
    t->begin = calloc((size_t)t->images + 2, sizeof *t->begin);
    if (!t->span || !t->fits || !t->order || !t->begin) return false;
    int64_t used = 0;
    for (int64_t i = 0; i < count; i++) {
        if (level[i] < 0) continue;
        t->begin[batch[i] + 1]++;
        used++;
        if (!maps[level[i]]) continue; /* a map without gradient */
        if (!roi_room(t, 2 * ROI_WEIGHTS)) return false;
        roi_fill(t, i, &rois[i], a->scale[level[i]], maps[level[i]]);
    }
    for (int64_t i = 0; i < t->images; i++) t->begin[i + 1] += t->begin[i];
    for (int64_t i = count - 1; i >= 0; i--) {
        if (level[i] >= 0) t->order[--t->begin[batch[i] + 1]] = (int32_t)i;
    }
    /* Now begin[i + 1] is where image i starts: shift back and close. */
    for (int64_t i = 0; i < t->images; i++) t->begin[i] = t->begin[i + 1];
    t->begin[t->images] = used;
    return true;
}

typedef struct roi_job {
    roi_table t;
    columns s; /* of `list`: an "image" is a RoI, a pixel is a bin */
    const bl_tensor *const *maps;
    const bl_box *rois;
    const int32_t *level;
    const bl_tensor *list; /* out, or dy when backward */
    bool backward;
} roi_job;

/* One RoI, one column, from the table. plane: the column of the map; bin: the column
 * of the list. */
static void roi_fwd_column(const roi_job *j, int64_t i, const float *plane, int64_t width,
                           float *bin) {
    int32_t size = j->t.a->size;
    int64_t step = j->s.cb;
    const roi_span *ys = j->t.span + i * 2 * size, *xs = ys + size;
    for (int32_t by = 0; by < size; by++) {
        for (int32_t bx = 0; bx < size; bx++, bin += step) {
            const float *wx = j->t.w + xs[bx].at, *wy = j->t.w + ys[by].at;
            const float *row = plane + (ys[by].first * width + xs[bx].first) * step;
            vf sum = v_zero();
            for (int32_t y = 0; y < ys[by].count; y++, row += width * step) {
                vf r = v_zero();
                for (int32_t x = 0; x < xs[bx].count; x++) {
                    r = v_fma(v_load(row + x * step), v_set(wx[x]), r);
                }
                sum = v_fma(r, v_set(wy[y]), sum);
            }
            v_store(bin, sum);
        }
    }
}

static void roi_bwd_column(const roi_job *j, int64_t i, float *plane, int64_t width,
                           const float *bin) {
    int32_t size = j->t.a->size;
    int64_t step = j->s.cb;
    const roi_span *ys = j->t.span + i * 2 * size, *xs = ys + size;
    for (int32_t by = 0; by < size; by++) {
        for (int32_t bx = 0; bx < size; bx++, bin += step) {
            const float *wx = j->t.w + xs[bx].at, *wy = j->t.w + ys[by].at;
            float *row = plane + (ys[by].first * width + xs[bx].first) * step;
            vf g = v_load(bin);
            for (int32_t y = 0; y < ys[by].count; y++, row += width * step) {
                vf gy = v_mul(g, v_set(wy[y]));
                for (int32_t x = 0; x < xs[bx].count; x++) {
                    float *d = row + x * step;
                    v_store(d, v_fma(gy, v_set(wx[x]), v_load(d)));
                }
            }
        }
    }
}

/* The same by samples, for boxes that the table does not hold. */
static void roi_sample_column(const roi_job *j, int64_t i, float *plane, int64_t width,
                              float *bin) {
    const bl_roi_attr *a = j->t.a;
    const bl_box *b = &j->rois[i];
    const bl_tensor *m = j->maps[j->level[i]];
    float scale = a->scale[j->level[i]];
    bl_roi_frame f = bl_roi_frame_make(*b, scale, a->size, a->sampling, a->aligned);
    for (int32_t q = 0; q < a->size * a->size; q++, bin += j->s.cb) {
        vf sum = v_zero(), g = j->backward ? v_load(bin) : v_zero();
        for (int32_t sy = 0; sy < f.y.grid; sy++) {
            bl_tap ty, tx;
            if (!bl_tap_at(bl_roi_axis_sample(&f.y, q / a->size, sy), (int32_t)m->h, &ty)) continue;
            for (int32_t sx = 0; sx < f.x.grid; sx++) {
                if (!bl_tap_at(bl_roi_axis_sample(&f.x, q % a->size, sx), (int32_t)m->w, &tx))
                    continue;
                bl_corners corner = bl_corners_of(ty, tx, width, f.norm);
                for (int c = 0; c < 4; c++) {
                    float *pixel = plane + corner.at[c] * j->s.cb;
                    vf weight = v_set(corner.weight[c]), p = v_load(pixel);
                    if (j->backward)
                        v_store(pixel, v_fma(g, weight, p));
                    else
                        sum = v_fma(p, weight, sum);
                }
            }
        }
        if (!j->backward) v_store(bin, sum);
    }
}

/* Index = (image, column). */
static void roi_range(void *arg, int64_t begin, int64_t end) {
    const roi_job *j = arg;
    for (int64_t u = begin; u < end; u++) {
        int64_t image = u / j->s.per_image, q = u % j->s.per_image;
        for (int64_t r = j->t.begin[image]; r < j->t.begin[image + 1]; r++) {
            int64_t i = j->t.order[r];
            const bl_tensor *m = j->maps[j->level[i]];
            if (!m) continue;
            int64_t block = image * j->s.blocks + q / j->s.lanes;
            float *plane = bl_f32(m) + block * m->h * m->w * m->cb + q % j->s.lanes * VW;
            float *bin = bl_f32(j->list) + column_at(&j->s, i, q);
            if (!j->t.fits[i])
                roi_sample_column(j, i, plane, m->w, bin);
            else if (j->backward)
                roi_bwd_column(j, i, plane, m->w, bin);
            else
                roi_fwd_column(j, i, plane, m->w, bin);
        }
    }
}

/* false: nothing was done, the reference kernel must do it. */
static bool roi_run(roi_job *j, const int32_t *batch, int64_t count, const bl_roi_attr *a) {
    const bl_tensor *list = j->list;
    if (!columns_of(list, &j->s) || a->size > ROI_BINS || list->h != a->size ||
        list->w != a->size) {
        return false;
    }
    for (int64_t i = 0; i < count; i++) {
        const bl_tensor *m = j->level[i] >= 0 ? j->maps[j->level[i]] : NULL;
        if (m && (m->cb != list->cb || m->c != list->c)) return false;
    }
    bool ok = roi_table_make(&j->t, j->maps, j->rois, batch, j->level, count, a);
    if (ok) bl_parallel_for(j->t.images * j->s.per_image, 1, roi_range, j);
    roi_table_free(&j->t);
    return ok;
}

static void roi_align_fwd(const bl_tensor *const *maps, int n_maps, const bl_box *rois,
                          const int32_t *batch, const int32_t *level, int64_t count,
                          const bl_roi_attr *a, bl_tensor *out) {
    roi_job j = {.maps = maps, .rois = rois, .level = level, .list = out};
    for (int64_t i = 0, one = count > 0 ? bl_storage(out) / count : 0; i < count; i++) {
        if (level[i] < 0) memset(bl_f32(out) + i * one, 0, (size_t)one * sizeof(float));
    }
    if (roi_run(&j, batch, count, a)) return;
    bl_kernels ref;
    bl_kernels_init_ref(&ref);
    ref.roi_align_fwd(maps, n_maps, rois, batch, level, count, a, out);
}

static void roi_align_bwd(const bl_tensor *dy, const bl_box *rois, const int32_t *batch,
                          const int32_t *level, int64_t count, const bl_roi_attr *a, int n_maps,
                          bl_tensor *const *dmaps) {
    roi_job j = {.maps = (const bl_tensor *const *)dmaps,
                 .rois = rois,
                 .level = level,
                 .list = dy,
                 .backward = true};
    if (roi_run(&j, batch, count, a)) return;
    bl_kernels ref;
    bl_kernels_init_ref(&ref);
    ref.roi_align_bwd(dy, rois, batch, level, count, a, n_maps, dmaps);
}

static void init_roi_align(bl_kernels *k) {
    k->roi_align_fwd = roi_align_fwd;
    k->roi_align_bwd = roi_align_bwd;
}
