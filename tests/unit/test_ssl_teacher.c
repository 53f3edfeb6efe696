/* The teacher: its moving average, what it says about weak views, how sure it is of it, and what of
 * it reaches the student's view. */
#include "ssl/detection/pseudo_label.h"
#include "ssl/detection/teacher_ema.h"
#include "tests/ssl_fixture.h"

/* ---- moving average ---- */

static void test_keep(void) {
    static const struct {
        int64_t t;
        double keep;
    } want[] = {{0, 0}, {1, 0.5}, {9, 0.9}, {999, 0.999}, {1000, 0.999}, {179999, 0.999}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        CHECK_NEAR(bl_ema_keep(0.999, -1, want[i].t), want[i].keep, 1e-15);
    CHECK_NEAR(bl_ema_keep(0.9, -1, 5), 1 - 1.0 / 6, 1e-15);
    CHECK_NEAR(bl_ema_keep(0.9, -1, 50), 0.9, 1e-15);
    CHECK_NEAR(bl_ema_keep(0, -1, 50), 0, 0);
    for (int64_t t = 0; t < 5; t++) CHECK_NEAR(bl_ema_keep(0.9, 3, t), t <= 3 ? 0 : 0.9, 0);
}

/* The whole store by a scalar recursion in double; BN buffers are averaged too. */
static void test_average(void) {
    bl_arena *arena = bl_arena_create(0);
    bl_ctx *ctx;
    CHECK_OK(bl_ctx_create(&(bl_ctx_options){.deterministic = 1}, &ctx));
    bl_detector_config dc = small_config(arena, "bn");
    bl_dataset *d = make_dataset(3, 2, NULL);
    bl_learner_env env = {.detector = &dc, .labelled = d, .seed = 7, .iterations = 10, .ctx = ctx};
    bl_detector_pair p;
    bl_method_config mc = method_config(arena, NULL);
    CHECK_OK(bl_detector_pair_create(&mc, &env, &p));
    CHECK_EQ(bl_store_count(p.student_store), bl_store_count(p.teacher_store));

    static const char *const names[] = {"backbone.bn1.running_var", "rpn_head.rpn_cls.weight",
                                        "roi_head.bbox_head.fc_cls.bias",
                                        "neck.lateral_convs.0.conv.weight"};
    bl_rng r = bl_rng_make(3, 3);
    double *ref[4];
    for (int k = 0; k < 4; k++) {
        bl_tensor *s = bl_store_find(p.student_store, names[k]),
                  *t = bl_store_find(p.teacher_store, names[k]);
        if (!s || !t) fprintf(stderr, "no tensor %s\n", names[k]);
        CHECK(s && t && bl_storage(s) == bl_storage(t));
        ref[k] = calloc((size_t)bl_storage(s), sizeof **ref);
    }
    for (int64_t t = 0; t < 25; t++) {
        double keep = t == 0 ? 0 : fmin(0.9, (double)t / (double)(t + 1));
        for (int k = 0; k < 4; k++) {
            bl_tensor *s = bl_store_find(p.student_store, names[k]);
            for (int64_t i = 0; i < bl_storage(s); i++) {
                if (t > 0) bl_f32(s)[i] += bl_rng_range(&r, -0.5f, 0.5f);
                ref[k][i] = keep * ref[k][i] + (1 - keep) * bl_f32(s)[i];
            }
        }
        CHECK_OK(bl_detector_pair_ema(&p, ctx, bl_ema_keep(0.9, -1, t)));
        for (int k = 0; k < 4; k++) {
            bl_tensor *te = bl_store_find(p.teacher_store, names[k]);
            for (int64_t i = 0; i < bl_storage(te); i++)
                CHECK_NEAR(bl_f32(te)[i], ref[k][i], t == 0 ? 0 : 1e-6 * (1 + fabs(ref[k][i])));
        }
        if (t > 0) continue;
        for (int64_t i = 0; i < bl_store_count(p.student_store);
             i++) { /* the first average is a copy, bit by bit */
            const char *name = bl_store_spec(p.student_store, i)->name;
            bl_tensor *s = bl_store_find(p.student_store, name),
                      *te = bl_store_find(p.teacher_store, name);
            CHECK(memcmp(s->data, te->data, sizeof(float) * (size_t)bl_storage(s)) == 0);
        }
    }
    for (int k = 0; k < 4; k++) free(ref[k]);
    bl_detector_pair_destroy(&p);
    bl_dataset_free(d);
    bl_ctx_destroy(ctx);
    bl_arena_destroy(arena);
}

/* ---- box jitter ---- */

/* A detector whose box head moves nothing for class 0 and doubles the width for class 1, whatever
 * it sees. */
static fixture still_detector(void) {
    fixture f = fixture_make(NULL, NULL, "gn", 2, 5);
    bl_tensor *w = bl_store_find(f.store, "roi_head.bbox_head.fc_reg.weight");
    bl_tensor *b = bl_store_find(f.store, "roi_head.bbox_head.fc_reg.bias");
    CHECK(w && b && bl_storage(b) == 8);
    memset(w->data, 0, sizeof(float) * (size_t)bl_storage(w));
    memset(b->data, 0, sizeof(float) * 8);
    bl_f32(b)[4 + 2] = logf(2) / 0.2f; /* deltas are in units of 0.1, 0.1, 0.2, 0.2 */
    return f;
}

static void uncertainty(fixture *f, const bl_size *size, const bl_box *box, const int32_t *label,
                        const int32_t *image, int32_t n, int32_t times, uint64_t key, float *out) {
    bl_step_begin(f->ctx, false);
    bl_boxes none[2] = {{0}, {0}};
    bl_tensor *x = draw_images(f->ctx, none, 2, 96, 128, 1);
    bl_pyramid p;
    CHECK_OK(bl_detector_extract(f->ctx, f->det, false, x, &p));
    CHECK_OK(bl_box_jitter_uncertainty(f->ctx, f->det, &p, size, box, label, image, n, times, 0.06f,
                                       11, key, out));
    bl_step_end(f->ctx);
}

/* The definition again, in double, from the same draws. */
static double by_definition(const bl_size *size, bl_box b, int32_t label, int32_t image,
                            int32_t index, int32_t times, uint64_t key) {
    bl_rng r = bl_rng_make(11, bl_rng_key(key, (uint64_t)image, (uint64_t)index));
    double w = fmax(b.x2 - b.x1, 1), h = fmax(b.y2 - b.y1, 1),
           lim[4] = {size[image].w, size[image].h, 0, 0};
    lim[2] = lim[0];
    lim[3] = lim[1];
    double v[4][100], side[4] = {w, h, w, h}, at[4] = {b.x1, b.y1, b.x2, b.y2}, mean[4] = {0},
                      sum = 0;
    for (int k = 0; k < times; k++) {
        double c[4];
        for (int j = 0; j < 4; j++) c[j] = at[j] + (double)bl_rng_normal(&r) * 0.06 * side[j];
        if (label == 1) {
            double centre = (c[0] + c[2]) / 2, half = c[2] - c[0]; /* twice the half width */
            c[0] = centre - half;
            c[2] = centre + half;
        }
        for (int j = 0; j < 4; j++) {
            v[j][k] = fmin(fmax(c[j], 0), lim[j]);
            mean[j] += v[j][k] / times;
        }
    }
    double mw = fmax(mean[2] - mean[0], 1), mh = fmax(mean[3] - mean[1], 1),
           norm[4] = {mw, mh, mw, mh};
    for (int j = 0; j < 4; j++) {
        double var = 0;
        for (int k = 0; k < times; k++) var += (v[j][k] - mean[j]) * (v[j][k] - mean[j]);
        sum += sqrt(var / (times - 1)) / norm[j] / 4;
    }
    return sum;
}

static void test_jitter_definition(void) {
    fixture f = still_detector();
    const bl_size size[2] = {{128, 96}, {100, 80}};
    /* inside; at the corner (clipped); tiny (sides count as 1); the other image; the class that
     * doubles. */
    const bl_box box[] = {{30, 20, 80, 60},
                          {0, 0, 40, 96},
                          {50, 50, 50.25f, 50.5f},
                          {60, 40, 99, 79},
                          {50, 30, 70, 60}};
    const int32_t label[] = {0, 0, 0, 0, 1}, image[] = {0, 0, 0, 1, 1};
    float u[5];
    uncertainty(&f, size, box, label, image, 5, 10, 99, u);
    for (int i = 0; i < 5; i++) {
        double want = by_definition(size, box[i], label[i], image[i], i, 10, 99);
        CHECK_NEAR(u[i], want, 2e-5 * want + 1e-7);
    }
    CHECK(fabs(u[2] - 0.06) < 0.03); /* 6 % of one pixel over one pixel */
    float again[5], other[5];
    uncertainty(&f, size, box, label, image, 5, 10, 99, again);
    uncertainty(&f, size, box, label, image, 5, 10, 100, other);
    CHECK(memcmp(u, again, sizeof u) == 0);
    CHECK(memcmp(u, other, sizeof u) != 0);
    fixture_free(&f);
}

/* Without drawing on the order of draws: the mean over many boxes is c4(times) * 0.06 for the
 * unbiased variance (c4 the expectation of a sample standard deviation of a unit normal), width and
 * height alike. */
static void test_jitter_statistics(void) {
    fixture f = still_detector();
    const bl_size size[2] = {{128, 96}, {128, 96}};
    enum { N = 400 };
    bl_box box[N];
    int32_t label[N] = {0}, image[N];
    float u[N];
    for (int i = 0; i < N; i++) {
        box[i] = (bl_box){30, 20, 30 + 60, 20 + 50};
        image[i] = i % 2;
    }
    static const struct {
        int32_t times;
        double c4;
    } want[] = {{2, 0.797885}, {10, 0.972659}};
    for (int w = 0; w < 2; w++) {
        uncertainty(&f, size, box, label, image, N, want[w].times, 5, u);
        double mean = 0;
        for (int i = 0; i < N; i++) mean += u[i] / N;
        CHECK_NEAR(mean, 0.06 * want[w].c4,
                   0.06 * 0.04); /* the biased form would be 29 % and 5.1 % off */
    }
    uncertainty(&f, size, box, label, image, 0, 10, 5, u); /* no boxes: nothing to do */
    fixture_free(&f);
}

/* ---- from the weak view to the strong one ---- */

static bool keep_all(const bl_pseudo *p, int32_t i, const void *arg) {
    (void)p;
    (void)i;
    (void)arg;
    return true;
}
static bool keep_above(const bl_pseudo *p, int32_t i, const void *arg) {
    return p->score[i] > *(const float *)arg;
}

static void check_box(bl_box b, float x1, float y1, float x2, float y2) {
    CHECK_NEAR(b.x1, x1, 1e-4);
    CHECK_NEAR(b.y1, y1, 1e-4);
    CHECK_NEAR(b.x2, x2, 1e-4);
    CHECK_NEAR(b.y2, y2, 1e-4);
}

static void test_mapping(void) {
    bl_arena *arena = bl_arena_create(0);
    /* Weak: twice the size. Strong: half the size, flipped. The original is 100x80. */
    bl_view weak =
        make_view(arena, BL_VIEW_WEAK, 200, 160, (bl_affine){{2, 0, 0, 0, 2, 0}}, NULL, NULL, 0, 1);
    bl_view strong = make_view(arena, BL_VIEW_STRONG, 50, 40, (bl_affine){{-.5f, 0, 50, 0, .5f, 0}},
                               NULL, NULL, 0, 1);
    /* And one moved by 30 to the right and 10 up, which loses what leaves it. */
    bl_view moved = make_view(arena, BL_VIEW_STRONG, 100, 80, (bl_affine){{1, 0, 30, 0, 1, -10}},
                              NULL, NULL, 0, 1);
    /* A quarter turn about the original's corner: (x, y) -> (80 - y, x). */
    bl_view turned = make_view(arena, BL_VIEW_STRONG, 80, 100, (bl_affine){{0, -1, 80, 1, 0, 0}},
                               NULL, NULL, 0, 1);
    bl_box box[] = {{20, 40, 100, 120}, {150, 20, 190, 60}, {160, 100, 200, 160}, {10, 0, 60, 19}};
    int32_t label[] = {2, 0, 1, 3};
    float score[] = {.95f, .9f, .8f, .6f};
    bl_pseudo p = {.n = 4, .box = box, .label = label, .score = score};
    bl_boxes out;

    CHECK_OK(bl_pseudo_to_student(arena, &p, &weak, &strong, keep_all, NULL, &out));
    CHECK_EQ(out.n, 4);
    check_box(out.box[0], 25, 10, 45, 30);
    check_box(out.box[1], 2.5f, 5, 12.5f, 15);
    check_box(out.box[2], 0, 25, 10, 40);
    CHECK_EQ(out.label[0], 2);
    CHECK_NEAR(out.score[3], .6, 1e-6);
    CHECK(!out.ignore);

    /* Originals: (10,20,50,60) stays inside; (75,10,95,30) -> (105,..) is gone; (80,50,100,80) is
     * gone; (5,0,30,9.5) ends above the edge. */
    CHECK_OK(bl_pseudo_to_student(arena, &p, &weak, &moved, keep_all, NULL, &out));
    CHECK_EQ(out.n, 1);
    check_box(out.box[0], 40, 10, 80, 50);
    CHECK_EQ(out.label[0], 2);
    box[1] = (bl_box){100, 20, 190, 60}; /* now half inside: clipped */
    CHECK_OK(bl_pseudo_to_student(arena, &p, &weak, &moved, keep_all, NULL, &out));
    CHECK_EQ(out.n, 2);
    check_box(out.box[1], 80, 0, 100, 20);
    CHECK_EQ(out.label[1], 0);

    CHECK_OK(bl_pseudo_to_student(arena, &p, &weak, &turned, keep_all, NULL, &out));
    check_box(out.box[0], 20, 10, 60, 50);

    float limit = .8f; /* strict */
    CHECK_OK(bl_pseudo_to_student(arena, &p, &weak, &strong, keep_above, &limit, &out));
    CHECK_EQ(out.n, 2);
    CHECK_EQ(out.label[0], 2);
    CHECK_EQ(out.label[1], 0);
    bl_arena_destroy(arena);
}

/* ---- quality against hidden truth ---- */

static void test_quality(void) {
    bl_arena *arena = bl_arena_create(0);
    const bl_box truth[] = {{0, 0, 10, 10}, {20, 0, 30, 10}, {40, 0, 50, 10}, {60, 0, 70, 10}};
    const int32_t of[] = {0, 0, 1, 2};
    bl_view weak = make_view(arena, BL_VIEW_WEAK, 100, 80, bl_affine_identity(), truth, of, 4, 1);
    weak.ignore[3] = 1;
    /* hit; a second box on the same object; IoU exactly 0.5; IoU a little less; right place, wrong
     * class; on the ignored object; below the filter. */
    bl_box box[] = {{0, 0, 10, 10},  {0, 0, 10, 9},   {20, 0, 30, 5}, {40, 0, 50, 4.9f},
                    {40, 0, 50, 10}, {60, 0, 70, 10}, {40, 0, 50, 10}};
    int32_t label[] = {0, 0, 0, 1, 0, 2, 1};
    float score[] = {.9f, .9f, .9f, .9f, .9f, .9f, .1f};
    bl_pseudo p = {.n = 7, .box = box, .label = label, .score = score};
    double tp[3] = {0}, n[3] = {0}, total[3] = {100, 0, 0}; /* adds to what is there */
    float limit = .5f;
    bl_pseudo_quality(&p, keep_above, &limit, &weak, tp, n, total);
    CHECK_NEAR(tp[0], 2, 0);
    CHECK_NEAR(tp[1], 0, 0);
    CHECK_NEAR(tp[2], 0, 0);
    CHECK_NEAR(n[0], 4, 0);
    CHECK_NEAR(n[1], 1, 0);
    CHECK_NEAR(n[2], 1, 0);
    CHECK_NEAR(total[0], 102, 0);
    CHECK_NEAR(total[1], 1, 0);
    CHECK_NEAR(total[2], 0, 0);
    bl_pseudo_quality(&p, keep_all, NULL, &weak, tp, n, total);
    CHECK_NEAR(tp[0], 4, 0);
    CHECK_NEAR(tp[1], 1, 0);
    bl_arena_destroy(arena);
}

/* ---- teacher passes ---- */

typedef struct {
    bl_view view[2];
    const bl_view *of[2];
    bl_sample sample[2];
    bl_batch batch;
    bl_view_batch vb;
} weak_views;

static void make_weak(fixture *f, bl_arena *arena, weak_views *w) {
    const bl_box box[] = {{10, 10, 50, 50}, {55, 20, 90, 70}};
    const int32_t label[] = {0, 1};
    w->view[0] = make_view(arena, BL_VIEW_WEAK, 100, 80, bl_affine_identity(), box, label, 2, 4);
    w->view[1] = make_view(arena, BL_VIEW_WEAK, 125, 96, (bl_affine){{1.2f, 0, 0, 0, 1.2f, 0}}, box,
                           label, 1, 5);
    for (int i = 0; i < 2; i++)
        w->sample[i] = (bl_sample){.image = i, .n_views = 1, .views = {w->view[i]}};
    w->batch = (bl_batch){.n = 2, .samples = w->sample};
    bl_step_input in = {.batch = &w->batch};
    CHECK_OK(bl_view_batch_make(f->ctx, &f->cfg, &in, &(bl_view_choice){.count = 2}, &w->vb));
    CHECK_EQ(w->vb.images->h, 96);
    CHECK_EQ(w->vb.images->w, 128);
    CHECK_NEAR(w->vb.size[0].w, 100, 0);
}

static void test_look(void) {
    fixture f = fixture_make(NULL, NULL, "gn", 3, 8);
    bl_arena *arena = bl_arena_create(0);
    bl_method_config method = method_config(arena, NULL);
    bl_teacher_section mc = *(const bl_teacher_section *)bl_method_settings(&method, "teacher");
    bl_step_begin(f.ctx, true);
    weak_views w;
    make_weak(&f, arena, &w);
    bl_boxes direct[2];
    bl_pyramid p;
    bool old = bl_no_grad(f.ctx);
    CHECK_OK(bl_detector_predict(f.ctx, f.det, w.vb.images, w.vb.size, true, 0.05, &p, direct));
    bl_set_grad(f.ctx, old);
    CHECK(direct[0].n > 10);
    mc.candidate_score = direct[0].score[direct[0].n / 2];
    mc.jitter_times = 4;

    bl_teacher_view tv;
    CHECK_OK(bl_teacher_look(f.ctx, f.det, &mc, &w.vb, 1, 2, &tv));
    CHECK(f.ctx->record);
    int32_t total = 0;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(tv.detections[i].n, direct[i].n);
        CHECK(memcmp(tv.detections[i].box, direct[i].box, sizeof(bl_box) * (size_t)direct[i].n) ==
              0);
        int32_t above = 0;
        for (int32_t j = 0; j < direct[i].n; j++) {
            CHECK(direct[i].score[j] > 0.05f);
            above += direct[i].score[j] > mc.candidate_score;
        }
        CHECK_EQ(tv.candidates[i].n, above);
        for (int32_t j = 0; j < above; j++) {
            CHECK(tv.candidates[i].score[j] > mc.candidate_score);
            CHECK(tv.candidates[i].uncertainty[j] > 0 && tv.candidates[i].uncertainty[j] < 10);
        }
        total += above;
    }
    CHECK(total > 3 && tv.candidates[0].n < direct[0].n);
    bl_step_end(f.ctx);
    bl_arena_destroy(arena);
    fixture_free(&f);
}

/* The background probability of strong-view RoIs is that of the mapped boxes in the weak view, by
 * softmax. */
static void test_background(void) {
    fixture f = fixture_make(NULL, NULL, "gn", 3, 8);
    bl_arena *arena = bl_arena_create(0);
    bl_tensor *cls = bl_store_find(f.store, "roi_head.bbox_head.fc_cls.weight");
    for (int64_t i = 0; i < bl_storage(cls); i++)
        bl_f32(cls)[i] *= 100; /* probabilities that differ */
    bl_step_begin(f.ctx, false);
    weak_views w;
    make_weak(&f, arena, &w);
    bl_teacher_view tv = {.weak = w.vb};
    CHECK_OK(bl_detector_extract(f.ctx, f.det, false, w.vb.images, &tv.pyramid));
    bl_view strong[2] = {make_view(arena, BL_VIEW_STRONG, 100, 80,
                                   (bl_affine){{-1, 0, 100, 0, 1, 0}}, NULL, NULL, 0, 1),
                         make_view(arena, BL_VIEW_STRONG, 50, 40,
                                   (bl_affine){{.5f, 0, 0, 0, .5f, 0}}, NULL, NULL, 0, 1)};
    const bl_view *of[2] = {&strong[0], &strong[1]};
    const bl_box roi[] = {{50, 10, 90, 50}, {10, 20, 45, 70}, {5, 5, 25, 25}};
    const int32_t image[] = {0, 0, 1};
    /* by hand: image 0 flips back about x = 50, image 1 grows by 2.4 */
    const bl_box there[] = {{10, 10, 50, 50}, {55, 20, 90, 70}, {12, 12, 60, 60}};
    float got[3], all[5], logits[12];
    bl_roi_out r;
    /* A foreground row keeps its weight, an unused one too. */
    const bl_box rois[] = {roi[0], roi[0], roi[1], roi[2], {0, 0, 0, 0}};
    const int32_t images[] = {0, 0, 0, 1, -1}, label[] = {3, 1, 3, 3, -1};
    const float one[] = {1, 0.5f, 1, 1, 0};
    bl_roi_batch batch = {.n = 5};
    bl_tensor *weight;
    CHECK_OK(bl_upload(f.ctx, BL_F32, 5, 4, rois, &batch.target.roi));
    CHECK_OK(bl_upload(f.ctx, BL_I32, 5, 1, images, &batch.image));
    CHECK_OK(bl_upload(f.ctx, BL_I32, 5, 1, label, &batch.target.label));
    CHECK_OK(bl_upload(f.ctx, BL_F32, 5, 1, one, &weight));
    CHECK_OK(bl_teacher_background(f.ctx, f.det, &tv, of, &batch, weight));
    CHECK_OK(bl_download(f.ctx, weight, all));
    CHECK(all[1] == 0.5f && all[4] == 0);
    got[0] = all[0];
    got[1] = all[2];
    got[2] = all[3];
    for (int unmapped = 0; unmapped < 2; unmapped++) {
        CHECK_OK(bl_roi_forward(f.ctx, f.det, &tv.pyramid, unmapped ? roi : there, image, 3, &r));
        CHECK_OK(bl_tensor_to_host(f.ctx, r.logits, logits));
        double apart = 0;
        for (int i = 0; i < 3; i++) {
            double sum = 0;
            for (int c = 0; c < 4; c++) sum += exp(logits[4 * i + c] - logits[4 * i + 3]);
            if (!unmapped) CHECK_NEAR(got[i], 1 / sum, 1e-4);
            apart = fmax(apart, fabs(got[i] - 1 / sum));
        }
        if (unmapped) CHECK(apart > 1e-3); /* the mapping matters here */
    }
    bl_step_end(f.ctx);
    bl_arena_destroy(arena);
    fixture_free(&f);
}

int main(void) {
    test_keep();
    test_average();
    test_jitter_definition();
    test_jitter_statistics();
    test_mapping();
    test_quality();
    test_look();
    test_background();
    return 0;
}
