/* Deferred commands and graphs: steps of a small network give the same bits with and without, what
 * repeats is replayed, and errors come out where somebody waits. */
#include <pthread.h>

#include "core/rng.h"
#include "kernels/backend.h"
#include "kernels/tape.h"
#include "tests/check.h"
#ifdef BALLAST_TEST_EMULATED
#include "tests/emu/emu_cudnn.h"
#include "tests/emu/emulator.h"
#endif

enum { N = 2, IN = 3, MID = 8, SIZE = 12, PARAMS = 4096, ROIS = 3, GRID = 3, OUT = 5, STEPS = 8 };

/* A parameter store in miniature, on the device. */
typedef struct leaves {
    float *w, *g, *m;
    double *squares;
    bl_tensor t[16], d[16];
    int n;
    int64_t used;
} leaves;

static bl_tensor *leaf(leaves *l, int64_t n, int64_t c, int64_t h, int64_t w) {
    bl_tensor *t = &l->t[l->n], *g = &l->d[l->n++];
    CHECK(l->n <= 16 && l->used + n * c * h * w <= PARAMS);
    *g = (bl_tensor){.data = l->g + l->used, .n = n, .c = c, .h = h, .w = w, .cb = 1};
    *t = *g;
    t->data = l->w + l->used;
    t->leaf = true;
    t->needs_grad = true;
    t->grad = g;
    l->used += n * c * h * w;
    return t;
}

static void leaves_new(bl_ctx *ctx, leaves *l) {
    float value[PARAMS];
    bl_rng r = bl_rng_make(3, 1);
    memset(l, 0, sizeof *l);
    for (int i = 0; i < PARAMS; i++) value[i] = bl_rng_range(&r, -0.3f, 0.4f);
    CHECK_OK(ctx->dev->alloc(ctx->dev, sizeof value, (void **)&l->w));
    CHECK_OK(ctx->dev->alloc(ctx->dev, sizeof value, (void **)&l->g));
    CHECK_OK(ctx->dev->alloc(ctx->dev, sizeof value, (void **)&l->m));
    CHECK_OK(ctx->dev->alloc(ctx->dev, sizeof(double), (void **)&l->squares));
    CHECK_OK(ctx->dev->to_device(ctx->dev, l->w, value, sizeof value));
    CHECK_OK(ctx->dev->zero(ctx->dev, l->g, sizeof value));
    CHECK_OK(ctx->dev->zero(ctx->dev, l->m, sizeof value));
}

static void leaves_free(bl_ctx *ctx, leaves *l) {
    void *p[] = {l->w, l->g, l->m, l->squares};
    for (int i = 0; i < 4; i++) ctx->dev->free(ctx->dev, p[i]);
}

/* A stem, a normalised convolution, pooling, a second map without gradient beside the first,
 * RoIAlign, gathered anchors, a linear layer, two losses. */
static void losses(bl_ctx *ctx, leaves *l, const float *image, int step, bl_tensor **loss) {
    const bl_conv_attr stem = {.stride = 1, .pad = 1, .dilation = 1, .act = BL_ACT_RELU};
    const bl_roi_attr roi = {.size = GRID, .sampling = 2, .aligned = true, .scale = {0.5f, 0.5f}};
    const bl_box box[ROIS] = {{1, 2, 9, 11}, {0, 0, 11, 11}, {4, 3, 8, (float)(8 + step % 3)}};
    const int32_t batch[ROIS] = {0, 1, 1}, level[ROIS] = {0, 1, 0}, label[ROIS] = {1, 4, step % 5};
    const bl_loc loc[4] = {{0, 0, 3, 2, 1}, {1, 1, 2, 3, 0}, {0, 1, 0, 0, 2}, {1, 0, 5, 5, 2}};
    const float target[4] = {0, 1, 1, 0};
    bl_tensor *x, *y, *z, *maps[2], *rois, *logits, *chosen;
    bl_norm group = {.kind = BL_NORM_GROUP, .groups = 2, .eps = 1e-5f};
    l->n = 0;
    l->used = 0;
    group.gamma = leaf(l, 1, MID, 1, 1);
    group.beta = leaf(l, 1, MID, 1, 1);
    CHECK_OK(bl_tensor_from_host(ctx, image, N, IN, SIZE, SIZE, 1, &x));
    CHECK_OK(bl_conv2d(ctx, x, leaf(l, MID, IN, 3, 3), leaf(l, 1, MID, 1, 1), &stem, &y));
    CHECK_OK(bl_conv2d(ctx, y, leaf(l, MID, MID, 1, 1), NULL,
                       &(bl_conv_attr){.stride = 1, .dilation = 1}, &z));
    CHECK_OK(bl_norm_act(ctx, z, &group, y, BL_ACT_LEAKY, 0.1f, &z));
    CHECK_OK(bl_max_pool(ctx, z, 3, 2, 1, &maps[0]));
    CHECK_OK(bl_detach(ctx, maps[0], &maps[1]));
    CHECK_OK(bl_gather(ctx, maps, 2, loc, 4, 1, &chosen));
    CHECK_OK(bl_sigmoid_bce_loss(ctx, chosen, target, NULL, 0.25f, &loss[0]));
    CHECK_OK(bl_roi_align(ctx, maps, 2, box, batch, level, ROIS, &roi, &rois));
    CHECK_OK(bl_linear(ctx, rois, leaf(l, OUT, MID * GRID * GRID, 1, 1), leaf(l, 1, OUT, 1, 1),
                       BL_ACT_NONE, &logits));
    CHECK_OK(bl_softmax_loss(ctx, logits, label, NULL, 0, 1.0f / ROIS, &loss[1]));
}

/* What a step leaves behind. */
typedef struct outcome {
    float loss[2], w[PARAMS];
    double squares;
} outcome;

static void train_step(bl_ctx *ctx, leaves *l, int step, outcome *o) {
    float image[N * IN * SIZE * SIZE];
    bl_rng r = bl_rng_make(4, (uint64_t)step);
    for (int i = 0; i < N * IN * SIZE * SIZE; i++) image[i] = bl_rng_range(&r, -1, 1);
    bl_tensor *loss[2];
    const float seeds[2] = {1, 2 + (float)step};
    bl_step_begin(ctx, true);
    losses(ctx, l, image, step, loss);
    CHECK_OK(bl_backward(ctx, loss, seeds, 2));
    ctx->k->sum_squares(l->g, PARAMS, l->squares);
    const bl_part part[] = {{&o->loss[0], loss[0]->data, 4},
                            {&o->loss[1], loss[1]->data, 4},
                            {&o->squares, l->squares, sizeof(double)}};
    CHECK_OK(bl_to_host_parts(ctx, part, 3));
    ctx->k->sgd(l->w, l->m, l->g, PARAMS, 0.1f / (float)(1 + step), 0.9f, 1e-4f, 1, false);
    CHECK_OK(ctx->dev->zero(ctx->dev, l->g, PARAMS * sizeof(float)));
    bl_step_end(ctx);
    CHECK_OK(ctx->dev->to_host(ctx->dev, o->w, l->w, sizeof o->w));
}

static bl_ctx *context(bool graphs) {
    bl_ctx *ctx;
    const bl_ctx_options opt = {.device = "cuda:0", .deterministic = 1, .graphs = graphs};
    CHECK_OK(bl_ctx_create(&opt, &ctx));
    return ctx;
}

static void test_steps(void) {
    static outcome want[STEPS], got[STEPS];
    leaves l;
    for (int graphs = 0; graphs < 2; graphs++) {
        bl_ctx *ctx = context(graphs);
        bl_graph_stats half = {0}, all;
        leaves_new(ctx, &l);
        for (int i = 0; i < STEPS; i++) {
            train_step(ctx, &l, i, graphs ? &got[i] : &want[i]);
            if (i == STEPS / 2 - 1) half = bl_ctx_graph_stats(ctx);
        }
        all = bl_ctx_graph_stats(ctx);
        printf("graphs %d: %lld kept, commands: %lld direct, %lld replayed\n", graphs,
               (long long)all.graphs, (long long)all.direct_commands,
               (long long)all.replayed_commands);
        if (graphs) {
            CHECK(all.graphs > 0 && all.replayed_commands > 0);
            int64_t direct = all.direct_commands - half.direct_commands;
#ifdef BALLAST_TEST_EMULATED
            CHECK_EQ(direct, 0); /* everything repeats */
#else
            /* A library's engine that cannot be captured keeps its list from it, no other. */
            CHECK(direct < all.replayed_commands - half.replayed_commands);
#endif
        } else {
            CHECK_EQ(all.direct_commands, 0);
        }
        leaves_free(ctx, &l);
        bl_ctx_destroy(ctx);
    }
    for (int i = 0; i < STEPS; i++) CHECK(!memcmp(&want[i], &got[i], sizeof want[i]));
    CHECK(want[0].loss[1] != want[1].loss[1]);
}

/* More than the pinned room holds between two waits, in pieces that are staged and one that is not;
 * a piece that is overwritten before it was read must not lose its first content. */
static void test_uploads(void) {
    enum { PIECES = 40, FLOATS = 50000 };
    bl_ctx *ctx = context(true);
    float *host = malloc(FLOATS * sizeof *host), *big, *device[PIECES];
    CHECK(host);
    for (int i = 0; i < PIECES; i++) {
        for (int j = 0; j < FLOATS; j++) host[j] = (float)(i * 7 + j % 1000);
        CHECK_OK(ctx->dev->alloc(ctx->dev, FLOATS * 4, (void **)&device[i]));
        CHECK_OK(ctx->dev->to_device(ctx->dev, device[i], host, FLOATS * 4));
        if (i > 0) ctx->k->add(BL_F32, device[i], device[i - 1], device[i], FLOATS);
    }
    CHECK_OK(ctx->dev->alloc(ctx->dev, 4 * FLOATS * 4, (void **)&big));
    float *all = calloc(4 * FLOATS, sizeof *all);
    CHECK(all);
    all[4 * FLOATS - 1] = 5;
    CHECK_OK(ctx->dev->to_device(ctx->dev, big, all, 4 * FLOATS * 4));
    CHECK_OK(ctx->dev->copy(ctx->dev, big, device[PIECES - 1], FLOATS * 4));
    CHECK_OK(ctx->dev->to_host(ctx->dev, all, big, 4 * FLOATS * 4));
    for (int j = 0; j < FLOATS; j++) CHECK_EQ(all[j], 7 * 780 + PIECES * (j % 1000));
    CHECK_EQ(all[4 * FLOATS - 1], 5);
    for (int i = 0; i < PIECES; i++) ctx->dev->free(ctx->dev, device[i]);
    ctx->dev->free(ctx->dev, big);
    free(host);
    free(all);
    bl_ctx_destroy(ctx);
}

static void test_one_a_thread(void) {
    const bl_ctx_options opt = {.device = "cuda:0", .graphs = true};
    bl_ctx *ctx = context(true), *other;
    CHECK_FAILS(bl_ctx_create(&opt, &other), BL_EINVAL, "has a context with graphs already");
    bl_ctx_destroy(ctx);
    bl_ctx_destroy(context(true));
    /* The CPU has no graphs. */
    CHECK_OK(bl_ctx_create(&(bl_ctx_options){.device = "cpu", .graphs = true}, &ctx));
    CHECK_EQ(bl_ctx_graph_stats(ctx).graphs, 0);
    bl_ctx_destroy(ctx);
}

#ifdef BALLAST_TEST_EMULATED
/* n additions of 1 to x, as one list. */
static void add_ones(bl_ctx *ctx, float *one, float *x, int n) {
    for (int i = 0; i < n; i++) ctx->k->add(BL_F32, x, one, x, 1);
}

static float value(bl_ctx *ctx, const float *x) {
    float v;
    CHECK_OK(ctx->dev->to_host(ctx->dev, &v, x, sizeof v));
    return v;
}

typedef struct freed_memory {
    bl_device *device;
    void *memory;
} freed_memory;

static void *free_memory(void *arg) {
    freed_memory *f = arg;
    f->device->free(f->device, f->memory);
    return NULL;
}

/* A list that cannot be captured is run directly, now and later. */
static void test_refused(void) {
    bl_ctx *ctx = context(true);
    float *x, *one;
    const float ones[2] = {0, 1};
    CHECK_OK(ctx->dev->alloc(ctx->dev, 8, (void **)&x));
    one = x + 1;
    CHECK_OK(ctx->dev->to_device(ctx->dev, x, ones, 8));
    CHECK_EQ(value(ctx, x), 0);
    bl_emu_fail_capture();
    int64_t before = bl_emu_graphs();
    for (int i = 1; i <= 4; i++) {
        add_ones(ctx, one, x, 3);
        CHECK_EQ(value(ctx, x), 3 * i);
    }
    CHECK_EQ(bl_emu_graphs(), before);
    CHECK_EQ(bl_ctx_graph_stats(ctx).graphs, 0);
    for (int i = 1; i <= 4; i++) {
        add_ones(ctx, one, x, 4);
        CHECK_EQ(value(ctx, x), 12 + 4 * i);
    }
    CHECK_EQ(bl_emu_graphs(), before + 3);
    CHECK_EQ(bl_ctx_graph_stats(ctx).replayed_commands, 3 * 4);
    pthread_t loader; /* frees what graphs of this thread may point to */
    freed_memory other = {ctx->dev, NULL};
    CHECK_OK(ctx->dev->alloc(ctx->dev, 8, &other.memory));
    CHECK(bl_ctx_graph_stats(ctx).graphs > 0);
    CHECK_EQ(pthread_create(&loader, NULL, free_memory, &other), 0);
    pthread_join(loader, NULL);
    add_ones(ctx, one, x, 4);
    CHECK_EQ(value(ctx, x), 12 + 4 * 5);
    CHECK_EQ(bl_ctx_graph_stats(ctx).graphs, 0);
    for (int i = 6; i <= 8; i++) {
        add_ones(ctx, one, x, 4);
        CHECK_EQ(value(ctx, x), 12 + 4 * i);
    }
    CHECK(bl_ctx_graph_stats(ctx).graphs > 0);
    ctx->dev->free(ctx->dev, x); /* graphs may point to it */
    CHECK_OK(ctx->dev->alloc(ctx->dev, 8, (void **)&x));
    CHECK_OK(ctx->dev->zero(ctx->dev, x, 8));
    CHECK_EQ(value(ctx, x), 0);
    CHECK_EQ(bl_ctx_graph_stats(ctx).graphs, 0);
    ctx->dev->free(ctx->dev, x);
    bl_ctx_destroy(ctx);
}

/* A command that fails says so where somebody waits, once; what came after it is not done. */
static void test_errors(void) {
    bl_ctx *ctx = context(true);
    if (!ctx->plans) { /* plain C in the place of the libraries */
        bl_ctx_destroy(ctx);
        return;
    }
    float *x;
    const bl_conv_shape s = {1, 4, 6, 6, 4, 4, 6, 6, 4, 3, 3, 1, 1, 1, BL_F32};
    CHECK_OK(ctx->dev->alloc(ctx->dev, 4096, (void **)&x));
    CHECK_OK(ctx->dev->zero(ctx->dev, x, 4096));
    CHECK_OK(ctx->k->conv_fwd(ctx, &s, x, x + 200, NULL, false, x + 500));
    CHECK_EQ(value(ctx, x), 0);
    bl_emu_cudnn_fail(5000);
    CHECK_OK(ctx->k->conv_fwd(ctx, &s, x, x + 200, NULL, false, x + 500));
    ctx->k->sum_squares(x, 1, (double *)(x + 1000));
    bl_status status = ctx->dev->sync(ctx->dev);
    CHECK_EQ(status, BL_EBACKEND);
    CHECK(strstr(bl_error(), "convolution fwd 1x4x6x6") && strstr(bl_error(), "deferred"));
    CHECK_OK(ctx->dev->sync(ctx->dev));
    CHECK_OK(ctx->k->conv_fwd(ctx, &s, x, x + 200, NULL, false, x + 500));
    CHECK_EQ(value(ctx, x + 500), 0);
    /* A kernel that failed on the device, as without graphs. */
    ctx->k->sum_squares(x, 1, (double *)(x + 1000));
    bl_emu_fail(719);
    CHECK_FAILS(ctx->dev->sync(ctx->dev), BL_EBACKEND, "cudaErrorLaunchFailure");
    ctx->dev->free(ctx->dev, x);
    bl_ctx_destroy(ctx);
}
#endif

int main(void) {
    const bl_backend *cuda = bl_cuda_backend();
    const char *why = bl_cuda_absent();
    if (!cuda || cuda->devices(&why) == 0) SKIP("no CUDA device: %s", why);
    test_steps();
    test_uploads();
    test_one_a_thread();
#ifdef BALLAST_TEST_EMULATED
    test_refused();
    test_errors();
#endif
    return 0;
}
