/* detector.style=torchvision: the whole of torchvision's fasterrcnn_resnet50_fpn, from padded images
 * to detections, losses and gradients (scripts/golden/detector_styles.py). */
#include <float.h>

#include "detector/model.h"
#include "tests/list_fixture.h"
#include "tests/torch_fixture.h"

static bl_box g0[] = {{10, 12, 40, 50}, {60, 20, 110, 90}, {30, 60, 55, 80}},
              g1[] = {{20, 8, 80, 60}};
static int32_t l0[] = {3, 0, 4}, l1[] = {1};
static const bl_boxes gt[2] = {{.n = 3, .box = g0, .label = l0}, {.n = 1, .box = g1, .label = l1}};
static const bl_size size[2] = {{128, 96}, {90, 70}};
static const double pixels = 1e-3, probability = 1e-5;

static void config(bl_arena *arena, const char *style, bl_detector_config *c) {
    char key[32];
    snprintf(key, sizeof key, "style=%s", style);
    /* All anchors and all RoIs are sampled. */
    const char *o[] = {key,
                       "frozen_stages=-1",
                       "rpn_batch=100000",
                       "roi_batch=100000",
                       "rpn_pos_fraction=1",
                       "roi_pos_fraction=1",
                       "rpn_pre_nms_train=150",
                       "rpn_post_nms_train=80",
                       "rpn_pre_nms_test=150",
                       "rpn_post_nms_test=80"};
    CHECK_OK(bl_config_load(&bl_detector_schema, NULL, o, sizeof o / sizeof *o, arena, c));
}

/* The distance of two boxes, px: of the side that is farthest. */
static double distance(bl_box a, const float *b) {
    double most = 0;
    for (int j = 0; j < 4; j++) most = fmax(most, fabs((&a.x1)[j] - b[j]));
    return most;
}

/* Every box of ours is one of theirs, whatever the order of nearly equal scores; columns: of theirs,
 * 4 without scores and classes, 6 with. */
static void check_boxes(const char *what, const bl_boxes *got, int columns) {
    double far = 0, off = 0;
    for (int i = 0; i < 2; i++) {
        char key[16];
        int64_t n;
        snprintf(key, sizeof key, "%s%d", what, i);
        float *want = values("tv", key, &n);
        CHECK(n / columns > 10);
        CHECK_EQ(got[i].n, n / columns);
        for (int32_t k = 0; k < got[i].n; k++) {
            double near = DBL_MAX, at = 0;
            for (int64_t j = 0; j < n / columns; j++) {
                const float *w = &want[columns * j];
                double d = distance(got[i].box[k], w);
                if ((columns == 6 && got[i].label[k] != (int)w[5]) || d >= near) continue;
                near = d;
                at = columns == 6 ? fabs(got[i].score[k] - w[4]) : 0;
            }
            far = fmax(far, near);
            off = fmax(off, at);
        }
        free(want);
    }
    printf("%s: farthest %.2g px, score %.2g\n", what, far, off);
    check_near(what, far, 0, pixels);
    check_near(what, off, 0, probability);
}

static void test_inference(bl_ctx *ctx, const bl_detector *d, bl_store *s) {
    bl_pyramid p;
    bl_rpn_out r;
    bl_boxes box[2];
    char key[8];
    fill_weights(s);
    bl_step_begin(ctx, false);
    CHECK_OK(bl_detector_extract(ctx, d, false, draw_image(ctx, "detector", 96, 128), &p));
    for (int i = 0; i < 5; i++) {
        snprintf(key, sizeof key, "p%d", i);
        check_map(ctx, "tv", key, p.map[i], 1e-4);
    }
    CHECK_OK(bl_rpn_forward(ctx, d, &p, &r));
    proposals_read(ctx, d, &r, size, false, box);
    check_boxes("prop", box, 4);
    CHECK_OK(bl_detector_predict(ctx, d, draw_image(ctx, "detector", 96, 128), size, false, 0.05,
                                 NULL, box));
    check_boxes("det", box, 6);
    bl_step_end(ctx);
}

static void test_training(bl_ctx *ctx, const bl_detector *d, bl_store *s) {
    bl_pyramid p;
    bl_rpn_out r;
    bl_tensor *loss[4];
    bl_box_lists proposals;
    bl_roi_batch rois;
    bl_roi_out head;
    bl_roi_draw draw = {.add_gt = true, .seed = 1, .key = 1};
    bl_step_begin(ctx, true);
    CHECK_OK(bl_detector_extract(ctx, d, true, draw_image(ctx, "detector", 96, 128), &p));
    CHECK_OK(bl_rpn_forward(ctx, d, &p, &r));
    CHECK_OK(bl_rpn_loss(ctx, d, &r, gt, size, 1, 1, &loss[0], &loss[1], NULL));
    CHECK_OK(bl_rpn_proposals(ctx, d, &r, size, true, &proposals));
    CHECK_OK(bl_roi_sample(ctx, d, &proposals, gt, &draw, &rois));
    CHECK_OK(bl_roi_forward_list(ctx, d, &p, rois.target.roi, rois.image, &head));
    CHECK_OK(bl_roi_cls_loss(ctx, d, &rois, rois.target.share, &head, 0, &loss[2]));
    CHECK_OK(bl_roi_box_loss(ctx, d, &rois, &head, &loss[3]));
    float *want = values("tv", "losses", NULL);
    for (int i = 0; i < 4; i++) {
        float v;
        CHECK_OK(bl_scalar(ctx, loss[i], &v));
        printf("loss %d: %.7f, torchvision %.7f\n", i, v, want[i]);
        check_near("loss", v, want[i], 1e-4 * want[i]);
    }
    static const float seeds[] = {1, 0.7f, 1.3f, 0.9f};
    CHECK_OK(bl_backward(ctx, loss, seeds, 4));
    check_gradients("tv", s);
    bl_step_end(ctx);
    free(want);
}

/* What a configuration leaves to the style, and what it decides itself. */
static void test_defaults(bl_arena *arena) {
    static const struct {
        const char *style;
        double beta;
        int64_t sampling, proposals;
    } rows[] = {
        {"mmdet", 0, 0, 1000}, {"torchvision", 1.0 / 9, 2, 2000}, {"detectron2", 0, 0, 1000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char key[32];
        snprintf(key, sizeof key, "style=%s", rows[i].style);
        const char *o[] = {key, "depth=small", "roi_sampling=3"};
        for (int given = 0; given < 2; given++) {
            bl_detector_config c;
            bl_store *s;
            bl_detector *d;
            CHECK_OK(bl_config_load(&bl_detector_schema, NULL, o, 2 + given, arena, &c));
            CHECK_OK(bl_store_create(&s));
            CHECK_OK(bl_detector_create(&c, CLASSES, s, &d));
            const bl_detector_config *r = bl_detector_get_config(d);
            CHECK_EQ(r->roi_sampling, given ? 3 : rows[i].sampling);
            CHECK_EQ(r->rpn_post_nms_train, rows[i].proposals);
            CHECK_NEAR(r->box_beta, rows[i].beta, 0);
            bl_detector_destroy(d);
            bl_store_destroy(s);
        }
    }
}

int main(void) {
    bl_arena *arena = bl_arena_create(0);
    bl_detector_config cfg;
    bl_ctx *ctx;
    bl_store *s;
    bl_detector *d;
    test_defaults(arena);
    CHECK_OK(bl_st_open(BALLAST_SOURCE_DIR "/tests/golden/detector_styles.safetensors", &file));
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    config(arena, "torchvision", &cfg);
    CHECK_OK(bl_store_create(&s));
    CHECK_OK(bl_detector_create(&cfg, CLASSES, s, &d));
    CHECK_OK(bl_store_finish(s, ctx, 1, true));
    test_inference(ctx, d, s);
    test_training(ctx, d, s);
    bl_detector_destroy(d);
    bl_store_destroy(s);
    bl_ctx_destroy(ctx);
    bl_st_close(file);
    bl_arena_destroy(arena);
    return 0;
}
