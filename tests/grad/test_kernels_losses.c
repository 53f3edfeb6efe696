#include "tests/grad/gradcheck.h"

typedef struct softmax_case {
    float focal, scale;
    bool weighted;
} softmax_case;

static const int32_t label[] = {0, 3, -1, 4, 2, 2};
static const float weight[] = {1, 0.5f, 2, 0, 3, 1.25f};

static bl_status softmax(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    const softmax_case *k = arg;
    return bl_softmax_loss(ctx, in[0], label, k->weighted ? weight : NULL, k->focal, k->scale, out);
}

static bl_status bce(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    static const float target[] = {0, 1, 0.25f, 0.5f, 1, 0};
    const softmax_case *k = arg;
    return bl_sigmoid_bce_loss(ctx, in[0], target, k->weighted ? weight : NULL, k->scale, out);
}

static bl_status smooth_l1(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    static const int32_t first[] = {0, 3, -1, 6, 1, 2};
    static const float target[] = {0.1f, 0.2f,  -0.7f, 0.5f, 0,     1,    0.3f, -0.2f, 0.8f,
                                   -1,   -0.4f, 0.6f,  0.9f, -0.1f, 0.2f, 0.7f, -0.6f, 0.4f};
    const softmax_case *k = arg; /* focal: beta */
    return bl_smooth_l1_loss(ctx, in[0], first, target, k->weighted ? weight : NULL, 3, k->focal,
                             k->scale, out);
}

/* Two losses of one trunk through bl_backward's seeds, against the weighted sum of separate runs.
 */
static void roots(bl_ctx *ctx) {
    float x[6 * 4], w[5 * 4], dw[20], want[20] = {0}, got[24], want_x[24] = {0};
    bl_rng rng = bl_rng_make(3, 3);
    for (int i = 0; i < 24; i++) x[i] = bl_rng_range(&rng, -1, 1);
    for (int i = 0; i < 20; i++) w[i] = bl_rng_range(&rng, -1, 1);
    bl_tensor tdw = {.data = dw, .n = 5, .c = 4, .h = 1, .w = 1, .cb = 1}, tw = tdw;
    tw.data = w, tw.leaf = tw.needs_grad = true, tw.grad = &tdw;
    const softmax_case plain = {0, 1, false}, focal = {2, 1, true};
    const float seeds[] = {0.5f, -2};
    for (int run = 0; run < 3; run++) { /* 0, 1: each root alone; 2: both, the first one twice */
        bl_tensor *in, *y, *unused, *loss[4];
        memset(dw, 0, sizeof dw);
        bl_step_begin(ctx, true);
        CHECK_OK(bl_tensor_from_host(ctx, x, 6, 4, 1, 1, 1, &in));
        in->needs_grad = true;
        CHECK_OK(bl_linear(ctx, in, &tw, NULL, BL_ACT_NONE, &y));
        CHECK_OK(bl_linear(ctx, in, &tw, NULL, BL_ACT_RELU, &unused));
        CHECK_OK(softmax(ctx, &y, &plain, &loss[0]));
        CHECK_OK(softmax(ctx, &y, &focal, &loss[1]));
        CHECK_OK(softmax(ctx, &unused, &focal, &loss[2])); /* no root: must contribute nothing */
        bool old = bl_no_grad(ctx);
        CHECK_OK(softmax(ctx, &y, &plain, &loss[2])); /* a root without gradient is skipped */
        bl_set_grad(ctx, old);
        loss[3] = loss[0];
        if (run < 2) CHECK_OK(bl_backward(ctx, &loss[run], &seeds[run], 1));
        if (run == 2) {
            const float all_seeds[] = {0.25f, -2, 7, 0.25f};
            CHECK_OK(bl_backward(ctx, loss, all_seeds, 4));
        }
        CHECK_OK(bl_tensor_to_host(ctx, in->grad, got));
        for (int i = 0; i < 24; i++) {
            if (run < 2) want_x[i] += got[i];
            if (run == 2) CHECK_NEAR(got[i], want_x[i], 1e-5);
        }
        for (int i = 0; i < 20; i++) {
            if (run < 2) want[i] += dw[i];
            if (run == 2) CHECK_NEAR(dw[i], want[i], 1e-5);
        }
        CHECK(fabs(dw[0]) > 1e-3);
        /* The tape is empty: running backward again adds nothing. */
        float before = dw[0];
        CHECK_OK(bl_backward(ctx, NULL, NULL, 0));
        CHECK(dw[0] == before);
        bl_step_end(ctx);
    }
    bl_tensor *matrix;
    bl_step_begin(ctx, true);
    CHECK_OK(bl_tensor_from_host(ctx, x, 6, 4, 1, 1, 1, &matrix));
    matrix->needs_grad = true;
    CHECK_FAILS(bl_backward(ctx, &matrix, seeds, 1), BL_EINVAL, "not a scalar");
    bl_step_end(ctx);
}

static void check(bl_ctx *ctx, const char *name, gc_fn fn, const void *arg, gc_input in) {
    gc_case k = {.name = name, .n_in = 1, .fn = fn, .arg = arg};
    k.in[0] = in;
    gc_check(ctx, &k);
}

static void all(bl_ctx *ctx) {
    const softmax_case cases[] = {{0, 1, false},   {0, 0.3f, true},  {2, 1, true},
                                  {1.5f, 2, true}, {0.5f, 1, false}, {1, 1, true}};
    for (int i = 0; i < 6; i++) {
        const softmax_case *a = &cases[i];
        check(ctx, "softmax loss", softmax, a, gc_range(gc_map(6, 5, 1, 1, 1), -2, 2));
        check(ctx, "softmax loss, blocked", softmax, a, gc_range(gc_map(6, 5, 1, 1, 8), -2, 2));
        check(ctx, "bce", bce, a, gc_range(gc_map(6, 1, 1, 1, 1), -3, 3));
        check(ctx, "smooth l1", smooth_l1, a, gc_map(6, 9, 1, 1, 1));
    }
    check(ctx, "softmax loss, empty", softmax, &cases[0], gc_map(0, 5, 1, 1, 1));
    check(ctx, "bce, empty", bce, &cases[0], gc_map(0, 1, 1, 1, 1));
    check(ctx, "smooth l1, empty", smooth_l1, &cases[0], gc_map(0, 9, 1, 1, 1));
    roots(ctx);
}

int main(void) {
    return gc_main(all);
}
