/* EQL v2 as a plug-in against PyTorch (scripts/golden/eql_torch.py): losses, gradients and the sums
 * that are left behind, through several batches; scores; and what it cannot stand beside. */
#include "core/safetensors.h"
#include "ssl/detection/learner.h"
#include "tests/ssl_fixture.h"

static bl_ctx *ctx;
static bl_st_file *file;
static bl_arena *arena;

static const void *golden(const char *name, int step, const char *what, int64_t *n) {
    char full[64];
    if (step < 0) {
        snprintf(full, sizeof full, "%s.%s", name, what);
    } else {
        snprintf(full, sizeof full, "%s.%d.%s", name, step, what);
    }
    const bl_st_tensor *t = bl_st_find(file, full);
    if (!t) {
        fprintf(stderr, "no %s\n", full);
        exit(1);
    }
    if (n) *n = t->shape[t->ndim - 1];
    void *copy = bl_arena_alloc(arena, t->bytes);
    return memcpy(copy, t->data, t->bytes);
}

/* The plug-in of a method without detectors. */
static bl_plugin *make(const bl_method_config *c, int32_t classes, bl_detection_world *w,
                       bl_dataset **d) {
    *d = make_dataset(classes, 2, NULL);
    bl_learner_env env = {.labelled = *d, .iterations = 10, .seed = 1};
    CHECK_OK(bl_detection_world_create(c, &env, w));
    bl_plugin *p = w->plugins.v[w->plugins.n - 1];
    CHECK_STR(p->type->name, "eql");
    return p;
}

static void step(const char *name, int i, bl_detection_world *w, bl_plugin *p) {
    int64_t n, k, classes;
    const float *z = golden(name, i, "logits", &k);
    const int32_t *label = golden(name, i, "label", &n);
    const double *gradient = golden(name, i, "gradient", NULL);
    const double *ratio = golden(name, i, "ratio", &classes), *loss = golden(name, i, "loss", NULL);
    bl_step_begin(ctx, true);
    bl_tensor *x, *y, *weight, *reliable, *value;
    CHECK_OK(bl_tensor_from_host(ctx, z, n, k, 1, 1, 1, &x));
    x->needs_grad = true;
    CHECK_OK(bl_upload(ctx, BL_I32, n, 1, label, &y));
    CHECK_OK(bl_upload(ctx, BL_F32, n, 1, golden(name, i, "weight", NULL), &weight));
    CHECK_OK(bl_upload(ctx, BL_F32, n, 1, golden(name, i, "reliable", NULL), &reliable));
    bl_roi_batch rois = {.n = n, .target = {.label = y}};
    bl_roi_out out = {.logits = x};
    bl_detection_step s = {.world = w, .ctx = ctx, .t = i};
    CHECK_OK(bl_detection_type(p)->roi_loss(
        p, &s, &(bl_roi_rows){BL_BRANCH_LABELLED, &rois, &out, reliable, weight}, &value));
    float got;
    CHECK_OK(bl_scalar(ctx, value, &got));
    CHECK_NEAR(got, *loss, 1e-6 * *loss);
    CHECK_OK(bl_backward(ctx, &value, (float[]){1}, 1));
    float *g = bl_arena_alloc(ctx->arena, sizeof *g * (size_t)(n * k));
    CHECK_OK(bl_tensor_to_host(ctx, x->grad, g));
    for (int64_t j = 0; j < n * k; j++) CHECK_NEAR(g[j], gradient[j], 1e-7);
    bl_step_end(ctx);

    bl_state_array kept[4];
    bl_state_io io = {.arena = arena, .v = kept, .cap = 4};
    const double *sums;
    CHECK_OK(p->type->state(p, &io));
    CHECK_OK(bl_state_find(&io, "eql.sums", &sums, &n));
    CHECK_EQ(n, 3 * classes);
    for (int64_t c = 0; c < classes; c++)
        CHECK_NEAR(sums[2 * classes + c], ratio[c], 1e-6 * (1 + ratio[c]));
}

static void test_losses(const char *name, int32_t classes) {
    const char *const s[] = {"plugins=[\"eql\"]", NULL};
    bl_method_config c = method_config(arena, s);
    const int32_t *steps = golden(name, -1, "steps", NULL);
    bl_detection_world w = {0};
    bl_dataset *d;
    bl_plugin *p = make(&c, classes, &w, &d);
    for (int i = 0; i < *steps; i++) step(name, i, &w, p);
    bl_detection_world_destroy(&w);
    bl_dataset_free(d);
}

/* sigma(z_j) (1 - sigma(z_background)); the background's own last. */
static void test_scores(void) {
    const char *const s[] = {"plugins=[\"eql\"]", NULL};
    bl_method_config c = method_config(arena, s);
    bl_roi_classifier classifier;
    CHECK_OK(bl_method_classifier(&c, 2, &classifier));
    CHECK(classifier.scores && classifier.prior == 0.001 && classifier.outputs == 0);
    const float z[] = {0, 2, -1, 1, 1, -3};
    float row[6];
    classifier.scores(&(bl_roi_logits){.z = z, .n = 2, .outputs = 3, .classes = 2}, row);
    CHECK_NEAR(row[0], 0.5 * 0.7310586, 1e-6);
    CHECK_NEAR(row[1], 0.8807971 * 0.7310586, 1e-6);
    CHECK_NEAR(row[2], 0.2689414, 1e-6);
    CHECK_NEAR(row[4], 0.7310586 * 0.9525741, 1e-6);
    bl_method_config plain = method_config(arena, NULL);
    CHECK_OK(bl_method_classifier(&plain, 2, &classifier));
    CHECK(classifier.scores == NULL);
}

static void test_claims(void) {
    static const struct {
        const char *setting, *what;
    } bad[] = {{"focal=1", "focal and eql exclude each other: both decide the classification loss"},
               {"gbr.enabled=true", "gbr and eql exclude each other: both decide class weights"}};
    bl_type_list list;
    for (int i = 0; i < 2; i++) {
        const char *const s[] = {"plugins=[\"eql\"]", bad[i].setting, NULL};
        bl_method_config c = method_config(arena, s);
        CHECK_FAILS(bl_method_types(&c, &list), BL_ECONFIG, bad[i].what);
    }
    /* GbT takes softmax gradients of the logits. */
    const char *const moved[] = {"plugins=[\"eql\"]", "gbt.mode=code", NULL};
    bl_method_config c = method_config(arena, moved);
    CHECK_FAILS(bl_method_types(&c, &list), BL_ECONFIG,
                "gbt and eql exclude each other: eql decides how the method predicts");
    const char *const named[] = {"plugins=[\"gbr\"]", NULL};
    c = method_config(arena, named);
    CHECK_FAILS(bl_method_types(&c, &list), BL_ECONFIG, "method.gbr.enabled");
}

int main(void) {
    arena = bl_arena_create(0);
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    CHECK_OK(bl_st_open(BALLAST_SOURCE_DIR "/tests/golden/eql_torch.safetensors", &file));
    test_losses("toy", 4);
    test_losses("rows", 5);
    test_scores();
    test_claims();
    bl_st_close(file);
    bl_ctx_destroy(ctx);
    bl_arena_destroy(arena);
    return 0;
}
