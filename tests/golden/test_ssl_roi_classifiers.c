/* Long-tailed losses and weights of the RoI classifier as plug-ins, against PyTorch
 * (scripts/golden/roi_classifiers_torch.py). */
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

/* ---- a method without detectors ---- */

static bool has(int32_t image, int32_t c) {
    return image < ((const int32_t *)golden("boxes", NULL))[c];
}

typedef struct {
    bl_method_config cfg;
    bl_dataset *data;
    bl_detection_world world;
    bl_plugin *plugin; /* the last one */
} subject;

static void make(const char *const *settings, subject *s) {
    *s = (subject){.cfg = method_config(arena, settings),
                   .data = make_dataset(CLASSES, 1000, has),
                   .world = {.ctx = ctx}};
    bl_learner_env env = {.labelled = s->data, .iterations = 10, .seed = 1, .ctx = ctx};
    CHECK_OK(bl_detection_world_create(&s->cfg, &env, &s->world));
    s->plugin = s->world.plugins.v[s->world.plugins.n - 1];
}

static void drop(subject *s) {
    bl_detection_world_destroy(&s->world);
    bl_dataset_free(s->data);
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
    make(s, &m);
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
    test_weights("0.9999", 2, false);
    test_weights("0.9999", 3, true);
    test_weights("0.9", 3, true);
    test_weights("0.0", 3, true);
    test_weights_excluded();
    bl_st_close(file);
    bl_ctx_destroy(ctx);
    bl_arena_destroy(arena);
    return 0;
}
