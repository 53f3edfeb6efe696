/* FixMatch and its companions against PyTorch (scripts/golden/cissl_torch.py): several consecutive
 * steps on given features and logits; losses, gradients and the state left behind. Every case runs
 * twice: straight through, and with plug-ins destroyed and restored from their saved state
 * half-way, which must not change one bit. */
#include "balance/image_bank.h"
#include "balance/memory_bank.h"
#include "core/safetensors.h"
#include "ssl/classification/fixmatch.h"
#include "ssl/classification/flexmatch.h"
#include "ssl/classification/method.h"
#include "ssl/classification/softmatch.h"
#include "tests/check.h"

enum { K = 5, DIM = 6, PROJ = 3, N_L = 12, N_U = 20, B_L = 6, B_U = 6, STEPS = 8, TOTAL = 16 };
enum { MAX_STATES = 16, MAX_ROWS = B_L + 3 * B_U };

typedef struct world {
    bl_ctx *ctx;
    bl_st_file *file;
    bl_arena *arena;
    const char *name; /* of the case */
    int views, b_l;   /* strong views, labelled rows */
    bl_classify_method_config cfg;
    bl_classify_needs needs;
    bl_classify_world w;
    double digest; /* of all losses and gradients of a run */
    bl_state_array state[MAX_STATES];
    bl_state_io io;
} world;

/* ---- the golden file ---- */

static const bl_st_tensor *look(const world *t, int step, const char *what) {
    char full[96];
    snprintf(full, sizeof full, "%s.%d.%s", t->name, step, what);
    return bl_st_find(t->file, full);
}

static void *need(world *t, int step, const char *what, bl_st_dtype dtype, int64_t count) {
    const bl_st_tensor *s = look(t, step, what);
    if (!s || s->dtype != dtype) {
        fprintf(stderr, "%s: step %d: %s is missing or of another type\n", t->name, step, what);
        exit(1);
    }
    CHECK_EQ((int64_t)s->bytes, count * (dtype == BL_ST_F64 ? 8 : 4));
    void *copy = bl_arena_alloc(t->arena, s->bytes);
    CHECK(copy != NULL);
    return memcpy(copy, s->data, s->bytes);
}

/* ---- one step ---- */

/* Rows [first, first + n) of a golden matrix as a tensor with a gradient. */
static bl_tensor *leaf(world *t, const float *all, int first, int n, int cols) {
    bl_tensor *x;
    CHECK_OK(bl_tensor_from_host(t->ctx, all + (size_t)first * cols, n, cols, 1, 1, 1, &x));
    x->needs_grad = true;
    return x;
}

typedef struct source {
    const char *name; /* in the golden file */
    int head;         /* -1: features */
    int cols;
    const float *v;
} source;

/* Which inputs the case has, and which head each belongs to. */
static int list_sources(world *t, int step, source out[4]) {
    const char *const heads[] = {"f", "abc", "balanced", "projection"};
    const char *const names[] = {"f", "g", "g", "h"};
    int n = 0, rows = t->b_l + B_U * (1 + t->views);
    for (int i = 0; i < 4; i++) {
        int head = bl_classifier_find(t->w.model[0], heads[i]);
        if (head < 0) continue;
        int cols = i == 3 ? PROJ : K;
        out[n++] = (source){names[i], head, cols, need(t, step, names[i], BL_ST_F32, rows * cols)};
    }
    if (look(t, step, "z")) {
        out[n++] = (source){"z", -1, DIM, need(t, step, "z", BL_ST_F32, rows * DIM)};
    }
    return n;
}

static void fill_branch(world *t, bl_classify_branch *b, int first, int n, const source *in,
                        int n_in) {
    static const float zeros[MAX_ROWS * DIM];
    b->n = n;
    for (int i = 0; i < n_in; i++) {
        bl_tensor *x = leaf(t, in[i].v, first, n, in[i].cols);
        if (in[i].head < 0) {
            b->z = x;
        } else {
            b->logits[in[i].head] = x;
        }
    }
    if (!b->z) b->z = leaf(t, zeros, 0, n, DIM); /* features nothing in this case asks for */
}

static void note(world *t, double v) {
    t->digest = t->digest * 0.999 + v;
}

/* The sum of a loss over the views, weights included, against the script's. */
static void check_losses(world *t, int step, const bl_step_losses *out) {
    static const char *const names[] = {"sup",       "unsup",    "abc_sup",      "abc_unsup",
                                        "align",     "contrast", "balanced_sup", "balanced_unsup",
                                        "embedding", "fairness"};
    const char *const ours[] = {"sup",        "unsup",    "abc_sup",      "abc_unsup",
                                "daso_align", "contrast", "balanced_sup", "balanced_unsup",
                                "embedding",  "fairness"};
    int seen = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char what[64], second[64];
        double got = 0;
        int found = 0;
        snprintf(second, sizeof second, "%s2", ours[i]);
        for (int j = 0; j < out->n; j++) {
            const bl_loss *l = &out->loss[j];
            if (strcmp(l->name, ours[i]) != 0 && strcmp(l->name, second) != 0) continue;
            float v;
            CHECK_OK(bl_scalar(t->ctx, l->value, &v));
            got += (double)v * (double)l->weight;
            found++;
        }
        snprintf(what, sizeof what, "loss.%s", names[i]);
        seen += found;
        note(t, got);
        if (!look(t, step, what)) {
            CHECK_EQ(found, 0);
            continue;
        }
        CHECK(found > 0);
        const double *want = need(t, step, what, BL_ST_F64, 1);
        if (!(fabs(got - *want) <= 2e-6 * (1 + fabs(*want)))) {
            fprintf(stderr, "%s: step %d: %s is %.9g, expected %.9g\n", t->name, step, names[i],
                    got, *want);
            exit(1);
        }
    }
    CHECK_EQ(seen, out->n); /* no loss the script does not know */
}

static void check_gradient(world *t, int step, const source *in, bl_classify_step *s) {
    char what[16];
    bl_classify_branch *branch[] = {&s->x, &s->weak, &s->strong[0], &s->strong[1]};
    int first = 0, rows = t->b_l + B_U * (1 + t->views);
    snprintf(what, sizeof what, "d%s", in->name);
    const float *want =
        look(t, step, what) ? need(t, step, what, BL_ST_F32, rows * in->cols) : NULL;
    for (int b = 0; b < 2 + t->views; b++) {
        bl_tensor *x = in->head < 0 ? branch[b]->z : branch[b]->logits[in->head];
        float got[MAX_ROWS * DIM] = {0};
        if (x->grad) CHECK_OK(bl_tensor_to_host(t->ctx, x->grad, got));
        for (int64_t e = 0; e < x->n * x->c; e++) {
            double w = want ? (double)want[first * in->cols + e] : 0;
            note(t, (double)got[e]);
            if (!(fabs((double)got[e] - w) <= 2e-6 * (1 + 5 * fabs(w)))) {
                fprintf(stderr, "%s: step %d: %s[%d][%lld] is %.9g, expected %.9g\n", t->name, step,
                        what, b, (long long)e, (double)got[e], w);
                exit(1);
            }
        }
        first += branch[b]->n;
    }
}

static void save(world *t) {
    t->io = (bl_state_io){.arena = t->arena, .v = t->state, .cap = MAX_STATES};
    CHECK_OK(bl_plugins_state(&t->w.plugins, &t->io));
}

static const double *saved(world *t, const char *name, int64_t *n) {
    const double *v;
    CHECK_OK(bl_state_find(&t->io, name, &v, n));
    return v;
}

static void check_numbers(world *t, int step, const char *what, const double *got, int64_t n) {
    char full[64];
    snprintf(full, sizeof full, "state.%s", what);
    const double *want = need(t, step, full, BL_ST_F64, n);
    for (int64_t i = 0; i < n; i++) {
        if (!(fabs(got[i] - want[i]) <= 1e-6)) {
            fprintf(stderr, "%s: step %d: state %s[%lld] is %.9g, expected %.9g\n", t->name, step,
                    what, (long long)i, got[i], want[i]);
            exit(1);
        }
    }
}

static void check_floats(world *t, int step, const char *what, const float *got, int64_t n) {
    double v[K * DIM];
    for (int64_t i = 0; i < n; i++) v[i] = (double)got[i];
    check_numbers(t, step, what, v, n);
}

/* State that is saved as it stands. */
static bool check_plain_state(world *t, int step) {
    static const struct {
        const char *theirs, *ours;
    } names[] = {{"beta", "flexmatch.beta"},
                 {"means", "freematch.means"},
                 {"moments", "softmatch.moments"},
                 {"refined", "darp.refined"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char what[32];
        int64_t n;
        snprintf(what, sizeof what, "state.%s", names[i].theirs);
        if (!look(t, step, what)) continue;
        const double *v = saved(t, names[i].ours, &n);
        check_numbers(t, step, names[i].theirs, v, n);
        return true;
    }
    return false;
}

/* What the plug-ins saved, read back through the modules of balance/. */
static void check_state(world *t, int step) {
    int64_t n;
    float prototypes[K * DIM];
    uint8_t present[K];
    save(t);
    if (look(t, step, "state.centres")) {
        bl_image_bank *bank;
        const double *v = saved(t, "bacon.bank", &n);
        CHECK_OK(bl_image_bank_create(N_L + N_U, K, PROJ, &bank));
        CHECK_OK(bl_image_bank_unpack(bank, v, n));
        bl_image_bank_centres(bank, prototypes, present);
        check_floats(t, step, "centres", prototypes, K * PROJ);
        double counts[K];
        for (int k = 0; k < K; k++) counts[k] = (double)bl_image_bank_counts(bank)[k];
        check_numbers(t, step, "counts", counts, K);
        bl_image_bank_destroy(bank);
        return;
    }
    if (check_plain_state(t, step)) return;
    bool semi = look(t, step, "state.confidence") != NULL;
    if (!look(t, step, "state.prototypes")) return;
    bl_memory_bank *bank;
    bl_bank_config c = {K, semi ? 2 : 3, DIM, semi ? BL_BANK_CONFIDENCE : BL_BANK_FIFO, false};
    const double *v = saved(t, semi ? "semi.bank" : "daso.queue", &n);
    CHECK_OK(bl_bank_create(&c, &bank));
    CHECK_OK(bl_bank_unpack(bank, v, n));
    bl_bank_prototypes(bank, prototypes, present);
    check_floats(t, step, "prototypes", prototypes, K * DIM);
    const double *counts = saved(t, semi ? "semi.counts" : "daso.counts", &n);
    if (!semi) {
        check_numbers(t, step, "counts", counts + K, K); /* the published ones */
    } else {
        double confidence[K * 2] = {0};
        for (int k = 0; k < K; k++) {
            double *to = confidence + 2 * k;
            for (int j = 0; j < bl_bank_filled(bank, k); j++)
                to[j] = bl_bank_confidence(bank, k, j);
            if (bl_bank_filled(bank, k) == 2 && to[0] > to[1]) {
                double swap = to[0];
                to[0] = to[1];
                to[1] = swap;
            }
        }
        check_numbers(t, step, "confidence", confidence, K * 2);
        check_numbers(t, step, "counts", counts, K);
        check_numbers(t, step, "centre", saved(t, "semi.centre", &n), DIM);
    }
    bl_bank_destroy(bank);
}

static void hooks_before(world *t, bl_classify_step *s) {
    for (int i = 0; i < t->w.plugins.n; i++) {
        bl_plugin *p = t->w.plugins.v[i];
        if (bl_classify_type(p)->adjust) CHECK_OK(bl_classify_type(p)->adjust(p, s));
    }
}

/* The unlabelled counts as the script has them estimated by a step; the second estimate comes after
 * the first was used and after a restart, and must change nothing. */
static void set_estimate(world *t, int step) {
    static const double none[K], first[K] = {8, 6, 8, 9, 9}, later[K] = {30, 4, 3, 2, 1};
    if (t->w.estimate) t->w.estimate = step < 3 ? none : step < 4 ? first : later;
}

static void run_step(world *t, int step) {
    int rows = t->b_l + B_U * (1 + t->views);
    CHECK(rows <= MAX_ROWS);
    set_estimate(t, step);
    source in[5];
    int n_in = list_sources(t, step, in);
    bl_classify_part labelled = {.n = t->b_l,
                                 .label = need(t, step, "y", BL_ST_I32, t->b_l),
                                 .item = need(t, step, "labelled_index", BL_ST_I32, t->b_l)};
    bl_classify_part unlabelled = {.n = B_U,
                                   .item = need(t, step, "unlabelled_index", BL_ST_I32, B_U)};
    bl_step_losses out = {0};
    float ones[B_L], bias[3 * K] = {0};
    for (int i = 0; i < t->b_l; i++) ones[i] = 1;
    bl_step_begin(t->ctx, true);
    bl_classify_step s = {.world = &t->w,
                          .ctx = t->ctx,
                          .labelled = &labelled,
                          .unlabelled = &unlabelled,
                          .t = step,
                          .epoch = step / t->w.epoch,
                          .in_epoch = step % t->w.epoch,
                          .n_strong = t->views,
                          .label_weight = ones,
                          .bias = {bias, bias + K, bias + 2 * K},
                          .out = &out};
    if (look(t, step, "ema_z")) s.teacher_z = need(t, step, "ema_z", BL_ST_F32, t->b_l * DIM);
    fill_branch(t, &s.x, 0, t->b_l, in, n_in);
    fill_branch(t, &s.weak, t->b_l, B_U, in, n_in);
    for (int v = 0; v < t->views; v++) {
        fill_branch(t, &s.strong[v], t->b_l + B_U * (1 + v), B_U, in, n_in);
    }
    hooks_before(t, &s);
    CHECK_OK(bl_fixmatch_teach(bl_classify_settings(&t->cfg, "fixmatch"), &s));
    for (int i = 0; i < t->w.plugins.n; i++) {
        bl_plugin *p = t->w.plugins.v[i];
        if (bl_classify_type(p)->losses) CHECK_OK(bl_classify_type(p)->losses(p, &s));
    }
    check_losses(t, step, &out);
    bl_tensor *roots[BL_MAX_LOSSES];
    float seeds[BL_MAX_LOSSES];
    for (int i = 0; i < out.n; i++) {
        roots[i] = out.loss[i].value;
        seeds[i] = out.loss[i].weight;
    }
    CHECK_OK(bl_backward(t->ctx, roots, seeds, out.n));
    for (int i = 0; i < n_in; i++) check_gradient(t, step, &in[i], &s);
    bl_step_end(t->ctx);
    CHECK_OK(bl_plugins_after_step(&t->w.plugins, t->ctx, step));
    check_state(t, step);
}

/* ---- cases ---- */

static void make_plugins(world *t) {
    CHECK_OK(bl_classify_plugins_create(&t->cfg, &t->w));
}

static void destroy_plugins(world *t) {
    bl_plugins_destroy(&t->w.plugins);
}

/* The constants of the script. */
static const char *const script_settings[] = {"epoch=2",
                                              "fixmatch.tau=0.6",
                                              "abc.tau=0.6",
                                              "da.window=3",
                                              "daso.queue=3",
                                              "daso.window=2",
                                              "daso.pretrain=3",
                                              "daso.proto_temperature=0.4",
                                              "semi.tau=0.5",
                                              "semi.slots=2",
                                              "semi.proto_temperature=0.2",
                                              "semi.decay=0.7",
                                              "semi.warmup=0",
                                              "semi.decay_every=2",
                                              "semi.embedding_temperature=0.5",
                                              "bacon.start=0.125",
                                              "bacon.label=0.6",
                                              "bacon.eta=0.5",
                                              "bacon.projection=3",
                                              "bacon.reliable=0.5",
                                              "softmatch.decay=0.7",
                                              "freematch.decay=0.8",
                                              "freematch.fairness=0.3",
                                              "darp.start=0.1875",
                                              "darp.every=2",
                                              "darp.tolerance=1e-13"};
enum { SETTINGS = sizeof script_settings / sizeof *script_settings, MAX_CHANGES = 2 };
_Static_assert(TOTAL == 16 && PROJ == 3, "bacon.start is 2 / TOTAL, darp.start 3 / TOTAL");

/* A share of more than 1, which the table refuses; the script takes it to see the blending early.
 */
static void set_kappa(const bl_classify_method_config *cfg, double kappa) {
    for (int i = 0; i < bl_classify_registry()->n; i++) {
        const bl_plugin_type *type = bl_classify_registry()->type[i];
        if (strcmp(type->name, "semi") != 0) continue;
        for (const bl_field *f = type->section->fields; f->key; f++)
            if (strcmp(f->key, "kappa") == 0)
                memcpy((char *)cfg->plugin.section[i] + f->offset, &kappa, sizeof kappa);
    }
}

static int number_of(const bl_st_file *file, const char *name, const char *what) {
    char full[64];
    snprintf(full, sizeof full, "%s.%s", name, what);
    const bl_st_tensor *t = bl_st_find(file, full);
    CHECK(t != NULL);
    int32_t n;
    memcpy(&n, t->data, sizeof n);
    return n;
}

static void run(bl_ctx *ctx, bl_st_file *file, const char *name, const char *plugins,
                const char *const *change) {
    static const int64_t counts[K] = {40, 20, 10, 4, 2};
    char set_plugins[128];
    bl_arena *config_arena = bl_arena_create(0);
    world t = {.ctx = ctx, .file = file, .arena = bl_arena_create(0), .name = name};
    CHECK(config_arena && t.arena);
    snprintf(set_plugins, sizeof set_plugins, "plugins=%s", plugins);
    const char *over[2 + SETTINGS + MAX_CHANGES] = {"name=\"fixmatch\"", set_plugins};
    int n = 2;
    for (int i = 0; i < SETTINGS; i++) over[n++] = script_settings[i];
    for (; change && *change; change++) over[n++] = *change;
    CHECK_OK(bl_config_load(&bl_classify_method_schema, NULL, over, n, config_arena, &t.cfg));
    set_kappa(&t.cfg, 3);
    t.views = number_of(file, name, "views");
    t.b_l = number_of(file, name, "labelled");
    CHECK(t.b_l <= B_L);

    bl_classifier_config model;
    bl_store *store;
    CHECK_OK(bl_config_load(&bl_classifier_schema, NULL, NULL, 0, config_arena, &model));
    CHECK_OK(bl_classify_method_needs(&t.cfg, K, &t.needs));
    CHECK_OK(bl_store_create(&store));
    CHECK_OK(bl_classifier_create(&model, t.needs.head, t.needs.n_heads, store, &t.w.model[0]));
    double prior[K], bias[K] = {0}, sum = 0;
    int64_t own_counts[K];
    for (int k = 0; k < K; k++) sum += (double)counts[k];
    for (int k = 0; k < K; k++) {
        prior[k] = (double)counts[k] / sum;
        own_counts[k] = counts[k];
    }
    t.w.method = &t.cfg;
    t.w.classes = K;
    t.w.dim = DIM;
    t.w.counts = own_counts;
    t.w.prior = prior;
    t.w.labelled.n = N_L;
    t.w.unlabelled.n = N_U;
    t.w.seed = 77;
    t.w.iterations = TOTAL;
    t.w.batch_labelled = t.b_l;
    t.w.batch_unlabelled = B_U;
    t.w.epoch = t.cfg.epoch;
    t.w.predict_bias = bias;

    double digest[2];
    for (int again = 0; again < 2; again++) {
        make_plugins(&t);
        t.digest = 0;
        for (int step = 0; step < STEPS; step++) {
            if (again && step == STEPS / 2) { /* a new process */
                save(&t);
                destroy_plugins(&t);
                make_plugins(&t);
                t.io.loading = true;
                CHECK_OK(bl_plugins_state(&t.w.plugins, &t.io));
            }
            run_step(&t, step);
        }
        digest[again] = t.digest;
        destroy_plugins(&t);
    }
    CHECK(memcmp(&digest[0], &digest[1], sizeof digest[0]) == 0);
    bl_classifier_destroy(t.w.model[0]);
    bl_store_destroy(store);
    bl_arena_destroy(t.arena);
    bl_arena_destroy(config_arena);
}

static const char *const sure[] = {"fixmatch.tau=0.95", "abc.tau=0.95", NULL};
static const char *const hard_labels[] = {"abc.hard=true", NULL};
static const char *const sharp_dist[] = {"daso.dist_temperature=0.3", NULL};
static const char *const of_classes[] = {"flexmatch.warmup=false", NULL};
static const char *const clipped_quantile[] = {"freematch.quantile=0.8", "freematch.clip=0.5",
                                               NULL};
static const char *const authors_code[] = {"semi.authors_code=true", NULL};
static const char *const estimated[] = {"darp.start=0.125", "darp.estimate=true", NULL};

static void test_formulas(void) {
    CHECK_NEAR(bl_flexmatch_threshold(0.95, 0.5), 0.316667, 1e-6);
    CHECK_NEAR(bl_softmatch_weight(0.7, 0.8, 0.01, 2), 0.13534, 1e-5);
    CHECK(bl_softmatch_weight(0.9, 0.8, 0.01, 2) == 1);
}

int main(void) {
    test_formulas();
    bl_ctx *ctx;
    bl_st_file *file;
    CHECK_OK(bl_ctx_create(NULL, &ctx));
    CHECK_OK(bl_st_open(BALLAST_SOURCE_DIR "/tests/golden/cissl_torch.safetensors", &file));
    run(ctx, file, "fixmatch", "[]", NULL);
    run(ctx, file, "fixmatch_two_la", "[\"la\"]", NULL);
    run(ctx, file, "fixmatch_align", "[\"da\"]", NULL);
    run(ctx, file, "abc", "[\"abc\"]", NULL);
    run(ctx, file, "abc_authors", "[\"abc\"]", sure);
    run(ctx, file, "abc_hard", "[\"abc\"]", hard_labels);
    run(ctx, file, "daso", "[\"daso\"]", NULL);
    run(ctx, file, "daso_la", "[\"la\", \"daso\"]", sharp_dist);
    run(ctx, file, "daso_abc", "[\"abc\", \"daso\"]", NULL);
    run(ctx, file, "semi", "[\"semi\"]", NULL);
    run(ctx, file, "semi_authors", "[\"semi\"]", authors_code);
    run(ctx, file, "bacon", "[\"abc\", \"bacon\"]", hard_labels);
    run(ctx, file, "flexmatch", "[\"flexmatch\"]", NULL);
    run(ctx, file, "flexmatch_classes", "[\"flexmatch\"]", of_classes);
    run(ctx, file, "freematch", "[\"freematch\"]", NULL);
    run(ctx, file, "freematch_quantile", "[\"freematch\"]", clipped_quantile);
    run(ctx, file, "softmatch", "[\"softmatch\"]", NULL);
    run(ctx, file, "darp", "[\"darp\"]", NULL);
    run(ctx, file, "darp_estimate", "[\"counts\", \"darp\"]", estimated);
    bl_st_close(file);
    bl_ctx_destroy(ctx);
    return 0;
}
