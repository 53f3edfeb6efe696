/* Convolution plans against plain C: random shapes, both ways of choosing, accumulation, the tuning
 * file, and no reference-class implementation on the shapes that detectors and classifiers are made
 * of. */
#include <unistd.h>

#include "core/fs.h"
#include "tests/parity/kernels_parity.h"

static const double DIRECT = 1e-5, WINOGRAD = 1e-4;

static bl_kernels ref, got;

static bl_conv_shape shape_of(int32_t n, int32_t ic, int32_t icb, int32_t h, int32_t w, int32_t oc,
                              int32_t ocb, int32_t k, int32_t stride, int32_t pad,
                              int32_t dilation) {
    int32_t extent = (k - 1) * dilation + 1;
    return (bl_conv_shape){n,
                           ic,
                           h,
                           w,
                           icb,
                           oc,
                           (h + 2 * pad - extent) / stride + 1,
                           (w + 2 * pad - extent) / stride + 1,
                           ocb,
                           k,
                           k,
                           stride,
                           pad,
                           dilation,
                           BL_F32};
}

/* All three directions of one shape. Winograd's error bound applies where it may run. */
static void conv(bl_ctx *ctx, bl_rng *r, const bl_conv_shape *s) {
    bool wino = s->kh == 3 && s->stride == 1 && s->dilation == 1;
    double tol = wino ? WINOGRAD : DIRECT;
    bl_tensor x = tensor_random(r, s->n, s->ic, s->ih, s->iw, s->icb, -1, 1);
    bl_tensor dy = tensor_random(r, s->n, s->oc, s->oh, s->ow, s->ocb, -1, 1);
    int64_t nw = (int64_t)s->oc * s->ic * s->kh * s->kw;
    float *w = random_floats(r, nw, -1, 1), *b = random_floats(r, s->oc, -1, 1);
    for (int mode = 0; mode < 4; mode++) {
        bl_tensor y0 = tensor_new(s->n, s->oc, s->oh, s->ow, s->ocb), y1 = y0;
        y1.data = guarded_new(bl_storage(&y1));
        const float *bias = mode & 1 ? b : NULL;
        CHECK_OK(ref.conv_fwd(ctx, s, bl_f32(&x), w, bias, mode & 2, bl_f32(&y0)));
        CHECK_OK(got.conv_fwd(ctx, s, bl_f32(&x), w, bias, mode & 2, bl_f32(&y1)));
        compare_tensors("conv_fwd", &y0, &y1, tol);
    }
    for (int beta = 0; beta < 2; beta++) {
        bl_tensor d0 = tensor_random(r, s->n, s->ic, s->ih, s->iw, s->icb, -1, 1),
                  d1 = tensor_copy(&d0);
        CHECK_OK(ref.conv_bwd_data(ctx, s, bl_f32(&dy), w, bl_f32(&d0), (float)beta));
        CHECK_OK(got.conv_bwd_data(ctx, s, bl_f32(&dy), w, bl_f32(&d1), (float)beta));
        compare_tensors("conv_bwd_data", &d0, &d1, tol);
    }
    for (int bias = 0; bias < 2; bias++) {
        float *dw0 = random_floats(r, nw, -1, 1), *dw1 = copy_floats(dw0, nw);
        float *db0 = random_floats(r, s->oc, -1, 1), *db1 = copy_floats(db0, s->oc);
        CHECK_OK(ref.conv_bwd_weights(ctx, s, bl_f32(&x), bl_f32(&dy), dw0, bias ? db0 : NULL));
        CHECK_OK(got.conv_bwd_weights(ctx, s, bl_f32(&x), bl_f32(&dy), dw1, bias ? db1 : NULL));
        compare("conv_bwd_weights", dw0, dw1, nw, tol);
        compare("conv_bwd_weights bias", db0, db1, s->oc, tol);
    }
    guards_check("conv");
}

static void random_shapes(bl_ctx *ctx, bl_rng *r, int rounds) {
    static const int32_t block[] = {16, 8, 1, 4};
    int32_t cb = bl_cpu_block();
    for (int i = 0; i < rounds; i++) {
        static const int32_t kernel[] = {1, 3, 3, 5, 7};
        int32_t k = kernel[pick(r, 0, 4)], stride = (int32_t)pick(r, 1, 2),
                dil = i % 5 == 4 ? 2 : 1;
        int32_t pad = (int32_t)pick(r, 0, k / 2), extent = (k - 1) * dil + 1;
        int32_t h = (int32_t)pick(r, extent, 24), w = (int32_t)pick(r, extent, 24);
        int32_t ic = (int32_t)pick(r, 1, 40), oc = (int32_t)pick(r, 1, 40),
                n = (int32_t)pick(r, 1, 3);
        int32_t icb = i % 3 == 2 ? block[pick(r, 0, 3)] : cb,
                ocb = i % 3 == 2 ? block[pick(r, 0, 3)] : cb;
        if (i % 7 == 6) icb = ic;       /* NHWC */
        if (i % 11 == 10) icb = ic + 1; /* a block oneDNN has no name for */
        bl_conv_shape s = shape_of(n, ic, icb, h, w, oc, ocb, k, stride, pad, dil);
        conv(ctx, r, &s);
    }
}

static void typical_shapes(bl_ctx *ctx, bl_rng *r) {
    int32_t cb = bl_cpu_block();
    const bl_conv_shape list[] = {
        shape_of(1, 3, 1, 64, 80, 64, cb, 7, 2, 3, 1),    /* ResNet stem from planes */
        shape_of(2, 3, 1, 32, 32, 16, cb, 3, 1, 1, 1),    /* CIFAR stem */
        shape_of(1, 64, cb, 17, 23, 64, cb, 1, 1, 0, 1),  /* bottleneck */
        shape_of(1, 64, cb, 36, 40, 64, cb, 3, 1, 1, 1),  /* Winograd's home ground */
        shape_of(1, 64, cb, 21, 20, 128, cb, 1, 2, 0, 1), /* shortcut */
        shape_of(1, 64, cb, 21, 20, 64, cb, 3, 2, 1, 1),
        shape_of(1, 96, cb, 28, 28, 48, cb, 3, 1, 1, 1),
        shape_of(1, 128, cb, 9, 7, 3, cb, 1, 1, 0, 1), /* RPN heads: few channels */
        shape_of(1, 128, cb, 9, 7, 12, cb, 1, 1, 0, 1),
        shape_of(2, 32, cb, 8, 8, 32, cb, 3, 1, 1, 1),
        shape_of(1, 20, cb, 14, 14, 36, cb, 3, 1, 1, 1), /* channels that do not fill a block */
        shape_of(0, 32, cb, 14, 14, 32, cb, 3, 1, 1, 1), /* empty batch */
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) conv(ctx, r, &list[i]);
    for (int i = 9; i < 12; i++) conv(ctx, r, &list[i]); /* cached plans, new data */
}

static void count_plans(void *arg, const char *text) {
    int *seen = arg;
    /* Images need no gradient, so the stems' data gradient may be slow (AVX2 has no kernel for
     * 7x7). */
    bool image_gradient = strstr(text, "bwd_data") && strstr(text, "x3x");
    if (!image_gradient && (strstr(text, ": ref") || strstr(text, ": simple"))) {
        fprintf(stderr, "reference implementation on a typical shape: %s\n", text);
        exit(1);
    }
    seen[0]++;
    seen[1] += strstr(text, "wino") != NULL;
}

static void run(bl_rng *r, const char *tuning, int deterministic) {
    bl_ctx ctx = {.k = &got};
    CHECK_OK(bl_plans_create_cpu(tuning, deterministic, &ctx.plans));
    typical_shapes(&ctx, r);
    int seen[2] = {0};
    bl_plans_describe_cpu(ctx.plans, count_plans, seen);
    CHECK(seen[0] > 60);
    /* The fixed rule uses our Winograd on the fourth shape at least. */
    printf("%d plans, %d Winograd\n", seen[0], seen[1]);
    if (deterministic && bl_cpu_isa() >= BL_ISA_AVX2) CHECK(seen[1] > 0);
    random_shapes(&ctx, r, deterministic ? 33 : 12);
    bl_plans_destroy_cpu(ctx.plans);
}

/* Two deterministic contexts with equal thread counts agree to the bit. */
static void fixed_choice_repeats(bl_rng *r, int threads) {
    int32_t cb = bl_cpu_block(), nw = 64 * 64 * 9;
    bl_conv_shape s = shape_of(1, 64, cb, 40, 40, 64, cb, 3, 1, 1, 1);
    bl_tensor x = tensor_random(r, 1, 64, 40, 40, cb, -1, 1), y[2];
    float *w = random_floats(r, nw, -1, 1), *dw[2];
    bl_set_threads(threads);
    for (int i = 0; i < 2; i++) {
        bl_ctx ctx = {.k = &got};
        y[i] = tensor_new(1, 64, 40, 40, cb);
        dw[i] = random_floats(r, nw, 0, 0);
        CHECK_OK(bl_plans_create_cpu(NULL, 1, &ctx.plans));
        CHECK_OK(got.conv_fwd(&ctx, &s, bl_f32(&x), w, NULL, false, bl_f32(&y[i])));
        CHECK_OK(got.conv_bwd_weights(&ctx, &s, bl_f32(&x), bl_f32(&x), dw[i], NULL));
        bl_plans_destroy_cpu(ctx.plans);
    }
    CHECK(memcmp(y[0].data, y[1].data, (size_t)bl_storage(&y[0]) * sizeof(float)) == 0);
    CHECK(memcmp(dw[0], dw[1], (size_t)nw * sizeof(float)) == 0);
    guards_check("repeat");
}

/* The bits of one shape in all directions while `used` of `set` threads are in use. */
typedef struct bits {
    bl_tensor y, dx;
    float *dw;
} bits;

static bits conv_bits(const bl_conv_shape *s, const bl_tensor *x, const bl_tensor *dy,
                      const float *w, int set, int used) {
    bl_ctx ctx = {.k = &got};
    int64_t nw = (int64_t)s->oc * s->ic * s->kh * s->kw;
    bits b = {tensor_new(s->n, s->oc, s->oh, s->ow, s->ocb),
              tensor_new(s->n, s->ic, s->ih, s->iw, s->icb), calloc((size_t)nw, sizeof(float))};
    CHECK(b.dw);
    bl_set_threads(set);
    bl_use_threads(used);
    CHECK_OK(bl_plans_create_cpu(NULL, 1, &ctx.plans));
    CHECK_OK(got.conv_fwd(&ctx, s, bl_f32(x), w, NULL, true, bl_f32(&b.y)));
    CHECK_OK(got.conv_bwd_data(&ctx, s, bl_f32(dy), w, bl_f32(&b.dx), 0));
    CHECK_OK(got.conv_bwd_weights(&ctx, s, bl_f32(x), bl_f32(dy), b.dw, NULL));
    bl_plans_destroy_cpu(ctx.plans);
    CHECK_EQ(bl_threads(), used); /* a plan with more threads gives them back */
    CHECK_EQ(bl_threads_set(), set);
    return b;
}

/* Threads taken out of use for a while change no bit. */
static void fewer_threads(bl_rng *r) {
    int32_t cb = bl_cpu_block();
    static const int32_t list[][7] = {/* n ic size oc kernel stride pad */
                                      {2, 64, 40, 64, 3, 1, 1},    {2, 256, 20, 256, 1, 1, 0},
                                      {1, 512, 10, 2048, 1, 1, 0}, {3, 64, 17, 96, 3, 2, 1},
                                      {8, 16, 16, 16, 3, 1, 1},    {2, 128, 20, 12, 1, 1, 0},
                                      {2, 3, 64, 64, 7, 2, 3},     {1, 256, 6, 256, 3, 1, 1}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const int32_t *q = list[i];
        bl_conv_shape s =
            shape_of(q[0], q[1], q[1] == 3 ? 1 : cb, q[2], q[2], q[3], cb, q[4], q[5], q[6], 1);
        bl_tensor x = tensor_random(r, s.n, s.ic, s.ih, s.iw, s.icb, -1, 1);
        bl_tensor dy = tensor_random(r, s.n, s.oc, s.oh, s.ow, s.ocb, -1, 1);
        int64_t nw = (int64_t)s.oc * s.ic * s.kh * s.kw;
        float *w = random_floats(r, nw, -1, 1);
        bits all = conv_bits(&s, &x, &dy, w, 3, 3);
        for (int used = 1; used <= 2; used++) {
            bits b = conv_bits(&s, &x, &dy, w, 3, used);
            CHECK(memcmp(all.y.data, b.y.data, (size_t)bl_storage(&b.y) * sizeof(float)) == 0);
            CHECK(memcmp(all.dx.data, b.dx.data, (size_t)bl_storage(&b.dx) * sizeof(float)) == 0);
            CHECK(memcmp(all.dw, b.dw, (size_t)nw * sizeof(float)) == 0);
            free(b.dw);
        }
        free(all.dw);
        guards_check("fewer threads");
    }
    bl_set_threads(0);
}

static void tuning_file(bl_rng *r) {
    char path[] = "/tmp/ballast_tuning_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    unlink(path);
    bool timed = bl_cpu_isa() == BL_ISA_AVX512;
    for (int pass = 0; pass < 2; pass++) { /* written, then read */
        bl_ctx ctx = {.k = &got};
        CHECK_OK(bl_plans_create_cpu(path, 0, &ctx.plans));
        bl_conv_shape s = shape_of(1, 32, bl_cpu_block(), 20, 20, 32, bl_cpu_block(), 3, 1, 1, 1);
        conv(&ctx, r, &s);
        bl_plans_destroy_cpu(ctx.plans);
        char *text;
        size_t size;
        if (!timed) continue; /* one candidate: nothing to time, nothing to keep */
        CHECK_OK(bl_read_file(path, 1 << 20, &text, &size));
        CHECK(strstr(text, "fwd 1x32x20x20") &&
              (strstr(text, "\"direct\"") || strstr(text, "winograd\"")));
        free(text);
    }
    CHECK_OK(bl_write_file(path, "{\"plans\": [", 11));
    bl_plans *p;
    CHECK_FAILS(bl_plans_create_cpu(path, 0, &p), BL_EFORMAT, "delete it");
    CHECK(!p);
    CHECK_OK(bl_plans_create_cpu(path, 1, &p)); /* a deterministic context never reads it */
    bl_plans_destroy_cpu(p);
    unlink(path);
}

int main(void) {
    bl_kernels_init_ref(&ref);
    bl_kernels_init_ref(&got);
    bl_kernels_init_cpu(&got);
    bl_rng r = bl_rng_make(51, 0);
    bl_set_threads(2);
    run(&r, NULL, 1);
    run(&r, NULL, 0);
    bl_set_threads(1);
    bl_ctx one = {.k = &got};
    CHECK_OK(bl_plans_create_cpu(NULL, 1, &one.plans));
    random_shapes(&one, &r, 12);
    bl_plans_destroy_cpu(one.plans);
    fixed_choice_repeats(&r, 1);
    fixed_choice_repeats(&r, 2);
    fewer_threads(&r);
    tuning_file(&r);
    return 0;
}
