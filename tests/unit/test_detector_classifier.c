/* RoI classifiers that are not the usual one: width, cosine layer, start, memory, scores. */
#include <math.h>

#include "tests/detector_fixture.h"

enum { CLASSES = 3, OUTPUTS = 5, MEMORY = 2, ROIS = 6, FC = 32 };
static bl_arena *arena;
static bl_ctx *ctx;

/* score of class j: z_j + memory[0]; of the background: z_4 + memory[1]. */
static void scores(const bl_roi_logits *in, float *score) {
    CHECK_EQ(in->outputs, OUTPUTS);
    CHECK_EQ(in->classes, CLASSES);
    for (int64_t i = 0; i < in->n; i++) {
        for (int j = 0; j < CLASSES; j++)
            score[i * (CLASSES + 1) + j] = in->z[i * OUTPUTS + j] + in->memory[0];
        score[i * (CLASSES + 1) + CLASSES] = in->z[i * OUTPUTS + 4] + in->memory[1];
    }
}

static bl_detector *make(const bl_roi_classifier *c, bl_store **store) {
    bl_detector *d;
    bl_detector_config cfg = small_config(arena, "gn");
    CHECK_OK(bl_store_create(store));
    CHECK_OK(bl_detector_create_with(&cfg, CLASSES, c, *store, &d));
    CHECK_OK(bl_store_finish(*store, ctx, 3, true));
    return d;
}

static float *read(const bl_tensor *t) {
    float *v = BL_NEW_ARRAY(ctx->arena, float, t->n * t->c);
    CHECK_OK(bl_tensor_to_host(ctx, t, v));
    return v;
}

static double cosine(const float *a, const float *b) {
    double dot = 0, aa = 0, bb = 0;
    for (int k = 0; k < FC; k++) {
        dot += (double)a[k] * b[k];
        aa += (double)a[k] * a[k];
        bb += (double)b[k] * b[k];
    }
    return dot / sqrt(aa * bb);
}

static void test_layer(double scale) {
    bl_roi_classifier c = {
        .outputs = OUTPUTS, .scale = scale, .prior = 0.01, .memory = MEMORY, .scores = scores};
    const float memory[] = {10, 20};
    bl_store *store;
    bl_detector *d = make(&c, &store);
    CHECK(!bl_detector_scores_by_softmax(d));
    CHECK_OK(bl_detector_set_memory(ctx, d, memory));
    bl_step_begin(ctx, true);
    bl_boxes none = {0};
    bl_tensor *images = draw_images(ctx, &none, 1, 64, 64, 1);
    bl_pyramid p;
    bl_box roi[ROIS];
    int32_t image[ROIS] = {0};
    for (int i = 0; i < ROIS; i++) roi[i] = (bl_box){(float)i, 2, (float)(20 + 5 * i), 40};
    bl_roi_out out;
    CHECK_OK(bl_detector_extract(ctx, d, true, images, &p));
    CHECK_OK(bl_roi_forward(ctx, d, &p, roi, image, ROIS, &out));
    CHECK_EQ(out.logits->c, OUTPUTS);
    const float *w = read(bl_store_find(store, "roi_head.bbox_head.fc_cls.weight"));
    const float *b = read(bl_store_find(store, "roi_head.bbox_head.fc_cls.bias"));
    const float *x = read(out.feature), *z = read(out.logits);
    float *got;
    CHECK_OK(bl_roi_scores(ctx, d, out.logits, &got));
    for (int i = 0; i < ROIS; i++) {
        for (int j = 0; j < OUTPUTS; j++) {
            double want = 0;
            for (int k = 0; k < FC; k++) want += (double)w[j * FC + k] * x[i * FC + k];
            if (scale > 0) want = scale * cosine(&w[j * FC], &x[i * FC]);
            CHECK_NEAR(b[j], -log(99), 1e-6);
            CHECK_NEAR(z[i * OUTPUTS + j], want + b[j], 1e-5 * (1 + scale));
        }
        CHECK_NEAR(got[i * (CLASSES + 1) + 2], z[i * OUTPUTS + 2] + 10, 1e-6);
        CHECK_NEAR(got[i * (CLASSES + 1) + 3], z[i * OUTPUTS + 4] + 20, 1e-6);
    }
    /* Its loss is its own. */
    bl_roi_batch rois = {.n = ROIS};
    bl_tensor *loss;
    CHECK_FAILS(bl_roi_cls_loss(ctx, d, &rois, NULL, &out, 0, &loss), BL_EINVAL,
                "5 outputs, not 4; it needs a loss of its own");
    bl_step_end(ctx);
    bl_detector_destroy(d);
    bl_store_destroy(store);
}

static void test_bad(void) {
    static const struct {
        bl_roi_classifier c;
        const char *what;
    } bad[] = {{{.outputs = 5}, "5 outputs for 3 classes need a way to scores; softmax takes 4"},
               {{.outputs = -1, .scores = scores}, "-1 outputs"},
               {{.prior = 1}, "prior 1 and scale 0"},
               {{.scale = NAN}, "scale nan"}};
    bl_detector_config cfg = small_config(arena, "gn");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bl_detector *d;
        bl_store *s;
        CHECK_OK(bl_store_create(&s));
        CHECK_FAILS(bl_detector_create_with(&cfg, CLASSES, &bad[i].c, s, &d), BL_EINVAL,
                    bad[i].what);
        bl_store_destroy(s);
    }
    bl_store *s;
    bl_detector *d = make(NULL, &s);
    CHECK(bl_detector_scores_by_softmax(d));
    CHECK_FAILS(bl_detector_set_memory(ctx, d, NULL), BL_EINVAL, "has no memory");
    bl_detector_destroy(d);
    bl_store_destroy(s);
}

int main(void) {
    arena = bl_arena_create(0);
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    test_layer(0);
    test_layer(20);
    test_bad();
    bl_ctx_destroy(ctx);
    bl_arena_destroy(arena);
    return 0;
}
