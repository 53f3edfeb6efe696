/* Which tensors of a weight file a model starts from, and their values in every float type. */
#include <unistd.h>

#include "kernels/ctx.h"
#include "nn/weights.h"
#include "tests/check.h"

static char path[] = "/tmp/ballast_weights_XXXXXX";

enum { NORMS_NONE, NORMS_BATCH, NORMS_GROUP };

static void add(bl_store *s, const char *name, int ndim, int64_t a, int64_t b) {
    bl_tensor *t;
    bl_param_spec p = {
        .name = name, .shape = {a, b, 1, 1}, .ndim = ndim, .init = BL_INIT_ZERO, .trainable = true};
    CHECK_OK(bl_store_add(s, &p, &t));
}

static bl_store *model(int norms) {
    bl_store *s;
    CHECK_OK(bl_store_create(&s));
    add(s, "backbone.conv1.weight", 2, 2, 3);
    if (norms) add(s, "backbone.bn1.weight", 1, 2, 1);
    if (norms) add(s, "backbone.bn1.bias", 1, 2, 1);
    if (norms == NORMS_BATCH) add(s, "backbone.bn1.running_mean", 1, 2, 1);
    if (norms == NORMS_BATCH) add(s, "backbone.bn1.running_var", 1, 2, 1);
    add(s, "head.fc.weight", 2, 2, 2);
    add(s, "head.fc.bias", 1, 2, 1);
    return s;
}

/* A file whose tensors are fp32, two values a name. */
static const char *write_names(const char *const *names, int n) {
    static const float v[] = {1, 2, 3, 4, 5, 6};
    bl_st_tensor t[16];
    for (int i = 0; i < n; i++) {
        bool matrix = strstr(names[i], "conv") || strstr(names[i], "fc.weight");
        bool wide = strstr(names[i], "conv") != NULL;
        t[i] = (bl_st_tensor){.name = names[i],
                              .dtype = BL_ST_F32,
                              .ndim = matrix ? 2 : 1,
                              .shape = {2, wide ? 3 : 2},
                              .data = v,
                              .bytes = sizeof *v * (wide     ? 6
                                                    : matrix ? 4
                                                             : 2)};
    }
    CHECK_OK(bl_st_write(path, t, n, NULL, 0));
    return path;
}

static bl_status match(const bl_store *s, const char *const *names, int n, const bl_strings *skip,
                       bl_weights *w) {
    bl_st_file *f;
    CHECK_OK(bl_st_open(write_names(names, n), &f));
    bl_status status = bl_weights_match(s, f, "student", skip, w);
    bl_st_close(f); /* only counts and names are looked at below */
    return status;
}

static void test_names(void) {
    bl_store *s = model(NORMS_BATCH);
    bl_weights w;
    static const char *const bare[] = {"conv1.weight",    "bn1.weight",
                                       "bn1.bias",        "bn1.running_mean",
                                       "bn1.running_var", "bn1.num_batches_tracked",
                                       "fc.weight",       "fc.bias"};
    CHECK_OK(match(s, bare, 8, NULL, &w));
    CHECK_EQ(w.read, 5);
    CHECK_EQ(w.missing.n, 2);
    CHECK_STR(w.missing.text, "head.fc.weight, head.fc.bias");
    CHECK_EQ(w.backbone_missing, 0);
    CHECK_EQ(w.unused.n, 2); /* the head of the classifier it was, but not the counter */
    CHECK_STR(w.unused.text, "fc.weight, fc.bias");
    bl_weights_free(&w);

    static const char *const full[] = {"backbone.conv1.weight", "head.fc.weight", "neck.fc.weight"};
    CHECK_OK(match(s, full, 3, NULL, &w));
    CHECK_EQ(w.read, 2);
    CHECK_EQ(w.missing.n, 5);
    CHECK_EQ(w.backbone_missing, 4);
    CHECK_STR(w.missing.text, "backbone.bn1.weight, backbone.bn1.bias, backbone.bn1.running_mean");
    CHECK_STR(w.unused.text, "neck.fc.weight");
    bl_weights_free(&w);

    static const char *const checkpoint[] = {
        "student.backbone.conv1.weight", "student.head.fc.weight", "momentum.backbone.conv1.weight",
        "teacher.backbone.conv1.weight"};
    CHECK_OK(match(s, checkpoint, 4, NULL, &w));
    CHECK_EQ(w.read, 2);
    CHECK_EQ(w.unused.n, 0);
    bl_weights_free(&w);

    static const char *const bare_checkpoint[] = {"student.conv1.weight", "student.bn1.weight"};
    CHECK_OK(match(s, bare_checkpoint, 1, NULL, &w));
    CHECK_EQ(w.read, 1);
    bl_weights_free(&w);
    bl_store_destroy(s);
}

static void test_nothing(void) {
    bl_store *s = model(NORMS_NONE);
    bl_weights w;
    static const char *const foreign[] = {"bottom_up.stem.conv1.weight",
                                          "bottom_up.res2.fc.weight"};
    CHECK_FAILS(match(s, foreign, 2, NULL, &w), BL_EFORMAT,
                "none of the model's 1 backbone tensors is in the file. The model's are named "
                "backbone.conv1.weight, ...; the file's bottom_up.stem.conv1.weight, "
                "bottom_up.res2.fc.weight;");
    /* A head that fits does not make a backbone. */
    static const char *const head[] = {"head.fc.weight", "features.0.conv.weight"};
    CHECK_FAILS(match(s, head, 2, NULL, &w), BL_EFORMAT, "none of the model's 1 backbone tensors");
    bl_strings skip = {1, (const char *[]){"backbone."}};
    CHECK_OK(match(s, head, 2, &skip, &w)); /* unless that is what was asked for */
    CHECK_EQ(w.read, 1);
    CHECK_EQ(w.skipped, 1);
    CHECK_STR(w.missing.text, "head.fc.bias");
    bl_weights_free(&w);
    CHECK_FAILS(match(s, foreign, 2, &skip, &w), BL_EFORMAT,
                "none of the model's 2 tensors is in the file. The model's are named "
                "head.fc.weight, head.fc.bias, ...");
    bl_strings all = {1, (const char *[]){""}};
    CHECK_FAILS(match(s, head, 2, &all, &w), BL_ECONFIG, "leaves out every tensor");
    bl_store_destroy(s);

    s = model(NORMS_NONE);
    static const char *const other[] = {"backbone.conv1.weight", "head.conv2.weight"};
    add(s, "head.conv2.weight", 2, 7, 2);
    CHECK_FAILS(match(s, other, 2, NULL, &w), BL_EFORMAT,
                "shape 2x3, the model needs 7x2; use the network the weights are of, or leave the "
                "tensor at its initialisation: run.init_skip=[\"head.conv2.\"]");
    bl_store_destroy(s);
}

/* Scale and shift learnt with statistics of batches do not enter group normalisation, nor the other
 * way round. */
static void test_norms(void) {
    bl_weights w;
    static const char *const batch[] = {"conv1.weight", "bn1.weight", "bn1.bias",
                                        "bn1.running_mean", "bn1.running_var"};
    for (int groups = 0; groups < 2; groups++) {
        bl_store *s = model(groups ? NORMS_GROUP : NORMS_BATCH);
        CHECK_OK(match(s, batch, groups ? 5 : 3, NULL, &w));
        CHECK_EQ(w.read, 1);
        CHECK_EQ(w.norms.n, 2);
        CHECK_STR(w.norms.text, "backbone.bn1.weight, backbone.bn1.bias");
        bl_weights_free(&w);
        CHECK_OK(match(s, batch, groups ? 3 : 5, NULL, &w));
        CHECK_EQ(w.read, groups ? 3 : 5);
        CHECK_EQ(w.norms.n, 0);
        bl_weights_free(&w);
        bl_store_destroy(s);
    }
}

/* Bit patterns and values as IEEE 754 and NumPy have them. */
static void test_types(bl_ctx *ctx) {
    static const uint16_t f16[6] = {0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x3555};
    static const uint16_t bf16[6] = {0x3f80, 0xc049, 0x7f7f, 0x0001, 0x0080, 0x3eab};
    static const double f64[6] = {1, -2, 0.1, 1e-300, 16777217, -0.0};
    static const float f16_value[6] = {1, -2, 65504, 0x1p-24f, 0x1p-14f, 0.333251953125f};
    static const float bf16_value[6] = {1,         -3.140625f, 3.3895313892515355e38f,
                                        0x1p-133f, 0x1p-126f,  0.333984375f};
    static const float f64_value[6] = {1, -2, 0.1f, 0, 16777216, -0.0f};
    const struct {
        bl_st_dtype type;
        const void *data;
        size_t bytes;
        const float *value;
    } all[] = {{BL_ST_F16, f16, sizeof f16, f16_value},
               {BL_ST_BF16, bf16, sizeof bf16, bf16_value},
               {BL_ST_F64, f64, sizeof f64, f64_value}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bl_store *s = model(NORMS_NONE);
        CHECK_OK(bl_store_finish(s, ctx, 1, false));
        bl_st_tensor t = {.name = "conv1.weight",
                          .dtype = all[i].type,
                          .ndim = 2,
                          .shape = {2, 3},
                          .data = all[i].data,
                          .bytes = all[i].bytes};
        CHECK_OK(bl_st_write(path, &t, 1, NULL, 0));
        bl_st_file *f;
        bl_weights w;
        CHECK_OK(bl_st_open(path, &f));
        CHECK_OK(bl_weights_match(s, f, "student", NULL, &w));
        CHECK_OK(bl_store_import_tensors(s, ctx, w.from));
        const float *got = bl_f32(bl_store_find(s, "backbone.conv1.weight"));
        for (int k = 0; k < 6; k++) CHECK(memcmp(&got[k], &all[i].value[k], sizeof *got) == 0);
        bl_weights_free(&w);
        bl_st_close(f);
        bl_store_destroy(s);
    }
}

int main(void) {
    bl_ctx *ctx;
    bl_ctx_options o = {0};
    CHECK_OK(bl_ctx_create(&o, &ctx));
    CHECK(mkstemp(path) >= 0);
    test_names();
    test_nothing();
    test_norms();
    test_types(ctx);
    unlink(path);
    bl_ctx_destroy(ctx);
    return 0;
}
