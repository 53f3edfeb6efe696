#include "tests/grad/gradcheck.h"

static bl_status max_pool(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    const int32_t *a = arg;
    return bl_max_pool(ctx, in[0], a[0], a[1], a[2], out);
}

static bl_status avg_pool(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_avg_pool_global(ctx, in[0], out);
}

static bl_status relu(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_relu(ctx, in[0], out);
}

static bl_status add(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_add(ctx, in[0], in[1], out);
}

/* relu(x) + x + x: one gradient written, then added to three times. */
static bl_status add_shared(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    bl_tensor *a, *b;
    BL_TRY(bl_relu(ctx, in[0], &a));
    BL_TRY(bl_add(ctx, in[0], in[0], &b));
    BL_TRY(bl_add(ctx, a, b, out));
    bl_tensor_drop(ctx, a);
    bl_tensor_drop(ctx, b);
    return BL_OK;
}

static bl_status upsample(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_upsample_add(ctx, in[0], in[1], out);
}

/* The coarse map is used by two levels, as in a feature pyramid. */
static bl_status pyramid(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    bl_tensor *a, *b, *c;
    BL_TRY(bl_upsample_add(ctx, in[1], in[2], &a));
    BL_TRY(bl_upsample_add(ctx, in[0], a, &b));
    BL_TRY(bl_upsample_add(ctx, b, a, &c));
    BL_TRY(bl_relu(ctx, c, out));
    bl_tensor_drop(ctx, a);
    bl_tensor_drop(ctx, b);
    bl_tensor_drop(ctx, c);
    return BL_OK;
}

static bl_status reorder(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_reorder(ctx, in[0], *(const int32_t *)arg, out);
}

static bl_status linear(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_linear(ctx, in[0], in[1], in[2], *(const bl_act *)arg, out);
}

static bl_status linear_no_bias(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_linear(ctx, in[0], in[1], NULL, *(const bl_act *)arg, out);
}

static bl_status gather(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    static const bl_loc loc[] = {{0, 0, 1, 2, 0}, {1, 1, 0, 0, 2}, {0, 0, 1, 2, 0},
                                 {1, 0, 3, 4, 1}, {0, 1, 1, 1, 1}, {1, 0, 1, 2, 2}};
    return bl_gather(ctx, in, 2, loc, *(const int64_t *)arg, 3, out);
}

/* The same map at both levels. */
static bl_status gather_shared(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    static const bl_loc loc[] = {{0, 0, 1, 2, 0}, {0, 1, 1, 2, 0}, {0, 1, 0, 2, 1}};
    bl_tensor *maps[] = {in[0], in[0]};
    return bl_gather(ctx, maps, 2, loc, 3, 2, out);
}

static const bl_box rois[] = {{3, 5, 31, 40},    {0, 0, 8, 8},     {-20, -9, 15, 12},
                              {10, 4, 60, 55},   {20, 20, 20, 20}, {1.5f, 2.25f, 3, 38},
                              {30, 30, 200, 210}};
static const int32_t roi_batch[] = {0, 1, 1, 0, 1, 0, 0}, roi_level[] = {0, 0, 1, 1, 0, 0, 1};

static bl_status roi_align(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_roi_align(ctx, in, 2, rois, roi_batch, roi_level, 7, arg, out);
}

static bl_status roi_align_empty(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_roi_align(ctx, in, 2, rois, roi_batch, roi_level, 0, arg, out);
}

static void check(bl_ctx *ctx, const char *name, gc_fn fn, const void *arg, gc_input a, gc_input b,
                  gc_input c) {
    gc_case k = {.name = name, .in = {a, b, c}, .fn = fn, .arg = arg, .step = 0.01f};
    k.n_in = c.cb ? 3 : b.cb ? 2 : 1;
    gc_check(ctx, &k);
}

static const gc_input no;

static void elementwise(bl_ctx *ctx, int32_t cb) {
    int64_t c = cb == 16 ? 19 : 5;
    const int32_t pools[][3] = {{3, 2, 1}, {2, 2, 0}, {3, 1, 1}, {1, 2, 0}, {5, 3, 2}};
    for (int i = 0; i < 5; i++) {
        gc_case k = {.name = "max_pool", .n_in = 1, .fn = max_pool, .step = 0.005f};
        k.in[0] = gc_map(2, c, 7, 6, cb);
        k.arg = pools[i];
        gc_check(ctx, &k);
    }
    check(ctx, "avg_pool", avg_pool, NULL, gc_map(2, c, 7, 3, cb), no, no);
    check(ctx, "relu", relu, NULL, gc_map(2, c, 5, 4, cb), no, no);
    check(ctx, "add", add, NULL, gc_map(2, c, 5, 4, cb), gc_map(2, c, 5, 4, cb), no);
    check(ctx, "add, other layout", add, NULL, gc_map(2, c, 5, 4, cb),
          gc_map(2, c, 5, 4, cb == 1 ? 8 : 1), no);
    check(ctx, "add shared", add_shared, NULL, gc_map(2, c, 5, 4, cb), no, no);
    check(ctx, "add, empty", add, NULL, gc_map(0, c, 5, 4, cb), gc_map(0, c, 5, 4, cb), no);
    check(ctx, "upsample", upsample, NULL, gc_map(2, c, 8, 6, cb), gc_map(2, c, 4, 3, cb), no);
    check(ctx, "upsample, odd", upsample, NULL, gc_map(1, c, 7, 5, cb), gc_map(1, c, 4, 3, cb), no);
    check(ctx, "upsample, same size", upsample, NULL, gc_map(1, c, 4, 3, cb),
          gc_map(1, c, 4, 3, cb), no);
    check(ctx, "pyramid", pyramid, NULL, gc_map(1, c, 9, 8, cb), gc_map(1, c, 5, 4, cb),
          gc_map(1, c, 3, 2, cb));
    const int32_t blocks[] = {1, 8, 16};
    for (int i = 0; i < 3; i++) {
        check(ctx, "reorder", reorder, &blocks[i], gc_map(2, c, 5, 4, cb), no, no);
    }
}

static void matrices(bl_ctx *ctx) {
    const bl_act none = BL_ACT_NONE, act = BL_ACT_RELU;
    const gc_input w = gc_leaf(7, 45, 1, 1), b = gc_leaf(7, 1, 1, 1);
    check(ctx, "linear", linear, &none, gc_map(3, 45, 1, 1, 1), w, b);
    check(ctx, "linear relu", linear, &act, gc_map(3, 45, 1, 1, 1), w, b);
    check(ctx, "linear, no bias", linear_no_bias, &none, gc_map(3, 45, 1, 1, 1), w, no);
    check(ctx, "linear, relu, no bias", linear_no_bias, &act, gc_map(3, 45, 1, 1, 1), w, no);
    check(ctx, "linear of blocks", linear, &act, gc_map(3, 5, 3, 3, 8), w, b);
    check(ctx, "linear, empty", linear, &act, gc_map(0, 5, 3, 3, 8), w, b);
    check(ctx, "linear, one row", linear, &act, gc_map(1, 5, 3, 3, 16), w, b);
    check(ctx, "linear, wide", linear, &none, gc_map(5, 300, 1, 1, 1), gc_leaf(33, 300, 1, 1),
          gc_leaf(33, 1, 1, 1));
}

static void lists(bl_ctx *ctx, int32_t cb) {
    const int64_t some = 6, none = 0;
    check(ctx, "gather", gather, &some, gc_map(2, 9, 4, 5, cb), gc_map(2, 9, 2, 2, cb), no);
    check(ctx, "gather, one frozen", gather, &some, gc_frozen(gc_map(2, 9, 4, 5, cb), true),
          gc_map(2, 9, 2, 2, cb), no);
    check(ctx, "gather, empty", gather, &none, gc_map(2, 9, 4, 5, cb), gc_map(2, 9, 2, 2, cb), no);
    check(ctx, "gather shared", gather_shared, NULL, gc_map(2, 9, 4, 5, cb), no, no);
    const bl_roi_attr attrs[] = {{2, 0, true, {0.25f, 0.125f}},
                                 {3, 2, false, {0.25f, 0.125f}},
                                 {2, 0, false, {0.25f, 0.125f}},
                                 {3, 1, true, {0.25f, 0.125f}}};
    int64_t c = cb == 16 ? 18 : 5;
    for (int i = 0; i < 4; i++) {
        check(ctx, "roi_align", roi_align, &attrs[i], gc_map(2, c, 11, 12, cb),
              gc_map(2, c, 6, 5, cb), no);
    }
    check(ctx, "roi_align, one frozen", roi_align, &attrs[0],
          gc_frozen(gc_map(2, c, 11, 12, cb), true), gc_map(2, c, 6, 5, cb), no);
    check(ctx, "roi_align, empty", roi_align_empty, &attrs[0], gc_map(2, c, 11, 12, cb),
          gc_map(2, c, 6, 5, cb), no);
}

static void all(bl_ctx *ctx) {
    const int32_t blocks[] = {1, 5, 8, 16};
    for (int i = 0; i < 4; i++) {
        elementwise(ctx, blocks[i]);
        if (blocks[i] != 5) lists(ctx, blocks[i]);
    }
    matrices(ctx);
}

int main(void) {
    return gc_main(all);
}
