/* Pooling and nearest-neighbour resampling on channel-blocked tensors. Included once per
 * instruction set after norm_simd.h, whose columns it uses: a column is VW channels
 * of one image. */

typedef struct pool_job {
    columns in, out;
    const bl_tensor *x;
    const bl_tensor *y;
    const float *src, *add;
    float *dst;
    const int32_t *arg_in;
    int32_t *arg_out;
    int64_t k, stride, pad;
    bool accumulate;
} pool_job;

/* Units are whole columns: `floats` of work each. */
static void pool_run(const pool_job *j, int64_t floats, bl_range_fn fn) {
    bl_parallel_for(j->in.images * j->in.per_image, NORM_GRAIN / (floats + 1) + 1, fn, (void *)j);
}

/* ---- max pooling ---- */

static void max_fwd_range(void *arg, int64_t begin, int64_t end) {
    const pool_job *j = arg;
    int64_t h = j->x->h, w = j->x->w, oh = j->y->h, ow = j->y->w, step = j->in.cb;
    for (int64_t u = begin; u < end; u++) {
        const float *src = j->src + column_at(&j->in, u / j->in.per_image, u % j->in.per_image);
        int64_t out = column_at(&j->out, u / j->in.per_image, u % j->in.per_image);
        for (int64_t oy = 0; oy < oh; oy++) {
            int64_t y0 = oy * j->stride - j->pad, y1 = y0 + j->k < h ? y0 + j->k : h;
            if (y0 < 0) y0 = 0;
            for (int64_t ox = 0; ox < ow; ox++, out += step) {
                int64_t x0 = ox * j->stride - j->pad, x1 = x0 + j->k < w ? x0 + j->k : w;
                if (x0 < 0) x0 = 0;
                vf best = v_load(src + (y0 * w + x0) * step);
                vi where = vi_set((int32_t)(y0 * w + x0));
                for (int64_t y = y0; y < y1; y++) {
                    for (int64_t x = x0; x < x1; x++) {
                        vf v = v_load(src + (y * w + x) * step);
                        vm more = v_gt_or_nan(v, best); /* the first of equals stays, a NaN wins */
                        best = v_select(more, v, best);
                        where = vi_select(more, vi_set((int32_t)(y * w + x)), where);
                    }
                }
                v_store(j->dst + out, best);
                vi_store(j->arg_out + out, where);
            }
        }
    }
}

static void max_pool_fwd(const bl_tensor *x, int32_t k, int32_t stride, int32_t pad, bl_tensor *y,
                         int32_t *arg) {
    pool_job j = {.x = x,
                  .y = y,
                  .src = bl_f32(x),
                  .dst = bl_f32(y),
                  .arg_out = arg,
                  .k = k,
                  .stride = stride,
                  .pad = pad};
    /* Windows that lie wholly in the padding are the reference kernel's business. */
    bool inside = pad < k && (y->h - 1) * stride - pad < x->h && (y->w - 1) * stride - pad < x->w;
    if (!columns_of(x, &j.in) || !columns_of(y, &j.out) || x->cb != y->cb || x->c != y->c ||
        !inside) {
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.max_pool_fwd(x, k, stride, pad, y, arg);
        return;
    }
    pool_run(&j, j.out.pixels * VW * k * k, max_fwd_range);
}

static void clear_column(float *dst, int64_t pixels, int64_t step) {
    for (int64_t p = 0; p < pixels; p++) v_store(dst + p * step, v_zero());
}

/* Windows overlap, so a column's scatter stays on one thread. */
static void max_bwd_range(void *arg, int64_t begin, int64_t end) {
    const pool_job *j = arg;
    int64_t step = j->in.cb;
    for (int64_t u = begin; u < end; u++) {
        int64_t at = column_at(&j->out, u / j->in.per_image, u % j->in.per_image);
        float *dx = j->dst + column_at(&j->in, u / j->in.per_image, u % j->in.per_image);
        if (!j->accumulate) clear_column(dx, j->in.pixels, step);
        for (int64_t p = 0; p < j->out.pixels; p++, at += step) {
            for (int l = 0; l < VW; l++) {
                int64_t pos = j->arg_in[at + l];
                if (pos >= 0) dx[pos * step + l] += j->src[at + l];
            }
        }
    }
}

static void max_pool_bwd(const bl_tensor *dy, const int32_t *arg, int32_t k, int32_t stride,
                         int32_t pad, bl_tensor *dx, float beta) {
    pool_job j = {.src = bl_f32(dy), .dst = bl_f32(dx), .arg_in = arg, .accumulate = beta != 0.0f};
    if (!columns_of(dx, &j.in) || !columns_of(dy, &j.out) || dx->cb != dy->cb || dx->c != dy->c) {
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.max_pool_bwd(dy, arg, k, stride, pad, dx, beta);
        return;
    }
    pool_run(&j, (j.in.pixels + j.out.pixels) * VW, max_bwd_range);
}

/* ---- global average pooling: (N,C,H,W) -> (N,C,1,1) with block 1 ---- */

static void avg_fwd_range(void *arg, int64_t begin, int64_t end) {
    const pool_job *j = arg;
    int64_t step = j->in.cb;
    for (int64_t u = begin; u < end; u++) {
        int64_t image = u / j->in.per_image, q = u % j->in.per_image, c = q * VW;
        const float *src = j->src + column_at(&j->in, image, q);
        vd sum = vd_zero();
        double lane[VW];
        for (int64_t p = 0; p < j->in.pixels; p++) sum = vd_add(sum, vd_of(v_load(src + p * step)));
        vd_store(lane, sum);
        for (int64_t l = 0; l < VW && c + l < j->x->c; l++) {
            j->dst[image * j->x->c + c + l] = (float)(lane[l] / (double)j->in.pixels);
        }
    }
}

static void avg_pool_fwd(const bl_tensor *x, bl_tensor *y) {
    pool_job j = {.x = x, .src = bl_f32(x), .dst = bl_f32(y)};
    if (!columns_of(x, &j.in) || y->cb != 1 || y->c != x->c || j.in.pixels == 0) {
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.avg_pool_fwd(x, y);
        return;
    }
    pool_run(&j, j.in.pixels * VW, avg_fwd_range);
}

static void avg_bwd_range(void *arg, int64_t begin, int64_t end) {
    const pool_job *j = arg;
    int64_t step = j->in.cb;
    vf scale = v_set(1.0f / (float)j->in.pixels);
    for (int64_t u = begin; u < end; u++) {
        int64_t image = u / j->in.per_image, q = u % j->in.per_image, left = j->x->c - q * VW;
        float *dst = j->dst + column_at(&j->in, image, q);
        vf g = v_zero();
        if (left > 0) g = v_load_n(j->src + image * j->x->c + q * VW, left < VW ? left : VW);
        g = v_mul(g, scale);
        for (int64_t p = 0; p < j->in.pixels; p++) {
            float *d = dst + p * step;
            v_store(d, j->accumulate ? v_add(v_load(d), g) : g);
        }
    }
}

static void avg_pool_bwd(const bl_tensor *dy, bl_tensor *dx, float beta) {
    pool_job j = {.x = dx, .src = bl_f32(dy), .dst = bl_f32(dx), .accumulate = beta != 0.0f};
    if (!columns_of(dx, &j.in) || dy->cb != 1 || dy->c != dx->c) {
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.avg_pool_bwd(dy, dx, beta);
        return;
    }
    pool_run(&j, j.in.pixels * VW, avg_bwd_range);
}

/* ---- FPN's top-down step: y = fine + upsampled coarse (index floor(i * Hc / Hf)) ---- */

static void upsample_range(void *arg, int64_t begin, int64_t end) {
    const pool_job *j = arg; /* in: fine, out: coarse */
    int64_t step = j->in.cb, h = j->x->h, w = j->x->w, ch = j->y->h, cw = j->y->w;
    for (int64_t u = begin; u < end; u++) {
        int64_t image = u / j->in.per_image, q = u % j->in.per_image;
        int64_t at = column_at(&j->in, image, q);
        const float *coarse = j->add + column_at(&j->out, image, q);
        for (int64_t y = 0; y < h; y++) {
            const float *c = coarse + y * ch / h * cw * step;
            for (int64_t x = 0, rest = 0; x < w; x++, at += step) {
                v_store(j->dst + at, v_add(v_load(j->src + at), v_load(c)));
                for (rest += cw; rest >= w; rest -= w) c += step; /* c: floor((x + 1) * cw / w) */
            }
        }
    }
}

static void upsample_add_fwd(const bl_tensor *fine, const bl_tensor *coarse, bl_tensor *y) {
    pool_job j = {
        .x = fine, .y = coarse, .src = bl_f32(fine), .add = bl_f32(coarse), .dst = bl_f32(y)};
    if (!columns_of(fine, &j.in) || !columns_of(coarse, &j.out) || fine->cb != coarse->cb ||
        fine->c != coarse->c || !same_columns(fine, y)) {
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.upsample_add_fwd(fine, coarse, y);
        return;
    }
    pool_run(&j, j.in.pixels * VW, upsample_range);
}

static void upsample_bwd_range(void *arg, int64_t begin, int64_t end) {
    const pool_job *j = arg; /* in: fine, out: coarse */
    int64_t step = j->in.cb, h = j->x->h, w = j->x->w, ch = j->y->h, cw = j->y->w;
    for (int64_t u = begin; u < end; u++) {
        int64_t image = u / j->in.per_image, q = u % j->in.per_image;
        const float *src = j->src + column_at(&j->in, image, q);
        float *coarse = j->dst + column_at(&j->out, image, q);
        if (!j->accumulate) clear_column(coarse, j->out.pixels, step);
        for (int64_t y = 0; y < h; y++) {
            float *c = coarse + y * ch / h * cw * step;
            for (int64_t x = 0, rest = 0; x < w; x++, src += step) {
                v_store(c, v_add(v_load(c), v_load(src)));
                for (rest += cw; rest >= w; rest -= w) c += step;
            }
        }
    }
}

static void upsample_bwd(const bl_tensor *dy, bl_tensor *dcoarse, float beta) {
    pool_job j = {.x = dy,
                  .y = dcoarse,
                  .src = bl_f32(dy),
                  .dst = bl_f32(dcoarse),
                  .accumulate = beta != 0.0f};
    if (!columns_of(dy, &j.in) || !columns_of(dcoarse, &j.out) || dy->cb != dcoarse->cb ||
        dy->c != dcoarse->c) {
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.upsample_bwd(dy, dcoarse, beta);
        return;
    }
    pool_run(&j, j.in.pixels * VW, upsample_bwd_range);
}

static void init_pool(bl_kernels *k) {
    k->max_pool_fwd = max_pool_fwd;
    k->max_pool_bwd = max_pool_bwd;
    k->avg_pool_fwd = avg_pool_fwd;
    k->avg_pool_bwd = avg_pool_bwd;
    k->upsample_add_fwd = upsample_add_fwd;
    k->upsample_bwd = upsample_bwd;
}
