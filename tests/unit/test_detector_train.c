/* Training steps as a whole: one fixed batch is learned and then detected; runs repeat
 * bit for bit. */
#include "core/parallel.h"
#include "tests/detector_fixture.h"
#include "tests/list_fixture.h"

enum { CLASSES = 3, IMAGES = 2, SIDE = 64 };

static bl_box g0[] = {{8, 8, 28, 30}, {36, 30, 60, 52}}, g1[] = {{20, 16, 48, 40}};
static int32_t l0[] = {0, 1}, l1[] = {2};
static const bl_boxes gt[IMAGES] = {{.n = 2, .box = g0, .label = l0},
                                    {.n = 1, .box = g1, .label = l1}};
static const bl_size size[IMAGES] = {{SIDE, SIDE}, {SIDE, SIDE}};

static float train_step(fixture *f, uint64_t t, float lr) {
    bl_step_begin(f->ctx, true);
    bl_pyramid p;
    CHECK_OK(bl_detector_extract(f->ctx, f->det, true,
                                 draw_images(f->ctx, gt, IMAGES, SIDE, SIDE, 1), &p));
    bl_rpn_out r;
    CHECK_OK(bl_rpn_forward(f->ctx, f->det, &p, &r));
    bl_tensor *loss[4], *counts;
    int64_t np, nn;
    CHECK_OK(bl_rpn_loss(f->ctx, f->det, &r, gt, size, 5, t, &loss[0], &loss[1], &counts));
    counts_read(f->ctx, counts, &np, &nn);
    CHECK(np >= 3 && nn > 0);
    bl_box_lists prop;
    CHECK_OK(bl_rpn_proposals(f->ctx, f->det, &r, size, true, &prop));
    bl_roi_batch rois;
    bl_roi_draw draw = {.add_gt = true, .seed = 5, .key = t};
    CHECK_OK(bl_roi_sample(f->ctx, f->det, &prop, gt, &draw, &rois));
    counts_read(f->ctx, rois.count, &np, &nn);
    CHECK(np >= 3);
    bl_roi_out head;
    CHECK_OK(bl_roi_forward_list(f->ctx, f->det, &p, rois.target.roi, rois.image, &head));
    CHECK_OK(bl_roi_cls_loss(f->ctx, f->det, &rois, rois.target.share, &head, 0, &loss[2]));
    CHECK_OK(bl_roi_box_loss(f->ctx, f->det, &rois, &head, &loss[3]));
    float sum = 0, seeds[] = {1, 1, 1, 1};
    for (int i = 0; i < 4; i++) {
        float v;
        CHECK_OK(bl_scalar(f->ctx, loss[i], &v));
        CHECK(isfinite(v) && v >= 0);
        sum += v;
    }
    CHECK_OK(bl_backward(f->ctx, loss, seeds, 4));
    bl_sgd o = {.lr = lr, .momentum = 0.9f, .decay = 1e-4f, .clip_norm = 10};
    double norm;
    CHECK_OK(bl_store_sgd(f->store, f->ctx, &o, &norm));
    CHECK(norm > 0);
    bl_step_end(f->ctx);
    return sum;
}

static void test_overfit(const char *norm) {
    bl_set_threads(1); /* maps this small are not worth a barrier */
    fixture f = fixture_make("auto", NULL, norm, CLASSES, 4);
    float first = 0, last = 0;
    for (uint64_t t = 0; t < 500; t++) {
        float v = train_step(&f, t, t < 20 ? 0.01f : t < 400 ? 0.03f : 0.003f);
        if (t < 5) first += v / 5;
        if (t >= 495) last += v / 5;
    }
    printf("%s: loss %.4f -> %.4f\n", norm, first, last);
    CHECK(last < 0.15f * first);
    /* What was learned is found again: the three objects, best first, and hardly anything else. */
    bl_step_begin(f.ctx, false);
    bl_boxes out[IMAGES];
    CHECK_OK(bl_detector_predict(f.ctx, f.det, draw_images(f.ctx, gt, IMAGES, SIDE, SIDE, 1), size,
                                 false, 0.5, NULL, out));
    for (int i = 0; i < IMAGES; i++)
        for (int32_t g = 0; g < gt[i].n; g++) {
            bool found = false;
            for (int32_t k = 0; k < out[i].n; k++) {
                CHECK(out[i].score[k] > 0.5f && (!k || out[i].score[k] <= out[i].score[k - 1]));
                found |= out[i].label[k] == gt[i].label[g] &&
                         bl_box_iou(out[i].box[k], gt[i].box[g]) > 0.6f;
            }
            CHECK(found);
        }
    /* Running statistics of two images are too rough to ask this of bn. */
    if (!strcmp(norm, "gn")) CHECK(out[0].n <= 4 && out[1].n <= 3);
    bl_step_end(f.ctx);
    fixture_free(&f);
}

/* The same seed gives the same bits; in plain C whatever the number of threads. */
static void test_repeatable(const char *backend, int threads0, int threads1) {
    float loss[2][3];
    for (int run = 0; run < 2; run++) {
        bl_set_threads(run ? threads1 : threads0);
        fixture f = fixture_make(backend, NULL, "gn", CLASSES, 3);
        for (uint64_t t = 0; t < 3; t++) loss[run][t] = train_step(&f, t, 0.02f);
        fixture_free(&f);
    }
    for (int t = 0; t < 3; t++) {
        printf("%s: %.9g %.9g\n", backend, loss[0][t], loss[1][t]);
        CHECK(loss[0][t] == loss[1][t]);
    }
    bl_set_threads(0);
}

/* Inference leaves no storage behind but what it returns. */
static void test_memory(void) {
    fixture f = fixture_make("auto", NULL, "frozen_bn", CLASSES, 3);
    bl_step_begin(f.ctx, true); /* a teacher inside a training step records nothing */
    bl_tensor *x = draw_images(f.ctx, gt, IMAGES, SIDE, SIDE, 1);
    size_t before = bl_pool_get_stats(f.ctx->pool).live;
    bl_boxes out[IMAGES];
    CHECK_OK(bl_detector_predict(f.ctx, f.det, x, size, true, 0.01, NULL, out));
    CHECK_EQ(bl_pool_get_stats(f.ctx->pool).live, before);
    CHECK(f.ctx->record);
    bl_pyramid p;
    CHECK_OK(bl_detector_predict(f.ctx, f.det, x, size, true, 0.01, &p, out));
    CHECK(bl_pool_get_stats(f.ctx->pool).live > before);
    CHECK(p.n == IMAGES && p.map[0]->h == SIDE / 4 && !p.map[0]->needs_grad);
    bl_step_end(f.ctx);
    fixture_free(&f);
}

int main(void) {
    test_overfit("gn");
    test_overfit("bn");
    test_repeatable("ref", 1, 2);
    test_repeatable("auto", 2, 2);
    test_memory();
    return 0;
}
