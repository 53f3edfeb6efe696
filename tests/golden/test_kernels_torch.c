/* Every op against PyTorch and torchvision (scripts/golden/ops_torch.py), forward and backward, on
 * the plain C kernels and on the fastest ones, in planar and blocked layouts. */
#include "core/safetensors.h"
#include "kernels/kernels.h"
#include "kernels/tape.h"
#include "tests/check.h"

enum { MAX_ELEMENTS = 1 << 14 };

typedef struct world {
    bl_ctx *ctx;
    bl_st_file *file;
    bl_arena *arena;
    const char *prefix; /* of the current case, e.g. "conv.0" */
    int32_t cb;
} world;

static const bl_st_tensor *find(world *t, const char *name) {
    char full[96];
    snprintf(full, sizeof full, "%s.%s", t->prefix, name);
    return bl_st_find(t->file, full);
}

/* Aligned copies of a stored list. */
static void *list(world *t, const char *name, int64_t *count) {
    const bl_st_tensor *s = find(t, name);
    if (!s) {
        fprintf(stderr, "%s.%s is missing\n", t->prefix, name);
        exit(1);
    }
    CHECK(s->dtype == BL_ST_F32 || s->dtype == BL_ST_I32);
    void *copy = bl_arena_alloc(t->arena, s->bytes);
    CHECK(copy != NULL);
    memcpy(copy, s->data, s->bytes);
    if (count) *count = (int64_t)(s->bytes / 4);
    return copy;
}

static const float *reals(world *t, const char *name) {
    return list(t, name, NULL);
}
static const int32_t *ints(world *t, const char *name) {
    return list(t, name, NULL);
}

static int64_t dim(const bl_st_tensor *s, int i) {
    return i < s->ndim ? s->shape[i] : 1;
}

/* An activation with gradient. */
static bl_tensor *map(world *t, const char *name, int32_t cb) {
    const bl_st_tensor *s = find(t, name);
    bl_tensor *x;
    CHECK_OK(bl_tensor_from_host(t->ctx, reals(t, name), dim(s, 0), dim(s, 1), dim(s, 2), dim(s, 3),
                                 cb, &x));
    x->needs_grad = true;
    return x;
}

/* A parameter with a zeroed gradient store; NULL when the case has none. */
static bl_tensor *leaf(world *t, const char *name) {
    const bl_st_tensor *s = find(t, name);
    if (!s) return NULL;
    int64_t count;
    bl_tensor *w = BL_NEW(t->arena, bl_tensor), *dw = BL_NEW(t->arena, bl_tensor);
    *w = (bl_tensor){.n = dim(s, 0), .c = dim(s, 1), .h = dim(s, 2), .w = dim(s, 3), .cb = 1};
    w->data = list(t, name, &count);
    *dw = *w;
    dw->data = BL_NEW_ARRAY(t->arena, float, count);
    w->leaf = w->needs_grad = true;
    w->grad = dw;
    return w;
}

/* |got - want| <= 1e-5 (|want| + root mean square of want) */
static void same(world *t, const char *name, const bl_tensor *got) {
    static float host[MAX_ELEMENTS];
    int64_t count;
    const float *want = list(t, name, &count);
    CHECK(got != NULL);
    CHECK_EQ(count, got->n * got->c * got->h * got->w);
    CHECK(count <= MAX_ELEMENTS);
    CHECK_OK(bl_tensor_to_host(t->ctx, got, host));
    double square = 0;
    for (int64_t e = 0; e < count; e++) square += (double)want[e] * want[e];
    double rms = sqrt(square / (double)count);
    for (int64_t e = 0; e < count; e++) {
        if (fabs((double)host[e] - want[e]) <= 1e-5 * (fabs(want[e]) + rms)) continue;
        fprintf(stderr, "%s.%s[%lld] (%s, cb %d) is %.9g, PyTorch has %.9g\n", t->prefix, name,
                (long long)e, t->ctx->k->name, t->cb, (double)host[e], (double)want[e]);
        exit(1);
    }
}

/* Compares y and runs backward with the stored dy. */
static void backward(world *t, bl_tensor *y) {
    bl_tensor *dy, *grad;
    float beta;
    same(t, "y", y);
    CHECK_OK(bl_tensor_from_host(t->ctx, reals(t, "dy"), y->n, y->c, y->h, y->w, y->cb, &dy));
    CHECK_OK(bl_grad_target(t->ctx, y, &grad, &beta));
    memcpy(grad->data, dy->data, (size_t)bl_storage(dy) * sizeof(float));
    CHECK_OK(bl_backward(t->ctx, NULL, NULL, 0));
}

static void conv(world *t) {
    const int32_t *a = ints(t, "attr");
    bl_conv_attr attr = {a[0], a[1], a[2], a[4] ? BL_ACT_RELU : BL_ACT_NONE};
    bl_tensor *x = map(t, "x", t->cb), *w = leaf(t, "w"), *b = leaf(t, "b"), *y;
    CHECK_OK(bl_conv2d(t->ctx, x, w, b, &attr, &y));
    backward(t, y);
    same(t, "dx", x->grad);
    same(t, "dw", w->grad);
    if (b) same(t, "db", b->grad);
}

static void norm(world *t) {
    const int32_t *a = ints(t, "attr");
    const float *r = reals(t, "real");
    bl_tensor *x = map(t, "x", t->cb), *skip = a[3] ? map(t, "skip", t->cb) : NULL, *y;
    bl_tensor *mean = leaf(t, "mean"), *var = leaf(t, "var");
    bl_norm p = {a[0], leaf(t, "gamma"), leaf(t, "beta"), mean, var, a[1], r[0], r[1], false};
    CHECK_OK(bl_norm_act(t->ctx, x, &p, skip, a[2], r[2], &y));
    backward(t, y);
    same(t, "dx", x->grad);
    if (skip) same(t, "dskip", skip->grad);
    same(t, "dgamma", p.gamma->grad);
    same(t, "dbeta", p.beta->grad);
    same(t, "mean_after", mean);
    same(t, "var_after", var);
}

static void max_pool(world *t) {
    const int32_t *a = ints(t, "attr");
    bl_tensor *x = map(t, "x", t->cb), *y;
    CHECK_OK(bl_max_pool(t->ctx, x, a[0], a[1], a[2], &y));
    backward(t, y);
    same(t, "dx", x->grad);
}

static void avg_pool(world *t) {
    bl_tensor *x = map(t, "x", t->cb), *y;
    CHECK_OK(bl_avg_pool_global(t->ctx, x, &y));
    backward(t, y);
    same(t, "dx", x->grad);
}

static void upsample(world *t) {
    bl_tensor *a = map(t, "a", t->cb), *b = map(t, "b", t->cb), *y;
    CHECK_OK(bl_upsample_add(t->ctx, a, b, &y));
    backward(t, y);
    same(t, "da", a->grad);
    same(t, "db", b->grad);
}

static void linear(world *t) {
    bl_tensor *x = map(t, "x", t->cb), *w = leaf(t, "w"), *b = leaf(t, "b"), *y;
    CHECK_OK(bl_linear(t->ctx, x, w, b, ints(t, "attr")[1] ? BL_ACT_RELU : BL_ACT_NONE, &y));
    backward(t, y);
    same(t, "dx", x->grad);
    same(t, "dw", w->grad);
    if (b) same(t, "db", b->grad);
}

static void roi_align(world *t) {
    const int32_t *a = ints(t, "attr");
    int64_t count;
    const float *rows = list(t, "boxes", &count);
    bl_box box[16];
    int32_t batch[16], level[16] = {0};
    count /= 5;
    CHECK(count <= 16);
    for (int64_t i = 0; i < count; i++) {
        const float *r = rows + 5 * i;
        batch[i] = (int32_t)r[0];
        box[i] = (bl_box){r[1], r[2], r[3], r[4]};
    }
    bl_roi_attr attr = {a[0], a[1], a[2] != 0, {reals(t, "scale")[0]}};
    bl_tensor *x = map(t, "x", t->cb), *y;
    CHECK_OK(bl_roi_align(t->ctx, &x, 1, box, batch, level, count, &attr, &y));
    backward(t, y);
    same(t, "dx", x->grad);
}

static void finish_loss(world *t, bl_tensor *x, bl_tensor *loss) {
    const float one = 1;
    same(t, "y", loss);
    CHECK_OK(bl_backward(t->ctx, &loss, &one, 1));
    same(t, "dx", x->grad);
}

static void softmax(world *t) {
    const float *r = reals(t, "real");
    bl_tensor *x = map(t, "x", 1), *loss;
    CHECK_OK(bl_softmax_loss(t->ctx, x, ints(t, "label"), reals(t, "weight"), r[0], r[1], &loss));
    finish_loss(t, x, loss);
}

static void bce(world *t) {
    bl_tensor *x = map(t, "x", 1), *loss;
    CHECK_OK(bl_sigmoid_bce_loss(t->ctx, x, reals(t, "target"), reals(t, "weight"),
                                 reals(t, "real")[0], &loss));
    finish_loss(t, x, loss);
}

static void smooth_l1(world *t) {
    const float *r = reals(t, "real");
    bl_tensor *x = map(t, "x", 1), *loss;
    CHECK_OK(bl_smooth_l1_loss(t->ctx, x, ints(t, "first"), reals(t, "target"), reals(t, "weight"),
                               4, r[0], r[1], &loss));
    finish_loss(t, x, loss);
}

static void adjusted(world *t) {
    const float *r = reals(t, "real");
    const bl_softmax_attr attr = {.gain = r[0],
                                  .bias = reals(t, "bias"),
                                  .margin = reals(t, "margin"),
                                  .focal = r[1],
                                  .weight_in_focal = r[2] != 0};
    bl_tensor *x = map(t, "x", 1), *loss;
    CHECK_OK(bl_adjusted_softmax_loss(t->ctx, x, ints(t, "label"), reals(t, "weight"), &attr, r[3],
                                      &loss));
    finish_loss(t, x, loss);
}

static void soft_target(world *t) {
    const float *r = reals(t, "real");
    const bl_softmax_attr attr = {.gain = r[0], .bias = reals(t, "bias")};
    bl_tensor *x = map(t, "x", t->cb), *loss;
    CHECK_OK(
        bl_soft_target_loss(t->ctx, x, reals(t, "target"), reals(t, "weight"), &attr, r[1], &loss));
    finish_loss(t, x, loss);
}

static void entropy(world *t) {
    bl_tensor *x = map(t, "x", t->cb), *loss;
    CHECK_OK(bl_entropy_loss(t->ctx, x, reals(t, "weight"), reals(t, "real")[0], &loss));
    finish_loss(t, x, loss);
}

static void info_nce(world *t) {
    const float *r = reals(t, "real");
    bl_tensor *x = map(t, "x", t->cb), *loss;
    CHECK_OK(bl_info_nce_loss(t->ctx, x, map(t, "keys", 1), map(t, "queue", 1), r[0], r[1], &loss));
    finish_loss(t, x, loss);
}

static void cosine(world *t) {
    bl_tensor *x = map(t, "x", t->cb), *w = leaf(t, "w"), *xn, *wn, *y;
    CHECK_OK(bl_l2_normalize(t->ctx, x, 1e-12f, &xn));
    CHECK_OK(bl_l2_normalize(t->ctx, w, 1e-12f, &wn));
    CHECK_OK(bl_linear(t->ctx, xn, wn, NULL, BL_ACT_NONE, &y));
    backward(t, y);
    same(t, "dx", x->grad);
    same(t, "dw", w->grad);
}

static void shortcut(world *t) {
    bl_tensor *x = map(t, "x", t->cb), *y;
    CHECK_OK(bl_shortcut(t->ctx, x, 2, 12, &y));
    backward(t, y);
    same(t, "dx", x->grad);
}

static void nms(world *t) {
    int64_t n, count, want_count;
    const float *score = list(t, "score", &n);
    const bl_box *box = list(t, "boxes", NULL);
    const int32_t *group = ints(t, "group");
    float thr = reals(t, "real")[0];
    int32_t keep[256];
    CHECK(n <= 256);
    for (int grouped = 0; grouped < 2; grouped++) {
        const int32_t *want = list(t, grouped ? "keep_grouped" : "keep_all", &want_count);
        CHECK_OK(bl_nms(t->ctx, box, score, grouped ? group : NULL, n, thr, n, keep, &count));
        CHECK_EQ(count, want_count);
        for (int64_t i = 0; i < count; i++) CHECK_EQ(keep[i], want[i]);
        CHECK_OK(bl_nms(t->ctx, box, score, grouped ? group : NULL, n, thr, 5, keep, &count));
        CHECK_EQ(count, 5);
        for (int64_t i = 0; i < count; i++) CHECK_EQ(keep[i], want[i]);
    }
}

static const struct {
    const char *name;
    void (*run)(world *t);
    int cases;
} ops[] = {{"conv", conv, 5},
           {"norm", norm, 7},
           {"max_pool", max_pool, 3},
           {"avg_pool", avg_pool, 1},
           {"upsample", upsample, 3},
           {"linear", linear, 2},
           {"roi_align", roi_align, 4},
           {"softmax", softmax, 4},
           {"bce", bce, 1},
           {"smooth_l1", smooth_l1, 3},
           {"nms", nms, 3},
           {"adjusted", adjusted, 4},
           {"soft_target", soft_target, 1},
           {"entropy", entropy, 1},
           {"info_nce", info_nce, 1},
           {"cosine", cosine, 1},
           {"shortcut", shortcut, 1}};

int main(void) {
    const char *backends[] = {"ref", "auto"};
    const int32_t blocks[] = {1, 8, 16};
    world t = {0};
    CHECK_OK(bl_st_open(BALLAST_SOURCE_DIR "/tests/golden/ops_torch.safetensors", &t.file));
    t.arena = bl_arena_create(0);
    for (int k = 0; k < 2; k++) {
        bl_ctx_options opt = {.backend = backends[k], .deterministic = 1};
        CHECK_OK(bl_ctx_create(&opt, &t.ctx));
        for (int b = 0; b < 3; b++) {
            t.cb = blocks[b];
            for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
                char prefix[32];
                for (int c = 0; c <= ops[i].cases; c++) {
                    snprintf(prefix, sizeof prefix, "%s.%d", ops[i].name, c);
                    t.prefix = prefix;
                    /* The list above names all the cases that there are. */
                    bool there = find(&t, "y") || find(&t, "keep_all");
                    CHECK_EQ(there, c < ops[i].cases);
                    if (!there) break;
                    bl_step_begin(t.ctx, true);
                    ops[i].run(&t);
                    bl_step_end(t.ctx);
                    bl_arena_reset(t.arena);
                }
            }
        }
        bl_ctx_destroy(t.ctx);
    }
    bl_arena_destroy(t.arena);
    bl_st_close(t.file);
    return 0;
}
