/* The balancer decides when the statistics of balance/ act: against the reference numbers of the
 * solver, against an independent simulation of whole training iterations, and
 * across a checkpoint. */
#include "ssl/detection/student_branch.h"

#include <unistd.h>

#include "core/fs.h"
#include "tests/ssl_fixture.h"

enum { K = 3 };

static bl_arena *arena;
static bl_ctx *ctx;

/* GbR, GbT, the prior cap, CrS and RFS of a method, without detectors. */
typedef struct {
    bl_method_config cfg;
    bl_detection_world w;
} bl_balancer;

static double g_lr; /* what the schedule gives */
static double lr_at(const void *arg, int64_t t) {
    (void)arg;
    (void)t;
    return g_lr;
}

static bl_balancer *make(const bl_method_config *c, int64_t iterations, const bl_dataset *labelled,
                         const bl_dataset *unlabelled) {
    bl_learner_env env = {.labelled = labelled,
                          .unlabelled = unlabelled,
                          .iterations = iterations,
                          .seed = 1,
                          .lr_at = lr_at};
    bl_balancer *b = calloc(1, sizeof *b);
    CHECK(b);
    b->cfg = *c;
    CHECK_OK(bl_detection_world_create(&b->cfg, &env, &b->w));
    return b;
}

static void bl_balancer_destroy(bl_balancer *b) {
    bl_detection_world_destroy(&b->w);
    free(b);
}

static bl_status bl_balancer_step(bl_balancer *b, double lr) {
    g_lr = lr;
    return bl_plugins_after_step(&b->w.plugins, NULL, 0);
}

static bl_status bl_balancer_begin(bl_balancer *b, int64_t t) {
    BL_TRY(bl_plugins_before_step(&b->w.plugins, NULL, t));
    return bl_detection_thresholds(&b->w, t);
}

static bl_status bl_balancer_detections(bl_balancer *b, int64_t t, int32_t image,
                                        const int32_t *label, const float *score, int32_t n) {
    bl_detection_step s = {.world = &b->w, .t = t};
    bl_boxes d = {.n = n, .label = (int32_t *)label, .score = (float *)score};
    BL_DETECTION_EACH(&b->w, detections, &s, image, &d);
    return BL_OK;
}

static double bl_balancer_threshold(const bl_balancer *b, int32_t c) {
    return b->w.theta[c];
}

static void bl_balancer_weights(const bl_balancer *b, double *v) {
    memcpy(v, b->w.class_weight, sizeof *v * (size_t)(b->w.classes + 1));
}

static bool bl_balancer_copies(const bl_balancer *b, int64_t t, bool labelled, int32_t *copies) {
    return bl_plugins_copies(&b->w.plugins, t, labelled, copies);
}

static bl_status bl_balancer_resample(bl_balancer *b, int64_t t, bool *changed) {
    bool of[2] = {false, false};
    bl_status status = bl_plugins_prepare(&b->w.plugins, NULL, t, of);
    *changed = of[1];
    return status;
}

static bool bl_balancer_labelled_due(const bl_balancer *b, int64_t t) {
    bool of[2] = {false, false};
    CHECK_OK(bl_plugins_prepare(&b->w.plugins, NULL, t, of));
    return of[0];
}

static bl_status bl_balancer_report(bl_balancer *b, bl_metrics *lines) {
    BL_DETECTION_EACH(&b->w, lines, lines);
    return BL_OK;
}

static bool none(int32_t i, int32_t c) {
    (void)i;
    (void)c;
    return false;
}

/* Rows of K logits from the host. */
static void observe(bl_balancer *b, bl_branch branch, int64_t t, const float *logits,
                    const int32_t *label, const float *v, int32_t n) {
    bl_tensor *x;
    CHECK_OK(bl_tensor_from_host(ctx, logits, n, K, 1, 1, 1, &x));
    bl_tensor *y, *w;
    CHECK_OK(bl_upload(ctx, BL_I32, n, 1, label, &y));
    CHECK_OK(bl_upload(ctx, BL_F32, n, 1, v, &w));
    bl_detection_step s = {.world = &b->w, .ctx = ctx, .t = t};
    bl_roi_batch rois = {.target = {.label = y, .weight = w}};
    bl_roi_out out = {.logits = x};
    bl_roi_rows rows = {branch, &rois, &out, w, w};
    for (int i = 0; i < b->w.plugins.n; i++) {
        bl_plugin *p = b->w.plugins.v[i];
        if (bl_detection_type(p)->rows) CHECK_OK(bl_detection_type(p)->rows(p, &s, &rows));
    }
    bl_step_end(ctx);
}

/* The rows' weights: v times the plug-ins' factors. */
static void weigh(bl_balancer *b, bl_branch branch, const int32_t *label, const float *v, int32_t n,
                  float *weight) {
    float *factor = bl_arena_alloc(ctx->arena, sizeof *factor * ((size_t)n + 1));
    bl_detection_step s = {.world = &b->w, .ctx = ctx};
    for (int32_t i = 0; i < n; i++) factor[i] = 1;
    for (int i = 0; i < b->w.plugins.n; i++) {
        bl_plugin *p = b->w.plugins.v[i];
        if (bl_detection_type(p)->weigh)
            CHECK_OK(bl_detection_type(p)->weigh(p, &s, branch, label, n, factor));
    }
    for (int32_t i = 0; i < n; i++) weight[i] = factor[i] * v[i];
    bl_step_end(ctx);
}

/* ---- the reference batch ---- */

static const float ref_logits[] = {2, 0, 1, .5f, .2f, .9f, -1, 1.5f, .3f, .1f, -.2f, 2, 0, .4f, 1};
static const int32_t ref_labels[] = {0, 0, 1, 2, 2};
static const float ref_v[] = {1, 1, 1, .8f, .5f};

/* The matrix held constant (nothing is averaged): the printed numbers of the solver at steps 1, 2,
 * 10 and 1000, seen through the weights K softmax(a), which the first call after a step shows. */
static void test_solver(void) {
    const char *const s[] = {"focal=1", "gbr.enabled=true", "gbr.warmup=0", "gbr.accumulate=0",
                             NULL};
    bl_method_config c = method_config(arena, s);
    bl_dataset *d = make_dataset(2, 4, none);
    bl_balancer *b = make(&c, 2000, d, NULL);
    static const struct {
        int64_t after;
        double a[K];
    } want[] = {{0, {0, 0, 0}},
                {1, {-0.036620, 0.037796, -0.036620}},
                {2, {-0.104978, 0.107501, -0.104978}},
                {10, {-1.122980, 0.855028, -0.676146}},
                {1000, {-1.098579, 0.529377, 0}}};
    size_t next = 0;
    double w[K];
    /* t = 0 is the warm-up: no solver step; iteration t leaves the solver after t steps. */
    for (int64_t t = 0; t <= 1001; t++) {
        observe(b, BL_BRANCH_LABELLED, t, ref_logits, ref_labels, ref_v, 5);
        if (next < 5 && t == want[next].after + 1) {
            double sum = 0;
            bl_balancer_weights(b, w);
            for (int k = 0; k < K; k++) sum += exp(want[next].a[k]);
            for (int k = 0; k < K; k++) CHECK_NEAR(w[k], K * exp(want[next].a[k]) / sum, 2e-6);
            next++;
        }
        observe(b, BL_BRANCH_UNLABELLED, t, ref_logits, ref_labels, ref_v, 5);
        CHECK_OK(bl_balancer_step(b, 0.01));
    }
    CHECK_EQ(next, 5);
    CHECK_NEAR(w[0], 0.329911, 1e-6);
    CHECK_NEAR(w[1], 1.680388, 1e-6);
    CHECK_NEAR(w[2], 0.989701, 1e-6);
    bl_balancer_destroy(b);

    /* The direct solver: the exact solution at once, and the same for cross-entropy. */
    for (int focal = 0; focal < 2; focal++) {
        static const double exact[2][K] = {{0.322152, 1.375074, 1.302774},
                                           {0.199433, 1.620007, 1.180561}};
        const char *const direct[] = {focal ? "focal=1" : "focal=0",
                                      "gbr.enabled=true",
                                      "gbr.warmup=0",
                                      "gbr.accumulate=0",
                                      "gbr.direct=true",
                                      NULL};
        c = method_config(arena, direct);
        b = make(&c, 10, d, NULL);
        observe(b, BL_BRANCH_LABELLED, 1, ref_logits, ref_labels, ref_v, 5);
        bl_balancer_weights(b, w);
        /* the printed solution ignores that rows sum to 1e-4 of their size instead of zero */
        for (int k = 0; k < K; k++) CHECK_NEAR(w[k], exact[focal][k], 2e-4);
        bl_balancer_destroy(b);
    }
    bl_dataset_free(d);
}

/* ---- whole iterations against a simulation ---- */

typedef struct {
    double A[K][K], a[K], vel[K], grad[K], w[K], m;
} sim;

static double clamped(double v, double lo, double hi) {
    return fmin(fmax(v, lo), hi);
}

/* Sections of the method in the order in which they act: weights of the previous call, loss weights
 * with the shared running mean, gradient matrix, solver loss. */
static void sim_call(sim *s, bool labelled, int64_t t, int64_t warmup, double keep, double beta,
                     const float *z, const int32_t *y, const float *v, int n, double *u) {
    double mean = 0, M[K][K] = {{0}}, lambda = labelled ? 1 : 4;
    for (int i = 0; i < n; i++) {
        u[i] = pow(clamped(s->w[y[i]], 1.0 / 3, 5), labelled ? beta : 1);
        mean += u[i] / n;
    }
    s->m = keep * s->m + (1 - keep) * mean;
    for (int i = 0; i < n; i++) u[i] = v[i] * u[i] / s->m;
    for (int i = 0; i < n; i++) {
        double p[K], sum = 0;
        for (int k = 0; k < K; k++) sum += p[k] = exp(z[i * K + k]);
        for (int k = 0; k < K; k++) p[k] = p[k] / sum + 1e-5;
        double q = p[y[i]], g = (1 - q) / q - log(q);
        for (int k = 0; k < K; k++)
            M[y[i]][k] += 100 * lambda * v[i] * g * q * (k == y[i] ? -(1 - q) : p[k]) / n;
    }
    for (int k = 0; k < K; k++)
        for (int j = 0; j < K; j++)
            s->A[k][j] = t < warmup ? (s->A[k][j] * (double)t + M[k][j]) / (double)(t + 1)
                                    : keep * s->A[k][j] + (1 - keep) * M[k][j];
    if (t <= warmup) return;
    double top = 0, T[K], left = K;
    for (int k = 0; k < K; k++) top += exp(s->a[k]);
    for (int k = 0; k < K; k++) s->w[k] = K * exp(s->a[k]) / top;
    for (int j = 0; j < K; j++) {
        double sum = 0;
        for (int k = 0; k < K; k++) sum += s->w[k] * s->A[k][j];
        T[j] = sum / (1e-6 - s->A[j][j]) + s->w[j];
        if (j < K - 1) left -= T[j];
    }
    for (int j = 0; j < K; j++) {
        T[j] = j < K - 1 ? clamped(T[j], 1.0 / 3, 5) : clamped(left, 1.0 / 3, 1);
        s->grad[j] += lambda * 2 / K * (s->a[j] - log(T[j]));
    }
}

static void sim_step(sim *s, double lr) {
    for (int j = 0; j < K; j++) {
        s->vel[j] = 0.9 * s->vel[j] + s->grad[j] + 1e-4 * s->a[j];
        s->a[j] -= lr * s->vel[j];
        s->grad[j] = 0;
    }
}

static void random_rows(bl_rng *r, int n, float *z, int32_t *y, float *v) {
    for (int i = 0; i < n; i++) {
        y[i] = bl_rng_uniform(r) < 0.15f ? 1 : bl_rng_uniform(r) < 0.4f ? 0 : 2;
        v[i] = y[i] == 2 ? bl_rng_uniform(r) : 1;
        for (int k = 0; k < K; k++) z[i * K + k] = bl_rng_range(r, -2, 2) + (k == y[i] ? 1.5f : 0);
    }
}

/* Weights lag by one call and one step, are all 1 up to and including the warm-up's last iteration,
 * and follow the detector's learning rate. */
static void test_iterations(void) {
    enum { N = 40 };
    const char *const s[] = {
        "focal=1", "gbr.enabled=true", "gbr.warmup=6", "gbr.accumulate=0.9", "gbr.beta=0.5", NULL};
    bl_method_config c = method_config(arena, s);
    bl_dataset *d = make_dataset(2, 4, none);
    bl_balancer *b = make(&c, 100, d, NULL);
    sim ref = {.w = {1, 1, 1}, .m = 1};
    bl_rng r = bl_rng_make(17, 0);
    float z[N * K], v[N], u[N];
    int32_t y[N];
    double want[N], w[K], last[K] = {1, 1, 1}, moved = 0;
    for (int64_t t = 0; t < 60; t++) {
        double lr = t < 40 ? 0.05 : 0.005;
        for (int branch = 0; branch < 2; branch++) {
            random_rows(&r, N, z, y, v);
            weigh(b, (bl_branch)branch, y, v, N, u);
            observe(b, (bl_branch)branch, t, z, y, v, N);
            sim_call(&ref, branch == 0, t, 6, 0.9, 0.5, z, y, v, N, want);
            for (int i = 0; i < N; i++) {
                CHECK_NEAR(u[i], want[i], 1e-5 * (1 + want[i]));
                if (t <= 6) CHECK_NEAR(u[i], v[i], 1e-7); /* w = 1 and so m = 1 */
            }
            bl_balancer_weights(b, w);
            for (int k = 0; k < K; k++) CHECK_NEAR(w[k], ref.w[k], 1e-9);
            if (t == 7)
                for (int k = 0; k < K; k++) CHECK_NEAR(w[k], 1, 0); /* no step has been taken yet */
        }
        CHECK_OK(bl_balancer_step(b, lr));
        sim_step(&ref, lr);
        bl_balancer_weights(b, w);
        for (int k = 0; k < K; k++) moved = fmax(moved, fabs(w[k] - last[k]));
    }
    CHECK(moved > 0.2); /* the weights did something */
    bl_balancer_destroy(b);

    /* Without GbR the weights are the reliabilities. */
    const char *const off[] = {"gbt.mode=code", NULL};
    c = method_config(arena, off);
    b = make(&c, 100, d, NULL);
    weigh(b, BL_BRANCH_UNLABELLED, y, v, N, u);
    for (int i = 0; i < N; i++) CHECK_NEAR(u[i], v[i], 0);
    bl_balancer_destroy(b);

    /* Logits that are not finite leave the statistics alone. */
    const char *const on[] = {"focal=1", "gbr.enabled=true", "gbr.warmup=0", NULL};
    c = method_config(arena, on);
    b = make(&c, 100, d, NULL);
    z[4] = NAN;
    observe(b, BL_BRANCH_LABELLED, 1, z, y, v, N);
    CHECK_OK(bl_balancer_step(b, 0.1));
    z[4] = 0;
    observe(b, BL_BRANCH_LABELLED, 2, z, y, v, N);
    bl_balancer_weights(b, w);
    for (int k = 0; k < K; k++) CHECK_NEAR(w[k], 1, 0);
    bl_balancer_destroy(b);
    bl_dataset_free(d);
}

/* ---- thresholds ---- */

static bool forty_and_three(int32_t i, int32_t c) {
    return c == 0 ? i < 40 : i >= 97;
}

static void test_thresholds(void) {
    bl_dataset *d = make_dataset(2, 4, none);
    const char *const fixed[] = {"teacher.cls_score=0.8", "gbt.mode=fixed", "gbt.warmup=0", NULL};
    bl_method_config c = method_config(arena, fixed);
    bl_balancer *b = make(&c, 100, d, NULL);
    CHECK_OK(bl_balancer_begin(b, 50));
    CHECK_NEAR(bl_balancer_threshold(b, 1), 0.8, 0);
    bl_balancer_destroy(b);

    /* By the running mean score of the class, after the warm-up, within the bounds. */
    const char *const code[] = {"gbt.mode=code", "gbt.warmup=5", NULL};
    c = method_config(arena, code);
    b = make(&c, 100, d, NULL);
    double s[2] = {0, 0};
    const int32_t label[] = {0, 1, 0};
    const float score[] = {.9f, .75f, .5f};
    for (int64_t t = 0; t < 10; t++) {
        CHECK_OK(bl_balancer_begin(b, t));
        for (int k = 0; k < 2; k++) {
            double mean = (s[0] + s[1]) / 2;
            double want = t < 5 ? 0.9 : clamped(fmin(0.9 * s[k] / mean, 0.9), 0.5, 0.9);
            CHECK_NEAR(bl_balancer_threshold(b, k), want, 1e-9);
        }
        double before = bl_balancer_threshold(b, 1);
        CHECK_OK(bl_balancer_detections(b, t, 0, label, score, 3));
        CHECK_NEAR(bl_balancer_threshold(b, 1), before, 0); /* fixed during an iteration */
        for (int i = 0; i < 3; i++) s[label[i]] += (double)score[i] / 1000;
    }
    CHECK_NEAR(bl_balancer_threshold(b, 0), 0.9, 0);
    CHECK_NEAR(bl_balancer_threshold(b, 1), 0.9 * 0.75 / ((0.75 + 1.4) / 2), 1e-7);
    bl_balancer_destroy(b);

    /* Raised, above the upper bound too, for a class labelled more often than it is expected. */
    const char *const capped[] = {"gbt.mode=fixed", "gbt.warmup=5", "gbt.prior_cap=1.5", NULL};
    c = method_config(arena, capped);
    bl_dataset *some = make_dataset(2, 100, forty_and_three);
    b = make(&c, 100, some, NULL);
    const int32_t both[] = {0, 1};
    const float sure[] = {.97f, .97f};
    for (int64_t t = 0; t < 20; t++) {
        CHECK_OK(bl_balancer_begin(b, t));
        CHECK_NEAR(bl_balancer_threshold(b, 0), 0.9, 0);
        CHECK_NEAR(bl_balancer_threshold(b, 1), t < 5 ? 0.9 : 0.98, 1e-12);
        /* Every second image has one of each: 0.5 an image; 0.6 and 0.045 are allowed. */
        CHECK_OK(bl_balancer_detections(b, t, 0, both, sure, 2));
        CHECK_OK(bl_balancer_detections(b, t, 1, both, sure, 0));
    }
    bl_balancer_destroy(b);
    bl_dataset_free(some);

    /* By the class weights alone. */
    const char *const w_only[] = {"focal=1",      "gbt.mode=w_only", "gbt.warmup=0",
                                  "gbr.warmup=0", "gbr.direct=true", NULL};
    c = method_config(arena, w_only);
    b = make(&c, 100, d, NULL);
    observe(b, BL_BRANCH_LABELLED, 0, ref_logits, ref_labels, ref_v, 5); /* fills the average */
    observe(b, BL_BRANCH_UNLABELLED, 1, ref_logits, ref_labels, ref_v, 5);
    double w[K];
    bl_balancer_weights(b, w);
    CHECK(w[1] > 1.2 && w[0] < 0.9);
    CHECK_OK(bl_balancer_begin(b, 2));
    CHECK_NEAR(bl_balancer_threshold(b, 0), 0.9, 1e-9);
    CHECK_NEAR(bl_balancer_threshold(b, 1), clamped(0.9 / w[1], 0.5, 0.9), 1e-9);
    bl_balancer_destroy(b);
    bl_dataset_free(d);
}

/* ---- repeats ---- */

/* 100 labelled images, 40 with class 0, 3 with class 1; thresholds 0.9 and 0.5. Image 0 holds (0,
 * 0.95) and (1, 0.85), image 1 (1, 0.55), image 2 nothing: copies 2, 1, 1 at lambda 0.5 and 1, 1, 1
 * at lambda 0.2. */
static void test_resampling(void) {
    bl_dataset *d = make_dataset(2, 100, forty_and_three), *u = make_dataset(2, 3, none);
    const char *const s[] = {"crs.enabled=true",
                             "crs.alpha=1",
                             "crs.warmup=5",
                             "crs.save_every=10",
                             "crs.rebuild_every=20",
                             "gbt.mode=code",
                             "gbt.warmup=0",
                             "rfs=0.1",
                             NULL};
    bl_method_config c = method_config(arena, s);
    bl_balancer *b = make(&c, 102, d, u);
    bool changed;
    int32_t copies[100];
    static const int32_t most[] = {0, 0, 0, 0, 0, 0}, rare[] = {1};
    static const float high[] = {.95f, .95f, .95f, .95f, .95f, .95f}, low[] = {.1f};

    /* Labelled repeats are fixed: f_1 = 0.03, r = sqrt(0.1 / 0.03) = 1.83, 2 copies; class 0 is
     * frequent. */
    CHECK(bl_balancer_copies(b, 0, true, copies));
    for (int i = 0; i < 100; i++) CHECK_EQ(copies[i], i >= 97 ? 2 : 1);
    CHECK(!bl_balancer_copies(b, 0, false, copies));
    CHECK(bl_balancer_labelled_due(b, 0) && !bl_balancer_labelled_due(b, 1));

    /* Deferred: one copy each until iteration 7. */
    c.rfs_warmup = 7;
    bl_balancer *deferred = make(&c, 102, d, u);
    CHECK(!bl_balancer_copies(deferred, 6, true, copies) && !bl_balancer_labelled_due(deferred, 6));
    CHECK(bl_balancer_labelled_due(deferred, 7) && !bl_balancer_labelled_due(deferred, 8));
    CHECK(bl_balancer_copies(deferred, 7, true, copies));
    for (int i = 0; i < 100; i++) CHECK_EQ(copies[i], i >= 97 ? 2 : 1);
    bl_balancer_destroy(deferred);

    for (int64_t t = 0; t <= 61; t++) {
        CHECK_OK(bl_balancer_resample(b, t, &changed));
        /* The rebuild of t = 21 reads the save of t = 11, not that of 21 itself. At t = 1 it is too
         * early. */
        CHECK_EQ(changed, t == 21 || t == 41 || t == 61);
        CHECK_OK(bl_balancer_begin(b, t));
        if (changed) {
            CHECK(bl_balancer_copies(b, 0, false, copies));
            /* lambda: alpha * (time of the save) / T = 11/102, 31/102, 51/102 = 0.5 */
            CHECK_EQ(copies[0], t == 61 ? 2 : 1);
            CHECK_EQ(copies[1], 1);
            CHECK_EQ(copies[2], 1);
        }
        if (t == 0) { /* brings the thresholds to their bounds: scores of class 0 high and many, of
                         class 1 low */
            CHECK_OK(bl_balancer_detections(b, t, 2, most, high, 6));
            CHECK_OK(bl_balancer_detections(b, t, 2, rare, low, 1));
            CHECK_OK(bl_balancer_begin(b, t));
            CHECK_NEAR(bl_balancer_threshold(b, 0), 0.9, 1e-12);
            CHECK_NEAR(bl_balancer_threshold(b, 1), 0.5, 1e-12);
            /* during the warm-up nothing goes into the pool */
        }
        if (t == 6) {
            CHECK_OK(bl_balancer_detections(b, t, 0, (const int32_t[]){0, 1},
                                            (const float[]){.95f, .85f}, 2));
            CHECK_OK(
                bl_balancer_detections(b, t, 1, (const int32_t[]){1}, (const float[]){.55f}, 1));
            CHECK_OK(bl_balancer_detections(b, t, 2, NULL, NULL, 0));
        }
    }
    char path[] = "/tmp/ballast_balancer_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    bl_metrics *m;
    CHECK_OK(bl_metrics_open(path, -1, -1, &m));
    CHECK_OK(bl_balancer_report(b, m));
    CHECK_OK(bl_balancer_report(b, m)); /* once a rebuild */
    bl_metrics_close(m);
    char *text;
    size_t size;
    CHECK_OK(bl_read_file(path, 4096, &text, &size));
    CHECK_STR(
        text,
        "{\"iter\": 61, \"kind\": \"pool\", \"images\": 2, \"copies\": 4, \"copies_max\": 2}\n");
    free(text);
    close(fd);
    unlink(path);
    bl_balancer_destroy(b);

    /* An empty pool is no reason to rebuild, nor is a balancer without CrS. */
    b = make(&c, 102, d, u);
    for (int64_t t = 0; t < 62; t++) {
        CHECK_OK(bl_balancer_resample(b, t, &changed));
        CHECK(!changed);
        CHECK_OK(bl_balancer_begin(b, t));
    }
    bl_balancer_destroy(b);
    bl_dataset_free(d);
    bl_dataset_free(u);
}

/* ---- state ---- */

static const char *const everything[] = {"focal=1",
                                         "rfs=0.1",
                                         "gbr.enabled=true",
                                         "gbr.warmup=3",
                                         "gbr.accumulate=0.9",
                                         "gbt.mode=code",
                                         "gbt.warmup=2",
                                         "gbt.lower=0.1",
                                         "gbt.prior_cap=30",
                                         "gbt.cap_window=20",
                                         "crs.enabled=true",
                                         "crs.alpha=1",
                                         "crs.warmup=2",
                                         "crs.save_every=3",
                                         "crs.rebuild_every=7",
                                         NULL};

/* One iteration of everything, driven by (seed, t); *trace receives what it answered. */
static int drive(bl_balancer *b, int64_t t, double *trace) {
    enum { N = 12, IMAGES = 3 };
    bl_rng r = bl_rng_make(23, (uint64_t)t);
    float z[N * K], v[N], u[N], score[5];
    int32_t y[N], label[5], copies[IMAGES], n = 0;
    bool changed;
    CHECK_OK(bl_balancer_resample(b, t, &changed));
    CHECK_OK(bl_balancer_begin(b, t));
    trace[n++] = changed;
    if (changed && bl_balancer_copies(b, 0, false, copies))
        for (int i = 0; i < IMAGES; i++) trace[n++] = copies[i];
    for (int branch = 0; branch < 2; branch++) {
        random_rows(&r, N, z, y, v);
        weigh(b, (bl_branch)branch, y, v, N, u);
        observe(b, (bl_branch)branch, t, z, y, v, N);
        for (int i = 0; i < N; i++) trace[n++] = u[i];
    }
    for (int i = 0; i < 5; i++) {
        label[i] = bl_rng_uniform(&r) < 0.2f;
        score[i] = bl_rng_range(&r, 0.3f, 1);
    }
    CHECK_OK(bl_balancer_detections(b, t, (int32_t)bl_rng_below(&r, IMAGES), label, score, 5));
    CHECK_OK(bl_balancer_step(b, 0.05));
    trace[n++] = bl_balancer_threshold(b, 0);
    trace[n++] = bl_balancer_threshold(b, 1);
    bl_balancer_weights(b, trace + n);
    return n + K;
}

static bl_status save(bl_balancer *b, bl_state_array *v, int cap, int *n) {
    bl_state_io io = {.arena = arena, .v = v, .cap = cap};
    bl_status status = bl_plugins_state(&b->w.plugins, &io);
    *n = io.n;
    return status;
}

static bl_status load(bl_balancer *b, bl_state_array *v, int n) {
    return bl_plugins_state(&b->w.plugins, &(bl_state_io){.loading = true, .v = v, .n = n});
}

static void check_same_state(const bl_state_array *a, int n, const bl_state_array *b, int m) {
    CHECK_EQ(n, m);
    for (int i = 0; i < n; i++) {
        CHECK_STR(a[i].name, b[i].name);
        CHECK_EQ(a[i].n, b[i].n);
        CHECK(memcmp(a[i].v, b[i].v, sizeof(double) * (size_t)a[i].n) == 0);
    }
}

static void test_state(void) {
    bl_dataset *d = make_dataset(2, 100, forty_and_three), *u = make_dataset(2, 3, none);
    bl_method_config c = method_config(arena, everything);
    bool any_rebuild = false, any_copy = false;
    for (int64_t stop = 1; stop < 40; stop += 3) {
        bl_balancer *whole = make(&c, 40, d, u), *part = make(&c, 40, d, u),
                    *resumed = make(&c, 40, d, u);
        double ta[64], tb[64];
        for (int64_t t = 0; t < stop; t++) {
            drive(whole, t, ta);
            drive(part, t, tb);
        }
        bl_state_array saved[16], again[16];
        int n = 0, m = 0;
        CHECK_OK(save(part, saved, 16, &n));
        bl_balancer_destroy(part);
        CHECK_OK(load(resumed, saved, n));
        CHECK_OK(save(resumed, again, 16, &m));
        check_same_state(saved, n, again, m);
        int32_t ca[3], cb[3];
        bool has = bl_balancer_copies(whole, 0, false, ca);
        CHECK_EQ(has, bl_balancer_copies(resumed, 0, false, cb));
        if (has) CHECK(memcmp(ca, cb, sizeof ca) == 0);
        for (int i = 0; has && i < 3; i++) any_copy |= cb[i] > 1;
        any_rebuild |= has;
        for (int64_t t = stop; t < 40; t++) {
            int na = drive(whole, t, ta), nb = drive(resumed, t, tb);
            CHECK_EQ(na, nb);
            CHECK(memcmp(ta, tb, sizeof(double) * (size_t)na) == 0);
        }
        n = m = 0;
        CHECK_OK(save(whole, saved, 16, &n));
        CHECK_OK(save(resumed, again, 16, &m));
        check_same_state(saved, n, again, m);
        bl_balancer_destroy(whole);
        bl_balancer_destroy(resumed);
    }
    CHECK(any_rebuild && any_copy);

    /* What is missing, of another size or damaged is refused by name. */
    bl_balancer *b = make(&c, 40, d, u);
    double trace[64];
    for (int64_t t = 0; t < 30; t++) drive(b, t, trace);
    bl_state_array saved[16], bad[16];
    int n = 0;
    CHECK_OK(save(b, saved, 16, &n));
    for (int i = 0; i < n; i++) {
        char name[80];
        snprintf(name, sizeof name, "state.%s", saved[i].name);
        memcpy(bad, saved, sizeof saved);
        bad[i].name = "something_else";
        CHECK_FAILS(load(b, bad, n), BL_EFORMAT, name);
        memcpy(bad, saved, sizeof saved);
        bad[i].n--;
        bl_status status = load(b, bad, n);
        CHECK_EQ(status, BL_EFORMAT);
        if (strcmp(saved[i].name, "crs_copies") == 0) {
            double wild[8];
            CHECK(saved[i].n <= 8);
            for (int k = 0; k < 3; k++) {
                static const double values[] = {-1, 1e9, NAN};
                memcpy(wild, saved[i].v, sizeof(double) * (size_t)saved[i].n);
                wild[3] = values[k];
                memcpy(bad, saved, sizeof saved);
                bad[i].v = wild;
                CHECK_FAILS(load(b, bad, n), BL_EFORMAT, name);
            }
        }
    }
    int small = 0;
    CHECK_FAILS(save(b, bad, 2, &small), BL_EINVAL, "no room");
    bl_balancer_destroy(b);
    bl_dataset_free(d);
    bl_dataset_free(u);
}

int main(void) {
    arena = bl_arena_create(0);
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    test_solver();
    test_iterations();
    test_thresholds();
    test_resampling();
    test_state();
    bl_ctx_destroy(ctx);
    bl_arena_destroy(arena);
    return 0;
}
