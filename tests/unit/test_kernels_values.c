/* Ops whose results are known in closed form, selection lists, stores, and refused arguments. */
#include "core/parallel.h"
#include "core/rng.h"
#include "kernels/kernels.h"
#include "kernels/tape.h"
#include "tests/check.h"

/* Box (1,1,3,3) on a 5x5 map holding 0..24, 4x4 bins: the numbers of detectron2's RoIAlign test. */
static void test_roi_align(bl_ctx *ctx) {
    const bl_box box = {1, 1, 3, 3};
    const int32_t zero = 0;
    float value[25], got[16];
    for (int i = 0; i < 25; i++) value[i] = (float)i;
    for (int aligned = 0; aligned < 2; aligned++) {
        for (int sampling = 0; sampling <= 2; sampling += 2) {
            bl_tensor *x, *y;
            bl_roi_attr attr = {4, sampling, aligned, {1}};
            CHECK_OK(bl_tensor_from_host(ctx, value, 1, 1, 5, 5, sampling ? 1 : 8, &x));
            CHECK_OK(bl_roi_align(ctx, &x, 1, &box, &zero, &zero, 1, &attr, &y));
            CHECK_OK(bl_tensor_to_host(ctx, y, got));
            for (int i = 0; i < 16; i++) {
                double want = (aligned ? 4.5 : 7.5) + i / 4 * 2.5 + i % 4 * 0.5;
                CHECK_NEAR(got[i], want, 1e-5);
            }
        }
    }
    bl_tensor *x, *y;
    bl_roi_attr attr = {4, 0, true, {1}};
    CHECK_OK(bl_tensor_from_host(ctx, value, 1, 1, 5, 5, 1, &x));
    bl_box bad = {NAN, 0, 1, 1}, huge = {0, 0, 1e9f, 1};
    const int32_t one = 1;
    CHECK_FAILS(bl_roi_align(ctx, &x, 1, &bad, &zero, &zero, 1, &attr, &y), BL_EINVAL, "box 0");
    CHECK_FAILS(bl_roi_align(ctx, &x, 1, &huge, &zero, &zero, 1, &attr, &y), BL_EINVAL, "box 0");
    CHECK_FAILS(bl_roi_align(ctx, &x, 1, &box, &one, &zero, 1, &attr, &y), BL_EINVAL, "image 1");
    CHECK_FAILS(bl_roi_align(ctx, &x, 1, &box, &zero, &one, 1, &attr, &y), BL_EINVAL, "level 1");
    /* A box far outside pools zeros. */
    bl_box away = {900, 900, 950, 990};
    CHECK_OK(bl_roi_align(ctx, &x, 1, &away, &zero, &zero, 1, &attr, &y));
    CHECK_OK(bl_tensor_to_host(ctx, y, got));
    for (int i = 0; i < 16; i++) CHECK(got[i] == 0);
    bl_step_end(ctx);
}

static void test_nms(bl_ctx *ctx) {
    /* 0 and 1 overlap by exactly a half: kept at 0.5 (suppress when IoU > threshold),
     * not at 0.49. */
    const bl_box box[] = {
        {0, 0, 10, 10}, {0, 0, 10, 5}, {20, 20, 30, 30}, {20, 20, 30, 30}, {5, 5, 5, 5}};
    const float score[] = {0.5f, 0.9f, 0.7f, 0.7f, NAN};
    const int32_t group[] = {0, 0, 0, 1, 0};
    int32_t keep[5];
    int64_t n;
    CHECK_OK(bl_nms(ctx, box, score, group, 5, 0.5f, 5, keep, &n));
    CHECK_EQ(n, 5);
    const int32_t all[] = {1, 2, 3, 0, 4}; /* the tie by index, the NaN last */
    for (int i = 0; i < 5; i++) CHECK_EQ(keep[i], all[i]);
    CHECK_OK(bl_nms(ctx, box, score, group, 5, 0.49f, 5, keep, &n));
    CHECK_EQ(n, 4);
    CHECK_EQ(keep[3], 4);
    CHECK_OK(bl_nms(ctx, box, score, NULL, 5, 0.5f, 5, keep, &n));
    CHECK_EQ(n, 4);
    CHECK_EQ(keep[1], 2);
    CHECK_OK(bl_nms(ctx, box, score, group, 5, 0.5f, 2, keep, &n));
    CHECK_EQ(n, 2);
    CHECK_OK(bl_nms(ctx, NULL, NULL, NULL, 0, 0.5f, 2, keep, &n));
    CHECK_EQ(n, 0);
    bl_step_end(ctx);
}

/* Against a full stable sort, on quantised scores (many ties), in several layouts. */
static void test_topk(bl_ctx *ctx) {
    enum { N = 2, A = 3, H = 9, W = 7, ALL = A * H * W };
    float host[N * ALL], score[N * ALL];
    bl_loc loc[N * ALL];
    bl_rng rng = bl_rng_make(5, 5);
    for (int i = 0; i < N * ALL; i++) host[i] = (float)bl_rng_below(&rng, 40) - 20;
    const int32_t blocks[] = {1, 3, 8, 16};
    const int64_t counts[] = {0, 1, 50, ALL, ALL + 10};
    for (int b = 0; b < 4; b++) {
        for (int q = 0; q < 5; q++) {
            bl_tensor *map;
            int64_t got, want = counts[q] < ALL ? counts[q] : ALL;
            CHECK_OK(bl_tensor_from_host(ctx, host, N, A, H, W, blocks[b], &map));
            CHECK_OK(bl_topk(ctx, map, 4, counts[q], loc, score, &got));
            CHECK_EQ(got, want);
            for (int64_t i = 0; i < N * got; i++) {
                const bl_loc *l = &loc[i];
                CHECK_EQ(l->n, i / got);
                CHECK_EQ(l->level, 4);
                CHECK(score[i] == host[((l->n * A + l->a) * H + l->y) * W + l->x]);
                if (i % got == 0) continue;
                const bl_loc *p = l - 1;
                int before = (p->y * W + p->x) * A + p->a, here = (l->y * W + l->x) * A + l->a;
                CHECK(score[i - 1] > score[i] || (score[i - 1] == score[i] && before < here));
            }
            /* Nothing outside the list beats its last entry. */
            for (int64_t n = 0; n < N && got > 0; n++) {
                int64_t better = 0;
                float last = score[n * got + got - 1];
                for (int e = 0; e < ALL; e++) better += host[n * ALL + e] > last;
                CHECK(better < got);
            }
        }
    }
    bl_step_end(ctx);
}

static void test_softmax(bl_ctx *ctx) {
    const float x[] = {1000, 1000, -1000, 0, 1, 2};
    float p[6];
    const int32_t blocks[] = {1, 8};
    for (int b = 0; b < 2; b++) {
        bl_tensor *t;
        CHECK_OK(bl_tensor_from_host(ctx, x, 2, 3, 1, 1, blocks[b], &t));
        CHECK_OK(bl_softmax_to_host(ctx, t, p));
        double sum = exp(0) + exp(1) + exp(2);
        const double want[] = {0.5, 0.5, 0, 1 / sum, exp(1) / sum, exp(2) / sum};
        for (int i = 0; i < 6; i++) CHECK_NEAR(p[i], want[i], 1e-6);
        /* Extreme logits give finite losses and gradients. */
        const int32_t label[] = {2, 0};
        bl_tensor *loss;
        float value, one = 1;
        int64_t bad;
        bl_step_begin(ctx, true);
        t->needs_grad = true;
        CHECK_OK(bl_softmax_loss(ctx, t, label, NULL, 2, 1, &loss));
        CHECK_OK(bl_scalar(ctx, loss, &value));
        CHECK_NEAR(value, 2000 + log(2) + pow(1 - 1 / sum, 2) * log(sum), 1e-3);
        CHECK_OK(bl_backward(ctx, &loss, &one, 1));
        CHECK_OK(bl_tensor_count_nonfinite(ctx, t->grad, &bad));
        CHECK_EQ(bad, 0);
        bl_step_end(ctx);
    }
}

/* The optimiser's kernels against the formulas in double. */
static void test_store(bl_ctx *ctx) {
    enum { N = 40001 };
    static float w[N], m[N], g[N], t[N];
    static double dw[N], dm[N], dt[N];
    double sum;
    int64_t bad;
    bl_rng rng = bl_rng_make(9, 1);
    for (int nesterov = 0; nesterov < 2; nesterov++) {
        for (int i = 0; i < N; i++) {
            dw[i] = w[i] = bl_rng_range(&rng, -1, 1);
            dm[i] = m[i] = bl_rng_range(&rng, -1, 1);
            dt[i] = t[i] = bl_rng_range(&rng, -1, 1);
        }
        for (int step = 0; step < 3; step++) {
            double squares = 0;
            for (int i = 0; i < N; i++) {
                g[i] = bl_rng_range(&rng, -1, 1);
                squares += (double)g[i] * g[i];
                double d = g[i] * 0.5 + 0.01 * dw[i];
                dm[i] = 0.9 * dm[i] + d;
                dw[i] -= 0.1 * (nesterov ? d + 0.9 * dm[i] : dm[i]);
                dt[i] = 0.99 * dt[i] + 0.01 * dw[i];
            }
            ctx->k->sgd(w, m, g, N, 0.1f, 0.9f, 0.01f, 0.5f, nesterov);
            ctx->k->ema(t, w, N, 0.99f);
            ctx->k->sum_squares(g, N, &sum);
            CHECK_NEAR(sum, squares, 1e-9 * squares);
        }
        for (int i = 0; i < N; i++) {
            CHECK_NEAR(w[i], dw[i], 2e-6);
            CHECK_NEAR(m[i], dm[i], 2e-6);
            CHECK_NEAR(t[i], dt[i], 2e-6);
        }
    }
    ctx->k->count_nonfinite(g, N, &bad);
    CHECK_EQ(bad, 0);
    g[0] = NAN;
    g[N - 1] = -INFINITY;
    g[777] = INFINITY;
    ctx->k->count_nonfinite(g, N, &bad);
    CHECK_EQ(bad, 3);
    ctx->k->count_nonfinite(g, 0, &bad);
    CHECK_EQ(bad, 0);
    ctx->k->sum_squares(g, 0, &sum);
    CHECK(sum == 0);
}

/* A small network's outputs and gradients, bit for bit, with one thread and with three. */
static void run_network(bl_ctx *ctx, float *out, size_t floats) {
    enum { C = 12, H = 11 };
    static float x[2 * 5 * H * H], w[C * 5 * 9], dw[C * 5 * 9], gamma[C], beta[C], grads[2 * C];
    float mean[C] = {0}, var[C];
    bl_rng rng = bl_rng_make(2, 2);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) x[i] = bl_rng_range(&rng, -1, 1);
    for (size_t i = 0; i < sizeof w / sizeof *w; i++) w[i] = bl_rng_range(&rng, -1, 1);
    for (int i = 0; i < C; i++) {
        gamma[i] = bl_rng_range(&rng, 0.5f, 1);
        beta[i] = 0;
        var[i] = 1;
    }
    memset(dw, 0, sizeof dw);
    memset(grads, 0, sizeof grads);
    bl_tensor tdw = {.data = dw, .n = C, .c = 5, .h = 3, .w = 3, .cb = 1}, tw = tdw;
    tw.data = w;
    tw.leaf = tw.needs_grad = true;
    tw.grad = &tdw;
    bl_tensor d0 = {.data = grads, .n = C, .c = 1, .h = 1, .w = 1, .cb = 1}, d1 = d0, a = d0, b;
    d1.data = grads + C;
    a.data = gamma;
    a.leaf = a.needs_grad = true;
    a.grad = &d0;
    b = a;
    b.data = beta;
    b.grad = &d1;
    bl_tensor tm = d0, tv = d0;
    tm.data = mean;
    tv.data = var;
    bl_norm norm = {BL_NORM_BATCH, &a, &b, &tm, &tv, 0, 1e-5f, 0.1f, false};
    bl_tensor *in, *y, *loss;
    const bl_conv_attr attr = {2, 1, 1, BL_ACT_NONE};
    const int32_t label[] = {3, 8}, zero[] = {0, 1}, level[] = {0, 0};
    const bl_box box[] = {{0, 0, 9, 7}, {2, 1, 10, 11}};
    const float one = 1;
    const bl_roi_attr roi = {3, 0, true, {0.5f}};
    bl_step_begin(ctx, true);
    CHECK_OK(bl_tensor_from_host(ctx, x, 2, 5, H, H, 0, &in));
    in->needs_grad = true;
    CHECK_OK(bl_conv2d(ctx, in, &tw, NULL, &attr, &y));
    CHECK_OK(bl_norm_act(ctx, y, &norm, NULL, BL_ACT_RELU, 0, &y));
    CHECK_OK(bl_max_pool(ctx, y, 3, 1, 1, &y));
    CHECK_OK(bl_roi_align(ctx, &y, 1, box, zero, level, 2, &roi, &y));
    CHECK_OK(bl_avg_pool_global(ctx, y, &y));
    CHECK_OK(bl_softmax_loss(ctx, y, label, NULL, 0, 1, &loss));
    CHECK_OK(bl_backward(ctx, &loss, &one, 1));
    size_t at = sizeof dw / sizeof *dw;
    CHECK(at + 2 * C + 1 + sizeof x / sizeof *x <= floats);
    memcpy(out, dw, sizeof dw);
    memcpy(out + at, grads, sizeof grads);
    CHECK_OK(bl_scalar(ctx, loss, &out[at + 2 * C]));
    CHECK_OK(bl_tensor_to_host(ctx, in->grad, out + at + 2 * C + 1));
    bl_step_end(ctx);
}

static void test_threads(bl_ctx *ctx) {
    static float one[4096], three[4096];
    bl_set_threads(1);
    run_network(ctx, one, 4096);
    bl_set_threads(3);
    run_network(ctx, three, 4096);
    bl_set_threads(0);
    CHECK(!memcmp(one, three, sizeof one));
}

static void test_refusals(bl_ctx *ctx) {
    float v[600] = {0};
    bl_tensor *x, *m, *y;
    int64_t n;
    CHECK_OK(bl_tensor_from_host(ctx, v, 1, 4, 5, 5, 8, &x));
    CHECK_OK(bl_tensor_from_host(ctx, v, 3, 4, 1, 1, 1, &m));
    bl_tensor w = {.data = v, .n = 8, .c = 4, .h = 3, .w = 3, .cb = 1}, b = w, p = w;
    b.n = 7;
    b.c = b.h = b.w = 1;
    p.n = 4;
    p.c = p.h = p.w = 1;
    bl_conv_attr attr = {1, 0, 3, BL_ACT_NONE}; /* the dilated kernel spans 7 > 5 pixels */
    CHECK_FAILS(bl_conv2d(ctx, x, &w, NULL, &attr, &y), BL_EINVAL, "do not fit into");
    attr.dilation = 1;
    CHECK_FAILS(bl_conv2d(ctx, x, &w, &b, &attr, &y), BL_EINVAL, "do not fit");
    attr.stride = 0;
    CHECK_FAILS(bl_conv2d(ctx, x, &w, NULL, &attr, &y), BL_EINVAL, "stride 0");
    attr.stride = 1;
    attr.act = BL_ACT_LEAKY;
    CHECK_FAILS(bl_conv2d(ctx, x, &w, NULL, &attr, &y), BL_EINVAL, "ReLU");
    w.c = 5;
    CHECK_FAILS(bl_conv2d(ctx, x, &w, NULL, &attr, &y), BL_EINVAL, "");
    bl_norm norm = {BL_NORM_GROUP, &p, &p, NULL, NULL, 3, 1e-5f, 0.1f, false};
    CHECK_FAILS(bl_norm_act(ctx, x, &norm, NULL, BL_ACT_NONE, 0, &y), BL_EINVAL, "3 groups");
    norm.kind = BL_NORM_BATCH;
    CHECK_FAILS(bl_norm_act(ctx, x, &norm, NULL, BL_ACT_NONE, 0, &y), BL_EINVAL, "running");
    norm.running_mean = norm.running_var = &p;
    CHECK_FAILS(bl_norm_act(ctx, x, &norm, m, BL_ACT_NONE, 0, &y), BL_EINVAL, "skip");
    CHECK_FAILS(bl_norm_act(ctx, x, &norm, NULL, BL_ACT_LEAKY, 2, &y), BL_EINVAL, "slope");
    CHECK_FAILS(bl_max_pool(ctx, x, 7, 1, 0, &y), BL_EINVAL, "do not fit");
    CHECK_FAILS(bl_max_pool(ctx, x, 3, 1, 2, &y), BL_EINVAL, "padding 2");
    CHECK_FAILS(bl_add(ctx, x, m, &y), BL_EINVAL, "differ");
    CHECK_FAILS(bl_upsample_add(ctx, x, m, &y), BL_EINVAL, "do not fit");
    CHECK_FAILS(bl_linear(ctx, x, &w, NULL, BL_ACT_NONE, &y), BL_EINVAL, "do not fit");
    const bl_loc bad[] = {{0, 0, 4, 4, 0}, {0, 0, 4, 5, 0}};
    CHECK_OK(bl_gather(ctx, &x, 1, bad, 1, 4, &y));
    CHECK_FAILS(bl_gather(ctx, &x, 1, bad, 2, 4, &y), BL_EINVAL, "location 1");
    CHECK_FAILS(bl_gather(ctx, &x, 1, bad, 1, 5, &y), BL_EINVAL, "location 0");
    const int32_t label[] = {0, 4, 1}, first[] = {0, 2, -7};
    CHECK_FAILS(bl_softmax_loss(ctx, m, label, NULL, 0, 1, &y), BL_EINVAL, "label[1] = 4");
    CHECK_FAILS(bl_softmax_loss(ctx, x, label, NULL, 0, 1, &y), BL_EINVAL, "not a matrix");
    CHECK_FAILS(bl_sigmoid_bce_loss(ctx, m, v, NULL, 1, &y), BL_EINVAL, "one column");
    CHECK_FAILS(bl_smooth_l1_loss(ctx, m, first, v, NULL, 3, 1, 1, &y), BL_EINVAL, "row 1");
    CHECK_OK(bl_smooth_l1_loss(ctx, m, first, v, NULL, 2, 1, 1, &y));
    float value;
    CHECK_FAILS(bl_scalar(ctx, m, &value), BL_EINVAL, "not a scalar");
    CHECK_FAILS(bl_topk(ctx, x, 0, -1, NULL, NULL, &n), BL_EINVAL, "topk");
    bl_step_end(ctx);
    CHECK_EQ(bl_pool_get_stats(ctx->pool).live, 0);
}

int main(void) {
    const char *backends[] = {"ref", "auto"};
    for (int i = 0; i < 2; i++) {
        bl_ctx_options opt = {.backend = backends[i], .deterministic = 1};
        bl_ctx *ctx;
        CHECK_OK(bl_ctx_create(&opt, &ctx));
        test_roi_align(ctx);
        test_nms(ctx);
        test_topk(ctx);
        test_softmax(ctx);
        test_store(ctx);
        test_refusals(ctx);
        test_threads(ctx);
        bl_ctx_destroy(ctx);
    }
    return 0;
}
