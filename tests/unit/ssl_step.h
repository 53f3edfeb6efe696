/* Steps of a whole detection learner on a small batch, for tests of base learners. */
#ifndef BALLAST_TESTS_UNIT_SSL_STEP_H
#define BALLAST_TESTS_UNIT_SSL_STEP_H

#include "ssl/detection/learner.h"
#include "tests/ssl_fixture.h"

enum { CLASSES = 3, IMAGES = 4 };

static bl_arena *arena;
static bl_ctx *ctx;
static bl_detector_config dc;
static bl_dataset *labelled, *unlabelled;
static bl_sample samples[4];
static bl_batch batch = {.n = 4, .n_labelled = 2, .samples = samples};

static double constant_lr(const void *arg, int64_t t) {
    (void)arg;
    (void)t;
    return 0.01;
}

static bool one_each(int32_t i, int32_t c) {
    return c == i % CLASSES;
}

/* Two labelled and two unlabelled samples of 100x80 images with two objects. strong: maps the
 * original to the first view of unlabelled images; pairs: labelled images have a second view, too. */
static void make_batch(bl_affine strong, bool pairs) {
    static const bl_box box[] = {{10, 10, 50, 50}, {55, 20, 90, 70}};
    static const int32_t label[] = {0, 1};
    for (int i = 0; i < 4; i++) {
        samples[i] =
            (bl_sample){.image = i % 2, .labelled = i < 2, .n_views = i < 2 && !pairs ? 1 : 2};
        bl_view *v = samples[i].views;
        uint64_t seed = (uint64_t)i;
        if (i < 2)
            v[0] = make_view(arena, BL_VIEW_LABELLED, 100, 80, bl_affine_identity(), box, label, 2,
                             seed);
        else
            v[0] = make_view(arena, BL_VIEW_STRONG, 100, 80, strong, box, label, 2, seed);
        if (i >= 2 || pairs)
            v[1] =
                make_view(arena, BL_VIEW_WEAK, 100, 80, bl_affine_identity(), box, label, 2, seed);
    }
}

static bl_learner *make(const char *const *settings) {
    bl_method_config c = method_config(arena, settings);
    bl_learner_env env = {.detector = &dc,
                          .labelled = labelled,
                          .unlabelled = unlabelled,
                          .seed = 3,
                          .iterations = 100,
                          .lr_at = constant_lr,
                          .ctx = ctx};
    bl_learner *l;
    CHECK_OK(bl_learner_create(&c, &env, &l));
    return l;
}

typedef struct {
    double value[BL_MAX_LOSSES], weight[BL_MAX_LOSSES];
    const char *name[BL_MAX_LOSSES];
    int n;
} result;

static result step_of(bl_learner *l, int64_t t) {
    bl_step_losses out = {0};
    result r = {0};
    bl_step_begin(ctx, true);
    CHECK_OK(l->ops->before_step(l, ctx, t));
    CHECK_OK(l->ops->losses(l, ctx, &(bl_step_input){.batch = &batch}, t, &out));
    for (int i = 0; i < out.n; i++) {
        float v;
        CHECK_OK(bl_scalar(ctx, out.loss[i].value, &v));
        CHECK(isfinite(v));
        r.value[i] = v;
        r.weight[i] = out.loss[i].weight;
        r.name[i] = out.loss[i].name;
    }
    r.n = out.n;
    bl_step_end(ctx);
    CHECK_OK(l->ops->after_step(l, ctx, t));
    return r;
}

static double loss_of(const result *r, const char *name) {
    for (int i = 0; i < r->n; i++)
        if (strcmp(r->name[i], name) == 0) return r->value[i];
    fprintf(stderr, "no loss %s\n", name);
    exit(1);
}

static void open_surroundings(bl_affine strong, bool pairs) {
    arena = bl_arena_create(0);
    CHECK_OK(bl_ctx_create(&(bl_ctx_options){.deterministic = 1}, &ctx));
    dc = small_config(arena, "gn");
    labelled = make_dataset(CLASSES, IMAGES, one_each);
    unlabelled = make_dataset(CLASSES, IMAGES, one_each);
    make_batch(strong, pairs);
}

static void close_surroundings(void) {
    bl_dataset_free(labelled);
    bl_dataset_free(unlabelled);
    bl_ctx_destroy(ctx);
    bl_arena_destroy(arena);
}

#endif
