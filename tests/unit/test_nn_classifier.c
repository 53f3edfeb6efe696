/* Classifiers: parameter counts of the published networks, names, heads, freezing, import. */
#include "core/rng.h"
#include "kernels/tape.h"
#include "nn/classifier.h"
#include "nn/wrn.h"
#include "tests/check.h"

static bl_classifier_config config(int32_t backbone, int64_t depth) {
    bl_arena *a = bl_arena_create(0);
    bl_classifier_config c;
    CHECK_OK(bl_config_load(&bl_classifier_schema, NULL, NULL, 0, a, &c));
    bl_arena_destroy(a);
    c.backbone = backbone;
    c.depth = depth;
    return c;
}

typedef struct model {
    bl_store *store;
    bl_classifier *c;
} model;

static model make(const bl_classifier_config *cfg, const bl_head_spec *heads, int n) {
    model m;
    CHECK_OK(bl_store_create(&m.store));
    CHECK_OK(bl_classifier_create(cfg, heads, n, m.store, &m.c));
    return m;
}

static void drop(model *m) {
    bl_classifier_destroy(m->c);
    bl_store_destroy(m->store);
}

/* Counts as published, and as the READMEs of the trained networks; ResNet-50 with a
 * 3x3 stem has 7,680 weights less than torchvision's. */
static void test_counts(void) {
    static const struct {
        int32_t backbone;
        int64_t depth, classes, heads, params, features;
    } known[] = {
        {BL_BACKBONE_WRN, 0, 10, 1, 1467610, 128},
        {BL_BACKBONE_WRN, 28, 10, 2, 1468900, 128},
        {BL_BACKBONE_WRN, 28, 100, 1, 1479220, 128},
        {BL_BACKBONE_WRN, 28, 100, 2, 1492120, 128},
        {BL_BACKBONE_RESNET_CIFAR, 20, 10, 1, 269722, 64},
        {BL_BACKBONE_RESNET_CIFAR, 0, 10, 1, 464154, 64},
        {BL_BACKBONE_RESNET, 50, 1000, 1, 25557032 - 7680, 2048},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const bl_head_spec heads[] = {{.name = "f", .out = known[i].classes},
                                      {.name = "aux", .out = known[i].classes}};
        for (int variant = 0; variant < 3; variant++) {
            bl_classifier_config cfg = config(known[i].backbone, known[i].depth);
            cfg.variant = variant;
            model m = make(&cfg, heads, (int)known[i].heads);
            CHECK_EQ(bl_store_params(m.store), known[i].params);
            CHECK_EQ(bl_classifier_features(m.c), known[i].features);
            drop(&m);
        }
    }
}

static void keep_line(void *arg, const char *text) {
    char *all = arg;
    strcat(strcat(all, text), "\n");
}

static void test_describe(void) {
    const bl_head_spec heads[] = {
        {.name = "f", .out = 10},
        {.name = "cos", .kind = BL_HEAD_COSINE, .out = 10},
        {.name = "con", .kind = BL_HEAD_PROJECTION, .out = 16},
        {.name = "mlp", .kind = BL_HEAD_PROJECTION, .out = 32, .hidden = 128, .normalise = true}};
    bl_classifier_config cfg = config(BL_BACKBONE_WRN, 28);
    model m = make(&cfg, heads, 4);
    char text[1024] = "";
    bl_classifier_describe(m.c, keep_line, text);
    CHECK_STR(text, "backbone: WRN-28-2, variant a, 128 features, 1466320 parameters\n"
                    "head f: linear 128 -> 10, 1290 parameters\n"
                    "head cos: cosine 128 -> 10, 1280 parameters\n"
                    "head con: projection 128 -> 16, 2064 parameters\n"
                    "head mlp: projection 128 -> 128 -> 32, unit length, 20640 parameters\n"
                    "model: 1491594 parameters\n");
    CHECK_EQ(bl_classifier_find(m.c, "con"), 2);
    CHECK_EQ(bl_classifier_find(m.c, "none"), -1);
    CHECK_STR(bl_classifier_head_spec(m.c, 3)->name, "mlp");
    drop(&m);
}

/* Outputs of every kind of head on a small network, and that its gradients reach all that is
 * trained and nothing that is frozen. */
static void test_heads(bl_ctx *ctx, int32_t backbone, int64_t depth, int variant, bool frozen) {
    const bl_head_spec heads[] = {
        {.name = "f", .out = 5},
        {.name = "cos", .kind = BL_HEAD_COSINE, .out = 5, .scale = 30},
        {.name = "mlp", .kind = BL_HEAD_PROJECTION, .out = 6, .hidden = 7, .normalise = true}};
    enum { N = 4, SIDE = 12 };
    bl_classifier_config cfg = config(backbone, depth);
    cfg.width = 1;
    cfg.variant = variant;
    cfg.frozen = frozen;
    model m = make(&cfg, heads, 3);
    CHECK_OK(bl_store_finish(m.store, ctx, 5, true));
    static float x[N * 3 * SIDE * SIDE], y[N * 8];
    bl_rng rng = bl_rng_make(4, 4);
    for (int i = 0; i < N * 3 * SIDE * SIDE; i++) x[i] = bl_rng_range(&rng, -2, 2);
    const int32_t label[] = {0, 4, 2, 2};
    bl_tensor *in, *z, *out[3], *loss[3], *bad;
    bl_step_begin(ctx, true);
    CHECK_OK(bl_tensor_from_host(ctx, x, N, 3, SIDE, SIDE, 1, &in));
    CHECK_OK(bl_classifier_extract(ctx, m.c, true, in, &z));
    CHECK_EQ(z->c, bl_classifier_features(m.c));
    for (int h = 0; h < 3; h++) {
        CHECK_OK(bl_classifier_apply(ctx, m.c, h, z, &out[h]));
        CHECK_EQ(out[h]->n * 100 + out[h]->c, N * 100 + heads[h].out);
        CHECK_OK(bl_tensor_to_host(ctx, out[h], y));
        for (int i = 0; h == 1 && i < N * 5; i++) CHECK(fabsf(y[i]) <= 30.001f);
        for (int i = 0; h == 2 && i < N; i++) {
            double square = 0;
            for (int c = 0; c < 6; c++) square += (double)y[i * 6 + c] * y[i * 6 + c];
            CHECK_NEAR(square, 1, 1e-5);
        }
        CHECK_OK(bl_softmax_loss(ctx, out[h], label, NULL, 0, 1, &loss[h]));
    }
    CHECK_FAILS(bl_classifier_apply(ctx, m.c, 3, z, &bad), BL_EINVAL, "head 3");
    CHECK_FAILS(bl_classifier_extract(ctx, m.c, true, z, &bad), BL_EINVAL, "channels");
    const float seeds[] = {1, 1, 1};
    CHECK_OK(bl_backward(ctx, loss, seeds, 3));
    for (int64_t i = 0; i < bl_store_count(m.store); i++) {
        const bl_param_spec *p = bl_store_spec(m.store, i);
        bl_tensor *t = bl_store_find(m.store, p->name);
        bool head = !strncmp(p->name, "head.", 5);
        CHECK_EQ(p->trainable, !p->buffer && (head || !frozen));
        /* Variant b computes no first norm where its stages 2 and 3 open. */
        bool unused = backbone == BL_BACKBONE_WRN && variant == BL_WRN_B &&
                      strncmp(p->name, "backbone.layer1", 15) != 0 && strstr(p->name, ".0.bn1.");
        if (p->buffer) { /* batch statistics move, in a frozen backbone too */
            float start = strstr(p->name, "running_var") ? 1 : 0;
            CHECK_EQ(bl_f32(t)[0] != start, !unused);
        }
        if (!p->trainable) continue;
        double sum = 0;
        for (int64_t e = 0; e < t->n * t->c * t->h * t->w; e++) sum += fabs(bl_f32(t->grad)[e]);
        CHECK_EQ(sum > 0, !unused);
    }
    bl_step_end(ctx);
    drop(&m);
}

/* In evaluation a norm may not overwrite an input that its block uses again: the same features with
 * and without recording. */
static void test_eval_keeps_inputs(bl_ctx *ctx) {
    enum { N = 2, SIDE = 8 };
    const bl_head_spec head = {.name = "f", .out = 5};
    for (int variant = 0; variant < 3; variant++) {
        bl_classifier_config cfg = config(BL_BACKBONE_WRN, 16);
        cfg.width = 1;
        cfg.variant = variant;
        model m = make(&cfg, &head, 1);
        CHECK_OK(bl_store_finish(m.store, ctx, 5, true));
        float x[N * 3 * SIDE * SIDE], z[2][N * 64];
        bl_rng rng = bl_rng_make(4, 4);
        for (int i = 0; i < N * 3 * SIDE * SIDE; i++) x[i] = bl_rng_range(&rng, -2, 2);
        for (int record = 0; record < 2; record++) {
            bl_tensor *in, *t;
            bl_step_begin(ctx, record);
            CHECK_OK(bl_tensor_from_host(ctx, x, N, 3, SIDE, SIDE, 1, &in));
            CHECK_OK(bl_classifier_extract(ctx, m.c, false, in, &t));
            CHECK_OK(bl_tensor_to_host(ctx, t, z[record]));
            bl_step_end(ctx);
        }
        for (int i = 0; i < N * 64; i++) CHECK(z[0][i] == z[1][i]);
        drop(&m);
    }
}

static void test_import(bl_ctx *ctx) {
    const bl_head_spec heads[] = {{.name = "f", .out = 3}, {.name = "aux", .out = 3}};
    bl_classifier_config cfg = config(BL_BACKBONE_RESNET_CIFAR, 8);
    model a = make(&cfg, heads, 1), b = make(&cfg, heads, 2);
    CHECK_OK(bl_store_finish(a.store, ctx, 1, false));
    CHECK_OK(bl_store_finish(b.store, ctx, 2, false));
    bl_arena *arena = bl_arena_create(0);
    bl_st_tensor list[64];
    bl_st_file *f;
    int n = 0, missing;
    char path[] = "/tmp/ballast_classifier_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_OK(bl_store_export(a.store, ctx, "", false, arena, list, 64, &n));
    /* PyTorch's names: no "backbone.", the head is called fc. */
    for (int i = 0; i < n; i++) {
        bool head = !strncmp(list[i].name, "head.f.", 7);
        list[i].name = head ? bl_arena_printf(arena, "fc.%s", list[i].name + 7) : list[i].name + 9;
    }
    CHECK_OK(bl_st_write(path, list, n, NULL, 0));
    CHECK_OK(bl_st_open(path, &f));
    CHECK_OK(bl_classifier_import(b.c, b.store, ctx, f, &missing));
    CHECK_EQ(missing, 2);
    static const char *const same[] = {"backbone.layer3.0.conv1.weight", "head.f.weight"};
    for (int i = 0; i < 2; i++) {
        bl_tensor *p = bl_store_find(a.store, same[i]), *q = bl_store_find(b.store, same[i]);
        CHECK(memcmp(p->data, q->data, (size_t)(p->n * p->c * p->h * p->w) * sizeof(float)) == 0);
    }
    cfg = config(BL_BACKBONE_RESNET_CIFAR, 14);
    model c = make(&cfg, heads, 1);
    CHECK_OK(bl_store_finish(c.store, ctx, 3, false));
    CHECK_FAILS(bl_classifier_import(c.c, c.store, ctx, f, NULL), BL_EFORMAT,
                "does not hold a ResNet-14");
    bl_st_close(f);
    remove(path);
    bl_arena_destroy(arena);
    drop(&a);
    drop(&b);
    drop(&c);
}

static void test_errors(void) {
    bl_store *s;
    bl_classifier *c;
    CHECK_OK(bl_store_create(&s));
    const bl_head_spec twice[] = {{.name = "f", .out = 3}, {.name = "f", .out = 3}};
    bl_classifier_config cfg = config(BL_BACKBONE_WRN, 27);
    CHECK_FAILS(bl_classifier_create(&cfg, twice, 1, s, &c), BL_EINVAL, "depth 27");
    cfg = config(BL_BACKBONE_RESNET_CIFAR, 33);
    CHECK_FAILS(bl_classifier_create(&cfg, twice, 1, s, &c), BL_EINVAL, "depth 33");
    cfg = config(BL_BACKBONE_RESNET, 20);
    CHECK_FAILS(bl_classifier_create(&cfg, twice, 1, s, &c), BL_EINVAL, "20 layers");
    cfg = config(7, 0);
    CHECK_FAILS(bl_classifier_create(&cfg, twice, 1, s, &c), BL_EINVAL, "backbone 7");
    cfg = config(BL_BACKBONE_RESNET_CIFAR, 8);
    CHECK_FAILS(bl_classifier_create(&cfg, twice, 0, s, &c), BL_EINVAL, "0 heads");
    CHECK_FAILS(bl_classifier_create(&cfg, twice, 2, s, &c), BL_EINVAL, "head 1 (f)");
    bl_store_destroy(s);
}

int main(void) {
    bl_ctx *ctx;
    test_counts();
    test_describe();
    test_errors();
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    for (int frozen = 0; frozen < 2; frozen++) {
        for (int variant = 0; variant < 3; variant++)
            test_heads(ctx, BL_BACKBONE_WRN, 10, variant, frozen);
        test_heads(ctx, BL_BACKBONE_RESNET_CIFAR, 8, 0, frozen);
    }
    test_heads(ctx, BL_BACKBONE_RESNET, 18, 0, true);
    test_eval_keeps_inputs(ctx);
    test_import(ctx);
    bl_ctx_destroy(ctx);
    return 0;
}
