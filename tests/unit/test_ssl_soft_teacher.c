/* Soft Teacher's step as a whole: each of its three filters feeds its own losses and no other, the
 * burn-in and the ramp, the first average, and what the balancing sees. */
#include <unistd.h>

#include "core/fs.h"
#include "tests/unit/ssl_step.h"

/* The first step of a fresh learner with three filters: scores for the RPN and for classification,
 * uncertainty. */
static result filtered(const char *rpn, const char *cls, const char *box) {
    char a[64], b[64], c[64];
    snprintf(a, sizeof a, "teacher.rpn_score=%s", rpn);
    snprintf(b, sizeof b, "teacher.cls_score=%s", cls);
    snprintf(c, sizeof c, "teacher.reg_variance=%s", box);
    const char *const s[] = {"name=soft_teacher", "teacher.candidate_score=0.1", a, b, c, NULL};
    bl_learner *l = make(s);
    result r = step_of(l, 0);
    l->ops->destroy(l);
    return r;
}

static void test_filters(void) {
    static const char *const names[] = {"unsup_rpn_cls", "unsup_rpn_box", "unsup_roi_cls",
                                        "unsup_roi_box", "sup_rpn_cls",   "sup_rpn_box",
                                        "sup_roi_cls",   "sup_roi_box"};
    /* Which losses may move when a filter opens: the RPN's, classification's, box regression's. */
    static const int moves[3][8] = {{1, 1}, {0, 0, 1}, {0, 0, 0, 1}};
    result closed = filtered("1", "1", "0");
    CHECK_EQ(closed.n, 8);
    CHECK_NEAR(loss_of(&closed, "unsup_rpn_box"), 0, 0); /* no pseudo boxes: nothing to regress */
    CHECK_NEAR(loss_of(&closed, "unsup_roi_box"), 0, 0);
    CHECK(loss_of(&closed, "unsup_rpn_cls") > 0); /* everything is background */
    CHECK(loss_of(&closed, "unsup_roi_cls") > 0);
    for (int i = 0; i < 7; i++) CHECK_NEAR(closed.weight[i], i < 4 ? 1 : 4, 0);
    for (int k = 0; k < 3; k++) {
        result open = filtered(k == 0 ? "0.1" : "1", k == 1 ? "0.1" : "1", k == 2 ? "10" : "0");
        for (int i = 0; i < 8; i++) {
            double before = loss_of(&closed, names[i]), after = loss_of(&open, names[i]);
            if (moves[k][i] ? before == after : before != after) {
                fprintf(stderr, "filter %d: %s is %.9g, closed %.9g\n", k, names[i], after, before);
                exit(1);
            }
        }
    }
}

/* No unlabelled losses during the burn-in; then their weight rises over the ramp. */
static void test_burn_in(void) {
    const char *const s[] = {"name=soft_teacher", "teacher.burn_in=2", "teacher.ramp=4",
                             "teacher.unsup_weight=2", NULL};
    bl_learner *l = make(s);
    for (int64_t t = 0; t < 8; t++) {
        result r = step_of(l, t);
        CHECK_EQ(r.n, t < 2 ? 4 : 8);
        if (t >= 2) CHECK_NEAR(r.weight[4], 2 * fmin(1, (double)(t - 1) / 4), 1e-6);
    }
    l->ops->destroy(l);
}

/* Before the first step the teacher becomes the student; afterwards it lags. */
static void test_average(void) {
    const char *const s[] = {"name=soft_teacher", "teacher.ema=0.9", NULL};
    bl_learner *l = make(s);
    const char *name = "rpn_head.rpn_cls.weight";
    bl_tensor *st = bl_store_find(l->model[0].store, name),
              *te = bl_store_find(l->model[1].store, name);
    step_of(l, 0);
    CHECK(memcmp(st->data, te->data, sizeof(float) * (size_t)bl_storage(st)) == 0);
    float was = bl_f32(te)[0];
    bl_f32(st)[0] += 1;
    step_of(l, 1);
    CHECK_NEAR(bl_f32(te)[0], was + 0.5, 1e-6);
    l->ops->destroy(l);
}

/* The class line of the log: thresholds fixed during the warm-up, counts of candidates, quality
 * against the hidden boxes, and the window's end. */
static void test_report(void) {
    const char *const s[] = {"name=soft_teacher",
                             "teacher.candidate_score=0.1",
                             "teacher.cls_score=0.2",
                             "focal=1",
                             "gbr.enabled=true",
                             "gbr.warmup=1000",
                             "gbt.mode=code",
                             "gbt.warmup=1000",
                             NULL};
    bl_learner *l = make(s);
    char path[] = "/tmp/ballast_ssl_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    bl_metrics *m;
    CHECK_OK(bl_metrics_open(path, -1, -1, &m));
    double pseudo;
    step_of(l, 0);
    CHECK_OK(l->ops->report(l, 1, m, &pseudo));
    CHECK(pseudo > 0);
    CHECK_OK(l->ops->report(l, 1, m, &pseudo)); /* an empty window says nothing */
    CHECK_NEAR(pseudo, 0, 0);
    bl_metrics_close(m);
    char *text;
    size_t size;
    CHECK_OK(bl_read_file(path, 1 << 16, &text, &size));
    CHECK(strstr(text, "\"kind\": \"class\""));
    CHECK(strstr(text, "\"weight\": [1, 1, 1, 1]"));
    CHECK(strstr(text, "\"threshold\": [0.2, 0.2, 0.2]"));
    CHECK(strstr(text, "\"precision\": ["));
    CHECK(strstr(text, "\"recall\": ["));
    CHECK(strchr(text, '\n')[1] == 0);
    free(text);
    close(fd);
    unlink(path);
    CHECK_NEAR(bl_detection_learner_world(l)->theta[2], 0.2, 1e-12);
    l->ops->destroy(l);
}

static void test_needs_unlabelled(void) {
    const char *const s[] = {"name=soft_teacher", NULL};
    bl_method_config c = method_config(arena, s);
    bl_learner_env env = {.detector = &dc, .labelled = labelled, .iterations = 10, .ctx = ctx};
    bl_learner *l;
    CHECK_FAILS(bl_learner_create(&c, &env, &l), BL_ECONFIG, "data.unlabelled");
}

int main(void) {
    open_surroundings((bl_affine){{-1, 0, 100, 0, 1, 0}}, false); /* strong views are flipped */
    test_filters();
    test_burn_in();
    test_average();
    test_report();
    test_needs_unlabelled();
    close_surroundings();
    return 0;
}
