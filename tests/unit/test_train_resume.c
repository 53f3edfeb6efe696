/* Stopped and resumed equals never stopped: every tensor and state array of the last checkpoint,
 * and every number of metrics.jsonl except times. And what resuming refuses. */
#include "tests/train_fixture.h"

static const char *data;
static char dirs[8][300];

static const char *in(int i, const char *name) {
    snprintf(dirs[i], sizeof dirs[i], "%s/%s", data, name);
    return dirs[i];
}

static bl_status train(const bl_run_config *c, const char *dir, bool resume, int64_t stop) {
    return bl_train(c, &(bl_train_options){.out_dir = dir, .resume = resume, .stop_after = stop});
}

static void check_same_runs(const char *a, const char *b, int64_t iter) {
    char *pa = bl_checkpoint_path(a, iter), *pb = bl_checkpoint_path(b, iter);
    check_same_checkpoint(pa, pb);
    check_same_metrics(a, b);
    free(pa);
    free(pb);
}

static const char *const supervised[] = {"method.name=supervised", "method.rfs=0.5",
                                         "method.rfs_warmup=5",    "method.gbr.enabled=true",
                                         "method.gbr.warmup=4",    NULL};
static const char *const direct[] = {"method.gbr.direct=true", "detector.norm=gn",
                                     "detector.gn_groups=4", "loader.binomial=true", NULL};

/* One uninterrupted run; one stopped after 13 iterations (within a log window) and resumed; one
 * stopped three times, also exactly at a log line and before the first. */
static void test_resume(const char *name, const char *const *method, const char *const *more) {
    bl_arena *arena = bl_arena_create(0);
    bl_run_config c = tiny_config(arena, data, method, more);
    char a[64], b[64], m[64];
    snprintf(a, sizeof a, "%s_whole", name);
    snprintf(b, sizeof b, "%s_two", name);
    snprintf(m, sizeof m, "%s_four", name);
    const char *whole = in(0, a), *two = in(1, b), *four = in(2, m);
    CHECK_OK(train(&c, whole, false, 0));

    CHECK_OK(train(&c, two, false, 13));
    CHECK_OK(train(&c, two, true, 0));
    check_same_runs(whole, two, 30);

    CHECK_OK(train(&c, four, false, 2));
    CHECK_OK(train(&c, four, true, 15));
    CHECK_OK(train(&c, four, true, 24));
    CHECK_OK(train(&c, four, true, 0));
    check_same_runs(whole, four, 30);
    bl_arena_destroy(arena);
}

/* The full method's test is worth something only if its machinery ran. */
static void check_full_method_worked(void) {
    char *text = read_text(in(0, "full_whole"), "metrics.jsonl");
    CHECK_EQ(count_of(text, "\"pool\""), 2);
    CHECK(count_of(text, "\"class\"") >= 5);
    CHECK(strstr(text, "{\"iter\": 12, \"kind\": \"pool\""));
    CHECK(strstr(text, "{\"iter\": 23, \"kind\": \"pool\""));
    double pseudo = 0;
    for (const char *at = text; (at = strstr(at, "\"pseudo_per_image\":")); at++)
        pseudo = fmax(pseudo, atof(at + 19));
    CHECK(pseudo > 0);
    free(text);
}

/* The worker count is about speed only; so is the number of threads as far as data goes. */
static void test_workers(void) {
    bl_arena *arena = bl_arena_create(0);
    const char *const none[] = {"loader.workers=0", NULL};
    bl_run_config c = tiny_config(arena, data, full_method, none);
    const char *dir = in(3, "full_workers0");
    CHECK_OK(train(&c, dir, false, 13));
    CHECK_OK(train(&c, dir, true, 0));
    check_same_runs(in(0, "full_whole"), dir, 30);
    bl_arena_destroy(arena);
}

static void test_threads(void) {
    bl_arena *arena = bl_arena_create(0);
    const char *const one[] = {"run.threads=1",    "run.iterations=3", "run.log_every=1",
                               "run.eval_every=0", "data.test=",       NULL};
    const char *const two[] = {"run.threads=2",    "run.iterations=3", "run.log_every=1",
                               "run.eval_every=0", "data.test=",       NULL};
    bl_run_config c1 = tiny_config(arena, data, full_method, one),
                  c2 = tiny_config(arena, data, full_method, two);
    const char *d1 = in(4, "threads1"), *d2 = in(5, "threads2");
    CHECK_OK(train(&c1, d1, false, 0));
    CHECK_OK(train(&c2, d2, false, 0));
    char *a = read_text(d1, "metrics.jsonl"), *b = read_text(d2, "metrics.jsonl");
    const char *pa = a, *pb = b;
    int n = 0;
    for (; (pa = strstr(pa, "\"loss\":")) && (pb = strstr(pb, "\"loss\":")); pa++, pb++, n++) {
        double la = atof(pa + 7), lb = atof(pb + 7);
        printf("threads 1 and 2, iteration %d: loss %.7f and %.7f\n", n + 1, la, lb);
        CHECK_NEAR(la, lb,
                   1e-4 * fabs(la)); /* equal data and samples; sums in another order at most */
    }
    CHECK_EQ(n, 3);
    free(a);
    free(b);
    bl_arena_destroy(arena);
}

static void test_refusals(void) {
    bl_arena *arena = bl_arena_create(0);
    const char *const other[] = {"optim.lr=0.03", NULL};
    bl_run_config same = tiny_config(arena, data, supervised, NULL);
    bl_run_config changed = tiny_config(arena, data, supervised, other);
    const char *run = in(0, "sup_whole");

    CHECK_FAILS(train(&changed, run, true, 0), BL_ECONFIG, "config.json:");
    CHECK(strstr(bl_error(), "0.02"));
    CHECK(strstr(bl_error(), "0.03"));

    CHECK_FAILS(train(&same, run, false, 0), BL_EINVAL, "--resume");
    CHECK(strstr(bl_error(), run));

    const char *empty = in(6, "nothing_here");
    CHECK_FAILS(train(&same, empty, true, 0), BL_EIO, empty);
    CHECK(!bl_exists(empty));

    /* Resuming a finished run adds nothing. */
    CHECK_OK(train(&same, run, true, 0));
    check_same_metrics(run, in(1, "sup_two"));

    /* A folder whose checkpoint is gone, damaged, or of another kind. */
    const char *copy = in(7, "damaged");
    CHECK_OK(train(&same, copy, false, 2));
    char *last = bl_checkpoint_path(copy, 2), *text;
    size_t size;
    CHECK_OK(bl_read_file(last, 1 << 26, &text, &size));
    CHECK_OK(bl_write_file(last, text, size / 2));
    CHECK(train(&same, copy, true, 0) != BL_OK);
    CHECK(strstr(bl_error(), last));
    CHECK(unlink(last) == 0);
    CHECK(train(&same, copy, true, 0) != BL_OK);
    CHECK(strstr(bl_error(), last));
    char *pointer = bl_path_join(copy, "last_checkpoint");
    CHECK(unlink(pointer) == 0);
    /* Nothing was saved and nothing evaluated: as if stopped before the first checkpoint. */
    CHECK_OK(train(&same, copy, true, 2));
    char *results = bl_path_join(copy, "eval");
    CHECK_OK(bl_mkdirs(results));
    CHECK(unlink(last) == 0 && unlink(pointer) == 0);
    CHECK_FAILS(train(&same, copy, true, 0), BL_EIO, "results of a run");
    free(results);
    free(text);
    free(last);
    free(pointer);
    bl_arena_destroy(arena);
}

/* Overwriting leaves nothing of the old run that could be resumed or that pruning would prefer. */
static void test_overwrite(void) {
    bl_arena *arena = bl_arena_create(0);
    const char *const few[] = {"run.checkpoint_every=2", "run.iterations=8",
                               "run.keep_checkpoints=1", "data.test=", NULL};
    bl_run_config c = tiny_config(arena, data, supervised, few);
    const char *dir = in(6, "overwritten");
    CHECK_OK(train(&c, dir, false, 0));
    CHECK_OK(bl_train(&c, &(bl_train_options){.out_dir = dir, .overwrite = true, .stop_after = 4}));
    char *old = bl_checkpoint_path(dir, 8), *new = bl_checkpoint_path(dir, 4);
    CHECK(!bl_exists(old));
    CHECK(bl_exists(new));
    CHECK_OK(train(&c, dir, true, 0));
    CHECK(bl_exists(old));
    free(old);
    free(new);
    bl_arena_destroy(arena);
}

/* A set flag (a signal) stops after the iteration in progress, with a checkpoint that continues
 * exactly. */
static void test_cancel(void) {
    bl_arena *arena = bl_arena_create(0);
    bl_run_config c = tiny_config(arena, data, full_method, NULL);
    const char *dir = in(6, "cancelled");
    volatile int flag = 1;
    CHECK_FAILS(bl_train(&c, &(bl_train_options){.out_dir = dir, .cancel = &flag}), BL_ECANCELLED,
                "--resume");
    char *path = bl_checkpoint_path(dir, 1);
    CHECK(bl_exists(path));
    flag = 0;
    CHECK_OK(bl_train(&c, &(bl_train_options){.out_dir = dir, .resume = true, .cancel = &flag}));
    check_same_runs(in(0, "full_whole"), dir, 30);
    free(path);
    bl_arena_destroy(arena);
}

int main(void) {
    bl_log_set_level(BL_LOG_ERROR);
    data = scratch_folder();
    make_data(data);
    test_resume("sup", supervised, NULL);
    test_resume("full", full_method, NULL);
    check_full_method_worked();
    test_workers();
    test_cancel();
    test_resume("direct", full_method, direct);
    test_threads();
    test_refusals();
    test_overwrite();
    remove_tree(data);
    return 0;
}
