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

static void check_scores(const subject *m, int32_t classes, const char *name) {
    rows r = read_rows(name);
    bl_roi_classifier c;
    CHECK_OK(bl_method_classifier(&m->cfg, classes, &c));
    CHECK_EQ(c.outputs, r.outputs);
    float *memory = BL_NEW_ARRAY(arena, float, c.memory + 1);
    float *got = BL_NEW_ARRAY(arena, float, r.n *(classes + 1));
    const double *want = part(name, "scores", NULL);
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
    bl_st_close(file);
    bl_ctx_destroy(ctx);
    bl_arena_destroy(arena);
    return 0;
}
