/* Batch and group normalisation with skip and activation, for channel-blocked tensors. Included
 * once per instruction set after simd_*.h.
 *
 * A tensor whose block is a multiple of the vector width is a set of columns: VW channels of one
 * image, `pixels` vectors that stand `cb` floats apart. Work is cut into units (image, column,
 * piece of at most NORM_PIECE pixels), so reductions have the same tree for any number of threads.
 * Sums run in fp32 over NORM_RUN pixels and in double beyond; statistics are taken about the
 * channel's first value, which keeps single-pass variances accurate when the mean is large. */

enum { NORM_PIECE = 2048, NORM_RUN = 64, NORM_GRAIN = 32768 };

typedef struct columns {
    int64_t images, per_image, pixels, pieces, cb, blocks, lanes;
} columns;

/* false when the layout does not fit the vectors: the reference kernel takes over. */
static bool columns_of(const bl_tensor *t, columns *s) {
    if (t->cb % VW != 0 || t->dtype != BL_F32) return false;
    s->images = t->n;
    s->cb = t->cb;
    s->blocks = bl_blocks(t);
    s->lanes = t->cb / VW;
    s->per_image = s->blocks * s->lanes;
    s->pixels = t->h * t->w;
    s->pieces = (s->pixels + NORM_PIECE - 1) / NORM_PIECE;
    return true;
}
static bool same_columns(const bl_tensor *a, const bl_tensor *b) {
    return !b || (a->cb == b->cb && a->n == b->n && a->c == b->c && a->h == b->h && a->w == b->w &&
                  b->dtype == BL_F32);
}
/* First float of column q of an image; its first channel is q * VW. */
static int64_t column_at(const columns *s, int64_t image, int64_t q) {
    return (image * s->blocks + q / s->lanes) * s->pixels * s->cb + q % s->lanes * VW;
}
/* Splits a unit's number. */
static void unit_of(const columns *s, int64_t u, int64_t *image, int64_t *q, int64_t *first,
                    int64_t *last) {
    int64_t piece = u % s->pieces, col = u / s->pieces;
    *image = col / s->per_image;
    *q = col % s->per_image;
    *first = piece * NORM_PIECE;
    *last = *first + NORM_PIECE < s->pixels ? *first + NORM_PIECE : s->pixels;
}
static void columns_run(const columns *s, bl_range_fn fn, void *arg) {
    int64_t size = s->pixels < NORM_PIECE ? s->pixels : NORM_PIECE;
    bl_parallel_for(s->images * s->per_image * s->pieces, NORM_GRAIN / (VW * (size + 1)) + 1, fn,
                    arg);
}

/* ---- per-column sums ---- */

typedef struct sums_job {
    columns s;
    const float *x, *y, *dy; /* dy NULL: statistics of x; y NULL: no activation */
    const float *mean; /* backward: subtracted from x; [per_image * VW], per image when stride */
    int64_t mean_stride;
    float slope;
    double *part; /* [unit][2][VW] */
} sums_job;

static void stats_unit(const sums_job *j, int64_t u) {
    int64_t image, q, first, last, step = j->s.cb;
    unit_of(&j->s, u, &image, &q, &first, &last);
    const float *x = j->x + column_at(&j->s, image, q);
    vf shift = v_load(j->mean + image * j->mean_stride + q * VW);
    vd sum = vd_zero(), sq = vd_zero();
    while (first < last) {
        int64_t end = first + NORM_RUN < last ? first + NORM_RUN : last;
        vf a0 = v_zero(), a1 = v_zero(), b0 = v_zero(), b1 = v_zero();
        for (; first + 2 <= end; first += 2) {
            vf d0 = v_sub(v_load(x + first * step), shift);
            vf d1 = v_sub(v_load(x + first * step + step), shift);
            a0 = v_add(a0, d0);
            a1 = v_add(a1, d1);
            b0 = v_fma(d0, d0, b0);
            b1 = v_fma(d1, d1, b1);
        }
        if (first < end) {
            vf d = v_sub(v_load(x + first++ * step), shift);
            a0 = v_add(a0, d);
            b0 = v_fma(d, d, b0);
        }
        sum = vd_add(sum, vd_of(v_add(a0, a1)));
        sq = vd_add(sq, vd_of(v_add(b0, b1)));
    }
    vd_store(j->part + u * 2 * VW, sum);
    vd_store(j->part + u * 2 * VW + VW, sq);
}

static inline vf masked_grad(const float *y, vf g, vf slope) {
    return y ? v_select(v_gt(v_load(y), v_zero()), g, v_mul(slope, g)) : g;
}

static void grads_unit(const sums_job *j, int64_t u) {
    int64_t image, q, first, last, step = j->s.cb;
    unit_of(&j->s, u, &image, &q, &first, &last);
    int64_t at = column_at(&j->s, image, q);
    const float *x = j->x + at, *dy = j->dy + at, *y = j->y ? j->y + at : NULL;
    vf mean = v_load(j->mean + image * j->mean_stride + q * VW), slope = v_set(j->slope);
    vd sum = vd_zero(), sumx = vd_zero();
    while (first < last) {
        int64_t end = first + NORM_RUN < last ? first + NORM_RUN : last;
        vf a0 = v_zero(), a1 = v_zero(), b0 = v_zero(), b1 = v_zero();
        for (; first + 2 <= end; first += 2) {
            int64_t p = first * step, r = p + step;
            vf g0 = masked_grad(y ? y + p : NULL, v_load(dy + p), slope);
            vf g1 = masked_grad(y ? y + r : NULL, v_load(dy + r), slope);
            a0 = v_add(a0, g0);
            a1 = v_add(a1, g1);
            b0 = v_fma(g0, v_sub(v_load(x + p), mean), b0);
            b1 = v_fma(g1, v_sub(v_load(x + r), mean), b1);
        }
        if (first < end) {
            int64_t p = first++ * step;
            vf g = masked_grad(y ? y + p : NULL, v_load(dy + p), slope);
            a0 = v_add(a0, g);
            b0 = v_fma(g, v_sub(v_load(x + p), mean), b0);
        }
        sum = vd_add(sum, vd_of(v_add(a0, a1)));
        sumx = vd_add(sumx, vd_of(v_add(b0, b1)));
    }
    vd_store(j->part + u * 2 * VW, sum);
    vd_store(j->part + u * 2 * VW + VW, sumx);
}

static void sums_range(void *arg, int64_t begin, int64_t end) {
    const sums_job *j = arg;
    for (int64_t u = begin; u < end; u++) {
        if (j->dy)
            grads_unit(j, u);
        else
            stats_unit(j, u);
    }
}

/* Runs the job and adds up the pieces: out[(image * per_image + q) * 2 * VW + ...] = two sums per
 * lane, over the head of j->part. false when there is no memory. */
static bool column_sums(sums_job *j) {
    int64_t cols = j->s.images * j->s.per_image;
    j->part = malloc((size_t)(cols * j->s.pieces * 2 * VW) * sizeof *j->part + 1);
    if (!j->part) return false;
    columns_run(&j->s, sums_range, j);
    for (int64_t c = 0; c < cols; c++) {
        for (int l = 0; l < 2 * VW; l++) {
            double sum = 0.0;
            for (int64_t p = 0; p < j->s.pieces; p++)
                sum += j->part[(c * j->s.pieces + p) * 2 * VW + l];
            j->part[c * 2 * VW + l] = sum;
        }
    }
    return true;
}

/* The two sums of channel c over all images. */
static void channel_sums(const sums_job *j, int64_t c, double *a, double *b) {
    *a = *b = 0.0;
    for (int64_t i = 0; i < j->s.images; i++) {
        const double *p = j->part + (i * j->s.per_image + c / VW) * 2 * VW + c % VW;
        *a += p[0];
        *b += p[VW];
    }
}

/* First value of every channel (of image 0): the reference points of the statistics. */
static float *channel_shifts(const bl_tensor *x, const columns *s) {
    float *shift = malloc((size_t)(s->per_image * VW) * sizeof *shift + 1);
    if (!shift) return NULL;
    for (int64_t q = 0; q < s->per_image; q++) {
        v_store(shift + q * VW, v_load(bl_f32(x) + column_at(s, 0, q)));
    }
    return shift;
}

static void bn_stats(const bl_tensor *x, float *mean, float *var) {
    sums_job j = {.x = bl_f32(x)};
    bool ok = columns_of(x, &j.s) && x->n > 0 && j.s.pixels > 0;
    float *shift = ok ? channel_shifts(x, &j.s) : NULL;
    j.mean = shift;
    if (!shift || !column_sums(&j)) {
        free(shift);
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.bn_stats(x, mean, var);
        return;
    }
    double count = (double)(x->n * j.s.pixels);
    for (int64_t c = 0; c < x->c; c++) {
        double a, b;
        channel_sums(&j, c, &a, &b);
        a /= count;
        b = b / count - a * a;
        mean[c] = (float)(shift[c] + a);
        var[c] = (float)(b > 0.0 || b != b ? b : 0.0); /* NaN stays visible */
    }
    free(shift);
    free(j.part);
}

/* ---- y = act(x * scale + shift + skip) ---- */

typedef struct affine_job {
    columns s;
    const float *x, *scale, *shift, *skip;
    int64_t stride; /* of scale and shift between images; 0: shared */
    float slope;
    float *y;
} affine_job;

static void affine_range(void *arg, int64_t begin, int64_t end) {
    const affine_job *j = arg;
    vf slope = v_set(j->slope);
    bool act = j->slope != 1.0f;
    for (int64_t u = begin; u < end; u++) {
        int64_t image, q, first, last;
        unit_of(&j->s, u, &image, &q, &first, &last);
        int64_t at = column_at(&j->s, image, q), step = j->s.cb;
        vf a = v_load(j->scale + image * j->stride + q * VW);
        vf b = v_load(j->shift + image * j->stride + q * VW);
        for (int64_t p = at + first * step; p < at + last * step; p += step) {
            vf v = v_fma(v_load(j->x + p), a, b);
            if (j->skip) v = v_add(v, v_load(j->skip + p));
            /* slope <= 1, so the larger of v and slope*v is the activation; v itself when it is
             * NaN. */
            if (act) v = v_max(v_mul(slope, v), v);
            v_store(j->y + p, v);
        }
    }
}

static void affine_act(const bl_tensor *x, const float *scale, const float *shift,
                       const bl_tensor *skip, float slope, bl_tensor *y) {
    affine_job j = {.x = bl_f32(x),
                    .scale = scale,
                    .shift = shift,
                    .skip = skip ? bl_f32(skip) : NULL,
                    .slope = slope,
                    .y = bl_f32(y)};
    if (!columns_of(x, &j.s) || !same_columns(x, y) || !same_columns(x, skip)) {
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.affine_act(x, scale, shift, skip, slope, y);
        return;
    }
    columns_run(&j.s, affine_range, &j);
}

/* ---- backward ---- */

/* A copy of v[0..c) with zeros up to whole vectors. */
static float *padded_copy(const float *v, int64_t c, int64_t padded) {
    float *p = calloc((size_t)padded + 1, sizeof *p);
    if (p) memcpy(p, v, (size_t)c * sizeof *p);
    return p;
}

static void bn_bwd_reduce(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy,
                          const float *mean, const float *rstd, float slope, float *sum_g,
                          float *sum_gx) {
    sums_job j = {.x = bl_f32(x),
                  .y = y && slope != 1.0f ? bl_f32(y) : NULL,
                  .dy = bl_f32(dy),
                  .slope = slope};
    bool ok = columns_of(x, &j.s) && same_columns(x, y) && same_columns(x, dy);
    float *m = ok ? padded_copy(mean, x->c, j.s.per_image * VW) : NULL;
    j.mean = m;
    if (!m || !column_sums(&j)) {
        free(m);
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.bn_bwd_reduce(x, y, dy, mean, rstd, slope, sum_g, sum_gx);
        return;
    }
    for (int64_t c = 0; c < j.s.per_image * VW; c++) {
        double a, b;
        channel_sums(&j, c, &a, &b);
        sum_g[c] = c < x->c ? (float)a : 0.0f;
        sum_gx[c] = c < x->c ? (float)(b * rstd[c]) : 0.0f;
    }
    free(m);
    free(j.part);
}

typedef struct apply_job {
    columns s;
    const float *x, *y, *dy, *a, *b, *k;
    int64_t stride; /* of a, b, k between images; 0: shared */
    float slope;
    float *dx, *dskip; /* either may be NULL */
    bool add_dx, add_dskip;
} apply_job;

static void apply_range(void *arg, int64_t begin, int64_t end) {
    const apply_job *j = arg;
    vf slope = v_set(j->slope);
    for (int64_t u = begin; u < end; u++) {
        int64_t image, q, first, last;
        unit_of(&j->s, u, &image, &q, &first, &last);
        int64_t at = column_at(&j->s, image, q), step = j->s.cb, c = image * j->stride + q * VW;
        vf a = j->a ? v_load(j->a + c) : v_zero();
        vf b = j->x ? v_load(j->b + c) : v_zero(), k = j->k ? v_load(j->k + c) : v_zero();
        for (int64_t p = at + first * step; p < at + last * step; p += step) {
            vf g = masked_grad(j->y ? j->y + p : NULL, v_load(j->dy + p), slope);
            if (j->dskip) {
                v_store(j->dskip + p, j->add_dskip ? v_add(v_load(j->dskip + p), g) : g);
            }
            if (j->dx) {
                vf d = v_fma(g, a, k);
                if (j->x) d = v_fma(v_load(j->x + p), b, d);
                v_store(j->dx + p, j->add_dx ? v_add(v_load(j->dx + p), d) : d);
            }
        }
    }
}

static void bn_bwd_apply(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy,
                         const float *a, const float *b, const float *k, float slope, bl_tensor *dx,
                         float beta_dx, bl_tensor *dskip, float beta_dskip) {
    apply_job j = {.x = x && b ? bl_f32(x) : NULL,
                   .y = y && slope != 1.0f ? bl_f32(y) : NULL,
                   .dy = bl_f32(dy),
                   .a = a,
                   .b = b,
                   .k = k,
                   .slope = slope,
                   .dx = dx ? bl_f32(dx) : NULL,
                   .dskip = dskip ? bl_f32(dskip) : NULL,
                   .add_dx = beta_dx != 0.0f,
                   .add_dskip = beta_dskip != 0.0f};
    if (!columns_of(dy, &j.s) || !same_columns(dy, x) || !same_columns(dy, y) ||
        !same_columns(dy, dx) || !same_columns(dy, dskip)) {
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.bn_bwd_apply(x, y, dy, a, b, k, slope, dx, beta_dx, dskip, beta_dskip);
        return;
    }
    columns_run(&j.s, apply_range, &j);
}

/* ---- group normalisation (Wu & He, ECCV 2018) ---- */

/* Column sums give per (image, channel) sums; groups combine them. Per-image scale and shift (or a,
 * b, k) then reuse the batch norm loops. */
static void gn_fwd(const bl_tensor *x, const float *gamma, const float *beta, int32_t groups,
                   float eps, const bl_tensor *skip, float slope, bl_tensor *y, float *mean,
                   float *rstd) {
    sums_job j = {.x = bl_f32(x)};
    affine_job f = {
        .x = bl_f32(x), .skip = skip ? bl_f32(skip) : NULL, .slope = slope, .y = bl_f32(y)};
    bool ok = columns_of(x, &j.s) && same_columns(x, y) && same_columns(x, skip) && x->n > 0 &&
              j.s.pixels > 0;
    int64_t padded = ok ? j.s.per_image * VW : 0, per = x->c / groups;
    float *shift = ok ? channel_shifts(x, &j.s) : NULL;
    float *coef = ok ? calloc((size_t)(2 * x->n * padded) + 1, sizeof *coef) : NULL;
    j.mean = shift;
    if (!shift || !coef || !column_sums(&j)) {
        free(shift);
        free(coef);
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.gn_fwd(x, gamma, beta, groups, eps, skip, slope, y, mean, rstd);
        return;
    }
    f.s = j.s;
    f.scale = coef;
    f.shift = coef + x->n * padded;
    f.stride = padded;
    double pixels = (double)j.s.pixels, count = pixels * (double)per;
    for (int64_t i = 0; i < x->n; i++) {
        for (int64_t g = 0; g < groups; g++) {
            double m = 0.0, v = 0.0;
            for (int64_t c = g * per; c < (g + 1) * per; c++) {
                const double *p = j.part + (i * j.s.per_image + c / VW) * 2 * VW + c % VW;
                m += p[0] + pixels * shift[c];
            }
            m /= count;
            for (int64_t c = g * per; c < (g + 1) * per; c++) {
                const double *p = j.part + (i * j.s.per_image + c / VW) * 2 * VW + c % VW;
                double d = shift[c] - m;
                v += p[VW] + 2.0 * d * p[0] + pixels * d * d;
            }
            v /= count;
            double r = 1.0 / sqrt((v > 0.0 || v != v ? v : 0.0) + eps);
            mean[i * groups + g] = (float)m;
            rstd[i * groups + g] = (float)r;
            for (int64_t c = g * per; c < (g + 1) * per; c++) {
                double s = gamma[c] * r;
                coef[i * padded + c] = (float)s;
                coef[(x->n + i) * padded + c] = (float)(beta[c] - m * s);
            }
        }
    }
    columns_run(&f.s, affine_range, &f);
    free(shift);
    free(coef);
    free(j.part);
}

static void gn_bwd(const bl_tensor *x, const bl_tensor *y, const bl_tensor *dy, const float *gamma,
                   int32_t groups, const float *mean, const float *rstd, float slope, bl_tensor *dx,
                   float beta_dx, bl_tensor *dskip, float beta_dskip, float *dgamma, float *dbeta) {
    bool act = y && slope != 1.0f;
    sums_job j = {.x = bl_f32(x), .y = act ? bl_f32(y) : NULL, .dy = bl_f32(dy), .slope = slope};
    apply_job f = {.x = bl_f32(x),
                   .y = j.y,
                   .dy = j.dy,
                   .slope = slope,
                   .dx = dx ? bl_f32(dx) : NULL,
                   .dskip = dskip ? bl_f32(dskip) : NULL,
                   .add_dx = beta_dx != 0.0f,
                   .add_dskip = beta_dskip != 0.0f};
    bool ok = columns_of(x, &j.s) && same_columns(x, y) && same_columns(x, dy) &&
              same_columns(x, dx) && same_columns(x, dskip) && x->n > 0 && j.s.pixels > 0;
    int64_t padded = ok ? j.s.per_image * VW : 0, per = x->c / groups, all = x->n * padded;
    float *coef = ok ? calloc((size_t)(4 * all) + 1, sizeof *coef) : NULL;
    float *a = coef, *b = coef + all, *k = coef + 2 * all, *m = coef + 3 * all;
    if (coef) {
        for (int64_t i = 0; i < x->n; i++) {
            for (int64_t c = 0; c < x->c; c++) m[i * padded + c] = mean[i * groups + c / per];
        }
    }
    j.mean = m;
    j.mean_stride = padded;
    if (!coef || !column_sums(&j)) {
        free(coef);
        bl_kernels ref;
        bl_kernels_init_ref(&ref);
        ref.gn_bwd(x, y, dy, gamma, groups, mean, rstd, slope, dx, beta_dx, dskip, beta_dskip,
                   dgamma, dbeta);
        return;
    }
    double count = (double)(j.s.pixels * per);
    for (int64_t i = 0; i < x->n; i++) {
        for (int64_t g = 0; g < groups; g++) {
            double mu = mean[i * groups + g], r = rstd[i * groups + g], m1 = 0.0, m2 = 0.0;
            for (int64_t c = g * per; c < (g + 1) * per; c++) {
                const double *p = j.part + (i * j.s.per_image + c / VW) * 2 * VW + c % VW;
                m1 += gamma[c] * p[0];
                m2 += gamma[c] * p[VW] * r;
                if (dgamma) dgamma[c] += (float)(p[VW] * r);
                if (dbeta) dbeta[c] += (float)p[0];
            }
            m1 /= count;
            m2 /= count;
            for (int64_t c = g * per; c < (g + 1) * per; c++) {
                a[i * padded + c] = (float)(gamma[c] * r);
                b[i * padded + c] = (float)(-r * r * m2);
                k[i * padded + c] = (float)(r * (mu * r * m2 - m1));
            }
        }
    }
    f.s = j.s;
    f.a = a;
    f.b = b;
    f.k = k;
    f.stride = padded;
    columns_run(&f.s, apply_range, &f);
    free(coef);
    free(j.part);
}

static void init_norm(bl_kernels *k) {
    k->bn_stats = bn_stats;
    k->affine_act = affine_act;
    k->bn_bwd_reduce = bn_bwd_reduce;
    k->bn_bwd_apply = bn_bwd_apply;
    k->gn_fwd = gn_fwd;
    k->gn_bwd = gn_bwd;
}
