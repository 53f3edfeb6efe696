/* Ops on rows and parts of batches. */
#include "tests/grad/gradcheck.h"

static bl_status normalize(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_l2_normalize(ctx, in[0], *(const float *)arg, out);
}

/* Cosine logits: both operands normalised, one of them a parameter. */
static bl_status cosine(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    bl_tensor *x, *w;
    BL_TRY(bl_l2_normalize(ctx, in[0], 1e-12f, &x));
    BL_TRY(bl_l2_normalize(ctx, in[1], 1e-12f, &w));
    BL_TRY(bl_linear(ctx, x, w, NULL, BL_ACT_NONE, out));
    bl_tensor_drop(ctx, x);
    bl_tensor_drop(ctx, w);
    return BL_OK;
}

/* All pairs of one matrix's rows. */
static bl_status gram(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_linear(ctx, in[0], in[0], NULL, BL_ACT_NONE, out);
}

static bl_status scale(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_scale(ctx, in[0], -2.5f, out);
}

static bl_status slice(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    const int64_t *a = arg;
    return bl_slice(ctx, in[0], a[0], a[1], out);
}

/* Overlapping slices joined again, in another order, with a second tensor. */
static bl_status pieces(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    bl_tensor *t[4];
    BL_TRY(bl_slice(ctx, in[0], 2, 1, &t[0]));
    BL_TRY(bl_slice(ctx, in[0], 0, 2, &t[1]));
    t[2] = in[1];
    BL_TRY(bl_slice(ctx, in[0], 1, 2, &t[3]));
    BL_TRY(bl_concat(ctx, t, 4, out));
    bl_tensor_drop(ctx, t[0]);
    bl_tensor_drop(ctx, t[1]);
    bl_tensor_drop(ctx, t[3]);
    return BL_OK;
}

static bl_status rows(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    static const int32_t index[] = {3, 0, 3, 1};
    return bl_rows(ctx, in[0], index, 4, out);
}

static bl_status shortcut(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    const int32_t *a = arg;
    return bl_shortcut(ctx, in[0], a[0], a[1], out);
}

/* The input is used by the shortcut and beside it. */
static bl_status shortcut_shared(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    bl_tensor *a;
    BL_TRY(bl_shortcut(ctx, in[0], 1, in[0]->c, &a));
    BL_TRY(bl_add(ctx, a, in[0], out));
    bl_tensor_drop(ctx, a);
    return BL_OK;
}

static void check(bl_ctx *ctx, const char *name, gc_fn fn, const void *arg, gc_input a,
                  gc_input b) {
    gc_case k = {.name = name, .in = {a, b}, .n_in = b.cb ? 2 : 1, .fn = fn, .arg = arg};
    gc_check(ctx, &k);
}

static const gc_input no;

/* No gradient passes a detached tensor; its values do. */
static void detach(bl_ctx *ctx) {
    const float x[] = {1, 2, 3, 4};
    float got[4];
    bl_tensor *t, *d, *y, *grad;
    bl_step_begin(ctx, true);
    CHECK_OK(bl_tensor_from_host(ctx, x, 2, 2, 1, 1, 1, &t));
    t->needs_grad = true;
    CHECK_OK(bl_detach(ctx, t, &d));
    CHECK(!d->needs_grad);
    CHECK_OK(bl_add(ctx, t, d, &y));
    CHECK_OK(bl_tensor_to_host(ctx, y, got));
    CHECK(got[3] == 8);
    float beta;
    CHECK_OK(bl_grad_target(ctx, y, &grad, &beta));
    memcpy(grad->data, x, sizeof x);
    CHECK_OK(bl_backward(ctx, NULL, NULL, 0));
    CHECK_OK(bl_tensor_to_host(ctx, t->grad, got));
    CHECK(got[3] == 4 && !d->grad);
    bl_step_end(ctx);
}

static void errors(bl_ctx *ctx) {
    bl_tensor *a, *b, *y;
    const int32_t bad[] = {0, 4};
    bl_step_begin(ctx, false);
    CHECK_OK(bl_tensor_new(ctx, 4, 6, 1, 1, 1, BL_F32, &a));
    CHECK_OK(bl_tensor_new(ctx, 4, 6, 2, 2, 1, BL_F32, &b));
    bl_tensor *both[] = {a, b};
    CHECK_FAILS(bl_slice(ctx, a, 3, 2, &y), BL_EINVAL, "images 3..4");
    CHECK_FAILS(bl_slice(ctx, a, -1, 2, &y), BL_EINVAL, "images -1");
    CHECK_FAILS(bl_concat(ctx, both, 2, &y), BL_EINVAL, "differ");
    CHECK_FAILS(bl_concat(ctx, both, 0, &y), BL_EINVAL, "0 tensors");
    CHECK_FAILS(bl_rows(ctx, a, bad, 2, &y), BL_EINVAL, "image 4");
    CHECK_FAILS(bl_rows(ctx, b, bad, 1, &y), BL_EINVAL, "not a matrix");
    CHECK_FAILS(bl_l2_normalize(ctx, b, 1e-6f, &y), BL_EINVAL, "matrix");
    CHECK_FAILS(bl_l2_normalize(ctx, a, 0, &y), BL_EINVAL, "eps");
    CHECK_FAILS(bl_shortcut(ctx, b, 2, 5, &y), BL_EINVAL, "5 channels");
    CHECK_FAILS(bl_shortcut(ctx, b, 0, 6, &y), BL_EINVAL, "stride 0");
    bl_step_end(ctx);
}

static void all(bl_ctx *ctx) {
    const float tiny = 1e-12f, large = 2;
    check(ctx, "l2_normalize", normalize, &tiny, gc_map(4, 7, 1, 1, 1), no);
    check(ctx, "l2_normalize, blocked", normalize, &tiny, gc_map(4, 7, 1, 1, 8), no);
    check(ctx, "l2_normalize, below eps", normalize, &large, gc_map(4, 3, 1, 1, 1), no);
    check(ctx, "l2_normalize, empty", normalize, &tiny, gc_map(0, 7, 1, 1, 1), no);
    check(ctx, "cosine", cosine, NULL, gc_map(4, 7, 1, 1, 1), gc_leaf(3, 7, 1, 1));
    check(ctx, "gram", gram, NULL, gc_map(4, 7, 1, 1, 1), no);
    const int32_t blocks[] = {1, 8, 16};
    const int32_t shortcuts[][2] = {{2, 12}, {1, 6}, {2, 33}, {3, 40}};
    const int64_t slices[][2] = {{0, 3}, {1, 2}, {2, 0}};
    for (int i = 0; i < 3; i++) {
        int32_t cb = blocks[i];
        check(ctx, "scale", scale, NULL, gc_map(2, 5, 3, 2, cb), no);
        for (int k = 0; k < 3; k++)
            check(ctx, "slice", slice, slices[k], gc_map(3, 5, 3, 2, cb), no);
        check(ctx, "slice and concat", pieces, NULL, gc_map(3, 5, 3, 2, cb), gc_map(2, 5, 3, 2, 8));
        for (int k = 0; k < 4; k++)
            check(ctx, "shortcut", shortcut, shortcuts[k], gc_map(2, 6, 5, 4, cb), no);
        check(ctx, "shortcut, wide", shortcut, shortcuts[3], gc_map(2, 17, 4, 4, cb), no);
        check(ctx, "shortcut, shared", shortcut_shared, NULL, gc_map(2, 6, 5, 4, cb), no);
        check(ctx, "shortcut, empty", shortcut, shortcuts[0], gc_map(0, 6, 5, 4, cb), no);
    }
    check(ctx, "rows", rows, NULL, gc_map(4, 5, 1, 1, 1), no);
    detach(ctx);
    errors(ctx);
}

int main(void) {
    return gc_main(all);
}
