/* Every slot that takes maps, with 16-bit ones, against plain C, which widens them, computes in
 * fp32 and rounds once. What is no sum, or adds in the same order, is equal to the bit; other sums
 * may lie on two sides of a rounding border, one step of the format apart. */
#include "kernels/shared/half.h"
#include "tests/cuda/cuda_parity.h"
#include "tests/parity/detection_inputs.h"

static const bl_dtype types[] = {BL_BF16, BL_F16};

/* The largest step of the format relative to a value. */
static double step_of(bl_dtype type) {
    return type == BL_BF16 ? 0x1p-7 : 0x1p-10;
}

static const char *named(const char *what, bl_dtype type) {
    static char text[96];
    snprintf(text, sizeof text, "%s %s", what,
             type == BL_F32    ? "fp32"
             : type == BL_BF16 ? "bf16"
                               : "fp16");
    return text;
}

/* ---- typed memory: n values in whole words ---- */

static int64_t words_of(bl_dtype type, int64_t n) {
    return (n * bl_dtype_size(type) + 3) / 4;
}

static void *narrowed(bl_dtype type, const float *v, int64_t n) {
    if (type == BL_F32) return copy_floats(v, n);
    uint16_t *p = guarded_new(words_of(type, n));
    for (int64_t i = 0; i < n; i++) p[i] = type == BL_BF16 ? bl_bf16_of(v[i]) : bl_f16_of(v[i]);
    return p;
}

static float *widened(bl_dtype type, const void *v, int64_t n) {
    if (type == BL_F32) return copy_floats(v, n);
    const uint16_t *p = v;
    float *w = guarded_new(n);
    for (int64_t i = 0; i < n; i++)
        w[i] = type == BL_BF16 ? bl_bf16_value(p[i]) : bl_f16_value(p[i]);
    return w;
}

static void *random_values(bl_rng *r, bl_dtype type, int64_t n, float lo, float hi) {
    return narrowed(type, random_floats(r, n, lo, hi), n);
}

static void *up(bl_dtype type, const void *host, int64_t n) {
    return to_device(host, words_of(type, n));
}

static void *down(bl_dtype type, const void *device, int64_t n) {
    return to_host(device, words_of(type, n));
}

/* want is host memory, got device memory; tol 0: the same bits. */
static void same(const char *what, bl_dtype type, const void *want, const void *got, int64_t n,
                 double tol) {
    compare(named(what, type), widened(type, want, n), widened(type, down(type, got, n), n), n,
            tol);
}

/* ---- typed tensors ---- */

static bl_tensor random_map(bl_rng *r, bl_dtype type, int64_t n, int64_t c, int64_t h, int64_t w,
                            int32_t cb, float lo, float hi) {
    bl_tensor t = tensor_random(r, n, c, h, w, cb, lo, hi);
    t.data = narrowed(type, t.data, bl_storage(&t));
    t.dtype = type;
    return t;
}

static bl_tensor map_up(const bl_tensor *t) {
    bl_tensor d = *t;
    d.data = up(t->dtype, t->data, bl_storage(t));
    return d;
}

/* The comparison of padding with zero is in fp32. */
static void same_maps(const char *what, const bl_tensor *want, const bl_tensor *got, double tol) {
    bl_tensor a = *want, b = *got;
    int64_t n = bl_storage(want);
    a.data = widened(want->dtype, want->data, n);
    a.dtype = BL_F32;
    b.data = widened(got->dtype, down(got->dtype, got->data, n), n);
    b.dtype = BL_F32;
    compare_tensors(named(what, want->dtype), &a, &b, tol);
}

static void done(const char *what) {
    device_clear();
    guards_check(what);
}

/* ---- flat arithmetic and matrices ---- */

static void flat(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, bl_dtype t, int64_t n) {
    void *a = random_values(r, t, n, -2, 2), *b = random_values(r, t, n, -2, 2);
    void *y = random_values(r, t, n, -2, 2), *da = up(t, a, n), *db = up(t, b, n),
         *dy = up(t, y, n);
    ref->axpby(t, 0.3f, a, 0, y, n);
    got->axpby(t, 0.3f, da, 0, dy, n);
    same("axpby b=0", t, y, dy, n, 0);
    ref->axpby(t, 1.5f, b, -0.7f, y, n);
    got->axpby(t, 1.5f, db, -0.7f, dy, n);
    same("axpby", t, y, dy, n, 0);
    ref->add(t, a, b, y, n);
    got->add(t, da, db, dy, n);
    same("add", t, y, dy, n, 0);
    for (int s = 0; s < 2; s++) {
        ref->act_bwd(t, a, b, s ? 0.1f : 0, y, n);
        got->act_bwd(t, da, db, s ? 0.1f : 0, dy, n);
        same("act_bwd", t, y, dy, n, 0);
    }
    ref->act_bwd(t, a, b, 0.1f, b, n);
    got->act_bwd(t, da, db, 0.1f, db, n);
    same("act_bwd in place", t, b, db, n, 0);
    done("flat");
}

static void matrix(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, bl_dtype t,
                   int64_t rows, int64_t cols) {
    int64_t n = rows * cols;
    void *x = random_values(r, t, n, -2, 2), *dx = up(t, x, n);
    float *sum = random_floats(r, cols, -1, 1), *dsum = to_device(sum, cols);
    ref->col_sum(t, x, rows, cols, sum);
    got->col_sum(t, dx, rows, cols, dsum);
    compare_device("col_sum", sum, dsum, cols, 1e-6);
    for (int i = 0; i < 3; i++) {
        ref->bias_act(t, x, i ? sum : NULL, i < 2, rows, cols);
        got->bias_act(t, dx, i ? to_device(sum, cols) : NULL, i < 2, rows, cols);
        same("bias_act", t, x, dx, n, 0);
    }
    done("matrix");
}

static void products(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, bl_dtype t, int64_t m,
                     int64_t n, int64_t k) {
    for (int mode = 0; mode < 16; mode++) {
        bool ta = mode & 1, tb = mode & 2;
        float beta = mode & 4 ? 1 : 0;
        bl_dtype to = mode & 8 ? BL_F32 : t;
        void *a = random_values(r, t, m * k, -1, 1), *b = random_values(r, t, k * n, -1, 1);
        void *c = random_values(r, to, m * n, -1, 1), *dc = up(to, c, m * n);
        CHECK_OK(ref->matmul(&device_ctx, ta, tb, m, n, k, t, a, b, beta, to, c));
        CHECK_OK(got->matmul(&device_ctx, ta, tb, m, n, k, t, up(t, a, m * k), up(t, b, k * n),
                             beta, to, dc));
        same("matmul", to, c, dc, m * n, to == BL_F32 ? 1e-5 : step_of(t));
        done("matmul");
    }
}

/* ---- convolution: plain C keeps the bias in fp32; data gradients that are added are rounded
 * before and after, so are results whose bias no engine fuses ---- */

static void convolution(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, bl_dtype t,
                        int32_t ic, int32_t icb, int32_t oc, int32_t ocb, int32_t k,
                        int32_t stride) {
    bl_conv_shape s = {.n = 2, .ic = ic, .ih = 9, .iw = 8, .icb = icb, .oc = oc, .ocb = ocb};
    s.kh = s.kw = k;
    s.stride = stride;
    s.pad = k / 2;
    s.dilation = 1;
    s.dtype = t;
    s.oh = (s.ih + 2 * s.pad - k) / stride + 1;
    s.ow = (s.iw + 2 * s.pad - k) / stride + 1;
    int64_t nw = (int64_t)oc * ic * k * k;
    double tol = step_of(t);
    float *w = random_floats(r, nw, -1, 1), *b = random_floats(r, oc, -1, 1);
    float *dw = to_device(w, nw), *db = to_device(b, oc);
    bl_tensor x = random_map(r, t, 2, ic, s.ih, s.iw, icb, -1, 1), dx = map_up(&x);
    bl_tensor g = random_map(r, t, 2, oc, s.oh, s.ow, ocb, -1, 1), dg = map_up(&g);
    for (int mode = 0; mode < 4; mode++) {
        bl_tensor y = random_map(r, t, 2, oc, s.oh, s.ow, ocb, 0, 0), dy = map_up(&y);
        bool bias = mode & 1, relu = mode & 2;
        CHECK_OK(ref->conv_fwd(NULL, &s, x.data, w, bias ? b : NULL, relu, y.data));
        CHECK_OK(got->conv_fwd(&device_ctx, &s, dx.data, dw, bias ? db : NULL, relu, dy.data));
        same_maps("conv_fwd", &y, &dy, tol);
    }
    for (int beta = 0; beta < 2; beta++) {
        bl_tensor to = random_map(r, t, 2, ic, s.ih, s.iw, icb, -1, 1), dto = map_up(&to);
        CHECK_OK(ref->conv_bwd_data(NULL, &s, g.data, w, to.data, (float)beta));
        CHECK_OK(got->conv_bwd_data(&device_ctx, &s, dg.data, dw, dto.data, (float)beta));
        same_maps("conv_bwd_data", &to, &dto, tol);
    }
    CHECK_OK(ref->conv_bwd_weights(NULL, &s, x.data, g.data, w, b));
    CHECK_OK(got->conv_bwd_weights(&device_ctx, &s, dx.data, dg.data, dw, db));
    compare_device(named("conv_bwd_weights", t), w, dw, nw, tol);
    compare_device(named("conv_bwd_weights bias", t), b, db, oc, 1e-5);
    done("convolution");
}

/* ---- conversion ---- */

static void reorders(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t n, int64_t c,
                     int64_t h, int64_t w) {
    const bl_dtype all[] = {BL_F32, BL_BF16, BL_F16};
    const int32_t blocks[] = {1, 8, (int32_t)c};
    for (int i = 0; i < 81; i++) {
        bl_dtype from = all[i % 3], to = all[i / 3 % 3];
        bl_tensor x = random_map(r, from, n, c, h, w, blocks[i / 9 % 3], -1, 1), dx = map_up(&x);
        bl_tensor y = random_map(r, to, n, c, h, w, blocks[i / 27], -1, 1), dy = map_up(&y);
        for (int beta = 0; beta < 2; beta++) {
            CHECK_OK(ref->reorder(NULL, &x, &y, (float)beta));
            CHECK_OK(got->reorder(NULL, &dx, &dy, (float)beta));
            same_maps("reorder", &y, &dy, 0);
        }
        done("reorder");
    }
}

/* Every 16-bit value widens to what it means, and the device rounds all kinds of floats as the
 * shared functions do: the bits themselves are compared, NaN with its one pattern. */
static void every_value(const bl_kernels *got, bl_rng *r, bl_dtype t) {
    enum { N = 65536 };
    bl_tensor x = {.n = 1, .c = N, .h = 1, .w = 1, .cb = 1, .dtype = t}, y = x;
    uint16_t *bits = guarded_new(N / 2);
    for (int i = 0; i < N; i++) bits[i] = (uint16_t)i;
    x.data = up(t, bits, N);
    y.data = device_new(N);
    y.dtype = BL_F32;
    CHECK_OK(got->reorder(NULL, &x, &y, 0));
    compare("widening", widened(t, bits, N), to_host(y.data, N), N, 0);

    float *v = widened(t, bits, N);
    for (int i = 0; i < N; i++) { /* steps of any size away from the values, and any bits at all */
        uint32_t u = bl_rng_u32(r), near = bl_bits_of_float(v[i]) +
                                           (u & 3) * (t == BL_BF16 ? 0x4000u : 0x800u) +
                                           (u >> 2 & 3) - 1;
        v[i] = bl_float_of_bits(i % 4 == 3 ? u : near);
    }
    y.data = to_device(v, N);
    x.data = device_new(N / 2);
    CHECK_OK(got->reorder(NULL, &y, &x, 0));
    const uint16_t *h = down(t, x.data, N), *want = narrowed(t, v, N);
    for (int i = 0; i < N; i++) {
        if (h[i] == want[i]) continue;
        fprintf(stderr, "%s: %a -> 0x%04x, expected 0x%04x\n", named("narrowing", t), v[i], h[i],
                want[i]);
        exit(1);
    }
    done("every value");
}

/* ---- normalisation ---- */

static float *channel_values(bl_rng *r, const bl_tensor *x, float lo, float hi) {
    int64_t all = bl_blocks(x) * x->cb;
    float *p = random_floats(r, all, lo, hi);
    for (int64_t c = x->c; c < all; c++) p[c] = 0;
    return p;
}

static void batch_norm(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, bl_dtype t,
                       int64_t c, int32_t cb, float slope) {
    int64_t n = 2, h = 9, w = 7, all = (c + cb - 1) / cb * cb;
    bl_tensor x = random_map(r, t, n, c, h, w, cb, -1, 3), dx = map_up(&x);
    bl_tensor skip = random_map(r, t, n, c, h, w, cb, -1, 1), dskip = map_up(&skip);
    bl_tensor y = random_map(r, t, n, c, h, w, cb, 0, 1), dy = map_up(&y);
    float *mean = channel_values(r, &x, 0, 2), *var = channel_values(r, &x, 0.5f, 2);
    float *dmean = to_device(mean, all), *dvar = to_device(var, all);
    ref->bn_stats(&x, mean, var);
    got->bn_stats(&dx, dmean, dvar);
    compare_device("bn_stats mean", mean, dmean, c, 1e-5);
    compare_device("bn_stats var", var, dvar, c, 1e-5);

    float *scale = channel_values(r, &x, 0.5f, 2), *shift = channel_values(r, &x, -1, 1);
    float *dscale = to_device(scale, all), *dshift = to_device(shift, all);
    for (int with = 0; with < 2; with++) {
        ref->affine_act(&x, scale, shift, with ? &skip : NULL, slope, &y);
        got->affine_act(&dx, dscale, dshift, with ? &dskip : NULL, slope, &dy);
        same_maps("affine_act", &y, &dy, 0);
    }
    bl_tensor g = random_map(r, t, n, c, h, w, cb, -1, 1), dg = map_up(&g);
    float *sum = guarded_new(2 * all), *dsum = device_new(2 * all);
    ref->bn_bwd_reduce(&x, &y, &g, mean, scale, slope, sum, sum + all);
    got->bn_bwd_reduce(&dx, &dy, &dg, to_device(mean, all), dscale, slope, dsum, dsum + all);
    compare_device("bn_bwd_reduce", sum, dsum, all, 1e-5);
    compare_device("bn_bwd_reduce x", sum + all, dsum + all, all, 1e-5);
    for (int mode = 0; mode < 4; mode++) {
        bool full = mode & 1;
        float beta = mode & 2 ? 1 : 0;
        bl_tensor to = random_map(r, t, n, c, h, w, cb, -1, 1), dto = map_up(&to);
        bl_tensor ts = random_map(r, t, n, c, h, w, cb, -1, 1), dts = map_up(&ts);
        ref->bn_bwd_apply(full ? &x : NULL, &y, &g, scale, full ? shift : NULL, full ? var : NULL,
                          slope, &to, beta, full ? &ts : NULL, 1 - beta);
        got->bn_bwd_apply(full ? &dx : NULL, &dy, &dg, dscale, full ? dshift : NULL,
                          full ? to_device(var, all) : NULL, slope, &dto, beta, full ? &dts : NULL,
                          1 - beta);
        same_maps("bn_bwd_apply dx", &to, &dto, step_of(t));
        same_maps("bn_bwd_apply dskip", &ts, &dts, 0);
    }
    done("batch norm");
}

static void group_norm(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, bl_dtype t,
                       int32_t groups, int64_t c, int32_t cb) {
    int64_t n = 2, h = 6, w = 7;
    bl_tensor x = random_map(r, t, n, c, h, w, cb, -1, 3), dx = map_up(&x);
    bl_tensor skip = random_map(r, t, n, c, h, w, cb, -1, 1), dskip = map_up(&skip);
    bl_tensor y = random_map(r, t, n, c, h, w, cb, 0, 1), dy = map_up(&y);
    float *gamma = random_floats(r, c, 0.5f, 2), *beta = random_floats(r, c, -1, 1);
    float *dgamma = to_device(gamma, c), *dbeta = to_device(beta, c);
    float *stats = guarded_new(2 * n * groups), *dstats = device_new(2 * n * groups);
    ref->gn_fwd(&x, gamma, beta, groups, 1e-5f, &skip, 0.1f, &y, stats, stats + n * groups);
    got->gn_fwd(&dx, dgamma, dbeta, groups, 1e-5f, &dskip, 0.1f, &dy, dstats, dstats + n * groups);
    same_maps("gn_fwd", &y, &dy, step_of(t));
    compare_device("gn_fwd mean", stats, dstats, 2 * n * groups, 1e-5);

    bl_tensor g = random_map(r, t, n, c, h, w, cb, -1, 1), dg = map_up(&g);
    bl_tensor to = random_map(r, t, n, c, h, w, cb, -1, 1), dto = map_up(&to);
    bl_tensor ts = random_map(r, t, n, c, h, w, cb, -1, 1), dts = map_up(&ts);
    float *leaf = random_floats(r, 2 * c, -1, 1), *dleaf = to_device(leaf, 2 * c);
    dy = map_up(&y);
    ref->gn_bwd(&x, &y, &g, gamma, groups, stats, stats + n * groups, 0.1f, &to, 1, &ts, 0, leaf,
                leaf + c);
    got->gn_bwd(&dx, &dy, &dg, dgamma, groups, to_device(stats, n * groups),
                to_device(stats + n * groups, n * groups), 0.1f, &dto, 1, &dts, 0, dleaf,
                dleaf + c);
    same_maps("gn_bwd dx", &to, &dto, step_of(t));
    same_maps("gn_bwd dskip", &ts, &dts, 0);
    compare_device("gn_bwd leaves", leaf, dleaf, 2 * c, 1e-5);
    done("group norm");
}

/* ---- pooling, resampling ---- */

static void pools(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, bl_dtype t, int64_t c,
                  int32_t cb) {
    int64_t n = 2, h = 9, w = 11;
    bl_tensor x = random_map(r, t, n, c, h, w, cb, -1, 1), dx = map_up(&x);
    bl_tensor y = random_map(r, t, n, c, 5, 6, cb, -1, 1), dy = map_up(&y);
    int32_t *arg = guarded_new(bl_storage(&y)), *darg = device_new(bl_storage(&y));
    ref->max_pool_fwd(&x, 3, 2, 1, &y, arg);
    got->max_pool_fwd(&dx, 3, 2, 1, &dy, darg);
    same_maps("max_pool_fwd", &y, &dy, 0);
    compare_device_exact("max_pool_fwd arg", arg, darg, bl_storage(&y));
    bl_tensor mean = tensor_random(r, n, c, 1, 1, 1, -1, 1), dmean = tensor_to_device(&mean);
    ref->avg_pool_fwd(&x, &mean);
    got->avg_pool_fwd(&dx, &dmean);
    compare_device_tensors("avg_pool_fwd", &mean, &dmean, 1e-5);
    bl_tensor coarse = random_map(r, t, n, c, 5, 6, cb, -1, 1), dcoarse = map_up(&coarse);
    bl_tensor fine = random_map(r, t, n, c, h, w, cb, -1, 1), dfine = map_up(&fine);
    ref->upsample_add_fwd(&x, &coarse, &fine);
    got->upsample_add_fwd(&dx, &dcoarse, &dfine);
    same_maps("upsample_add_fwd", &fine, &dfine, 0);
    bl_tensor wide = random_map(r, t, n, c + 5, 5, 6, cb == c ? cb + 5 : cb, -1, 1);
    bl_tensor dwide = map_up(&wide);
    ref->shortcut_fwd(&x, 2, 2, &wide);
    got->shortcut_fwd(&dx, 2, 2, &dwide);
    same_maps("shortcut_fwd", &wide, &dwide, 0);
    for (int b = 0; b < 2; b++) {
        float beta = (float)b;
        bl_tensor to = random_map(r, t, n, c, h, w, cb, -1, 1), dto = map_up(&to);
        ref->max_pool_bwd(&y, arg, 3, 2, 1, &to, beta);
        got->max_pool_bwd(&dy, darg, 3, 2, 1, &dto, beta);
        same_maps("max_pool_bwd", &to, &dto, 0);
        dmean = tensor_to_device(&mean);
        ref->avg_pool_bwd(&mean, &to, beta);
        got->avg_pool_bwd(&dmean, &dto, beta);
        same_maps("avg_pool_bwd", &to, &dto, 0);
        ref->upsample_bwd(&fine, &coarse, beta);
        got->upsample_bwd(&dfine, &dcoarse, beta);
        same_maps("upsample_bwd", &coarse, &dcoarse, 0);
        ref->shortcut_bwd(&wide, 2, 2, &to, beta);
        got->shortcut_bwd(&dwide, 2, 2, &dto, beta);
        same_maps("shortcut_bwd", &to, &dto, 0);
    }
    done("pools");
}

/* ---- lists and regions ---- */

static void lists(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, bl_dtype t, int32_t per,
                  int32_t cb, int64_t count) {
    enum { MAPS = 3, ANCHORS = 3 };
    bl_tensor map[MAPS], dmap[MAPS];
    const bl_tensor *maps[MAPS], *dmaps[MAPS];
    bl_tensor *grads[MAPS], *dgrads[MAPS];
    for (int l = 0; l < MAPS; l++) {
        map[l] = random_map(r, t, 2, ANCHORS * per, 6 - l, 7 - l, cb, -1, 1);
        dmap[l] = map_up(&map[l]);
        maps[l] = grads[l] = &map[l];
        dmaps[l] = dgrads[l] = &dmap[l];
    }
    grads[1] = dgrads[1] = NULL; /* a level without gradient */
    bl_loc *loc = guarded_new(count * 5);
    for (int64_t i = 0; i < count; i++) {
        int32_t l = (int32_t)pick(r, 0, MAPS - 1);
        loc[i] = (bl_loc){(int32_t)pick(r, 0, 1), l, (int32_t)pick(r, 0, 5 - l),
                          (int32_t)pick(r, 0, 6 - l), (int32_t)pick(r, 0, ANCHORS - 1)};
    }
    const bl_loc *dloc = to_device(loc, count * 5);
    float *y = guarded_new(count * per), *dy = device_new(count * per);
    ref->gather(maps, MAPS, loc, count, per, y);
    got->gather(dmaps, MAPS, dloc, count, per, dy);
    compare_device_exact("gather", y, dy, count * per);
    ref->scatter_add(y, loc, count, per, MAPS, grads);
    got->scatter_add(dy, dloc, count, per, MAPS, dgrads);
    for (int l = 0; l < MAPS; l++) same_maps("scatter_add", &map[l], &dmap[l], 0);

    int32_t *pos = guarded_new(20), *dpos = device_new(20);
    float *score = guarded_new(20), *dscore = device_new(20);
    CHECK_EQ(ref->topk(&map[0], 1, 20, pos, score), 20);
    CHECK_EQ(got->topk(&dmap[0], 1, 20, dpos, dscore), 20);
    compare_device_exact("topk places", pos, dpos, 20); /* with few bits there are many ties */
    compare_device("topk scores", score, dscore, 20, 0);
    done("lists");
}

static void regions(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, bl_dtype t, int64_t c,
                    int32_t cb, int64_t count) {
    enum { LEVELS = 2 };
    bl_roi_attr a = {.size = 3, .sampling = 2, .aligned = true};
    bl_tensor map[LEVELS], dmap[LEVELS], grad[LEVELS], dgrad[LEVELS];
    const bl_tensor *maps[LEVELS], *dmaps[LEVELS];
    bl_tensor *grads[LEVELS], *dgrads[LEVELS];
    for (int l = 0; l < LEVELS; l++) {
        a.scale[l] = 0.25f / (float)(1 << l);
        map[l] = random_map(r, t, 2, c, 12 >> l, 14 >> l, cb, -1, 1);
        dmap[l] = map_up(&map[l]);
        grad[l] = random_map(r, t, 2, c, 12 >> l, 14 >> l, cb, -1, 1);
        dgrad[l] = map_up(&grad[l]);
        maps[l] = &map[l];
        dmaps[l] = &dmap[l];
        grads[l] = &grad[l];
        dgrads[l] = &dgrad[l];
    }
    bl_box *rois = guarded_new(4 * count);
    int32_t *batch = guarded_new(count), *level = guarded_new(count);
    for (int64_t i = 0; i < count; i++) {
        rois[i] = random_box(r, 48, (int)pick(r, 0, 9));
        batch[i] = (int32_t)pick(r, 0, 1);
        level[i] = (int32_t)pick(r, 0, LEVELS - 1);
    }
    const bl_box *drois = to_device(rois, 4 * count);
    const int32_t *dbatch = to_device(batch, count), *dlevel = to_device(level, count);
    bl_tensor y = random_map(r, t, count, c, 3, 3, cb, -1, 1), dy = map_up(&y);
    ref->roi_align_bwd(&y, rois, batch, level, count, &a, LEVELS, grads);
    got->roi_align_bwd(&dy, drois, dbatch, dlevel, count, &a, LEVELS, dgrads);
    for (int l = 0; l < LEVELS; l++) same_maps("roi_align_bwd", &grad[l], &dgrad[l], step_of(t));
    ref->roi_align_fwd(maps, LEVELS, rois, batch, level, count, &a, &y);
    got->roi_align_fwd(dmaps, LEVELS, drois, dbatch, dlevel, count, &a, &dy);
    same_maps("roi_align_fwd", &y, &dy, 0);
    done("regions");
}

static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    reorders(ref, got, r, 2, 11, 3, 5);
    for (int i = 0; i < 2; i++) {
        bl_dtype t = types[i];
        every_value(got, r, t);
        flat(ref, got, r, t, 1);
        flat(ref, got, r, t, 1001);
        matrix(ref, got, r, t, 37, 35);
        products(ref, got, r, t, 7, 5, 33);
        products(ref, got, r, t, 3, 4, 0); /* an empty sum */
        convolution(ref, got, r, t, 16, 16, 16, 16, 3, 1);
        convolution(ref, got, r, t, 12, 12, 20, 20, 1, 1);
        convolution(ref, got, r, t, 3, 1, 7, 7, 3, 2); /* a planar image; nothing is fused */
        convolution(ref, got, r, t, 11, 8, 5, 8, 5, 1);
        batch_norm(ref, got, r, t, 35, 35, 0);
        batch_norm(ref, got, r, t, 5, 8, 0.1f);
        batch_norm(ref, got, r, t, 3, 1, 1);
        group_norm(ref, got, r, t, 2, 6, 6);
        group_norm(ref, got, r, t, 3, 9, 8);
        pools(ref, got, r, t, 33, 33);
        pools(ref, got, r, t, 5, 8);
        lists(ref, got, r, t, 4, 12, 150);
        lists(ref, got, r, t, 1, 8, 40);
        regions(ref, got, r, t, 35, 35, 12);
        regions(ref, got, r, t, 5, 8, 7);
    }
}

int main(void) {
    for_cuda(all, 61);
    return 0;
}
