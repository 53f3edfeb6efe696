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

static const float prior[] = {-0.1f, -2.5f, -1.2f, -3, -0.7f},
                   margin[] = {0.1f, 0.2f, 0, 0.5f, 0.3f};

static bl_status adjusted(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_adjusted_softmax_loss(ctx, in[0], label, weight, arg, 0.3f, out);
}

static bl_status soft(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    static float target[6 * 5]; /* rows that sum to 0.5, 1, 1.5 ... and one of zeros */
    for (int i = 0; i < 30; i++) target[i] = (float)(i / 5) * 0.1f + (i % 5 == i / 5 ? 0.5f : 0);
    for (int i = 0; i < 5; i++) target[i] = 0;
    return bl_soft_target_loss(ctx, in[0], target, arg ? weight : NULL, arg, 0.7f, out);
}

static bl_status entropy(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_entropy_loss(ctx, in[0], arg, 0.7f, out);
}

static bl_status nce(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    return bl_info_nce_loss(ctx, in[0], in[1], in[2], 0.5f, 0.25f, out);
}

/* sum(a^2) + sum(a b) by hand. */
static bl_status given(bl_ctx *ctx, bl_tensor **in, const void *arg, bl_tensor **out) {
    float a[12], b[12], da[12];
    const float *grad[] = {da, a};
    double value = 0;
    BL_TRY(bl_tensor_to_host(ctx, in[0], a));
    BL_TRY(bl_tensor_to_host(ctx, in[1], b));
    for (int i = 0; i < 12; i++) {
        value += (double)a[i] * a[i] + (double)a[i] * b[i];
        da[i] = 2 * a[i] + b[i];
    }
    return bl_given_loss(ctx, in, grad, 2, value, out);
}

/* Two losses of one trunk through bl_backward's seeds, against the weighted sum
 * of separate runs. */
static void roots(bl_ctx *ctx) {
    float x[6 * 4], w[5 * 4], dw[20], want[20] = {0}, got[24], want_x[24] = {0};
    bl_rng rng = bl_rng_make(3, 3);
    for (int i = 0; i < 24; i++) x[i] = bl_rng_range(&rng, -1, 1);
    for (int i = 0; i < 20; i++) w[i] = bl_rng_range(&rng, -1, 1);
    bl_tensor tdw = {.data = dw, .n = 5, .c = 4, .h = 1, .w = 1, .cb = 1}, tw = tdw;
    tw.data = w;
    tw.leaf = tw.needs_grad = true;
    tw.grad = &tdw;
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

static void errors(bl_ctx *ctx) {
    const bl_softmax_attr bad = {.margin = margin};
    bl_tensor *x, *m, *loss;
    bl_step_begin(ctx, false);
    CHECK_OK(bl_tensor_new(ctx, 6, 5, 1, 1, 1, BL_F32, &x));
    CHECK_OK(bl_tensor_new(ctx, 6, 5, 2, 1, 1, BL_F32, &m));
    CHECK_FAILS(bl_soft_target_loss(ctx, x, weight, NULL, &bad, 1, &loss), BL_EINVAL,
                "hard labels");
    CHECK_FAILS(bl_info_nce_loss(ctx, x, x, m, 1, 1, &loss), BL_EINVAL, "do not fit");
    CHECK_FAILS(bl_info_nce_loss(ctx, x, x, x, 0, 1, &loss), BL_EINVAL, "temperature 0");
    CHECK_FAILS(bl_entropy_loss(ctx, m, NULL, 1, &loss), BL_EINVAL, "not a matrix");
    CHECK_FAILS(bl_given_loss(ctx, &m, (const float *[]){weight}, 1, 0, &loss), BL_EINVAL,
                "not a matrix");
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
    const bl_softmax_attr attrs[] = {
        {.bias = prior},
        {.gain = 3, .margin = margin},
        {.gain = 0.5f, .bias = prior, .margin = margin, .focal = 2},
        {.focal = 1, .weight_in_focal = true},
        {.gain = 2, .bias = prior, .focal = 2, .weight_in_focal = true},
    };
    for (int i = 0; i < 5; i++)
        check(ctx, "adjusted softmax loss", adjusted, &attrs[i],
              gc_range(gc_map(6, 5, 1, 1, 1), -2, 2));
    const bl_softmax_attr gain = {.gain = 2.5f, .bias = prior};
    check(ctx, "soft target loss", soft, NULL, gc_range(gc_map(6, 5, 1, 1, 1), -2, 2));
    check(ctx, "soft target loss, adjusted", soft, &gain, gc_range(gc_map(6, 5, 1, 1, 8), -2, 2));
    check(ctx, "soft target loss, empty", soft, NULL, gc_map(0, 5, 1, 1, 1));
    check(ctx, "entropy", entropy, NULL, gc_range(gc_map(6, 5, 1, 1, 1), -2, 2));
    check(ctx, "entropy, weighted", entropy, weight, gc_range(gc_map(6, 5, 1, 1, 8), -2, 2));
    check(ctx, "entropy, empty", entropy, NULL, gc_map(0, 5, 1, 1, 1));
    const gc_input keys = gc_frozen(gc_map(6, 7, 1, 1, 1), true);
    const gc_input queue = gc_frozen(gc_map(9, 7, 1, 1, 1), true);
    const gc_input none = gc_frozen(gc_map(0, 7, 1, 1, 1), true);
    gc_check(ctx, &(gc_case){.name = "info_nce",
                             .in = {gc_map(6, 7, 1, 1, 1), keys, queue},
                             .n_in = 3,
                             .fn = nce});
    gc_check(ctx, &(gc_case){.name = "info_nce, empty",
                             .in = {gc_map(0, 7, 1, 1, 1), none, queue},
                             .n_in = 3,
                             .fn = nce});
    gc_check(ctx, &(gc_case){.name = "given loss",
                             .in = {gc_map(4, 3, 1, 1, 1), gc_map(3, 4, 1, 1, 8)},
                             .n_in = 2,
                             .fn = given});
    roots(ctx);
    errors(ctx);
}

int main(void) {
    return gc_main(all);
}
