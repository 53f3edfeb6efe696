/* The trained CIFAR-10 ResNets of the shared data score what was published for them: 9,173 and
 * 9,263 of the 10,000 test images, on any number of threads. */
#include "core/parallel.h"
#include "nn/classifier.h"
#include "tests/check.h"

enum { IMAGES = 10000, SIDE = 32, BYTES = 3 * SIDE * SIDE, RECORD = 1 + BYTES, BATCH = 250 };

static unsigned char *read_test_batch(void) {
    const char *path = BALLAST_SHARED_DATA "/cifar10/test_batch.bin.xz";
    FILE *f = fopen(path, "rb");
    if (!f) SKIP("no %s", path);
    fclose(f);
    unsigned char *data = malloc((size_t)IMAGES * RECORD);
    FILE *p = popen("xz -dc '" BALLAST_SHARED_DATA "/cifar10/test_batch.bin.xz'", "r");
    size_t got = data && p ? fread(data, 1, (size_t)IMAGES * RECORD, p) : 0;
    if (!p || pclose(p) != 0) SKIP("cannot run xz");
    CHECK_EQ(got, (size_t)IMAGES * RECORD);
    return data;
}

static void score(int64_t depth, int threads, int correct, double loss, const unsigned char *data) {
    char path[512];
    snprintf(path, sizeof path, "%s/resnet-cifar/resnet%d.safetensors", BALLAST_SHARED_DATA,
             (int)depth);
    bl_st_file *f;
    bl_ctx *ctx;
    bl_store *s;
    bl_classifier *c;
    int missing;
    bl_set_threads(threads);
    CHECK_OK(bl_st_open(path, &f));
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    CHECK_OK(bl_store_create(&s));
    const bl_classifier_config cfg = {
        .backbone = BL_BACKBONE_RESNET_CIFAR, .depth = depth, .decay_norm = true};
    const bl_head_spec head = {.name = "f", .kind = BL_HEAD_LINEAR, .out = 10};
    CHECK_OK(bl_classifier_create(&cfg, &head, 1, s, &c));
    CHECK_OK(bl_store_finish(s, ctx, 1, false));
    CHECK_OK(bl_classifier_import(c, s, ctx, f, &missing));
    CHECK_EQ(missing, 0);
    static const float mean[] = {0.485f, 0.456f, 0.406f}, std[] = {0.229f, 0.224f, 0.225f};
    static float x[BATCH * BYTES], p[BATCH * 10];
    int right = 0;
    double total = 0;
    for (int i = 0; i < IMAGES; i += BATCH) {
        for (int64_t e = 0; e < (int64_t)BATCH * BYTES; e++) {
            int64_t plane = e % BYTES / (SIDE * SIDE);
            float v = (float)data[(i + e / BYTES) * RECORD + 1 + e % BYTES] / 255.0f;
            x[e] = (v - mean[plane]) / std[plane];
        }
        bl_tensor *t, *z, *y;
        bl_step_begin(ctx, false);
        CHECK_OK(bl_tensor_from_host(ctx, x, BATCH, 3, SIDE, SIDE, 1, &t));
        CHECK_OK(bl_classifier_extract(ctx, c, false, t, &z));
        CHECK_OK(bl_classifier_apply(ctx, c, 0, z, &y));
        CHECK_OK(bl_softmax_to_host(ctx, y, p));
        for (int n = 0; n < BATCH; n++) {
            int best = 0, label = data[(int64_t)(i + n) * RECORD];
            for (int k = 1; k < 10; k++)
                if (p[n * 10 + k] > p[n * 10 + best]) best = k;
            right += best == label;
            total -= log(p[n * 10 + label]);
        }
        bl_step_end(ctx);
    }
    printf("ResNet-%d, %d threads: %d correct, cross-entropy %.6f\n", (int)depth, threads, right,
           total / IMAGES);
    CHECK_EQ(right, correct);
    CHECK_NEAR(total / IMAGES, loss, 2e-6);
    bl_classifier_destroy(c);
    bl_store_destroy(s);
    bl_ctx_destroy(ctx);
    bl_st_close(f);
}

int main(void) {
    unsigned char *data = read_test_batch();
    for (int threads = 1; threads <= 2; threads++) {
        score(20, threads, 9173, 0.372661, data);
        score(32, threads, 9263, 0.374103, data);
    }
    free(data);
    return 0;
}
