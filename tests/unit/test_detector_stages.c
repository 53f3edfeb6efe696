/* The stages one by one: proposals against their definition, level rule, RoI sampling, detections,
 * and every empty case. */
#include "detector/model.h"
#include "tests/detector_fixture.h"
#include "tests/list_fixture.h"

enum { CLASSES = 4 };

static float value(uint64_t seed, uint64_t i) {
    bl_rng r = bl_rng_make(seed, i);
    return bl_rng_normal(&r);
}

/* RPN maps of chosen numbers for n images of h x w. */
static bl_rpn_out fake_rpn(fixture *f, int n, int h, int w, uint64_t seed, float spread) {
    bl_rpn_out r = {.n = n};
    for (int l = 0; l < BL_PYRAMID_LEVELS; l++) {
        r.stride[l] = 4 << l;
        int mh = (h + r.stride[l] - 1) / r.stride[l], mw = (w + r.stride[l] - 1) / r.stride[l];
        for (int part = 0; part < 2; part++) {
            int c = part ? 12 : 3;
            size_t count = (size_t)n * (size_t)(c * mh * mw);
            float *v = malloc(count * sizeof *v);
            for (size_t i = 0; i < count; i++)
                v[i] = (part ? spread : 2) * value(seed + (uint64_t)part, ((uint64_t)l << 32) + i);
            CHECK_OK(bl_tensor_from_host(f->ctx, v, n, c, mh, mw, 0, part ? &r.reg[l] : &r.cls[l]));
            free(v);
        }
    }
    return r;
}

static float at(fixture *f, bl_tensor *t, int64_t n, int64_t c, int64_t y, int64_t x) {
    (void)f;
    return bl_f32(t)[bl_index(t, n, c, y, x)];
}

typedef struct cand {
    bl_box box;
    float logit;
    int level, order;
} cand;

static int by_score(const void *a, const void *b) {
    const cand *p = a, *q = b;
    if (p->logit != q->logit) return p->logit < q->logit ? 1 : -1;
    return p->order - q->order;
}

/* The definition, written down naively. */
static int reference(fixture *f, const bl_rpn_out *r, int image, bl_size size, int pre, int post,
                     cand *out) {
    bl_anchor_grid g;
    bl_rpn_grid(f->det, r, &g);
    cand *all = malloc(sizeof *all * (size_t)g.first[5]),
         *cut = malloc(sizeof *all * (size_t)g.first[5]);
    int kept = 0, n_cut = 0;
    for (int l = 0; l < 5; l++) {
        int n = 0;
        for (int64_t i = g.first[l]; i < g.first[l + 1]; i++) {
            bl_loc k = bl_anchor_loc(&g, image, i);
            float d[4];
            for (int j = 0; j < 4; j++) d[j] = at(f, r->reg[l], image, 4 * k.a + j, k.y, k.x);
            bl_box b = bl_box_decode(&f->det->rpn.coder, bl_anchor_at(&g, &k), d);
            all[n] = (cand){bl_box_clip(b, size.w, size.h), at(f, r->cls[l], image, k.a, k.y, k.x),
                            l, n};
            n++;
        }
        qsort(all, (size_t)n, sizeof *all, by_score);
        for (int i = 0; i < n && i < pre; i++)
            if (bl_box_area(all[i].box) > 0) {
                cut[n_cut] = all[i];
                cut[n_cut].order = n_cut;
                n_cut++;
            }
    }
    qsort(cut, (size_t)n_cut, sizeof *cut, by_score);
    for (int i = 0; i < n_cut && kept < post; i++) {
        bool good = true;
        for (int j = 0; j < kept && good; j++)
            good = out[j].level != cut[i].level || bl_box_iou(out[j].box, cut[i].box) <= 0.7f;
        if (good) out[kept++] = cut[i];
    }
    free(all);
    free(cut);
    return kept;
}

static void test_proposals(const char *backend) {
    fixture f = fixture_make(backend, NULL, "gn", CLASSES, 1);
    bl_step_begin(f.ctx, false);
    bl_rpn_out r = fake_rpn(&f, 2, 96, 128, 3, 0.3f);
    bl_size size[] = {{128, 96}, {100, 70}};
    bl_boxes out[2];
    proposals_read(f.ctx, f.det, &r, size, true, out);
    static cand want[2000];
    for (int i = 0; i < 2; i++) {
        int n = reference(&f, &r, i, size[i], 200, 100, want);
        CHECK_EQ(n, 100); /* the limit is active */
        CHECK_EQ(out[i].n, n);
        for (int k = 0; k < n; k++) {
            CHECK_NEAR(out[i].box[k].x1, want[k].box.x1, 1e-3);
            CHECK_NEAR(out[i].box[k].y2, want[k].box.y2, 1e-3);
            CHECK_NEAR(out[i].score[k], 1 / (1 + exp(-want[k].logit)), 1e-6);
            CHECK(out[i].box[k].x2 <= size[i].w && out[i].box[k].y2 <= size[i].h);
        }
    }
    /* The test limits keep more. */
    bl_boxes test[2];
    proposals_read(f.ctx, f.det, &r, size, false, test);
    CHECK(test[0].n > 100);
    CHECK_EQ(test[0].n, reference(&f, &r, 0, size[0], 1000, 1000, want));
    bl_step_end(f.ctx);
    fixture_free(&f);
}

/* Broken predictions give no proposals and no crash. */
static void test_broken_rpn(void) {
    fixture f = fixture_make("ref", NULL, "gn", CLASSES, 1);
    bl_step_begin(f.ctx, false);
    bl_rpn_out r = fake_rpn(&f, 1, 64, 64, 3, 0.3f);
    for (int l = 0; l < 5; l++)
        for (int64_t i = 0; i < bl_storage(r.reg[l]); i++)
            bl_f32(r.reg[l])[i] = i % 2 ? INFINITY : NAN;
    bl_size size = {64, 64};
    bl_boxes out;
    proposals_read(f.ctx, f.det, &r, &size, true, &out);
    CHECK_EQ(out.n, 0);
    bl_step_end(f.ctx);
    fixture_free(&f);
}

static void test_levels(void) {
    bl_arena *a = bl_arena_create(0);
    bl_detector_config c = small_config(a, "gn");
    c.finest_scale = 56;
    fixture f = fixture_make("ref", &c, "gn", CLASSES, 1);
    static const struct {
        float side;
        int level;
    } known[] = {{0, 0},      {1, 0},   {56, 0},     {111.9f, 0}, {112, 1},
                 {223.9f, 1}, {224, 2}, {447.9f, 2}, {448, 3},    {5000, 3}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        CHECK_EQ(
            bl_level_of(&f.det->roi.level, (bl_box){7, 9, 7 + known[i].side, 9 + known[i].side}),
            known[i].level);
    CHECK_EQ(bl_level_of(&f.det->roi.level, (bl_box){0, 0, 50, 250.88f}),
             1); /* area counts, not a side */
    fixture_free(&f);
    bl_arena_destroy(a);
}

static bl_box shift(bl_box b, float dx) {
    return (bl_box){b.x1 + dx, b.y1, b.x2 + dx, b.y2};
}

static host_rois sampled(fixture *f, const bl_boxes *prop, const bl_boxes *gt, bool add_gt,
                         uint64_t key) {
    bl_roi_batch b;
    bl_box_lists l = lists_of(f->ctx, prop, 2);
    bl_roi_draw draw = {.add_gt = add_gt, .seed = 1, .key = key};
    CHECK_OK(bl_roi_sample(f->ctx, f->det, &l, gt, &draw, &b));
    return rois_read(f->ctx, &b);
}

static void test_roi_sample(void) {
    bl_arena *arena = bl_arena_create(0);
    bl_detector_config with_ignore = small_config(arena, "gn");
    with_ignore.ignore_iof = 0.5;
    fixture f = fixture_make("ref", NULL, "gn", CLASSES, 1);
    fixture g = fixture_make("ref", &with_ignore, "gn", CLASSES, 1);
    bl_step_begin(f.ctx, false);
    bl_step_begin(g.ctx, false);
    bl_box g0[] = {{10, 10, 50, 50}, {60, 60, 60, 80}, {0, 0, 120, 90}};
    int32_t l0[] = {2, 1, 0};
    uint8_t ign[] = {0, 0, 1};
    bl_boxes gt[2] = {{.n = 3, .box = g0, .label = l0, .ignore = ign}, {0}};
    bl_box p0[200], p1[200];
    for (int i = 0; i < 200; i++) {
        p0[i] = i < 20 ? shift(g0[0], (float)i * 0.5f) : (bl_box){130, 0, 150.0f + (float)i, 60};
        p1[i] = (bl_box){(float)i, 0, (float)i + 20, 20};
    }
    bl_boxes prop[2] = {{.n = 200, .box = p0}, {.n = 200, .box = p1}};
    host_rois a, b, c, e;
    c = sampled(&f, prop, gt, true, 2);
    a = sampled(&g, prop, gt, true, 2);
    /* Image 0: only the box itself survives the ignore region; flat and ignore boxes are not
     * appended. */
    CHECK_EQ(a.n, 64);
    CHECK_EQ(a.n_pos, 1);
    CHECK(a.label[0] == 2 && a.gt[0] == 0 && a.image[0] == 0 && a.roi[0].x1 == 10);
    for (int k = 0; k < 4; k++) CHECK_NEAR(a.target[k], 0, 1e-6);
    for (int i = 1; i < 64; i++) {
        CHECK(a.label[i] == CLASSES && a.gt[i] == -1 && a.image[i] == i / 32 && a.weight[i] == 1);
        for (int k = 0; k < 4; k++) CHECK(a.target[4 * i + k] == 0);
        if (i < 32) CHECK(a.roi[i].x1 == 130);
    }
    /* Without the region: at most a quarter foreground, right targets. */
    gt[0].n = 2;
    gt[0].ignore = NULL;
    b = sampled(&f, prop, gt, true, 2);
    CHECK_EQ(b.n_pos, 8);
    /* mmdetection trains a crowd region as background: as if it were not there. */
    CHECK(b.n == c.n && !memcmp(b.roi, c.roi, sizeof(bl_box) * (size_t)b.n));
    CHECK(!memcmp(b.label, c.label, sizeof *b.label * (size_t)b.n));
    for (int i = 0; i < 8; i++) {
        CHECK(b.label[i] == 2 && b.gt[i] == 0 && b.share[i] == 1.0f / 64);
        CHECK_NEAR(b.target[4 * i], (10 - b.roi[i].x1) / 40 / 0.1, 1e-4);
        CHECK_NEAR(b.target[4 * i + 2], 0, 1e-4);
    }
    /* Deterministic; another key draws others; image 1 does not depend on image 0. */
    c = sampled(&f, prop, gt, true, 2);
    CHECK(!memcmp(b.roi, c.roi, sizeof(bl_box) * 64));
    e = sampled(&f, prop, gt, true, 3);
    CHECK(memcmp(b.roi, e.roi, sizeof(bl_box) * 64) != 0);
    CHECK(!memcmp(a.roi + 32, b.roi + 32, sizeof(bl_box) * 32));
    /* No proposals at all: the boxes themselves, or nothing. */
    bl_boxes none[2] = {{0}, {0}};
    c = sampled(&f, none, gt, true, 2);
    CHECK(c.n == 1 && c.n_pos == 1);
    c = sampled(&f, none, gt, false, 2);
    CHECK(c.n == 0 && c.n_pos == 0);
    l0[0] = CLASSES;
    bl_roi_batch rows;
    bl_box_lists l = lists_of(f.ctx, prop, 2);
    bl_roi_draw draw = {.add_gt = true, .seed = 1, .key = 2};
    CHECK_FAILS(bl_roi_sample(f.ctx, f.det, &l, gt, &draw, &rows), BL_EINVAL, "label 4");
    l0[0] = 2;
    /* The foreground rows alone are those of the whole draw, with the whole draw's normaliser. */
    draw.foreground_only = true;
    CHECK_OK(bl_roi_sample(f.ctx, f.det, &l, gt, &draw, &rows));
    c = rois_read(f.ctx, &rows);
    CHECK(c.n == b.n_pos && c.n_pos == b.n_pos);
    CHECK(!memcmp(c.roi, b.roi, sizeof(bl_box) * 8) && c.share[0] == 1.0f / 64);
    bl_step_end(f.ctx);
    bl_step_end(g.ctx);
    fixture_free(&g);
    fixture_free(&f);
    bl_arena_destroy(arena);
}

/* Matrices of chosen numbers as head output. */
static bl_roi_out fake_head(fixture *f, int n, const float *logits, const float *deltas) {
    bl_roi_out r = {0};
    CHECK_OK(bl_tensor_from_host(f->ctx, logits, n, CLASSES + 1, 1, 1, 1, &r.logits));
    CHECK_OK(bl_tensor_from_host(f->ctx, deltas, n, 4 * CLASSES, 1, 1, 1, &r.deltas));
    return r;
}

static void test_detections(void) {
    fixture f = fixture_make("ref", NULL, "gn", CLASSES, 1);
    bl_step_begin(f.ctx, false);
    bl_box roi[] = {{10, 10, 30, 30}, {11, 10, 31, 30}, {60, 10, 80, 30}, {10, 10, 30, 30}};
    int32_t image[] = {0, 0, 0, 1};
    float lo[4][CLASSES + 1], de[4][4 * CLASSES] = {{0}};
    for (int i = 0; i < 4; i++)
        for (int c = 0; c <= CLASSES; c++) lo[i][c] = -9;
    lo[0][1] = 2;
    lo[1][1] = 3;       /* the same object: RoI 0 is surer (.9999 against .5) */
    lo[1][2] = 3;       /* another class there stays */
    lo[2][CLASSES] = 9; /* background */
    lo[3][0] = 5;
    lo[3][3] = -9;
    de[1][4 * 1] = 2.0f; /* class 1 of RoI 1 moves right by .1*2*20 = 4 px: IoU .6 */
    de[3][2] = 1e9f;
    de[3][3] = 1e9f; /* bounded, then clipped to the image */
    bl_roi_out r = fake_head(&f, 4, &lo[0][0], &de[0][0]);
    bl_size size[] = {{100, 50}, {40, 40}};
    bl_boxes out[2];
    CHECK_OK(bl_roi_detections(f.ctx, f.det, roi, image, 4, &r, size, 2, 0.05, out));
    CHECK_EQ(out[0].n, 2);
    CHECK(out[0].label[0] == 1 && out[0].box[0].x1 == 10 && out[0].label[1] == 2);
    CHECK_NEAR(out[0].box[1].x1, 11, 1e-5);
    CHECK_NEAR(out[0].score[0], exp(2) / (exp(2) + 4 * exp(-9)), 1e-6);
    CHECK_NEAR(out[0].score[1], exp(3) / (2 * exp(3) + 3 * exp(-9)), 1e-6);
    CHECK_EQ(out[1].n, 1);
    CHECK(out[1].label[0] == 0 && out[1].box[0].x1 == 0 && out[1].box[0].x2 == 40 &&
          out[1].box[0].y2 == 40);
    de[1][4 * 1] = 4.0f; /* 8 px: IoU 11/29, both stay */
    r = fake_head(&f, 4, &lo[0][0], &de[0][0]);
    CHECK_OK(bl_roi_detections(f.ctx, f.det, roi, image, 4, &r, size, 2, 0.05, out));
    CHECK_EQ(out[0].n, 3);
    /* The threshold is strict, and the limit on the number holds. */
    float top = out[0].score[0];
    CHECK_OK(bl_roi_detections(f.ctx, f.det, roi, image, 4, &r, size, 2, top, out));
    CHECK_EQ(out[0].n, 0);
    bl_step_end(f.ctx);
    fixture_free(&f);
}

static void test_decode(void) {
    fixture f = fixture_make("ref", NULL, "gn", CLASSES, 1);
    bl_box roi[] = {{10, 10, 30, 30}, {0, 0, 8, 8}}, out[2];
    int32_t image[] = {1, 0}, cls[] = {2, 3};
    float d[2][4 * CLASSES] = {{0}};
    d[0][8] = 1;
    d[0][10] = (float)(log(2) / 0.2);
    d[1][13] = -5;
    bl_size size[] = {{50, 50}, {40, 25}};
    CHECK_OK(bl_roi_decode(f.ctx, f.det, roi, image, 2, &d[0][0], cls, size, out));
    CHECK_NEAR(out[0].x1, 2, 1e-4); /* centre 20+2, width 40 */
    CHECK_NEAR(out[0].x2, 40, 1e-4);
    CHECK_NEAR(out[0].y2, 25, 0);
    CHECK_NEAR(out[1].y1, 0, 0);
    CHECK_NEAR(out[1].y2, 4, 1e-4);
    cls[1] = CLASSES;
    CHECK_FAILS(bl_roi_decode(f.ctx, f.det, roi, image, 2, &d[0][0], cls, size, out), BL_EINVAL,
                "class 4 has no box");
    fixture_free(&f);
}

/* No boxes, no proposals, no RoIs: zero losses that still run backward, empty detections. */
static void test_empty(const char *backend) {
    fixture f = fixture_make(backend, NULL, "gn", CLASSES, 1);
    bl_step_begin(f.ctx, true);
    bl_boxes gt[2] = {{0}, {0}};
    bl_size size[] = {{64, 64}, {64, 64}};
    bl_pyramid p;
    CHECK_OK(bl_detector_extract(f.ctx, f.det, true, draw_images(f.ctx, gt, 2, 64, 64, 1), &p));
    bl_rpn_out r;
    CHECK_OK(bl_rpn_forward(f.ctx, f.det, &p, &r));
    bl_tensor *loss[4];
    bl_tensor *counts;
    int64_t np, nn;
    CHECK_OK(bl_rpn_loss(f.ctx, f.det, &r, gt, size, 1, 1, &loss[0], &loss[1], &counts));
    counts_read(f.ctx, counts, &np, &nn);
    CHECK(np == 0 && nn == 128);
    float v;
    CHECK_OK(bl_scalar(f.ctx, loss[0], &v));
    CHECK_NEAR(v, log(2), 0.05); /* fresh logits are near zero */
    CHECK_OK(bl_scalar(f.ctx, loss[1], &v));
    CHECK(v == 0);
    bl_boxes none[2] = {{0}, {0}}, det[2];
    bl_roi_batch rois;
    bl_box_lists l = lists_of(f.ctx, none, 2);
    bl_roi_draw draw = {.add_gt = true, .seed = 1, .key = 1};
    CHECK_OK(bl_roi_sample(f.ctx, f.det, &l, gt, &draw, &rois));
    CHECK_EQ(rois.n, 0);
    bl_roi_out head;
    CHECK_OK(bl_roi_forward_list(f.ctx, f.det, &p, rois.target.roi, rois.image, &head));
    CHECK(head.logits->n == 0 && head.logits->c == CLASSES + 1 && head.deltas->c == 4 * CLASSES);
    CHECK_OK(bl_roi_box_loss(f.ctx, f.det, &rois, &head, &loss[2]));
    CHECK_OK(bl_roi_cls_loss(f.ctx, f.det, &rois, rois.target.share, &head, 0, &loss[3]));
    CHECK_OK(bl_scalar(f.ctx, loss[3], &v));
    CHECK(v == 0);
    CHECK_OK(bl_roi_detections(f.ctx, f.det, NULL, NULL, 0, &head, size, 2, 0.05, det));
    CHECK(det[0].n == 0 && det[1].n == 0);
    float seeds[] = {1, 1, 1, 1};
    CHECK_OK(bl_backward(f.ctx, loss, seeds, 4));
    CHECK(!bl_store_first_nonfinite(f.store, f.ctx, true));
    bl_step_end(f.ctx);
    fixture_free(&f);
}

/* Rows of a list (n, c) behind which `more` unused ones stand: all zero, or -1. */
static bl_tensor *padded(fixture *f, const bl_tensor *t, int64_t more, bool minus_one) {
    bl_tensor *out;
    int64_t n = bl_storage(t), extra = more * t->c;
    int32_t *v = calloc((size_t)(n + extra), sizeof *v);
    CHECK_OK(bl_download(f->ctx, t, v));
    for (int64_t i = n; minus_one && i < n + extra; i++) v[i] = -1;
    CHECK_OK(bl_upload(f->ctx, t->dtype, t->n + more, t->c, v, &out));
    free(v);
    return out;
}

/* Losses, class gradients and all parameters' gradients of one step, with unused rows behind the
 * RoIs. */
static void step_with(int64_t more, double *losses, double *matrix, double *grads) {
    fixture f = fixture_make("ref", NULL, "gn", CLASSES, 1);
    bl_step_begin(f.ctx, true);
    bl_box g0[] = {{10, 10, 50, 50}, {0, 20, 30, 60}}, p0[40];
    int32_t l0[] = {2, 1};
    for (int i = 0; i < 40; i++) p0[i] = shift(g0[i % 2], (float)i * 0.7f);
    bl_boxes gt[2] = {{.n = 2, .box = g0, .label = l0}, {0}},
             prop[2] = {{.n = 40, .box = p0}, {.n = 7, .box = p0}};
    bl_pyramid p;
    CHECK_OK(bl_detector_extract(f.ctx, f.det, true, draw_images(f.ctx, gt, 2, 64, 64, 1), &p));
    bl_box_lists l = lists_of(f.ctx, prop, 2);
    bl_roi_draw draw = {.add_gt = true, .seed = 1, .key = 2};
    bl_roi_batch b;
    CHECK_OK(bl_roi_sample(f.ctx, f.det, &l, gt, &draw, &b));
    bl_roi_targets *t = &b.target;
    b.n += more;
    b.image = padded(&f, b.image, more, true);
    t->roi = padded(&f, t->roi, more, false);
    t->label = padded(&f, t->label, more, true);
    t->weight = padded(&f, t->weight, more, false);
    t->share = padded(&f, t->share, more, false);
    t->first = padded(&f, t->first, more, true);
    t->delta = padded(&f, t->delta, more, false);
    bl_roi_out r;
    bl_tensor *loss[2], *weight;
    CHECK_OK(bl_list_weights(f.ctx, t->weight, NULL, true, &weight));
    CHECK_OK(bl_roi_forward_list(f.ctx, f.det, &p, t->roi, b.image, &r));
    CHECK_OK(bl_roi_cls_loss(f.ctx, f.det, &b, weight, &r, 1.5, &loss[0]));
    CHECK_OK(bl_roi_box_loss(f.ctx, f.det, &b, &r, &loss[1]));
    bl_class_gradient_attr a = bl_class_gradient_default();
    CHECK_OK(bl_class_gradients_list(f.ctx, r.logits, t->label, t->weight, &a, matrix));
    for (int i = 0; i < 2; i++) {
        float v;
        CHECK_OK(bl_scalar(f.ctx, loss[i], &v));
        losses[i] = v;
    }
    CHECK_OK(bl_backward(f.ctx, loss, (float[]){1, 1}, 2));
    grads[0] = grads[1] = 0;
    for (int64_t i = 0; i < bl_store_count(f.store); i++) {
        bl_tensor *w = bl_store_find(f.store, bl_store_spec(f.store, i)->name);
        for (int64_t k = 0; w->grad && k < bl_storage(w); k++) {
            grads[0] += bl_f32(w->grad)[k] * (double)(1 + k % 7);
            grads[1] += fabs(bl_f32(w->grad)[k]);
        }
    }
    bl_step_end(f.ctx);
    fixture_free(&f);
}

/* Unused rows contribute exactly nothing. */
static void test_unused(void) {
    enum { M = (CLASSES + 1) * (CLASSES + 1) };
    double loss[2][2], m[2][M], g[2][2];
    step_with(0, loss[0], m[0], g[0]);
    step_with(9, loss[1], m[1], g[1]);
    CHECK(loss[0][0] > 0 && loss[0][1] > 0 && g[0][1] > 0);
    CHECK(!memcmp(loss[0], loss[1], sizeof loss[0]));
    CHECK(!memcmp(m[0], m[1], sizeof m[0]));
    CHECK(!memcmp(g[0], g[1], sizeof g[0]));
}

static void test_errors(void) {
    bl_arena *a = bl_arena_create(0);
    bl_detector_config c = small_config(a, "gn");
    bl_store *s;
    bl_detector *d;
    CHECK_OK(bl_store_create(&s));
    CHECK_FAILS(bl_detector_create(&c, 0, s, &d), BL_EINVAL, "0 classes");
    c.roi_size = 0;
    CHECK_FAILS(bl_detector_create(&c, 3, s, &d), BL_EINVAL, "roi_size");
    c = small_config(a, "gn");
    c.mean.n = 1;
    CHECK_FAILS(bl_detector_create(&c, 3, s, &d), BL_EINVAL, "mean (count) is 1");
    c = small_config(a, "none");
    CHECK_FAILS(bl_detector_create(&c, 3, s, &d), BL_EINVAL, "need a normalisation");
    bl_store_destroy(s);
    bl_arena_destroy(a);

    fixture f = fixture_make("ref", NULL, "gn", CLASSES, 1);
    bl_step_begin(f.ctx, false);
    bl_boxes none[1] = {{0}};
    bl_pyramid p;
    CHECK_FAILS(
        bl_detector_extract(f.ctx, f.det, false, draw_images(f.ctx, none, 1, 64, 48, 1), &p),
        BL_EINVAL, "multiples of 32");
    CHECK_OK(bl_detector_extract(f.ctx, f.det, false, draw_images(f.ctx, none, 1, 64, 64, 1), &p));
    bl_roi_out out;
    bl_box bad = {0, 0, NAN, 5};
    int32_t image = 0;
    CHECK_FAILS(bl_roi_forward(f.ctx, f.det, &p, &bad, &image, 1, &out), BL_EINVAL, "not finite");
    bad.x2 = 9;
    image = 1;
    CHECK_FAILS(bl_roi_forward(f.ctx, f.det, &p, &bad, &image, 1, &out), BL_EINVAL, "image 1");
    bl_step_end(f.ctx);
    fixture_free(&f);
}

static void count_line(void *arg, const char *text) {
    CHECK(strstr(text, "parameters"));
    ++*(int *)arg;
}

/* The published R50-FPN of mmdetection, 80 classes: 41.53 M parameters without the frozen first
 * stages. */
static void test_published_size(void) {
    bl_arena *a = bl_arena_create(0);
    bl_detector_config c;
    CHECK_OK(bl_config_load(&bl_detector_schema, NULL, NULL, 0, a, &c));
    bl_store *s;
    bl_detector *d;
    CHECK_OK(bl_store_create(&s));
    CHECK_OK(bl_detector_create(&c, 80, s, &d));
    CHECK_EQ(bl_store_elements(s), 23508032 + 3344384 + 593935 + 14306705);
    CHECK_EQ(bl_store_params(s), 41527712);
    CHECK(bl_store_find(s, "rpn_head.rpn_conv.bias") &&
          bl_store_find(s, "rpn_head.rpn_reg.weight") &&
          bl_store_find(s, "roi_head.bbox_head.shared_fcs.1.weight") &&
          bl_store_find(s, "roi_head.bbox_head.fc_cls.bias"));
    CHECK_EQ(bl_store_find(s, "roi_head.bbox_head.fc_reg.weight")->n, 320);
    int lines = 0;
    bl_detector_describe(d, count_line, &lines);
    CHECK_EQ(lines, 4);
    bl_detector_destroy(d);
    bl_store_destroy(s);
    bl_arena_destroy(a);
}

int main(void) {
    test_proposals("ref");
    test_proposals("auto");
    test_broken_rpn();
    test_levels();
    test_roi_sample();
    test_detections();
    test_decode();
    test_empty("ref");
    test_empty("auto");
    test_unused();
    test_errors();
    test_published_size();
    return 0;
}
