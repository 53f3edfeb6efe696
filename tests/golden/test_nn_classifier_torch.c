/* Whole classifiers against PyTorch in fp64 (scripts/golden/classifier_torch.py): outputs, every
 * parameter's gradient and every running statistic, on the fastest kernels (which their own tests
 * compare with the plain ones). Weights and images are made here by the same hash. */
#include "core/rng.h"
#include "kernels/kernels.h"
#include "kernels/tape.h"
#include "nn/classifier.h"
#include "nn/wrn.h"
#include "tests/check.h"

enum { BATCH = 4, SIDE = 12, CLASSES = 10, PIXELS = BATCH * 3 * SIDE * SIDE };

static uint64_t hash_name(const char *name, const char *tail) {
    uint64_t h = 0xcbf29ce484222325ull;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3ull;
    for (; *tail; tail++) h = (h ^ (unsigned char)*tail) * 0x100000001b3ull;
    return h;
}

/* In [-1,1), exact in fp32. */
static double uniform(uint64_t hash, int64_t i) {
    return (double)(bl_mix64(hash + (uint64_t)i) >> 40) / 8388608.0 - 1;
}

static bool ends(const char *name, const char *tail) {
    size_t a = strlen(name), b = strlen(tail);
    return a >= b && strcmp(name + a - b, tail) == 0;
}

static int64_t count_of(const bl_param_spec *p) {
    return p->shape[0] * p->shape[1] * p->shape[2] * p->shape[3];
}

static void fill(const bl_param_spec *p, float *v) {
    uint64_t h = hash_name(p->name, "");
    int64_t n = count_of(p);
    double bound = (float)sqrt(6.0 / (double)(n / p->shape[0]));
    for (int64_t i = 0; i < n; i++) {
        double u = uniform(h, i);
        v[i] = (float)(ends(p->name, "running_mean")  ? u * 0.1
                       : ends(p->name, "running_var") ? 1 + 0.5 * u
                       : p->ndim > 1                  ? u * bound
                       : ends(p->name, "weight")      ? 1 + 0.25 * u
                                                      : u * 0.25);
    }
}

static const float *stored(const bl_st_file *f, const char *key, const char *what, int64_t count) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s", key, what);
    const bl_st_tensor *t = bl_st_find(f, name);
    CHECK(t != NULL);
    CHECK_EQ(t->bytes, (size_t)count * sizeof(float));
    float *copy = malloc(t->bytes);
    memcpy(copy, t->data, t->bytes);
    return copy;
}

/* Within tol of the root mean square. */
static void near_all(const char *key, const char *what, const float *got, const float *want, int n,
                     double tol) {
    double square = 0;
    for (int i = 0; i < n; i++) square += (double)want[i] * want[i];
    tol *= sqrt(square / n);
    for (int i = 0; i < n; i++) {
        if (fabs((double)got[i] - want[i]) <= tol) continue;
        fprintf(stderr, "%s: %s[%d] is %.7g, PyTorch has %.7g\n", key, what, i, (double)got[i],
                (double)want[i]);
        exit(1);
    }
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(const bl_param_spec *const *)a)->name,
                  (*(const bl_param_spec *const *)b)->name);
}

/* Norm and random projection of a gradient or statistic. An error vector e of this tensor changes
 * the projection by about |e|/sqrt(3). */
static void compare_row(bl_ctx *ctx, const char *key, const bl_param_spec *p, const bl_tensor *t,
                        const float *want) {
    int64_t n = count_of(p);
    float *v = malloc((size_t)n * sizeof *v);
    CHECK_OK(bl_tensor_to_host(ctx, t, v));
    uint64_t h = hash_name(p->name, "/probe");
    double square = 0, dot = 0;
    for (int64_t i = 0; i < n; i++) {
        square += (double)v[i] * v[i];
        dot += v[i] * uniform(h, i);
    }
    free(v);
    /* Rounding through 28 layers; with images whose activations lie at a ReLU's kink it would be
     * 1e-3 to 1e-2, hence the choice of images in the script. */
    double tol = 2e-5 * want[0] + 1e-7;
    if (fabs(sqrt(square) - want[0]) <= tol && fabs(dot - want[1]) <= tol) return;
    fprintf(stderr, "%s (%s): %s has norm %.7g, projection %.7g; PyTorch %.7g, %.7g\n", key,
            ctx->k->name, p->name, sqrt(square), dot, (double)want[0], (double)want[1]);
    exit(1);
}

static void network(bl_ctx *ctx, const bl_st_file *f, const char *key, int32_t backbone,
                    int32_t variant) {
    const bl_classifier_config cfg = {.backbone = backbone,
                                      .width = 2,
                                      .variant = variant,
                                      .slope = 0.1,
                                      .bn_momentum = 0.05,
                                      .bn_eps = 1e-5,
                                      .decay_norm = true};
    const bl_head_spec head = {.name = "f", .out = CLASSES};
    bl_store *s;
    bl_classifier *c;
    CHECK_OK(bl_store_create(&s));
    CHECK_OK(bl_classifier_create(&cfg, &head, 1, s, &c));
    CHECK_OK(bl_store_finish(s, ctx, 1, true));
    int64_t n = bl_store_count(s);
    const bl_param_spec **p = malloc((size_t)n * sizeof *p);
    for (int64_t i = 0; i < n; i++) {
        p[i] = bl_store_spec(s, i);
        fill(p[i], bl_f32(bl_store_find(s, p[i]->name)));
    }
    qsort(p, (size_t)n, sizeof *p, by_name);
    static float x[PIXELS];
    int32_t label[BATCH];
    for (int i = 0; i < PIXELS; i++) x[i] = (float)(2 * uniform(hash_name("images 2", ""), i));
    for (int i = 0; i < BATCH; i++) label[i] = i % CLASSES;
    const float *rows = stored(f, key, "rows", 2 * n), *loss_want = stored(f, key, "loss", 1);
    for (int train = 0; train < 2; train++) {
        float y[BATCH * CLASSES], value;
        const char *what = train ? "train" : "eval";
        const float *want = stored(f, key, what, BATCH * CLASSES), one = 1;
        bl_tensor *in, *z, *t, *loss;
        bl_step_begin(ctx, train);
        CHECK_OK(bl_tensor_from_host(ctx, x, BATCH, 3, SIDE, SIDE, 1, &in));
        CHECK_OK(bl_classifier_extract(ctx, c, train, in, &z));
        CHECK_OK(bl_classifier_apply(ctx, c, 0, z, &t));
        CHECK_OK(bl_tensor_to_host(ctx, t, y));
        near_all(key, what, y, want, BATCH * CLASSES, 1e-5);
        CHECK_OK(bl_softmax_loss(ctx, t, label, NULL, 0, 1.0f / BATCH, &loss));
        CHECK_OK(bl_scalar(ctx, loss, &value));
        if (train) {
            CHECK_NEAR(value, *loss_want, 1e-5 * *loss_want);
            CHECK_OK(bl_backward(ctx, &loss, &one, 1));
        }
        bl_step_end(ctx);
        free((void *)want);
    }
    for (int64_t i = 0; i < n; i++) {
        const bl_tensor *t = bl_store_find(s, p[i]->name);
        /* Variant b: PyTorch updates the statistics of a norm that nothing uses, we
         * leave it out. */
        bool unused = variant == BL_WRN_B && p[i]->buffer &&
                      (strstr(p[i]->name, "layer2.0.bn1.") || strstr(p[i]->name, "layer3.0.bn1."));
        if (!unused) compare_row(ctx, key, p[i], p[i]->buffer ? t : t->grad, rows + 2 * i);
    }
    free((void *)rows);
    free((void *)loss_want);
    free(p);
    bl_classifier_destroy(c);
    bl_store_destroy(s);
}

int main(void) {
    bl_st_file *f;
    CHECK_OK(bl_st_open(BALLAST_SOURCE_DIR "/tests/golden/classifier_torch.safetensors", &f));
    bl_ctx *ctx;
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    network(ctx, f, "wrn_a", BL_BACKBONE_WRN, 0);
    network(ctx, f, "wrn_b", BL_BACKBONE_WRN, 1);
    network(ctx, f, "wrn_c", BL_BACKBONE_WRN, 2);
    network(ctx, f, "resnet32", BL_BACKBONE_RESNET_CIFAR, 0);
    bl_ctx_destroy(ctx);
    bl_st_close(f);
    return 0;
}
