/* Losses of the RoI classifier against PyTorch (scripts/golden/roi_losses_torch.py): values,
 * gradients, and scores of post-hoc forms. */
#include "core/safetensors.h"
#include "ssl/detection/learner.h"
#include "tests/ssl_fixture.h"

enum { CLASSES = 5 };
static bl_ctx *ctx;
static bl_st_file *file;
static bl_arena *arena;

static const void *golden(const char *name, const char *what, int64_t *rows) {
    char full[64];
    snprintf(full, sizeof full, "%s%s%s", name, *name ? "." : "", what);
    const bl_st_tensor *t = bl_st_find(file, full);
    if (!t) {
        fprintf(stderr, "no %s\n", full);
        exit(1);
    }
    if (rows) *rows = t->shape[0];
    void *copy = bl_arena_alloc(arena, t->bytes);
    return memcpy(copy, t->data, t->bytes);
}

/* A labelled set with the file's number of boxes of each class: a hundred and more images of one. */
static bool has(int32_t image, int32_t c) {
    const int32_t *boxes = golden("", "boxes", NULL);
    return image < boxes[c];
}

static bl_detection_world world(const bl_method_config *c, bl_dataset *d) {
    bl_detection_world w = {.ctx = ctx};
    bl_learner_env env = {.labelled = d, .iterations = 10, .seed = 1, .ctx = ctx};
    CHECK_OK(bl_detection_world_create(c, &env, &w));
    return w;
}

static void loss_case(const char *name, const char *plugin, const char *setting) {
    const char *const s[] = {plugin, setting, NULL};
    bl_method_config c = method_config(arena, s);
    bl_dataset *d = make_dataset(CLASSES, 120, has);
    bl_detection_world w = world(&c, d);
    bl_plugin *p = w.plugins.v[w.plugins.n - 1];
    int64_t n, k = CLASSES + 1;
    const float *z = golden("", "logits", &n);
    const double *loss = golden(name, "loss", NULL), *gradient = golden(name, "gradient", NULL);
    bl_step_begin(ctx, true);
    bl_tensor *x, *y, *weight, *value;
    CHECK_OK(bl_tensor_from_host(ctx, z, n, k, 1, 1, 1, &x));
    x->needs_grad = true;
    CHECK_OK(bl_upload(ctx, BL_I32, n, 1, golden("", "label", NULL), &y));
    CHECK_OK(bl_upload(ctx, BL_F32, n, 1, golden("", "weight", NULL), &weight));
    bl_roi_batch rois = {.n = n, .target = {.label = y}};
    bl_roi_out out = {.logits = x};
    bl_detection_step step = {.world = &w, .ctx = ctx};
    CHECK_OK(bl_detection_type(p)->roi_loss(
        p, &step, &(bl_roi_rows){BL_BRANCH_LABELLED, &rois, &out, weight, weight}, &value));
    float got;
    CHECK_OK(bl_scalar(ctx, value, &got));
    CHECK_NEAR(got, *loss, 1e-6 * *loss);
    CHECK_OK(bl_backward(ctx, &value, (float[]){1}, 1));
    float *g = bl_arena_alloc(ctx->arena, sizeof *g * (size_t)(n * k));
    CHECK_OK(bl_tensor_to_host(ctx, x->grad, g));
    for (int64_t j = 0; j < n * k; j++) CHECK_NEAR(g[j], gradient[j], 2e-7);
    bl_step_end(ctx);
    bl_detection_world_destroy(&w);
    bl_dataset_free(d);
}

/* The terms stand in both models, whose scores then are the reference's. */
static void post_case(void) {
    const char *const s[] = {"plugins=[\"la\"]", "la.form=post", NULL};
    bl_method_config c = method_config(arena, s);
    bl_dataset *d = make_dataset(CLASSES, 120, has);
    bl_detector_config dc = small_config(arena, "bn");
    bl_learner_env env = {.detector = &dc, .labelled = d, .iterations = 10, .seed = 1, .ctx = ctx};
    bl_learner *l;
    CHECK_OK(bl_learner_create(&c, &env, &l));
    const bl_detection_world *w = bl_detection_learner_world(l);
    int64_t n;
    const float *z = golden("", "logits", &n);
    const double *want = golden("la_post", "scores", NULL);
    const bl_detector *models[] = {w->pair.student, w->pair.teacher};
    for (int m = 0; m < 2; m++) {
        bl_step_begin(ctx, false);
        bl_tensor *x;
        float *scores;
        CHECK_OK(bl_tensor_from_host(ctx, z, n, CLASSES + 1, 1, 1, 1, &x));
        CHECK(!bl_detector_scores_by_softmax(models[m]));
        CHECK_OK(bl_roi_scores(ctx, models[m], x, &scores));
        for (int64_t i = 0; i < n * (CLASSES + 1); i++) CHECK_NEAR(scores[i], want[i], 1e-6);
        bl_step_end(ctx);
    }
    l->ops->destroy(l);
    bl_dataset_free(d);
}

int main(void) {
    arena = bl_arena_create(0);
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    CHECK_OK(bl_st_open(BALLAST_SOURCE_DIR "/tests/golden/roi_losses_torch.safetensors", &file));
    loss_case("la", "plugins=[\"la\"]", NULL);
    loss_case("la_half", "plugins=[\"la\"]", "la.tau=0.5");
    post_case();
    bl_st_close(file);
    bl_ctx_destroy(ctx);
    bl_arena_destroy(arena);
    return 0;
}
