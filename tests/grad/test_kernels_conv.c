#include "tests/grad/gradcheck.h"

typedef struct conv_case {
    int64_t n, c, h, w, o, kh, kw;
    bl_conv_attr a;
    int32_t cb;
    bool bias;
} conv_case;

/* in: x, w, [b] */
static bl_status conv(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    const conv_case *k = arg;
    return bl_conv2d(ctx, in[0], in[1], k->bias ? in[2] : NULL, &k->a, out);
}

static const conv_case cases[] = {
    {2, 5, 7, 6, 7, 3, 3, {1, 1, 1, BL_ACT_RELU}, 8, true},
    {2, 5, 7, 6, 7, 3, 3, {1, 1, 1, BL_ACT_NONE}, 16, false},
    {1, 3, 13, 11, 4, 7, 7, {2, 3, 1, BL_ACT_NONE}, 1, false}, /* a stem on planar images */
    {1, 3, 9, 9, 20, 3, 3, {2, 1, 1, BL_ACT_RELU}, 1, true},
    {2, 20, 5, 5, 18, 1, 1, {1, 0, 1, BL_ACT_NONE}, 16, true},
    {1, 17, 6, 7, 9, 1, 1, {2, 0, 1, BL_ACT_RELU}, 8, true},
    {1, 8, 9, 8, 16, 3, 3, {2, 1, 1, BL_ACT_NONE}, 8, false},
    {1, 16, 8, 9, 8, 3, 3, {1, 2, 2, BL_ACT_RELU}, 16, true}, /* dilated */
    {2, 4, 8, 7, 5, 3, 3, {2, 2, 2, BL_ACT_NONE}, 8, true},
    {1, 6, 5, 6, 4, 2, 3, {1, 0, 1, BL_ACT_NONE}, 8, true},  /* even, not square */
    {1, 6, 5, 5, 4, 5, 5, {1, 0, 1, BL_ACT_NONE}, 16, true}, /* one output pixel */
    {1, 5, 6, 6, 4, 3, 3, {3, 2, 1, BL_ACT_NONE}, 5, true},  /* channels last */
    {1, 3, 6, 6, 12, 3, 3, {1, 1, 1, BL_ACT_RELU}, 3, true},
    {0, 5, 7, 6, 7, 3, 3, {1, 1, 1, BL_ACT_RELU}, 8, true},
};

/* y = conv(relu(conv(x)) ) + x through one set of weights: shared leaf and shared activation. */
static bl_status shared(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    const bl_conv_attr first = {1, 1, 1, BL_ACT_RELU}, second = {1, 1, 1, BL_ACT_NONE};
    bl_tensor *a, *b;
    BL_TRY(bl_conv2d(ctx, in[0], in[1], NULL, &first, &a));
    BL_TRY(bl_conv2d(ctx, a, in[1], NULL, &second, &b));
    bl_tensor_drop(ctx, a);
    BL_TRY(bl_add(ctx, b, in[0], out));
    bl_tensor_drop(ctx, b);
    return BL_OK;
}

static void all(bl_ctx *ctx) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const conv_case *c = &cases[i];
        char name[64];
        snprintf(name, sizeof name, "conv case %zu", i);
        /* Which of x, w, b are trained. */
        for (int frozen = 0; frozen < (c->bias ? 4 : 3); frozen++) {
            gc_case k = {.name = name,
                         .fn = conv,
                         .arg = c,
                         .n_in = c->bias ? 3 : 2,
                         .step = c->a.act == BL_ACT_RELU ? 0.004f : 0.05f};
            k.in[0] = gc_frozen(gc_map(c->n, c->c, c->h, c->w, c->cb), frozen == 1);
            k.in[1] = gc_frozen(gc_leaf(c->o, c->c, c->kh, c->kw), frozen >= 2);
            k.in[2] = gc_frozen(gc_leaf(c->o, 1, 1, 1), frozen == 2);
            if (i > 1 && frozen > 0) continue;
            gc_check(ctx, &k);
        }
    }
    const int32_t blocks[] = {8, 16};
    for (int i = 0; i < 2; i++) {
        gc_case k = {.name = "shared conv", .n_in = 2, .fn = shared, .step = 0.004f};
        k.in[0] = gc_map(1, 6, 5, 5, blocks[i]);
        k.in[1] = gc_leaf(6, 6, 3, 3);
        gc_check(ctx, &k);
    }
}

int main(void) {
    return gc_main(all);
}
