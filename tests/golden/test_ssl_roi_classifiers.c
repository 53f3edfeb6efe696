/* Long-tailed losses and weights of the RoI classifier as plug-ins, against PyTorch
 * (scripts/golden/roi_classifiers_torch.py). */
#include <math.h>

#include "core/safetensors.h"
#include "ssl/detection/learner.h"
#include "tests/ssl_fixture.h"

enum { CLASSES = 5 };
static bl_ctx *ctx;
static bl_st_file *file;
static bl_arena *arena;

static const void *golden(const char *name, int64_t *n) {
    const bl_st_tensor *t = bl_st_find(file, name);
    if (!t) {
        fprintf(stderr, "no %s\n", name);
        exit(1);
    }
    if (n) *n = t->shape[0];
    void *copy = bl_arena_alloc(arena, t->bytes);
    return memcpy(copy, t->data, t->bytes);
}

/* The number `what` of a case. */
static const void *part(const char *name, const char *what, int64_t *n) {
    char full[64];
    snprintf(full, sizeof full, "%s.%s", name, what);
    return golden(full, n);
}

/* ---- a method without detectors ---- */

static const int32_t *boxes; /* of each class: as many images hold one */
static bool has(int32_t image, int32_t c) {
    return image < boxes[c];
}

typedef struct {
    bl_method_config cfg;
    bl_dataset *data;
    bl_detection_world world;
    bl_plugin *plugin; /* the last one */
} subject;

static void make(const char *const *settings, int32_t classes, subject *s) {
    *s = (subject){.cfg = method_config(arena, settings),
                   .data = make_dataset(classes, 1000, has),
                   .world = {.ctx = ctx}};
    bl_learner_env env = {.labelled = s->data, .iterations = 10, .seed = 1, .ctx = ctx};
    CHECK_OK(bl_detection_world_create(&s->cfg, &env, &s->world));
    s->plugin = s->world.plugins.v[s->world.plugins.n - 1];
}

static void drop(subject *s) {
    bl_detection_world_destroy(&s->world);
    bl_dataset_free(s->data);
}

/* ---- losses ---- */

typedef struct {
    int64_t n, outputs;
    const float *z, *weight, *reliable;
    const int32_t *label;
} rows;

static rows read_rows(const char *name) {
    rows r = {.z = part(name, "logits", &r.n)};
    char full[64];
    snprintf(full, sizeof full, "%s.logits", name);
    r.outputs = bl_st_find(file, full)->shape[1];
    r.weight = part(name, "weight", NULL);
    r.reliable = part(name, "reliable", NULL);
    r.label = part(name, "label", NULL);
    return r;
}

/* The plug-in's loss of rows and its gradient, which lies in the arena. */
static double run(const subject *m, const rows *r, bl_branch branch, int64_t t, float **gradient) {
    bl_tensor *x, *y, *weight, *reliable, *value;
    float got;
    bl_step_begin(ctx, true);
    CHECK_OK(bl_tensor_from_host(ctx, r->z, r->n, r->outputs, 1, 1, 1, &x));
    x->needs_grad = true;
    CHECK_OK(bl_upload(ctx, BL_I32, r->n, 1, r->label, &y));
    CHECK_OK(bl_upload(ctx, BL_F32, r->n, 1, r->weight, &weight));
    CHECK_OK(bl_upload(ctx, BL_F32, r->n, 1, r->reliable, &reliable));
    bl_roi_batch rois = {.n = r->n, .target = {.label = y}};
    bl_roi_out out = {.logits = x};
    bl_detection_step s = {.world = &m->world, .ctx = ctx, .t = t};
    CHECK_OK(bl_detection_type(m->plugin)->roi_loss(
        m->plugin, &s, &(bl_roi_rows){branch, &rois, &out, reliable, weight}, &value));
    CHECK_OK(bl_scalar(ctx, value, &got));
    CHECK_OK(bl_backward(ctx, &value, (float[]){1}, 1));
    *gradient = BL_NEW_ARRAY(arena, float, r->n * r->outputs);
    CHECK_OK(bl_tensor_to_host(ctx, x->grad, *gradient));
    bl_step_end(ctx);
    return got;
}

static const int bin_of[CLASSES] = {3, 2, 1, 0, 0}; /* by ten, a hundred, a thousand boxes */

static void check_scores(const subject *m, int32_t classes, const char *name) {
    rows r = read_rows(name);
    bl_roi_classifier c;
    CHECK_OK(bl_method_classifier(&m->cfg, classes, &c));
    CHECK_EQ(c.outputs, r.outputs);
    float *memory = BL_NEW_ARRAY(arena, float, c.memory + 1);
    float *got = BL_NEW_ARRAY(arena, float, r.n *(classes + 1));
    const double *want = part(name, "scores", NULL);
    for (int32_t j = 0; j < c.memory; j++) memory[j] = (float)bin_of[j]; /* bags alone has one */
    c.scores(&(bl_roi_logits){r.z, r.n, r.outputs, classes, memory}, got);
    for (int64_t i = 0; i < r.n * (classes + 1); i++) CHECK_NEAR(got[i], want[i], 1e-6);
}

static void check_loss(const subject *m, const char *name, bl_branch branch, int64_t t) {
    rows r = read_rows(name);
    const double *loss = part(name, "loss", NULL), *gradient = part(name, "gradient", NULL);
    float *got;
    CHECK_NEAR(run(m, &r, branch, t, &got), *loss, 1e-6 * *loss);
    for (int64_t i = 0; i < r.n * r.outputs; i++)
        CHECK_NEAR(got[i], gradient[i], 1e-7 + 1e-6 * fabs(gradient[i]));
}

static void test_loss(const char *const *settings, const char *name, bl_branch branch) {
    subject m;
    make(settings, CLASSES, &m);
    check_loss(&m, name, branch, 0);
    check_scores(&m, CLASSES, name);
    drop(&m);
}

static void test_sigmoids(void) {
    const char *const eql[] = {"plugins=[\"eql_v1\"]", "eql_v1.lambda=0.01", NULL};
    test_loss(eql, "eql_v1", BL_BRANCH_LABELLED);
    const char *const more[] = {"plugins=[\"eql_v1\"]", "eql_v1.lambda=0.1", NULL};
    test_loss(more, "eql_v1_unlabelled", BL_BRANCH_UNLABELLED);
    const char *const focal[] = {"plugins=[\"class_balanced\",\"sigmoid_focal\"]", NULL};
    test_loss(focal, "sigmoid_focal", BL_BRANCH_LABELLED);
    const char *const plain[] = {"plugins=[\"sigmoid_focal\"]", "sigmoid_focal.alpha=-1",
                                 "sigmoid_focal.gamma=1.5", NULL};
    test_loss(plain, "sigmoid_focal_plain", BL_BRANCH_UNLABELLED);
}

/* The logits of three rows for which the losses of the authors' programs are known. */
static const float toy_logits[] = {2, -1, 0.5f, 0, 0.1f, 0.2f, -0.3f, 1.5f, -0.5f, 1, 0.25f, -2};

/* EQL: 2.881974672609 without the weights, 2.466140530933 with them. */
static void test_eql_toy(void) {
    static const int32_t rare_boxes[] = {1000, 20, 1, 1}, label[] = {2, 3, 4};
    static const float third[] = {1.f / 3, 1.f / 3, 1.f / 3}, ones[] = {1, 1, 1};
    rows r = {3, 4, toy_logits, third, ones, label};
    const char *const s[] = {"plugins=[\"eql_v1\"]", NULL};
    const char *const none[] = {"plugins=[\"eql_v1\"]", "eql_v1.lambda=0", NULL};
    float *g;
    subject m;
    boxes = rare_boxes;
    make(s, 4, &m);
    CHECK_NEAR(run(&m, &r, BL_BRANCH_LABELLED, 0, &g), 2.466140530933, 1e-6);
    for (int i = 0; i < 12; i++) CHECK((g[i] == 0) == (i == 3 || i == 6));
    drop(&m);
    make(none, 4, &m);
    CHECK_NEAR(run(&m, &r, BL_BRANCH_LABELLED, 0, &g), 2.881974672609, 1e-6);
    drop(&m);
    boxes = golden("boxes", NULL);
}

/* ---- Seesaw ---- */

static void put_counts(bl_plugin *p, const double *counts, int64_t n) {
    bl_state_array v = {"seesaw.counts", counts, n};
    bl_state_io io = {.loading = true, .v = &v, .n = 1, .cap = 1};
    CHECK_OK(p->type->state(p, &io));
}

static void check_counts(bl_plugin *p, const char *name) {
    bl_state_array kept[2];
    bl_state_io io = {.arena = arena, .v = kept, .cap = 2};
    const double *got, *want = part(name, "counts", NULL);
    int64_t n;
    CHECK_OK(p->type->state(p, &io));
    CHECK_OK(bl_state_find(&io, "seesaw.counts", &got, &n));
    CHECK_EQ(n, CLASSES);
    for (int64_t j = 0; j < n; j++) CHECK(got[j] == want[j]);
}

static void test_seesaw(void) {
    const char *const s[] = {"plugins=[\"seesaw\"]", NULL};
    const char *const sharp[] = {"plugins=[\"seesaw\"]", "seesaw.p=1.2", "seesaw.q=0.5",
                                 "seesaw.eps=0.1", NULL};
    subject m;
    make(s, CLASSES, &m);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "seesaw.%d", i);
        check_loss(&m, name, i == 1 ? BL_BRANCH_UNLABELLED : BL_BRANCH_LABELLED, i);
        check_counts(m.plugin, name);
        check_scores(&m, CLASSES, name);
    }
    drop(&m);
    make(sharp, CLASSES, &m);
    put_counts(m.plugin, golden("seesaw_sharp.before", NULL), CLASSES);
    check_loss(&m, "seesaw_sharp", BL_BRANCH_LABELLED, 0);
    check_counts(m.plugin, "seesaw_sharp");
    drop(&m);
}

/* Rows of the authors' losses 4.514754959180 and 0.521425829660; objectness knows nothing. */
static void test_seesaw_toy(void) {
    static const double before[] = {1000, 300, 39, 4};
    static const int32_t label[] = {2, 3};
    static const float first[] = {1, 0}, second[] = {0, 1}, ones[] = {1, 1};
    float z[12] = {0};
    for (int i = 0; i < 8; i++) z[i + i / 4 * 2] = toy_logits[i];
    const char *const s[] = {"plugins=[\"seesaw\"]", NULL};
    float *g;
    subject m;
    make(s, 4, &m);
    rows r = {2, 6, z, first, ones, label};
    put_counts(m.plugin, before, 4);
    CHECK_NEAR(run(&m, &r, BL_BRANCH_LABELLED, 0, &g), 4.514754959180 + log(2), 2e-6);
    r.weight = second;
    put_counts(m.plugin, before, 4);
    CHECK_NEAR(run(&m, &r, BL_BRANCH_LABELLED, 0, &g), 0.521425829660 + log(2), 2e-6);
    drop(&m);
}

/* ---- balanced group softmax ---- */

/* Bins keep twice as many others as they have rows, and are what all of them are but for that. */
static void test_bags_draws(void) {
    const char *const s[] = {"plugins=[\"bags\"]", "bags.others=2", NULL};
    const double *all = part("bags", "gradient", NULL);
    rows r = read_rows("bags");
    float *got[3];
    subject m;
    make(s, CLASSES, &m);
    run(&m, &r, BL_BRANCH_LABELLED, 1, &got[0]);
    run(&m, &r, BL_BRANCH_LABELLED, 1, &got[1]);
    run(&m, &r, BL_BRANCH_LABELLED, 2, &got[2]);
    size_t bytes = sizeof(float) * (size_t)(r.n * r.outputs);
    CHECK(memcmp(got[0], got[1], bytes) == 0);
    CHECK(memcmp(got[0], got[2], bytes) != 0);
    int used = 0, drawn = 0;
    while (r.label[used] >= 0) used++;
    for (int b = 0; b < 4; b++) {
        int own = 0, kept = 0, column = CLASSES + 2 + b;
        for (int i = 0; i < used; i++) own += r.label[i] < CLASSES && bin_of[r.label[i]] == b;
        for (int i = 0; i < used; i++) kept += got[0][i * r.outputs + column] != 0;
        CHECK_EQ(kept, own + 2 * own < used ? own + 2 * own : used);
        drawn += kept < used;
        for (int i = 0; i < used; i++) {
            int64_t at = i * r.outputs + column;
            if (got[0][at] != 0) CHECK_NEAR(got[0][at], all[at] * used / kept, 1e-7);
            if (r.label[i] < CLASSES && bin_of[r.label[i]] == b) CHECK(got[0][at] != 0);
        }
    }
    CHECK(drawn >= 2);
    drop(&m);
}

/* ---- methods with detectors ---- */

typedef struct {
    subject s; /* its world is a copy, for run() and check_loss() */
    bl_learner *learner;
} whole;

static void make_whole(const char *const *settings, whole *w) {
    *w = (whole){
        .s = {.cfg = method_config(arena, settings), .data = make_dataset(CLASSES, 1000, has)}};
    bl_detector_config dc = small_config(arena, "bn");
    bl_learner_env env = {
        .detector = &dc, .labelled = w->s.data, .iterations = 10, .seed = 1, .ctx = ctx};
    CHECK_OK(bl_learner_create(&w->s.cfg, &env, &w->learner));
    w->s.world = *bl_detection_learner_world(w->learner);
    w->s.plugin = w->s.world.plugins.v[w->s.world.plugins.n - 1];
}

static void drop_whole(whole *w) {
    w->learner->ops->destroy(w->learner);
    bl_dataset_free(w->s.data);
}

static void test_bags(void) {
    const char *const s[] = {"plugins=[\"bags\"]", "bags.others=1000", NULL};
    test_loss(s, "bags", BL_BRANCH_LABELLED);
    test_loss(s, "bags_unlabelled", BL_BRANCH_UNLABELLED);
    test_bags_draws();
    /* Classes' bins go to the scores through the models' memory. */
    whole w;
    make_whole(s, &w);
    const bl_store *models[] = {w.s.world.pair.student_store, w.s.world.pair.teacher_store};
    for (int i = 0; i < 2; i++) {
        float bin[CLASSES];
        bl_step_begin(ctx, false);
        CHECK_OK(bl_tensor_to_host(ctx, bl_store_find(models[i], "roi_head.bbox_head.score_memory"),
                                   bin));
        for (int j = 0; j < CLASSES; j++) CHECK(bin[j] == (float)bin_of[j]);
        bl_step_end(ctx);
    }
    drop_whole(&w);
}

/* Margins come from the norms of the student's weights. */
static void test_c2am(const char *name, const char *a) {
    const char *const s[] = {"plugins=[\"c2am\"]", a, NULL};
    const float *norms = part(name, "norms", NULL);
    whole w;
    make_whole(s, &w);
    bl_store *store = w.s.world.pair.student_store;
    CHECK(!bl_store_find(store, "roi_head.bbox_head.fc_cls.bias"));
    bl_tensor *weight = bl_store_find(store, "roi_head.bbox_head.fc_cls.weight");
    size_t d = (size_t)weight->c;
    float *v = calloc((size_t)weight->n * d, sizeof *v);
    for (size_t k = 0; k <= CLASSES; k++) v[k * d + k] = norms[k];
    CHECK_OK(ctx->dev->to_device(ctx->dev, weight->data, v, sizeof *v * (size_t)weight->n * d));
    free(v);
    check_loss(&w.s, name, BL_BRANCH_LABELLED, 0);
    drop_whole(&w);
}

/* ---- class-balanced weights ---- */

static void test_weights(const char *beta, int64_t t, bool act) {
    char setting[64], name[64];
    snprintf(setting, sizeof setting, "class_balanced.beta=%s", beta);
    snprintf(name, sizeof name, "class_balanced.%s", beta);
    const char *const s[] = {"plugins=[\"class_balanced\"]", setting, "class_balanced.start=3",
                             "class_balanced.background=0.25", NULL};
    const double *want = golden(name, NULL);
    subject m;
    make(s, CLASSES, &m);
    CHECK(m.world.weighs);
    const int32_t label[] = {5, 4, 3, 2, 1, 0, 3};
    float factor[] = {1, 1, 1, 1, 1, 1, 2};
    bl_detection_step step = {.world = &m.world, .ctx = ctx, .t = t};
    CHECK_OK(bl_plugins_before_step(&m.world.plugins, ctx, t));
    CHECK_OK(
        bl_detection_type(m.plugin)->weigh(m.plugin, &step, BL_BRANCH_LABELLED, label, 7, factor));
    for (int i = 0; i < 7; i++) {
        double w = !act ? 1 : label[i] == CLASSES ? 0.25 : want[label[i]];
        CHECK_NEAR(factor[i], w * (i == 6 ? 2 : 1), 1e-6 * w);
        CHECK_NEAR(m.world.class_weight[label[i]], w, 1e-10 * w); /* 1 - beta^n cancels */
    }
    drop(&m);
}

static void test_weights_excluded(void) {
    bl_type_list list;
    const char *const s[] = {"plugins=[\"class_balanced\"]", "gbr.enabled=true", NULL};
    bl_method_config c = method_config(arena, s);
    CHECK_FAILS(bl_method_types(&c, &list), BL_ECONFIG,
                "gbr and class_balanced exclude each other: both decide class weights");
}

int main(void) {
    arena = bl_arena_create(0);
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    CHECK_OK(
        bl_st_open(BALLAST_SOURCE_DIR "/tests/golden/roi_classifiers_torch.safetensors", &file));
    boxes = golden("boxes", NULL);
    test_weights("0.9999", 2, false);
    test_weights("0.9999", 3, true);
    test_weights("0.9", 3, true);
    test_weights("0.0", 3, true);
    test_weights_excluded();
    test_sigmoids();
    test_eql_toy();
    test_seesaw();
    test_seesaw_toy();
    test_bags();
    test_c2am("c2am", "c2am.a=0.1");
    test_c2am("c2am_strong", "c2am.a=2");
    bl_st_close(file);
    bl_ctx_destroy(ctx);
    bl_arena_destroy(arena);
    return 0;
}
