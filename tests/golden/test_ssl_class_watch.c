/* Gradients, scores and logits by class against PyTorch's autograd
 * (scripts/golden/roi_losses_torch.py): in the log, over a window, through a resume. */
#include <unistd.h>

#include "core/fs.h"
#include "core/json.h"
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
    CHECK(t);
    if (rows) *rows = t->shape[0];
    void *copy = bl_arena_alloc(arena, t->bytes);
    return memcpy(copy, t->data, t->bytes);
}

/* The plug-in of a method without detectors; unlabelled losses count four times. */
static bl_plugin *make(const bl_method_config *c, bl_dataset *d, bl_detection_world *w) {
    bl_learner_env env = {.labelled = d, .unlabelled = d, .iterations = 10, .seed = 1, .ctx = ctx};
    *w = (bl_detection_world){.ctx = ctx};
    CHECK_OK(bl_detection_world_create(c, &env, w));
    for (int i = 0; i < w->plugins.n; i++)
        if (strcmp(w->plugins.v[i]->type->name, "watch") == 0) return w->plugins.v[i];
    fprintf(stderr, "no plug-in watch\n");
    exit(1);
}

static void see(bl_plugin *p, const bl_detection_world *w, bl_branch branch, int64_t t) {
    int64_t n;
    const float *z = golden("", "logits", &n);
    bl_step_begin(ctx, true);
    bl_tensor *x, *y, *weight;
    CHECK_OK(bl_tensor_from_host(ctx, z, n, CLASSES + 1, 1, 1, 1, &x));
    CHECK_OK(bl_upload(ctx, BL_I32, n, 1, golden("", "label", NULL), &y));
    CHECK_OK(bl_upload(ctx, BL_F32, n, 1, golden("", "weight", NULL), &weight));
    bl_roi_batch rois = {.n = n, .target = {.label = y}};
    bl_roi_out out = {.logits = x};
    bl_detection_step step = {.world = w, .ctx = ctx, .t = t};
    CHECK_OK(
        bl_detection_type(p)->rows(p, &step, &(bl_roi_rows){branch, &rois, &out, weight, weight}));
    bl_step_end(ctx);
}

static void check_array(struct json_object *line, const char *key, const double *want,
                        double factor) {
    struct json_object *list;
    CHECK(json_object_object_get_ex(line, key, &list));
    CHECK_EQ(json_object_array_length(list), CLASSES);
    for (size_t k = 0; k < CLASSES; k++) {
        struct json_object *v = json_object_array_get_idx(list, k);
        if (isnan(want[k])) /* no row of the class */
            CHECK(json_object_is_type(v, json_type_null));
        else
            CHECK_NEAR(json_object_get_double(v), factor * want[k], 1e-6);
    }
}

/* One window: its line, against the reference times a factor. */
static void check_report(bl_plugin *p, const char *name, double factor) {
    char path[] = "/tmp/ballast_watch_XXXXXX", *text;
    int fd = mkstemp(path);
    size_t size;
    bl_metrics *m;
    CHECK(fd >= 0);
    CHECK_OK(bl_metrics_open(path, -1, -1, &m));
    bl_metrics_begin(m);
    CHECK_OK(p->type->report(p, 1, m));
    CHECK_OK(bl_metrics_end(m));
    bl_metrics_close(m);
    CHECK_OK(bl_read_file(path, 1 << 16, &text, &size));
    bl_json doc;
    CHECK_OK(bl_json_parse(text, size, path, &doc));
    check_array(doc.root, "watch_positive", golden(name, "positive", NULL), factor);
    check_array(doc.root, "watch_negative", golden(name, "negative", NULL), factor);
    check_array(doc.root, "watch_score", golden(name, "score", NULL), 1);
    check_array(doc.root, "watch_logit", golden(name, "logit", NULL), 1);
    bl_json_free(&doc);
    free(text);
    close(fd);
    unlink(path);
}

static void test_sums(const char *name, const char *focal) {
    const char *const s[] = {"name=soft_teacher", focal, NULL};
    bl_method_config c = method_config(arena, s);
    bl_dataset *d = make_dataset(CLASSES, 2, NULL);
    bl_detection_world w;
    bl_plugin *p = make(&c, d, &w);
    see(p, &w, BL_BRANCH_LABELLED, 0);
    see(p, &w, BL_BRANCH_LABELLED, 5); /* not looked at */
    see(p, &w, BL_BRANCH_LABELLED, 10);
    check_report(p, name, 1);
    see(p, &w, BL_BRANCH_LABELLED, 20);
    see(p, &w, BL_BRANCH_UNLABELLED, 20);

    /* Half a window goes on in another run. */
    bl_state_array kept[4];
    bl_state_io io = {.arena = arena, .v = kept, .cap = 4};
    CHECK_OK(p->type->state(p, &io));
    bl_detection_world later;
    bl_plugin *q = make(&c, d, &later);
    io.loading = true;
    CHECK_OK(q->type->state(q, &io));
    check_report(q, name, 1 + 4);
    bl_detection_world_destroy(&w);
    bl_detection_world_destroy(&later);
    bl_dataset_free(d);
}

int main(void) {
    arena = bl_arena_create(0);
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    CHECK_OK(bl_st_open(BALLAST_SOURCE_DIR "/tests/golden/roi_losses_torch.safetensors", &file));
    test_sums("watch", "focal=0");
    test_sums("watch_focal", "focal=1.5");
    bl_st_close(file);
    bl_ctx_destroy(ctx);
    bl_arena_destroy(arena);
    return 0;
}
