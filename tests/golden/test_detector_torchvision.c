/* Backbones, detector parts and the whole detector, forward and backward, against PyTorch and
 * torchvision (scripts/golden/detector_torchvision.py says what is stored and how weights are
 * drawn). */
#include "core/parallel.h"
#include "detector/model.h"
#include "kernels/kernels.h"
#include "tests/list_fixture.h"
#include "tests/torch_fixture.h"

/* ---- backbones ---- */

static void test_backbone(bl_ctx *ctx, const char *name, bl_resnet_depth depth, bl_norm_type norm,
                          bool caffe, double tolerance) {
    bl_store *s;
    bl_resnet *r;
    bl_fpn *f;
    int32_t ch[4];
    CHECK_OK(bl_store_create(&s));
    bl_resnet_config cfg = {
        .depth = depth, .norm = norm, .groups = 4, .frozen_stages = -1, .stride_in_1x1 = caffe};
    CHECK_OK(bl_resnet_create(&cfg, s, "backbone", &r));
    bl_resnet_channels(r, ch);
    CHECK_OK(bl_fpn_create(ch, 32, BL_NORMTYPE_NONE, 0, s, "neck", &f));
    CHECK_OK(bl_store_finish(s, ctx, 1, false));
    fill_weights(s);
    bl_step_begin(ctx, false);
    bl_tensor *c[4], *p[5];
    CHECK_OK(bl_resnet_forward(ctx, r, true, draw_image(ctx, "backbone", 64, 96), c));
    char key[8];
    for (int i = 0; i < 4; i++) {
        snprintf(key, sizeof key, "c%d", i);
        check_map(ctx, name, key, c[i], tolerance);
    }
    CHECK_OK(bl_fpn_forward(ctx, f, true, c, p));
    for (int i = 0; i < 5; i++) {
        snprintf(key, sizeof key, "p%d", i);
        check_map(ctx, name, key, p[i], tolerance);
    }
    bl_step_end(ctx);
    for (int k = 0; norm == BL_NORMTYPE_BN && k < 2; k++) {
        const char *stat = k ? "running_var" : "running_mean";
        char full[64];
        snprintf(full, sizeof full, "backbone.layer3.1.bn2.%s", stat);
        bl_tensor *t = bl_store_find(s, full);
        float *want = values(name, stat, NULL);
        for (int64_t i = 0; i < t->c; i++) check_near(full, bl_f32(t)[i], want[i], 1e-4);
        free(want);
    }
    bl_fpn_destroy(f);
    bl_resnet_destroy(r);
    bl_store_destroy(s);
}

/* ---- parts ---- */

static void test_anchors(void) {
    bl_anchor_grid g = {.n_levels = 3, .per_cell = 3, .h = {8, 4, 2}, .w = {12, 6, 3}};
    double sizes[] = {8, 20, 32}, ratios[] = {0.5, 1, 2};
    for (int l = 0; l < 3; l++) {
        g.stride_x[l] = g.stride_y[l] = 4 << l;
        bl_anchors_base(&sizes[l], 1, ratios, 3, g.stride_x[l], 0, true, g.base[l]);
    }
    bl_anchor_grid_count(&g);
    int64_t n;
    float *want = values("anchors", "", &n);
    CHECK_EQ(n, 4 * g.first[3]);
    bl_box *all = malloc((size_t)g.first[3] * sizeof *all);
    bl_kernels k;
    bl_kernels_init_ref(&k);
    k.anchors(&g, 0, NULL, 1, all, NULL);
    for (int64_t i = 0; i < g.first[3]; i++)
        for (int j = 0; j < 4; j++) CHECK_EQ((&all[i].x1)[j], want[4 * i + j]);
    free(all);
    free(want);
}

static void test_coder(void) {
    bl_box_coder coder = {{0.1f, 0.1f, 0.2f, 0.2f}, 4.135166556742356f, false};
    int64_t n;
    bl_box *from = values("coder.from", "", &n), *to = values("coder.to", "", NULL);
    float *delta = values("coder.delta", "", NULL), *enc = values("coder.encoded", "", NULL);
    float *dec = values("coder.decoded", "", NULL);
    int bounded = 0;
    for (int64_t i = 0; i < n / 4; i++) {
        float d[4];
        bl_box_encode(&coder, from[i], to[i], d);
        bl_box b = bl_box_decode(&coder, from[i], &delta[4 * i]);
        for (int k = 0; k < 4; k++) {
            CHECK_NEAR(d[k], enc[4 * i + k], 2e-6 * (10 + fabs(enc[4 * i + k])));
            CHECK_NEAR((&b.x1)[k], dec[4 * i + k], 2e-6 * (100 + fabs(dec[4 * i + k])));
        }
        bounded += delta[4 * i + 2] * 0.2f > coder.max_log_ratio;
    }
    CHECK(n == 256 && bounded > 0);
    free(from);
    free(to);
    free(delta);
    free(enc);
    free(dec);
}

static void check_matches(bl_ctx *ctx, const bl_box *box, int64_t n, const bl_boxes *gt,
                          const bl_match_rule *rule, const int32_t *want, int32_t *got) {
    bl_candidates c = {.n = n, .shared = true};
    bl_box_lists truth = lists_of(ctx, gt, 1);
    bl_tensor *match;
    CHECK_OK(bl_upload(ctx, BL_F32, n, 4, box, &c.box));
    CHECK_OK(bl_list_match(ctx, &c, &truth, rule, &match));
    CHECK_OK(bl_download(ctx, match, got));
    /* torchvision: -1 below, -2 between, as here. */
    for (int64_t i = 0; i < n; i++) CHECK_EQ(got[i], want[i]);
}

static void test_matcher(bl_ctx *ctx) {
    int64_t n, m;
    bl_box *box = values("match.box", "", &n), *g = values("match.gt", "", &m);
    int32_t *keep = values("match.keep", "", NULL), *none = values("match.none", "", NULL);
    n /= 4;
    m /= 4;
    int32_t *got = malloc((size_t)n * sizeof *got);
    bl_boxes gt = {.n = (int32_t)m, .box = g};
    bl_match_rule low = {0.7f, 0.3f, 0, BL_LOWQ_KEEP, 0.5f},
                  plain = {0.5f, 0.5f, 0, BL_LOWQ_NONE, 0.5f};
    int fg = 0, between = 0;
    bl_step_begin(ctx, false);
    check_matches(ctx, box, n, &gt, &plain, none, got);
    check_matches(ctx, box, n, &gt, &low, keep, got);
    for (int64_t i = 0; i < n; i++) {
        fg += got[i] >= 0;
        between += got[i] == BL_MATCH_IGNORE;
    }
    CHECK(fg >= m && between > 10);
    bl_step_end(ctx);
    free(box);
    free(g);
    free(keep);
    free(none);
    free(got);
}

/* ---- the whole detector ---- */

static bl_box g0[] = {{10, 12, 40, 50}, {60, 20, 110, 90}, {30, 60, 55, 80}},
              g1[] = {{20, 8, 80, 60}};
static int32_t l0[] = {3, 0, 4}, l1[] = {1};
static const bl_boxes gt[2] = {{.n = 3, .box = g0, .label = l0}, {.n = 1, .box = g1, .label = l1}};
static const bl_size size[2] = {{128, 96}, {90, 70}};

static void check_proposals(const char *norm, const bl_boxes *prop) {
    for (int i = 0; i < 2; i++) {
        char key[16];
        int64_t n;
        snprintf(key, sizeof key, "prop%d", i);
        bl_box *box = values(norm, key, &n);
        snprintf(key, sizeof key, "score%d", i);
        float *score = values(norm, key, NULL);
        CHECK_EQ(prop[i].n, n / 4);
        for (int32_t k = 0; k < prop[i].n; k++) {
            check_near("proposal score", prop[i].score[k], score[k], 1e-4);
            for (int j = 0; j < 4; j++)
                check_near("proposal", (&prop[i].box[k].x1)[j], (&box[k].x1)[j], 5e-3);
        }
        free(box);
        free(score);
    }
}

/* The same set; the order of nearly equal scores is free. */
static void check_detections(const char *norm, const bl_boxes *det) {
    for (int i = 0; i < 2; i++) {
        char key[16];
        int64_t n;
        snprintf(key, sizeof key, "det%d", i);
        float *want = values(norm, key, &n); /* x1 y1 x2 y2 score class */
        CHECK_EQ(det[i].n, n / 6);
        CHECK(det[i].n > 10);
        for (int32_t k = 0; k < det[i].n; k++) {
            bool found = false;
            for (int32_t j = 0; j < n / 6 && !found; j++) {
                const float *w = &want[6 * j];
                bl_box b = {w[0], w[1], w[2], w[3]};
                found = det[i].label[k] == (int)w[5] && fabsf(det[i].score[k] - w[4]) < 1e-4f &&
                        bl_box_iou(b, det[i].box[k]) > 0.999f;
            }
            CHECK(found);
        }
        free(want);
    }
}

/* The proposals followed by the image's boxes, shifted. */
static bl_boxes with_shifted(bl_arena *arena, const bl_boxes *prop, const bl_boxes *boxes) {
    bl_boxes out;
    CHECK_OK(bl_boxes_new(arena, prop->n + boxes->n, false, false, &out));
    for (int32_t i = 0; i < prop->n; i++) out.box[out.n++] = prop->box[i];
    for (int32_t i = 0; i < boxes->n; i++) {
        bl_box b = boxes->box[i];
        out.box[out.n++] = (bl_box){b.x1 + 3, b.y1 - 2, b.x2 + 4, b.y2 + 3};
    }
    return out;
}

static bl_detector_config config(bl_arena *arena, const char *norm) {
    char norm_key[32];
    snprintf(norm_key, sizeof norm_key, "norm=%s", norm);
    /* All anchors and all RoIs are sampled. */
    const char *o[] = {norm_key,
                       "gn_groups=4",
                       "depth=r18",
                       "frozen_stages=-1",
                       "fpn_channels=32",
                       "fc_channels=64",
                       "anchor_scale=4",
                       "finest_scale=7",
                       "rpn_batch=100000",
                       "roi_batch=100000",
                       "rpn_pos_fraction=1",
                       "roi_pos_fraction=1",
                       "rpn_pre_nms_train=150",
                       "rpn_post_nms_train=80"};
    bl_detector_config c;
    CHECK_OK(bl_config_load(&bl_detector_schema, NULL, o, sizeof o / sizeof *o, arena, &c));
    return c;
}

static void test_detector(bl_ctx *ctx, const char *norm) {
    bl_arena *arena = bl_arena_create(0);
    bl_detector_config cfg = config(arena, norm);
    bl_store *s;
    bl_detector *d;
    CHECK_OK(bl_store_create(&s));
    CHECK_OK(bl_detector_create(&cfg, CLASSES, s, &d));
    CHECK_OK(bl_store_finish(s, ctx, 1, true));
    fill_weights(s);
    bl_step_begin(ctx, true);
    bl_pyramid p;
    bl_rpn_out r;
    bl_tensor *loss[4], *drawn;
    int64_t n_pos, n_neg;
    CHECK_OK(bl_detector_extract(ctx, d, true, draw_image(ctx, "detector", 96, 128), &p));
    char key[8];
    for (int i = 0; i < 5; i++) {
        snprintf(key, sizeof key, "p%d", i);
        check_map(ctx, norm, key, p.map[i], 1e-4);
    }
    CHECK_OK(bl_rpn_forward(ctx, d, &p, &r));
    CHECK_OK(bl_rpn_loss(ctx, d, &r, gt, size, 1, 1, &loss[0], &loss[1], &drawn));
    counts_read(ctx, drawn, &n_pos, &n_neg);
    bl_boxes prop[2], det[2];
    proposals_read(ctx, d, &r, size, true, prop);
    check_proposals(norm, prop);
    bl_roi_batch rois;
    bl_roi_out head;
    for (int i = 0; i < 2; i++) prop[i] = with_shifted(arena, &prop[i], &gt[i]);
    bl_box_lists lists = lists_of(ctx, prop, 2);
    bl_roi_draw draw = {.add_gt = true, .seed = 1, .key = 1};
    CHECK_OK(bl_roi_sample(ctx, d, &lists, gt, &draw, &rois));
    CHECK_OK(bl_roi_forward_list(ctx, d, &p, rois.target.roi, rois.image, &head));
    CHECK_OK(bl_roi_cls_loss(ctx, d, &rois, rois.target.share, &head, 0, &loss[2]));
    CHECK_OK(bl_roi_box_loss(ctx, d, &rois, &head, &loss[3]));
    int32_t *counts = values(norm, "counts", NULL);
    CHECK_EQ(n_pos, counts[0]);
    CHECK_EQ(n_neg, counts[1]);
    host_rois host = rois_read(ctx, &rois);
    CHECK_EQ(host.n, counts[2]);
    CHECK_EQ(host.n_pos, counts[3]);
    float *want = values(norm, "losses", NULL);
    for (int i = 0; i < 4; i++) {
        float v;
        CHECK_OK(bl_scalar(ctx, loss[i], &v));
        printf("%s loss %d: %.6f, PyTorch %.6f\n", norm, i, v, want[i]);
        check_near("loss", v, want[i], 1e-4 * want[i]);
    }
    static const float seeds[] = {1, 0.7f, 1.3f, 0.9f};
    CHECK_OK(bl_backward(ctx, loss, seeds, 4));
    check_gradients(norm, s);

    /* Inference on the same proposals; with batch statistics the pyramid must be
     * the training one. */
    bl_set_grad(ctx, false);
    if (strcmp(norm, "bn") != 0) {
        CHECK_OK(bl_detector_predict(ctx, d, draw_image(ctx, "detector", 96, 128), size, true, 0.05,
                                     NULL, det));
        check_detections(norm, det);
    }
    bl_step_end(ctx);
    free(counts);
    free(want);
    bl_detector_destroy(d);
    bl_store_destroy(s);
    bl_arena_destroy(arena);
}

int main(void) {
    CHECK_OK(
        bl_st_open(BALLAST_SOURCE_DIR "/tests/golden/detector_torchvision.safetensors", &file));
    test_anchors();
    test_coder();
    bl_ctx *ctx;
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    test_matcher(ctx);
    test_backbone(ctx, "r18", BL_RESNET_18, BL_NORMTYPE_EVAL_BN, false, 1e-4);
    test_backbone(ctx, "r18_bn", BL_RESNET_18, BL_NORMTYPE_BN, false, 1e-4);
    test_backbone(ctx, "r18_gn", BL_RESNET_18, BL_NORMTYPE_GN, false, 1e-4);
    test_backbone(ctx, "r50", BL_RESNET_50, BL_NORMTYPE_FROZEN_BN, false, 1e-4);
    test_backbone(ctx, "r50_caffe", BL_RESNET_50, BL_NORMTYPE_FROZEN_BN, true, 1e-4);
    test_detector(ctx, "eval_bn");
    test_detector(ctx, "gn");
    test_detector(ctx, "bn");
    bl_ctx_destroy(ctx);
    bl_st_close(file);
    return 0;
}
