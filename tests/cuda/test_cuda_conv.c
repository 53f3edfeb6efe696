/* Convolutions and matrix products on the device against plain C: every direction, fusion and
 * layout, both ways of choosing plans, the tuning file, TF32, and messages of failures. */
#include <unistd.h>

#include "core/fs.h"
#include "tests/cuda/cuda_parity.h"
#if defined(BALLAST_TEST_EMULATED)
#include "tests/emu/emu_cudnn.h"
#endif

static const double FP32 = 1e-5, TF32 = 3e-3;

static bl_conv_shape shape_of(int32_t n, int32_t ic, int32_t icb, int32_t h, int32_t w, int32_t oc,
                              int32_t ocb, int32_t k, int32_t stride, int32_t pad,
                              int32_t dilation) {
    int32_t extent = (k - 1) * dilation + 1;
    bl_conv_shape s = {.n = n, .ic = ic, .ih = h, .iw = w, .icb = icb, .oc = oc, .ocb = ocb};
    s.oh = (h + 2 * pad - extent) / stride + 1;
    s.ow = (w + 2 * pad - extent) / stride + 1;
    s.kh = s.kw = k;
    s.stride = stride;
    s.pad = pad;
    s.dilation = dilation;
    return s;
}

static void forward(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, const bl_conv_shape *s,
                    double tol) {
    bl_tensor x = tensor_random(r, s->n, s->ic, s->ih, s->iw, s->icb, -1, 1);
    int64_t nw = (int64_t)s->oc * s->ic * s->kh * s->kw;
    float *w = random_floats(r, nw, -1, 1), *b = random_floats(r, s->oc, -1, 1);
    bl_tensor dx = tensor_to_device(&x);
    float *dw = to_device(w, nw), *db = to_device(b, s->oc);
    for (int mode = 0; mode < 4; mode++) {
        bl_tensor y = tensor_new(s->n, s->oc, s->oh, s->ow, s->ocb), dy = y;
        dy.data = device_new(bl_storage(&y));
        bool bias = mode & 1, relu = mode & 2;
        CHECK_OK(ref->conv_fwd(NULL, s, bl_f32(&x), w, bias ? b : NULL, relu, bl_f32(&y)));
        CHECK_OK(
            got->conv_fwd(&device_ctx, s, bl_f32(&dx), dw, bias ? db : NULL, relu, bl_f32(&dy)));
        compare_device_tensors("conv_fwd", &y, &dy, tol);
    }
}

static void backward(const bl_kernels *ref, const bl_kernels *got, bl_rng *r,
                     const bl_conv_shape *s, double tol) {
    bl_tensor x = tensor_random(r, s->n, s->ic, s->ih, s->iw, s->icb, -1, 1);
    bl_tensor dy = tensor_random(r, s->n, s->oc, s->oh, s->ow, s->ocb, -1, 1);
    int64_t nw = (int64_t)s->oc * s->ic * s->kh * s->kw;
    float *w = random_floats(r, nw, -1, 1);
    bl_tensor gx = tensor_to_device(&x), gy = tensor_to_device(&dy);
    float *gw = to_device(w, nw);
    for (int beta = 0; beta < 2; beta++) {
        bl_tensor a = tensor_random(r, s->n, s->ic, s->ih, s->iw, s->icb, -1, 1);
        bl_tensor b = tensor_to_device(&a);
        CHECK_OK(ref->conv_bwd_data(NULL, s, bl_f32(&dy), w, bl_f32(&a), (float)beta));
        CHECK_OK(got->conv_bwd_data(&device_ctx, s, bl_f32(&gy), gw, bl_f32(&b), (float)beta));
        compare_device_tensors("conv_bwd_data", &a, &b, tol);
    }
    for (int bias = 0; bias < 2; bias++) {
        float *dw = random_floats(r, nw, -1, 1), *db = random_floats(r, s->oc, -1, 1);
        float *ew = to_device(dw, nw), *eb = to_device(db, s->oc);
        CHECK_OK(ref->conv_bwd_weights(NULL, s, bl_f32(&x), bl_f32(&dy), dw, bias ? db : NULL));
        CHECK_OK(
            got->conv_bwd_weights(&device_ctx, s, bl_f32(&gx), bl_f32(&gy), ew, bias ? eb : NULL));
        compare_device("conv_bwd_weights", dw, ew, nw, tol);
        compare_device("conv_bwd_weights bias", db, eb, s->oc, tol);
    }
}

static void conv(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, const bl_conv_shape *s,
                 double tol) {
    forward(ref, got, r, s, tol);
    backward(ref, got, r, s, tol);
    device_clear();
    guards_check("conv");
}

static const bl_conv_shape *shapes(int *n) {
    static bl_conv_shape list[12];
    const bl_conv_shape all[] = {
        shape_of(2, 3, 1, 20, 18, 16, 16, 7, 2, 3, 1), /* stem from planes */
        shape_of(2, 3, 3, 9, 9, 8, 8, 3, 1, 1, 1),     /* stem, NHWC */
        shape_of(2, 12, 12, 7, 9, 20, 20, 1, 1, 0, 1), /* weights need no reordering */
        shape_of(1, 8, 8, 9, 8, 12, 12, 1, 2, 0, 1),   /* shortcut */
        shape_of(2, 16, 16, 8, 8, 16, 16, 3, 1, 1, 1),
        shape_of(1, 5, 5, 9, 11, 7, 7, 3, 2, 1, 1),  /* no engine fuses 7 channels */
        shape_of(1, 4, 4, 12, 11, 4, 4, 3, 1, 2, 2), /* dilated */
        shape_of(2, 4, 4, 6, 6, 8, 8, 5, 1, 2, 1),   /* an engine that cannot */
        shape_of(1, 13, 8, 6, 5, 10, 8, 3, 1, 1, 1), /* channel blocks with padding */
        shape_of(2, 6, 1, 5, 5, 3, 1, 3, 1, 1, 1),   /* planes on both sides */
        shape_of(3, 9, 1, 1, 1, 5, 1, 1, 1, 0, 1),   /* one pixel: planar is NHWC */
        shape_of(0, 4, 4, 6, 6, 8, 8, 3, 1, 1, 1),   /* an empty batch */
    };
    memcpy(list, all, sizeof all);
    *n = (int)(sizeof all / sizeof *all);
    return list;
}

static void all_shapes(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, double tol) {
    int n;
    const bl_conv_shape *list = shapes(&n);
    for (int i = 0; i < n; i++) conv(ref, got, r, &list[i], tol);
    conv(ref, got, r, &list[4], tol); /* cached plans, new data */
}

/* Operands at odd addresses: the engine gets aligned copies. */
static void misaligned(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    bl_conv_shape s = shape_of(2, 4, 4, 5, 6, 8, 8, 1, 1, 0, 1);
    int64_t nx = 2 * 4 * 30, nw = 8 * 4, ny = 2 * 8 * 30;
    float *x = random_floats(r, nx + 1, -1, 1), *w = random_floats(r, nw + 1, -1, 1);
    float *b = random_floats(r, 9, -1, 1), *y = guarded_new(ny + 1);
    float *gx = to_device(x, nx + 1), *gw = to_device(w, nw + 1), *gb = to_device(b, 9);
    float *gy = to_device(y, ny + 1);
    CHECK_OK(ref->conv_fwd(NULL, &s, x + 1, w + 1, b + 1, true, y + 1));
    CHECK_OK(got->conv_fwd(&device_ctx, &s, gx + 1, gw + 1, gb + 1, true, gy + 1));
    compare_device("misaligned", y, gy, ny + 1, FP32);
    device_clear();
    guards_check("misaligned");
}

/* ---- matrix products ---- */

static void matmul(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, int64_t m, int64_t n,
                   int64_t k, double tol) {
    for (int mode = 0; mode < 8; mode++) {
        bool ta = mode & 1, tb = mode & 2;
        float beta = mode & 4 ? 1.0f : 0.0f;
        float *a = random_floats(r, m * k, -1, 1), *b = random_floats(r, k * n, -1, 1);
        float *c = random_floats(r, m * n, -1, 1), *gc = to_device(c, m * n);
        CHECK_OK(ref->matmul(NULL, ta, tb, m, n, k, BL_F32, a, b, beta, BL_F32, c));
        CHECK_OK(got->matmul(&device_ctx, ta, tb, m, n, k, BL_F32, to_device(a, m * k),
                             to_device(b, k * n), beta, BL_F32, gc));
        compare_device("matmul", c, gc, m * n, tol);
        device_clear();
    }
    guards_check("matmul");
}

static void matrices(const bl_kernels *ref, const bl_kernels *got, bl_rng *r, double tol) {
    matmul(ref, got, r, 7, 5, 11, tol);
    matmul(ref, got, r, 1, 33, 64, tol);
    matmul(ref, got, r, 64, 1, 17, tol);
    matmul(ref, got, r, 40, 48, 1, tol);
    matmul(ref, got, r, 3, 4, 0, tol); /* an empty sum */
    matmul(ref, got, r, 0, 4, 5, tol);
}

/* ---- ways of choosing ---- */

typedef struct listing {
    int plans, timed;
    char one[480]; /* a line that holds `part` */
    const char *part;
} listing;

static void take_line(void *arg, const char *text) {
    listing *l = arg;
    l->plans++;
    l->timed += strstr(text, " ms (") != NULL;
    if (l->part && strstr(text, l->part)) snprintf(l->one, sizeof l->one, "%s", text);
}

static listing list_plans(const char *part) {
    listing l = {.part = part};
    device_ctx.backend->plans_describe(device_ctx.plans, take_line, &l);
    return l;
}

/* Runs fn with plans of its own. */
static void with_plans(const bl_ctx_options *opt,
                       void (*fn)(const bl_kernels *, const bl_kernels *, bl_rng *),
                       const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    bl_plans *kept = device_ctx.plans;
    CHECK_OK(device_ctx.backend->plans_create(opt, &device_ctx.plans));
    fn(ref, got, r);
    device_clear();
    device_ctx.backend->plans_destroy(device_ctx.plans);
    device_ctx.plans = kept;
}

static void timed(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    all_shapes(ref, got, r, FP32);
    listing l = list_plans(NULL);
    CHECK(l.timed > 40); /* all but unfused plans, whose convolutions have been timed alone */
}

static void tuned(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    all_shapes(ref, got, r, FP32);
    listing l = list_plans("fwd 2x16x8x8 -> 16 3x3/1 p1 d1 fp32");
    CHECK(l.plans > 40 && l.timed == 0); /* everything came from the file */
    CHECK(strstr(l.one, "cuDNN engine "));
}

static void tensor_cores(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    all_shapes(ref, got, r, TF32);
    matrices(ref, got, r, TF32);
    CHECK(list_plans("fwd 2x16x8x8 -> 16 3x3/1 p1 d1 tf32").one[0]);
}

static void tuning_file(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    char path[] = "/tmp/ballast_cuda_tuning_XXXXXX", *text;
    size_t size;
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    unlink(path);
    bl_ctx_options opt = {.tuning_file = path};
    with_plans(&opt, timed, ref, got, r);
    CHECK_OK(bl_read_file(path, 1 << 20, &text, &size));
    CHECK(strstr(text, "\"device\"") && strstr(text, "\"cudnn\"") &&
          strstr(text, "bwd_weights 2x16x8x8 -> 16 3x3/1 p1 d1 fp32"));
    free(text);
    with_plans(&opt, tuned, ref, got, r);
    unlink(path);
}

#ifdef BALLAST_TEST_EMULATED
/* What the stand-in's engines are for: strict fp32 takes none with tensor cores, a deterministic
 * context none without a fixed order, and a shape it cannot do falls to the next. */
static void right_engines(void) {
    CHECK(strstr(list_plans("fwd 2x16x8x8 -> 16 3x3/1 p1 d1 fp32").one, "engine 12,"));
    CHECK(strstr(list_plans("fwd 2x4x6x6 -> 8 5x5/1 p2 d1 bias fp32").one, "engine 0,"));
    CHECK(strstr(list_plans("-> 7 3x3/2 p1 d1 bias relu fp32").one, "then a kernel"));
    CHECK(!strstr(list_plans("-> 16 3x3/1 p1 d1 bias relu fp32").one, "then a kernel"));
}

static void take_tensor_cores(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    tensor_cores(ref, got, r);
    CHECK(strstr(list_plans("fwd 2x16x8x8 -> 16 3x3/1 p1 d1 tf32").one, "engine 31 2=5"));
}

/* A run that fails names the problem, the call and the library's words; a candidate that fails in a
 * timing is passed over. */
static void failures(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    bl_conv_shape s = shape_of(1, 4, 4, 6, 6, 4, 4, 3, 1, 1, 1);
    float *x = to_device(random_floats(r, 4 * 36, -1, 1), 4 * 36);
    float *w = to_device(random_floats(r, 4 * 36, -1, 1), 4 * 36), *y = device_new(4 * 36);
    bool timing = strstr(got->name, "cuda") && !list_plans(NULL).plans;
    bl_emu_cudnn_fail(5000);
    bl_status status = got->conv_fwd(&device_ctx, &s, x, w, NULL, false, y);
    if (timing) {
        CHECK_OK(status);
    } else {
        CHECK_FAILS(status, BL_EBACKEND, "convolution fwd 1x4x6x6 -> 4 3x3/1 p1 d1 fp32: cuDNN: ");
        CHECK(strstr(bl_error(), "cudnnBackendExecute"));
    }
    s.oc = 0;
    CHECK_FAILS(got->conv_fwd(&device_ctx, &s, x, w, NULL, false, y), BL_EINVAL, "no channels");
    CHECK_FAILS(got->conv_fwd(&(bl_ctx){.k = got}, &s, x, w, NULL, false, y), BL_EINVAL,
                "no plans");
    CHECK_FAILS(got->matmul(&(bl_ctx){.k = got}, false, false, 1, 1, 1, BL_F32, x, w, 0, BL_F32, y),
                BL_EINVAL, "no plans");
    device_clear();
    guards_check("failures");
}
#endif

static void all(const bl_kernels *ref, const bl_kernels *got, bl_rng *r) {
    all_shapes(ref, got, r, FP32);
    misaligned(ref, got, r);
    matrices(ref, got, r, FP32);
    if (!device_ctx.plans) return; /* emulated without the vendor's headers: plain C */
    CHECK(list_plans(NULL).timed == 0);
    tuning_file(ref, got, r);
    const bl_ctx_options tf32 = {.deterministic = 1, .precision = BL_PRECISION_TF32};
#ifdef BALLAST_TEST_EMULATED
    const bl_ctx_options timing = {.deterministic = 0};
    right_engines();
    failures(ref, got, r);
    with_plans(&timing, failures, ref, got, r);
    with_plans(&tf32, take_tensor_cores, ref, got, r);
#else
    with_plans(&tf32, tensor_cores, ref, got, r);
#endif
}

int main(void) {
    for_cuda(all, 23);
    return 0;
}
