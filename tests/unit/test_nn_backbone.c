/* Backbones and pyramid: parameter counts and names of the published networks, shapes, frozen
 * parts. */
#include "core/rng.h"
#include "kernels/tape.h"
#include "nn/fpn.h"
#include "nn/resnet.h"
#include "tests/check.h"

/* torchvision's models without their last linear layer. */
static void test_counts(void) {
    static const struct {
        bl_resnet_depth depth;
        int64_t params, tensors;
        int32_t c5;
    } known[] = {
        {BL_RESNET_18, 11689512 - 513000, 20 * 5, 512},
        {BL_RESNET_34, 21797672 - 513000, 36 * 5, 512},
        {BL_RESNET_50, 25557032 - 2049000, 53 * 5, 2048},
        {BL_RESNET_101, 44549160 - 2049000, 104 * 5, 2048},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        bl_store *s;
        bl_resnet *r;
        CHECK_OK(bl_store_create(&s));
        bl_resnet_config cfg = {
            .depth = known[i].depth, .norm = BL_NORMTYPE_BN, .frozen_stages = -1};
        CHECK_OK(bl_resnet_create(&cfg, s, "backbone", &r));
        CHECK_EQ(bl_store_params(s), known[i].params);
        CHECK_EQ(bl_store_count(s), known[i].tensors);
        int32_t c[4];
        bl_resnet_channels(r, c);
        CHECK_EQ(c[3], known[i].c5);
        CHECK_EQ(c[0], known[i].c5 / 8);
        bl_resnet_destroy(r);
        bl_store_destroy(s);
    }
}

static bool has(bl_store *s, const char *name, int64_t a, int64_t b, int64_t k) {
    bl_tensor *t = bl_store_find(s, name);
    return t && t->n == a && t->c == b && t->h == k && t->w == k;
}

static void test_names(void) {
    bl_store *s;
    bl_resnet *r;
    bl_fpn *f;
    CHECK_OK(bl_store_create(&s));
    bl_resnet_config cfg = {
        .depth = BL_RESNET_50, .norm = BL_NORMTYPE_FROZEN_BN, .frozen_stages = 1};
    CHECK_OK(bl_resnet_create(&cfg, s, "backbone", &r));
    CHECK(has(s, "backbone.conv1.weight", 64, 3, 7));
    CHECK(has(s, "backbone.bn1.running_var", 1, 64, 1));
    CHECK(has(s, "backbone.layer1.0.downsample.0.weight", 256, 64, 1));
    CHECK(has(s, "backbone.layer1.0.downsample.1.bias", 1, 256, 1));
    CHECK(has(s, "backbone.layer3.5.conv2.weight", 256, 256, 3));
    CHECK(has(s, "backbone.layer4.2.conv3.weight", 2048, 512, 1));
    CHECK(has(s, "backbone.layer4.2.bn3.weight", 1, 2048, 1));
    CHECK(!bl_store_find(s, "backbone.layer4.1.downsample.0.weight"));
    /* Trained: the convolutions of layer2..4 only. */
    int64_t frozen = 0;
    for (int64_t i = 0; i < bl_store_count(s); i++) {
        const bl_param_spec *p = bl_store_spec(s, i);
        bool early =
            !strncmp(p->name, "backbone.conv1", 14) || !strncmp(p->name, "backbone.layer1", 15);
        bool conv = p->ndim == 4;
        CHECK_EQ(p->trainable, conv && !early);
        CHECK_EQ(p->buffer, strstr(p->name, "running_") != NULL);
        if (!p->trainable && !p->buffer)
            frozen += p->shape[0] * p->shape[1] * p->shape[2] * p->shape[3];
    }
    CHECK_EQ(bl_store_params(s) + frozen, 23508032);
    int32_t c[4];
    bl_resnet_channels(r, c);
    CHECK_OK(bl_fpn_create(c, 256, BL_NORMTYPE_NONE, 0, s, "neck", &f));
    CHECK(has(s, "neck.lateral_convs.0.conv.weight", 256, 256, 1));
    CHECK(has(s, "neck.lateral_convs.3.conv.bias", 1, 256, 1));
    CHECK(has(s, "neck.fpn_convs.3.conv.weight", 256, 256, 3));
    bl_fpn_destroy(f);
    bl_resnet_destroy(r);
    bl_store_destroy(s);
}

static void test_errors(void) {
    bl_store *s;
    bl_resnet *r;
    CHECK_OK(bl_store_create(&s));
    bl_resnet_config cfg = {.depth = (bl_resnet_depth)9, .norm = BL_NORMTYPE_BN};
    CHECK_FAILS(bl_resnet_create(&cfg, s, "b", &r), BL_EINVAL, "depth 9");
    cfg = (bl_resnet_config){.depth = BL_RESNET_18, .norm = BL_NORMTYPE_NONE};
    CHECK_FAILS(bl_resnet_create(&cfg, s, "b", &r), BL_EINVAL, "need a normalisation");
    cfg = (bl_resnet_config){.depth = BL_RESNET_18, .norm = BL_NORMTYPE_GN, .groups = 7};
    CHECK_FAILS(bl_resnet_create(&cfg, s, "b", &r), BL_EINVAL, "7 groups");
    cfg = (bl_resnet_config){.depth = BL_RESNET_SMALL, .norm = BL_NORMTYPE_BN, .blocks = 1};
    CHECK_FAILS(bl_resnet_create(&cfg, s, "c", &r), BL_EINVAL, "width");
    bl_store_destroy(s);
}

static bl_tensor *image(bl_ctx *ctx, int64_t n, int64_t h, int64_t w) {
    float *v = malloc(sizeof(float) * (size_t)(n * 3 * h * w));
    bl_rng r = bl_rng_make(1, 2);
    for (int64_t i = 0; i < n * 3 * h * w; i++) v[i] = bl_rng_range(&r, -2, 2);
    bl_tensor *t;
    CHECK_OK(bl_tensor_from_host(ctx, v, n, 3, h, w, 1, &t));
    free(v);
    return t;
}

/* Shapes of the pyramid; with a frozen stem and layer1 the tape starts at layer2. */
static void test_forward(bl_ctx *ctx, bl_norm_type norm, bl_resnet_depth depth, int32_t frozen) {
    bl_store *s;
    bl_resnet *r;
    bl_fpn *f;
    CHECK_OK(bl_store_create(&s));
    bl_resnet_config cfg = {.depth = depth,
                            .norm = norm,
                            .groups = 4,
                            .frozen_stages = frozen,
                            .width = 8,
                            .blocks = 2};
    CHECK_OK(bl_resnet_create(&cfg, s, "backbone", &r));
    int32_t ch[4];
    bl_resnet_channels(r, ch);
    CHECK_OK(bl_fpn_create(ch, 16, BL_NORMTYPE_NONE, 0, s, "neck", &f));
    CHECK_OK(bl_store_finish(s, ctx, 3, true));
    bl_step_begin(ctx, true);
    bl_tensor *c[4], *p[5], *x = image(ctx, 2, 96, 64);
    CHECK_OK(bl_resnet_forward(ctx, r, true, x, c));
    for (int i = 0; i < 4; i++) {
        CHECK(c[i]->n == 2 && c[i]->c == ch[i] && c[i]->h == 96 >> (i + 2) &&
              c[i]->w == 64 >> (i + 2));
        CHECK_EQ(c[i]->needs_grad, i + 1 > frozen);
    }
    CHECK_OK(bl_fpn_forward(ctx, f, true, c, p));
    static const int hs[] = {24, 12, 6, 3, 2}, ws[] = {16, 8, 4, 2, 1};
    for (int i = 0; i < 5; i++) {
        CHECK(p[i]->c == 16 && p[i]->h == hs[i] && p[i]->w == ws[i] && p[i]->needs_grad);
        int64_t bad = -1;
        CHECK_OK(bl_tensor_count_nonfinite(ctx, p[i], &bad));
        CHECK_EQ(bad, 0);
    }
    bl_step_end(ctx);
    /* Batch statistics moved the running ones of trained stages, and only with BN. */
    bl_tensor *stem = bl_store_find(s, "backbone.bn1.running_var");
    bl_tensor *last = bl_store_find(s, "backbone.layer4.0.bn1.running_var");
    CHECK_EQ(last && bl_f32(last)[0] != 1, norm == BL_NORMTYPE_BN);
    CHECK_EQ(stem && bl_f32(stem)[0] != 1, norm == BL_NORMTYPE_BN && frozen < 0);
    bl_fpn_destroy(f);
    bl_resnet_destroy(r);
    bl_store_destroy(s);
}

int main(void) {
    test_counts();
    test_names();
    test_errors();
    bl_ctx *ctx;
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    test_forward(ctx, BL_NORMTYPE_BN, BL_RESNET_SMALL, -1);
    test_forward(ctx, BL_NORMTYPE_BN, BL_RESNET_SMALL, 1);
    test_forward(ctx, BL_NORMTYPE_GN, BL_RESNET_SMALL, 0);
    test_forward(ctx, BL_NORMTYPE_FROZEN_BN, BL_RESNET_18, 2);
    test_forward(ctx, BL_NORMTYPE_EVAL_BN, BL_RESNET_18, 1);
    bl_ctx_destroy(ctx);
    return 0;
}
