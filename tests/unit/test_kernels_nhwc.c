/* A context that prefers NHWC (channel block 0), as the GPU's do: a small network of every op over
 * maps computes what it computes in channel blocks. Plain C kernels on the CPU. */
#include "core/rng.h"
#include "kernels/kernels.h"
#include "kernels/tape.h"
#include "tests/check.h"

enum { N = 2, IN = 3, MID = 12, SIZE = 16, PARAMS = 8192, ROIS = 3, GRID = 3, OUT = 5 };

/* A parameter store in miniature: planar leaves over two arrays. */
typedef struct leaves {
    float value[PARAMS], grad[PARAMS];
    bl_tensor t[16], g[16];
    int n;
    int64_t used;
} leaves;

static bl_tensor *leaf(leaves *l, int64_t n, int64_t c, int64_t h, int64_t w) {
    bl_tensor *t = &l->t[l->n], *g = &l->g[l->n++];
    CHECK(l->n <= 16 && l->used + n * c * h * w <= PARAMS);
    *g = (bl_tensor){.data = l->grad + l->used, .n = n, .c = c, .h = h, .w = w, .cb = 1};
    *t = *g;
    t->data = l->value + l->used;
    t->leaf = true;
    t->needs_grad = true;
    t->grad = g;
    l->used += n * c * h * w;
    return t;
}

static bl_norm norm_of(leaves *l, bl_norm_kind kind, int64_t c) {
    bl_norm p = {.kind = kind, .gamma = leaf(l, 1, c, 1, 1), .beta = leaf(l, 1, c, 1, 1)};
    p.eps = 1e-5f;
    p.momentum = 0.1f;
    p.groups = 3;
    if (kind == BL_NORM_GROUP) return p;
    p.running_mean = leaf(l, 1, c, 1, 1);
    p.running_var = leaf(l, 1, c, 1, 1);
    p.running_mean->needs_grad = p.running_var->needs_grad = false;
    return p;
}

/* Stem, two normalised convolutions with a skip, pooling, a coarser map merged into it, RoIAlign,
 * gathered anchors, a linear layer, two losses. */
static void network(bl_ctx *ctx, leaves *l, bl_tensor *image, float *losses) {
    const bl_conv_attr stem = {.stride = 1, .pad = 1, .dilation = 1, .act = BL_ACT_RELU};
    const bl_conv_attr plain = {.stride = 1, .pad = 1, .dilation = 1};
    const bl_conv_attr down = {.stride = 2, .pad = 1, .dilation = 1};
    const bl_roi_attr roi = {.size = GRID, .sampling = 2, .aligned = true, .scale = {0.5f, 0.25f}};
    const bl_box box[ROIS] = {{1, 2, 9, 11}, {0, 0, 15, 15}, {4, 3, 8, 14}};
    const int32_t batch[ROIS] = {0, 1, 1}, level[ROIS] = {0, 1, 0}, label[ROIS] = {1, 4, 0};
    const bl_loc loc[4] = {{0, 0, 3, 2, 1}, {1, 1, 2, 3, 0}, {0, 1, 0, 0, 2}, {1, 0, 7, 7, 2}};
    const float target[4] = {0, 1, 1, 0};
    bl_tensor *x, *y, *z, *coarse, *maps[2], *heads[2], *rois, *logits, *chosen, *loss[2];
    CHECK_OK(bl_conv2d(ctx, image, leaf(l, MID, IN, 3, 3), leaf(l, 1, MID, 1, 1), &stem, &x));

    CHECK_EQ(x->cb, ctx->cb == 0 ? MID : ctx->cb);
    bl_norm batch_norm = norm_of(l, BL_NORM_BATCH, MID), group = norm_of(l, BL_NORM_GROUP, MID);
    CHECK_OK(bl_conv2d(ctx, x, leaf(l, MID, MID, 3, 3), NULL, &plain, &y));
    CHECK_OK(bl_norm_act(ctx, y, &batch_norm, x, BL_ACT_LEAKY, 0.1f, &z));
    CHECK_OK(bl_max_pool(ctx, z, 3, 2, 1, &maps[0]));
    CHECK_OK(bl_conv2d(ctx, maps[0], leaf(l, MID, MID, 3, 3), NULL, &down, &y));
    CHECK_OK(bl_norm_act(ctx, y, &group, NULL, BL_ACT_RELU, 0, &coarse));
    CHECK_OK(bl_upsample_add(ctx, maps[0], coarse, &maps[0]));
    CHECK_OK(bl_shortcut(ctx, maps[0], 2, MID, &maps[1]));
    CHECK_OK(bl_add(ctx, maps[1], coarse, &maps[1]));
    CHECK_OK(bl_relu(ctx, maps[1], &maps[1]));
    bl_tensor *w = leaf(l, 3, MID, 1, 1);
    for (int i = 0; i < 2; i++) {
        const bl_conv_attr head = {.stride = 1, .dilation = 1};
        CHECK_OK(bl_conv2d(ctx, maps[i], w, NULL, &head, &heads[i]));
    }
    CHECK_OK(bl_gather(ctx, heads, 2, loc, 4, 1, &chosen));
    CHECK_OK(bl_sigmoid_bce_loss(ctx, chosen, target, NULL, 0.25f, &loss[0]));
    CHECK_OK(bl_roi_align(ctx, maps, 2, box, batch, level, ROIS, &roi, &rois));
    CHECK_OK(bl_linear(ctx, rois, leaf(l, OUT, MID * GRID * GRID, 1, 1), leaf(l, 1, OUT, 1, 1),
                       BL_ACT_NONE, &logits));
    CHECK_OK(bl_softmax_loss(ctx, logits, label, NULL, 0, 1.0f / ROIS, &loss[1]));
    for (int i = 0; i < 2; i++) CHECK_OK(bl_scalar(ctx, loss[i], &losses[i]));
    const float seeds[2] = {1, 2};
    CHECK_OK(bl_backward(ctx, loss, seeds, 2));
}

static void run(int32_t cb, leaves *l, float *losses) {
    bl_ctx *ctx;
    CHECK_OK(bl_ctx_create(&(bl_ctx_options){.backend = "ref"}, &ctx));
    ctx->cb = cb;
    memset(l, 0, sizeof *l);
    bl_rng r = bl_rng_make(3, 1);
    for (int i = 0; i < PARAMS; i++) l->value[i] = bl_rng_range(&r, -0.3f, 0.4f);
    float image[N * IN * SIZE * SIZE];
    for (int i = 0; i < N * IN * SIZE * SIZE; i++) image[i] = bl_rng_range(&r, -1, 1);
    bl_step_begin(ctx, true);
    bl_tensor *x;
    CHECK_OK(bl_tensor_from_host(ctx, image, N, IN, SIZE, SIZE, 1, &x));
    network(ctx, l, x, losses);
    bl_step_end(ctx);
    CHECK_EQ(bl_pool_get_stats(ctx->pool).live, 0);
    bl_ctx_destroy(ctx);
}

static void near(const char *what, const float *a, const float *b, int64_t n) {
    double scale = 1e-30;
    for (int64_t i = 0; i < n; i++) scale = fmax(scale, fabs(a[i]));
    for (int64_t i = 0; i < n; i++) {
        if (fabs((double)a[i] - b[i]) <= 2e-5 * scale) continue;
        fprintf(stderr, "%s %lld: %.9g, expected %.9g\n", what, (long long)i, b[i], a[i]);
        exit(1);
    }
}

int main(void) {
    static leaves blocked, nhwc;
    float want[2], got[2];
    run(8, &blocked, want);
    run(0, &nhwc, got);
    near("loss", want, got, 2);
    CHECK_EQ(blocked.used, nhwc.used);
    near("parameter", blocked.value, nhwc.value, blocked.used); /* the running statistics */
    double moved = 0;
    for (int t = 0; t < blocked.n; t++) {
        bl_tensor *g = &blocked.g[t];
        near("gradient", bl_f32(g), bl_f32(&nhwc.g[t]), bl_storage(g));
        for (int64_t i = 0; i < bl_storage(g); i++) moved += fabs(bl_f32(g)[i]);
    }
    CHECK(moved > 1);
    return 0;
}
