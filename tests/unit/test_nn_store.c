/* The flat parameter store: layout, initialisation, SGD, EMA, checkpoints. */
#include "core/parallel.h"
#include "core/rng.h"
#include "nn/store.h"
#include "tests/check.h"

#include <unistd.h>

typedef struct model {
    bl_store *s;
    bl_tensor *conv, *bias, *fc, *gamma, *frozen, *mean, *extra;
} model;

static bl_tensor *add(bl_store *s, const char *name, int ndim, int64_t a, int64_t b, int64_t k,
                      bl_init init, bool buffer, bool trainable, bool decay) {
    bl_tensor *t;
    bl_param_spec p = {name, {a, b, k, k}, ndim, init, 0.5f, buffer, trainable, decay};
    CHECK_OK(bl_store_add(s, &p, &t));
    return t;
}

static model build(bl_ctx *ctx, uint64_t seed, bool grad, bool extra) {
    model m;
    CHECK_OK(bl_store_create(&m.s));
    m.frozen = add(m.s, "frozen.weight", 4, 4, 3, 3, BL_INIT_KAIMING_FAN_OUT, false, false, true);
    m.mean = add(m.s, "bn.running_mean", 1, 5, 1, 1, BL_INIT_ZERO, true, false, false);
    m.extra =
        extra ? add(m.s, "extra.weight", 2, 3, 3, 1, BL_INIT_NORMAL, false, true, true) : NULL;
    m.gamma = add(m.s, "bn.weight", 1, 5, 1, 1, BL_INIT_ONE, false, true, false);
    m.conv = add(m.s, "conv.weight", 4, 64, 32, 3, BL_INIT_KAIMING_FAN_OUT, false, true, true);
    m.bias = add(m.s, "conv.bias", 1, 64, 1, 1, BL_INIT_ZERO, false, true, true);
    m.fc = add(m.s, "fc.weight", 2, 300, 500, 1, BL_INIT_XAVIER_UNIFORM, false, true, true);
    CHECK_OK(bl_store_finish(m.s, ctx, seed, grad));
    return m;
}

static int64_t count(const bl_tensor *t) {
    return t->n * t->c * t->h * t->w;
}

static void test_layout(bl_ctx *ctx) {
    model m = build(ctx, 1, true, false);
    CHECK_EQ(bl_store_count(m.s), 6);
    CHECK_EQ(bl_store_params(m.s), 5 + 64 * 32 * 9 + 64 + 300 * 500);
    CHECK_EQ(bl_store_elements(m.s), bl_store_params(m.s) + 4 * 3 * 9);
    CHECK(m.conv->n == 64 && m.conv->c == 32 && m.conv->h == 3 && m.conv->w == 3 &&
          m.conv->cb == 1);
    CHECK(m.bias->n == 1 && m.bias->c == 64 && m.bias->h == 1);
    CHECK(m.conv->needs_grad && m.conv->leaf && m.conv->grad && !m.conv->grad->leaf);
    CHECK(!m.frozen->needs_grad && !m.frozen->grad && !m.mean->needs_grad);
    CHECK(bl_store_find(m.s, "fc.weight") == m.fc && !bl_store_find(m.s, "fc.bias"));
    CHECK_STR(bl_store_spec(m.s, 0)->name, "frozen.weight");
    CHECK(!bl_store_spec(m.s, 6));
    bl_store_destroy(m.s);

    bl_store *s;
    bl_tensor *t;
    CHECK_OK(bl_store_create(&s));
    bl_param_spec p = {"a", {3, 1, 1, 1}, 1, BL_INIT_ZERO, 0, false, true, true};
    CHECK_OK(bl_store_add(s, &p, &t));
    CHECK_FAILS(bl_store_add(s, &p, &t), BL_EINVAL, "declared twice");
    p.name = "b";
    p.shape[0] = 0;
    CHECK_FAILS(bl_store_add(s, &p, &t), BL_EINVAL, "dimension 0");
    p.shape[0] = INT64_MAX / 2;
    p.shape[1] = 8;
    p.ndim = 2;
    CHECK_FAILS(bl_store_add(s, &p, &t), BL_EINVAL, "too many");
    p = (bl_param_spec){"c", {3, 1, 1, 1}, 1, BL_INIT_XAVIER_UNIFORM, 0, false, true, true};
    CHECK_FAILS(bl_store_add(s, &p, &t), BL_EINVAL, "fan");
    CHECK_OK(bl_store_finish(s, ctx, 0, false));
    p = (bl_param_spec){"d", {3, 1, 1, 1}, 1, BL_INIT_ZERO, 0, false, true, true};
    CHECK_FAILS(bl_store_add(s, &p, &t), BL_EINVAL, "finished");
    bl_sgd o = {.lr = 1};
    CHECK_FAILS(bl_store_sgd(s, ctx, &o, NULL), BL_EINVAL, "without gradients");
    bl_store_destroy(s);
}

/* What is frozen moves to the tensors without a gradient; others train as before. */
static void test_freeze(bl_ctx *ctx) {
    bl_store *s;
    bl_tensor *a, *b, *c, *mean;
    int64_t n;
    bl_param_spec p = {"head.a", {3, 1, 1, 1}, 1, BL_INIT_ONE, 0, false, true, true};
    CHECK_OK(bl_store_create(&s));
    CHECK_OK(bl_store_add(s, &p, &a));
    p.name = "body.b";
    CHECK_OK(bl_store_add(s, &p, &b));
    p.name = "head.c";
    CHECK_OK(bl_store_add(s, &p, &c));
    p.name = "head.mean";
    p.buffer = true;
    CHECK_OK(bl_store_add(s, &p, &mean));
    CHECK_EQ(bl_store_params(s), 9);
    bl_store_freeze(s, "hat.", &n);
    CHECK_EQ(n, 0);
    bl_store_freeze(s, "head.", &n);
    CHECK_EQ(n, 2); /* not the buffer */
    CHECK_EQ(bl_store_params(s), 3);
    bl_store_freeze(s, "head.", &n); /* again: the same */
    CHECK_EQ(bl_store_params(s), 3);
    CHECK_EQ(bl_store_elements(s), 9);
    CHECK_OK(bl_store_finish(s, ctx, 0, true));
    CHECK(!a->needs_grad && b->needs_grad && !c->needs_grad && !mean->needs_grad);
    bl_f32(b->grad)[0] = 1;
    CHECK_OK(bl_store_sgd(s, ctx, &(bl_sgd){.lr = 0.5f, .decay = 0.1f}, NULL));
    for (int i = 0; i < 3; i++) CHECK(bl_f32(a)[i] == 1 && bl_f32(c)[i] == 1);
    CHECK_NEAR(bl_f32(b)[0], 1 - 0.5 * 1.1, 1e-6);
    CHECK_NEAR(bl_f32(b)[1], 1 - 0.5 * 0.1, 1e-6);
    bl_store_destroy(s);
}

static void test_init(bl_ctx *ctx) {
    bl_set_threads(1);
    model a = build(ctx, 7, true, false);
    bl_set_threads(2);
    model b = build(ctx, 7, false, true), c = build(ctx, 8, false, false);
    /* Another layer, other threads: the same values. Another seed: others. */
    CHECK(memcmp(a.fc->data, b.fc->data, 4 * (size_t)count(a.fc)) == 0);
    CHECK(memcmp(a.conv->data, b.conv->data, 4 * (size_t)count(a.conv)) == 0);
    CHECK(memcmp(a.conv->data, c.conv->data, 4 * (size_t)count(a.conv)) != 0);
    double sum = 0, sq = 0, top = 0;
    for (int64_t i = 0; i < count(a.conv); i++) {
        double v = bl_f32(a.conv)[i];
        sum += v;
        sq += v * v;
    }
    double n = (double)count(a.conv), std = sqrt(2.0 / (64 * 9));
    CHECK_NEAR(sum / n, 0, 4 * std / sqrt(n));
    CHECK_NEAR(sqrt(sq / n), std, 0.02 * std);
    sq = 0;
    double bound = sqrt(6.0 / 800);
    for (int64_t i = 0; i < count(a.fc); i++) {
        double v = bl_f32(a.fc)[i];
        sq += v * v;
        top = fmax(top, fabs(v));
    }
    CHECK(top <= bound && top > 0.999 * bound);
    CHECK_NEAR(sqrt(sq / (double)count(a.fc)), bound / sqrt(3), 0.01 * bound);
    for (int i = 0; i < 5; i++) CHECK(bl_f32(a.gamma)[i] == 1 && bl_f32(a.mean)[i] == 0);
    bl_store_destroy(a.s);
    bl_store_destroy(b.s);
    bl_store_destroy(c.s);
}

static void fill_grad(bl_tensor *t, uint64_t seed) {
    bl_rng r = bl_rng_make(seed, 3);
    for (int64_t i = 0; i < count(t); i++) bl_f32(t->grad)[i] = bl_rng_range(&r, -1, 1);
}

/* SGD with momentum against a scalar reference in double, over three steps. */
static void test_sgd(bl_ctx *ctx, bool nesterov) {
    model m = build(ctx, 2, true, false);
    bl_tensor *ts[] = {m.conv, m.fc, m.gamma};
    double decay[] = {0.01, 0.01, 0};
    double *w[3], *v[3];
    for (int k = 0; k < 3; k++) {
        w[k] = calloc((size_t)count(ts[k]), 8);
        v[k] = calloc((size_t)count(ts[k]), 8);
        for (int64_t i = 0; i < count(ts[k]); i++) w[k][i] = bl_f32(ts[k])[i];
    }
    float before = bl_f32(m.frozen)[5];
    bl_sgd o = {.lr = 0.1f,
                .momentum = 0.9f,
                .decay = 0.01f,
                .nesterov = nesterov,
                .clip_norm = 50,
                .grad_scale = 0.5f};
    for (int step = 0; step < 3; step++) {
        double sq = 0;
        for (int k = 0; k < 3; k++) {
            fill_grad(ts[k], (uint64_t)(step * 3 + k));
            for (int64_t i = 0; i < count(ts[k]); i++) {
                double g = bl_f32(ts[k]->grad)[i];
                sq += g * g;
            }
        }
        double norm = 0.5 * sqrt(sq), scale = 0.5 * (norm > 50 ? 50 / norm : 1), got = 0;
        CHECK(norm > 50);
        for (int k = 0; k < 3; k++)
            for (int64_t i = 0; i < count(ts[k]); i++) {
                double g = scale * bl_f32(ts[k]->grad)[i] + decay[k] * w[k][i];
                v[k][i] = 0.9 * v[k][i] + g;
                w[k][i] -= 0.1 * (nesterov ? g + 0.9 * v[k][i] : v[k][i]);
            }
        CHECK_OK(bl_store_sgd(m.s, ctx, &o, &got));
        CHECK_NEAR(got, norm, 1e-4 * norm);
        for (int k = 0; k < 3; k++)
            for (int64_t i = 0; i < count(ts[k]); i++) {
                CHECK_NEAR(bl_f32(ts[k])[i], w[k][i], 2e-6);
                CHECK(bl_f32(ts[k]->grad)[i] == 0);
            }
    }
    CHECK(bl_f32(m.frozen)[5] == before);
    for (int k = 0; k < 3; k++) {
        free(w[k]);
        free(v[k]);
    }

    /* A bad gradient is named and changes nothing. */
    bl_f32(m.fc->grad)[17] = NAN;
    float keep = bl_f32(m.fc)[0];
    double norm;
    CHECK_FAILS(bl_store_sgd(m.s, ctx, &o, &norm), BL_ENUMERIC, "fc.weight");
    CHECK(bl_f32(m.fc)[0] == keep);
    CHECK_STR(bl_store_first_nonfinite(m.s, ctx, true), "fc.weight");
    CHECK(!bl_store_first_nonfinite(m.s, ctx, false));
    CHECK_OK(bl_store_zero_grad(m.s, ctx));
    CHECK(!bl_store_first_nonfinite(m.s, ctx, true));
    bl_f32(m.mean)[1] = INFINITY;
    CHECK_STR(bl_store_first_nonfinite(m.s, ctx, false), "bn.running_mean");
    bl_store_destroy(m.s);
}

static void test_ema(bl_ctx *ctx) {
    model s = build(ctx, 1, true, false), t = build(ctx, 2, false, false),
          other = build(ctx, 1, false, true);
    bl_f32(s.mean)[2] = 4;
    bl_f32(t.mean)[2] = 2;
    float a = bl_f32(s.conv)[9], b = bl_f32(t.conv)[9];
    float fa = bl_f32(s.frozen)[3], fb = bl_f32(t.frozen)[3];
    CHECK_OK(bl_store_ema(t.s, s.s, ctx, 0.75f, false));
    CHECK_NEAR(bl_f32(t.conv)[9], 0.75 * b + 0.25 * a, 1e-7);
    CHECK_NEAR(bl_f32(t.frozen)[3], 0.75 * fb + 0.25 * fa, 1e-7);
    CHECK_NEAR(bl_f32(t.mean)[2], 2.5, 1e-6);
    CHECK_OK(bl_store_ema(t.s, s.s, ctx, 0.75f, true));
    CHECK(bl_f32(t.mean)[2] == 4);
    bl_f32(t.fc)[0] = NAN; /* a copy heals even a broken teacher */
    CHECK_OK(bl_store_ema(t.s, s.s, ctx, 0, false));
    CHECK(memcmp(t.fc->data, s.fc->data, 4 * (size_t)count(s.fc)) == 0);
    CHECK_FAILS(bl_store_ema(other.s, s.s, ctx, 0.5f, false), BL_EINVAL, "different parameters");
    bl_store_destroy(s.s);
    bl_store_destroy(t.s);
    bl_store_destroy(other.s);
}

static void test_checkpoint(bl_ctx *ctx) {
    char path[] = "/tmp/ballast_store_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    model a = build(ctx, 1, true, false), b = build(ctx, 2, true, false);
    bl_sgd o = {.lr = 0.1f, .momentum = 0.9f};
    fill_grad(a.conv, 4);
    CHECK_OK(bl_store_sgd(a.s, ctx, &o, NULL));
    bl_f32(a.mean)[3] = 1.5f;
    bl_arena *arena = bl_arena_create(0);
    bl_st_tensor list[32];
    int n = 0;
    CHECK_FAILS(bl_store_export(a.s, ctx, "x.", false, arena, list, 3, &n), BL_EINVAL,
                "room for 3");
    n = 0;
    CHECK_OK(bl_store_export(a.s, ctx, "student.", false, arena, list, 32, &n));
    CHECK_EQ(n, 6);
    CHECK_OK(bl_store_export(a.s, ctx, "momentum.", true, arena, list, 32, &n));
    CHECK_EQ(n, 6 + 4);
    CHECK_OK(bl_st_write(path, list, n, NULL, 0));
    bl_st_file *f;
    CHECK_OK(bl_st_open(path, &f));
    int missing = -1;
    CHECK_OK(bl_store_import(b.s, ctx, f, "student.", false, false, &missing));
    CHECK_EQ(missing, 0);
    CHECK_OK(bl_store_import(b.s, ctx, f, "momentum.", true, false, NULL));
    CHECK(bl_f32(b.mean)[3] == 1.5f);
    /* One more equal step: weights agree only if the momentum came along. */
    fill_grad(a.conv, 5);
    fill_grad(b.conv, 5);
    CHECK_OK(bl_store_sgd(a.s, ctx, &o, NULL));
    CHECK_OK(bl_store_sgd(b.s, ctx, &o, NULL));
    CHECK(memcmp(a.conv->data, b.conv->data, 4 * (size_t)count(a.conv)) == 0);
    CHECK(memcmp(a.fc->data, b.fc->data, 4 * (size_t)count(a.fc)) == 0);

    float keep = bl_f32(b.fc)[0] = 123;
    CHECK_FAILS(bl_store_import(b.s, ctx, f, "teacher.", false, false, NULL), BL_EFORMAT,
                "is missing");
    CHECK_OK(bl_store_import(b.s, ctx, f, "teacher.", false, true, &missing));
    CHECK_EQ(missing, 6);
    CHECK(bl_f32(b.fc)[0] == keep);
    bl_st_close(f);

    /* Wrong shape and wrong type name the tensor; nothing has been written by then. */
    list[n - 1] = list[5];
    list[5].shape[0] = 500;
    list[5].shape[1] = 300;
    CHECK_OK(bl_st_write(path, list, 6, NULL, 0));
    CHECK_OK(bl_st_open(path, &f));
    CHECK_FAILS(bl_store_import(b.s, ctx, f, "student.", false, true, NULL), BL_EFORMAT,
                "student.fc.weight: shape 500x300, the model needs 300x500");
    CHECK(bl_f32(b.fc)[0] == keep);
    bl_st_close(f);
    list[5] = list[n - 1];
    list[5].dtype = BL_ST_I32;
    CHECK_OK(bl_st_write(path, list, 6, NULL, 0));
    CHECK_OK(bl_st_open(path, &f));
    CHECK_FAILS(bl_store_import(b.s, ctx, f, "student.", false, false, NULL), BL_EFORMAT,
                "does not hold floats");
    bl_st_close(f);
    unlink(path);
    bl_arena_destroy(arena);
    bl_store_destroy(a.s);
    bl_store_destroy(b.s);
}

/* Adam against a scalar reference in double (torch.optim.Adam's arithmetic), three steps; the mean
 * squares travel through a file; the decoupled shrinking touches everything. */
static void test_adam(bl_ctx *ctx) {
    model m = build(ctx, 4, true, false), n = build(ctx, 5, true, false);
    bl_tensor *t = m.gamma, *d = m.bias;
    double w[2][64], a[2][64] = {{0}}, v[2][64] = {{0}};
    bl_tensor *ts[] = {t, d};
    const double decay[] = {0, 0.1}; /* gamma does not decay */
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < count(ts[k]); i++) w[k][i] = bl_f32(ts[k])[i];
    CHECK(!bl_store_has_squares(m.s));
    for (int step = 1; step <= 3; step++) {
        for (int k = 0; k < 2; k++) {
            fill_grad(ts[k], (uint64_t)(10 * step + k));
            for (int64_t i = 0; i < count(ts[k]); i++) {
                double g = bl_f32(ts[k]->grad)[i] + decay[k] * w[k][i];
                a[k][i] = 0.9 * a[k][i] + 0.1 * g;
                v[k][i] = 0.999 * v[k][i] + 0.001 * g * g;
                double mean = a[k][i] / (1 - pow(0.9, step)),
                       square = v[k][i] / (1 - pow(0.999, step));
                w[k][i] -= 0.01 * mean / (sqrt(square) + 1e-8);
            }
        }
        bl_adam o = {.lr = 0.01f,
                     .beta1 = 0.9f,
                     .beta2 = 0.999f,
                     .epsilon = 1e-8f,
                     .decay = 0.1f,
                     .step = step};
        CHECK_OK(bl_store_adam(m.s, ctx, &o, NULL));
        for (int k = 0; k < 2; k++)
            for (int64_t i = 0; i < count(ts[k]); i++) {
                CHECK_NEAR(bl_f32(ts[k])[i], w[k][i], 5e-6);
                CHECK(bl_f32(ts[k]->grad)[i] == 0);
            }
    }
    CHECK_FAILS(bl_store_adam(m.s, ctx, &(bl_adam){.lr = 1}, NULL), BL_EINVAL, "from 1");

    CHECK(bl_store_has_squares(m.s));
    bl_arena *arena = bl_arena_create(0);
    bl_st_tensor list[16];
    int got = 0, missing;
    CHECK_OK(bl_store_export(m.s, ctx, "square.", BL_STORE_SQUARES, arena, list, 16, &got));
    CHECK_EQ(got, 4); /* trainable tensors only */
    const char *path = "test_nn_store_squares.safetensors";
    bl_st_file *f;
    CHECK_OK(bl_st_write(path, list, got, NULL, 0));
    CHECK_OK(bl_st_open(path, &f));
    CHECK_OK(bl_store_import(n.s, ctx, f, "square.", BL_STORE_SQUARES, false, &missing));
    bl_st_tensor again[16];
    int n_again = 0;
    CHECK_OK(bl_store_export(n.s, ctx, "square.", BL_STORE_SQUARES, arena, again, 16, &n_again));
    CHECK_EQ(n_again, got);
    for (int i = 0; i < got; i++) CHECK(memcmp(list[i].data, again[i].data, list[i].bytes) == 0);
    bl_st_close(f);
    unlink(path);
    bl_arena_destroy(arena);

    bl_f32(m.mean)[2] = 8;
    float before = bl_f32(m.frozen)[5];
    CHECK_OK(bl_store_scale(m.s, ctx, 0.5f));
    CHECK(bl_f32(m.mean)[2] == 4 && bl_f32(m.frozen)[5] == 0.5f * before);
    bl_store_destroy(m.s);
    bl_store_destroy(n.s);
}

int main(void) {
    bl_ctx *ctx;
    bl_ctx_options opt = {.backend = "ref", .deterministic = 1};
    CHECK_OK(bl_ctx_create(&opt, &ctx));
    test_layout(ctx);
    test_freeze(ctx);
    test_init(ctx);
    test_sgd(ctx, false);
    test_sgd(ctx, true);
    test_adam(ctx);
    test_ema(ctx);
    test_checkpoint(ctx);
    bl_ctx_destroy(ctx);
    return 0;
}
