/* Elementwise kernels and flat reductions: memory-bound, one pass each. Included once per
 * instruction set after simd_*.h. Tails use masked loads, so there is no second scalar loop. */

/* Below this many floats per thread a second thread costs more than it brings (wake-up
 * of ~40 us). */
enum { ELT_GRAIN = 32768, ELT_CHUNKS = 256 };

/* ---- y = f(a, b) over flat ranges ---- */

typedef struct elt_args {
    const float *a, *b;
    float *y, *z;
    float p, q, r, s;
    int mode;
} elt_args;

/* Ranges are whole vectors except at the very end: results do not depend on where
 * a range starts. */
typedef struct elt_job {
    void (*fn)(const elt_args *, int64_t i, int64_t n);
    const elt_args *args;
    int64_t n;
} elt_job;

static void elt_range(void *arg, int64_t begin, int64_t end) {
    const elt_job *j = arg;
    int64_t first = begin * VW, last = end * VW < j->n ? end * VW : j->n;
    j->fn(j->args, first, last);
}

static void elt_run(void (*fn)(const elt_args *, int64_t, int64_t), const elt_args *args,
                    int64_t n) {
    elt_job j = {fn, args, n};
    bl_parallel_for((n + VW - 1) / VW, ELT_GRAIN / VW, elt_range, &j);
}

/* Runs BODY with L(p) and S(p, v) as full-width load and store, then once with the masked ones. */
#define ELT_LOOP(first, last, BODY)                                                                \
    do {                                                                                           \
        int64_t i = (first);                                                                       \
        for (; i + VW <= (last); i += VW) {                                                        \
            BODY(v_load, v_store)                                                                  \
        }                                                                                          \
        if (i < (last)) {                                                                          \
            int64_t left = (last)-i;                                                               \
            BODY(ELT_LOAD_N, ELT_STORE_N)                                                          \
        }                                                                                          \
    } while (0)
#define ELT_LOAD_N(p) v_load_n(p, left)
#define ELT_STORE_N(p, v) v_store_n(p, left, v)

static void act_bwd_part(const elt_args *e, int64_t first, int64_t last) {
    vf slope = v_set(e->p), zero = v_zero();
#define BODY(L, S)                                                                                 \
    vf g = L(e->b + i);                                                                            \
    S(e->z + i, v_select(v_gt(L(e->a + i), zero), g, v_mul(slope, g)));
    ELT_LOOP(first, last, BODY);
#undef BODY
}
static void act_bwd(bl_dtype type, const void *y, const void *dy, float slope, void *out,
                    int64_t n) {
    elt_args e = {.a = y, .b = dy, .z = out, .p = slope};
    elt_run(act_bwd_part, &e, n);
}

static void add_part(const elt_args *e, int64_t first, int64_t last) {
#define BODY(L, S) S(e->y + i, v_add(L(e->a + i), L(e->b + i)));
    ELT_LOOP(first, last, BODY);
#undef BODY
}
static void add(bl_dtype type, const void *a, const void *b, void *y, int64_t n) {
    elt_args e = {.a = a, .b = b, .y = y};
    elt_run(add_part, &e, n);
}

/* b = 0 must not read y, which may be uninitialised. */
static void axpby_part(const elt_args *e, int64_t first, int64_t last) {
    vf p = v_set(e->p), q = v_set(e->q);
    if (e->q == 0.0f) {
#define BODY(L, S) S(e->y + i, v_mul(p, L(e->a + i)));
        ELT_LOOP(first, last, BODY);
#undef BODY
    } else {
#define BODY(L, S) S(e->y + i, v_fma(p, L(e->a + i), v_mul(q, L(e->y + i))));
        ELT_LOOP(first, last, BODY);
#undef BODY
    }
}
static void axpby(bl_dtype type, float a, const void *x, float b, void *y, int64_t n) {
    elt_args e = {.a = x, .y = y, .p = a, .q = b};
    elt_run(axpby_part, &e, n);
}

static void axpby_at(const float *a, const float *x, float b, float *y, int64_t n) {
    axpby(BL_F32, *a, x, b, y, n);
}

static void sgd_part(const elt_args *e, int64_t first, int64_t last) {
    vf lr = v_set(-e->p), mu = v_set(e->q), decay = v_set(e->r), gscale = v_set(e->s);
#define BODY(L, S)                                                                                 \
    vf w = L(e->y + i), g = v_fma(decay, w, v_mul(gscale, L(e->a + i)));                           \
    vf m = v_fma(mu, L(e->z + i), g);                                                              \
    S(e->z + i, m);                                                                                \
    S(e->y + i, v_fma(lr, e->mode ? v_fma(mu, m, g) : m, w));
    ELT_LOOP(first, last, BODY);
#undef BODY
}
static void sgd(float *w, float *m, const float *g, int64_t n, float lr, float mu, float decay,
                float gscale, bool nesterov) {
    elt_args e = {
        .a = g, .y = w, .z = m, .p = lr, .q = mu, .r = decay, .s = gscale, .mode = nesterov};
    elt_run(sgd_part, &e, n);
}

static void ema_part(const elt_args *e, int64_t first, int64_t last) {
    vf keep = v_set(e->p), take = v_set(1.0f - e->p);
#define BODY(L, S) S(e->y + i, v_fma(keep, L(e->y + i), v_mul(take, L(e->a + i))));
    ELT_LOOP(first, last, BODY);
#undef BODY
}
static void ema(float *t, const float *s, int64_t n, float keep) {
    elt_args e = {.a = s, .y = t, .p = keep};
    elt_run(ema_part, &e, n);
}

/* ---- reductions over a fixed number of chunks ---- */

typedef struct sum_job {
    const float *x;
    int64_t n, chunk; /* chunk: whole vectors */
    double part[ELT_CHUNKS];
    int64_t count[ELT_CHUNKS];
} sum_job;

static void sum_squares_range(void *arg, int64_t begin, int64_t end) {
    sum_job *j = arg;
    for (int64_t c = begin; c < end; c++) {
        int64_t i = c * j->chunk, last = i + j->chunk < j->n ? i + j->chunk : j->n;
        vd a = vd_zero(), b = vd_zero();
        for (; i + 2 * VW <= last; i += 2 * VW) {
            vd x = vd_of(v_load(j->x + i)), y = vd_of(v_load(j->x + i + VW));
            a = vd_fma(x, x, a);
            b = vd_fma(y, y, b);
        }
        for (; i < last; i += VW) {
            vd x = vd_of(v_load_n(j->x + i, last - i < VW ? last - i : VW));
            a = vd_fma(x, x, a);
        }
        double lane[VW], sum = 0.0;
        vd_store(lane, vd_add(a, b));
        for (int l = 0; l < VW; l++) sum += lane[l];
        j->part[c] = sum;
    }
}

static void nonfinite_range(void *arg, int64_t begin, int64_t end) {
    sum_job *j = arg;
    for (int64_t c = begin; c < end; c++) {
        int64_t i = c * j->chunk, last = i + j->chunk < j->n ? i + j->chunk : j->n, count = 0;
        for (; i + VW <= last; i += VW) {
            count += __builtin_popcount(v_bits(v_nonfinite(v_load(j->x + i))));
        }
        if (i < last)
            count += __builtin_popcount(v_bits(v_nonfinite(v_load_n(j->x + i, last - i))));
        j->count[c] = count;
    }
}

static int64_t sum_chunks(sum_job *j, const float *x, int64_t n, bl_range_fn fn) {
    j->x = x;
    j->n = n;
    j->chunk = ((n + ELT_CHUNKS - 1) / ELT_CHUNKS + 2 * VW - 1) / (2 * VW) * (2 * VW);
    int64_t chunks = j->chunk ? (n + j->chunk - 1) / j->chunk : 0;
    bl_parallel_for(chunks, j->chunk ? (ELT_GRAIN + j->chunk - 1) / j->chunk : 1, fn, j);
    return chunks;
}

static void sum_squares(const float *x, int64_t n, double *sum) {
    sum_job j;
    int64_t chunks = sum_chunks(&j, x, n, sum_squares_range);
    *sum = 0.0;
    for (int64_t c = 0; c < chunks; c++) *sum += j.part[c];
}

static void count_nonfinite(const float *x, int64_t n, int64_t *count) {
    sum_job j;
    int64_t chunks = sum_chunks(&j, x, n, nonfinite_range);
    *count = 0;
    for (int64_t c = 0; c < chunks; c++) *count += j.count[c];
}

/* ---- matrices: bias, activation, column sums ---- */

typedef struct rows_job {
    float *y;
    const float *bias; /* NULL: none */
    bool relu;
    int64_t cols;
} rows_job;

static void bias_act_range(void *arg, int64_t begin, int64_t end) {
    const rows_job *j = arg;
    vf zero = v_zero();
    for (int64_t r = begin; r < end; r++) {
        float *y = j->y + r * j->cols;
        for (int64_t c = 0; c < j->cols; c += VW) {
            int64_t n = j->cols - c < VW ? j->cols - c : VW;
            vf v = v_load_n(y + c, n);
            if (j->bias) v = v_add(v, v_load_n(j->bias + c, n));
            if (j->relu) v = v_max(zero, v);
            v_store_n(y + c, n, v);
        }
    }
}
static void bias_act(bl_dtype type, void *y, const float *bias, bool relu, int64_t rows,
                     int64_t cols) {
    rows_job j = {y, bias, relu, cols};
    if (cols > 0) bl_parallel_for(rows, ELT_GRAIN / cols + 1, bias_act_range, &j);
}

typedef struct col_job {
    const float *x;
    int64_t rows, cols;
    float *out;
} col_job;

/* Threads own columns; each column is summed in row order, in double. */
static void col_sum_range(void *arg, int64_t begin, int64_t end) {
    const col_job *j = arg;
    for (int64_t q = begin; q < end; q++) {
        int64_t c = q * VW, n = j->cols - c < VW ? j->cols - c : VW;
        vd a = vd_zero();
        for (int64_t r = 0; r < j->rows; r++)
            a = vd_add(a, vd_of(v_load_n(j->x + r * j->cols + c, n)));
        double lane[VW];
        vd_store(lane, a);
        for (int64_t l = 0; l < n; l++) j->out[c + l] += (float)lane[l];
    }
}
static void col_sum(bl_dtype type, const void *x, int64_t rows, int64_t cols, float *out) {
    col_job j = {x, rows, cols, out};
    bl_parallel_for((cols + VW - 1) / VW, ELT_GRAIN / (VW * (rows + 1)) + 1, col_sum_range, &j);
}

static void init_elt(bl_kernels *k) {
    k->act_bwd = act_bwd;
    k->add = add;
    k->axpby = axpby;
    k->axpby_at = axpby_at;
    k->sgd = sgd;
    k->ema = ema;
    k->sum_squares = sum_squares;
    k->count_nonfinite = count_nonfinite;
    k->bias_act = bias_act;
    k->col_sum = col_sum;
}
