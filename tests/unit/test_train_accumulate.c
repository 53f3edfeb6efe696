/* run.accumulate: several batches make one step. With a first iteration of learning rate 0, a run of
 * single batches shows each batch's gradient at the same weights. */
#include "tests/train_fixture.h"

static const char *data;

static void train(const char *name, const char *const *method, const char *const *more,
                  int64_t stop_after) {
    bl_arena *arena = bl_arena_create(0);
    char dir[300];
    snprintf(dir, sizeof dir, "%s/%s", data, name);
    bl_run_config c = tiny_config(arena, data, method, more);
    bool there = bl_is_dir(dir);
    CHECK_OK(bl_train(
        &c, &(bl_train_options){.out_dir = dir, .stop_after = stop_after, .resume = there}));
    bl_arena_destroy(arena);
}

static bl_st_file *checkpoint(const char *name, int iteration) {
    char path[400];
    bl_st_file *f;
    snprintf(path, sizeof path, "%s/%s/ckpt/iter_%08d.safetensors", data, name, iteration);
    CHECK_OK(bl_st_open(path, &f));
    return f;
}

#define COMMON                                                                                     \
    "run.eval_every=0", "run.log_every=1", "detector.norm=frozen_bn", "detector.head_norm=none",   \
        "optim.clip_norm=0", "optim.momentum=0", "schedule.steps=[]", "schedule.kind=constant",    \
        "method.gbr.warmup=1000"

static const char *const supervised[] = {"method.name=supervised", "method.gbr.enabled=true", NULL};

/* w after one step of two batches = the mean of w after a step of the first alone and of w after a
 * step of the second alone. GbR's matrix takes their sum, once. */
static void test_mean(void) {
    static const char *const first[] = {COMMON, "run.iterations=1", "schedule.warmup=0", NULL};
    static const char *const second[] = {COMMON, "run.iterations=2", "schedule.warmup=1",
                                         "schedule.warmup_ratio=0", NULL};
    static const char *const both[] = {COMMON, "run.iterations=1", "schedule.warmup=0",
                                       "run.accumulate=2", NULL};
    train("first", supervised, first, 0);
    train("second", supervised, second, 0);
    train("both", supervised, both, 0);
    bl_st_file *f[3] = {checkpoint("first", 1), checkpoint("second", 2), checkpoint("both", 1)};
    int weights = 0, matrices = 0;
    double differ = 0, error = 0;
    for (int i = 0; i < bl_st_count(f[2]); i++) {
        const bl_st_tensor *t = bl_st_at(f[2], i), *a = bl_st_find(f[0], t->name),
                           *b = bl_st_find(f[1], t->name);
        if (strstr(t->name, "gradient_matrix")) {
            const double *x = t->data, *y = b->data; /* (A_first + M_second) / 2 there */
            double size = 0, off = 0;
            for (size_t k = 0; k < t->bytes / 8; k++) {
                size = fmax(size, fabs(x[k]));
                off = fmax(off, fabs(x[k] - 2 * y[k]));
            }
            CHECK(size > 0.1 && off < 1e-5 * size);
            matrices++;
        }
        if (strncmp(t->name, "student.", 8) != 0 || t->dtype != BL_ST_F32) continue;
        CHECK(a && b && a->bytes == t->bytes && b->bytes == t->bytes);
        const float *x = t->data, *p = a->data, *q = b->data;
        for (size_t k = 0; k < t->bytes / 4; k++) {
            error = fmax(error, fabs(x[k] - 0.5 * ((double)p[k] + q[k])));
            differ = fmax(differ, fabs((double)p[k] - q[k]));
        }
        weights++;
    }
    printf("%d tensors: batches differ by up to %g, their mean is met to %g\n", weights, differ,
           error);
    CHECK(weights > 20 && matrices == 1);
    CHECK(differ > 1e-3 && error < 1e-3 * differ);
    for (int i = 0; i < 3; i++) bl_st_close(f[i]);
}

/* The loader is asked for both batches, and a resumed run goes on bit by bit. */
static void test_resume(void) {
    static const char *const more[] = {"run.accumulate=3", "run.iterations=14", "run.eval_every=0",
                                       NULL};
    train("whole", full_method, more, 0);
    train("parts", full_method, more, 5);
    train("parts", full_method, more, 0);
    char a[400], b[400];
    snprintf(a, sizeof a, "%s/whole/ckpt/iter_00000014.safetensors", data);
    snprintf(b, sizeof b, "%s/parts/ckpt/iter_00000014.safetensors", data);
    check_same_checkpoint(a, b);
}

static void test_classification(void) {
    static const char *const settings[] = {"task=classification", "run.accumulate=2"};
    bl_arena *arena = bl_arena_create(0);
    bl_run_config c;
    CHECK_FAILS(bl_run_config_load(NULL, settings, 2, arena, &c), BL_ECONFIG,
                "run.accumulate = 2: classification");
    bl_arena_destroy(arena);
}

int main(void) {
    bl_log_set_level(BL_LOG_WARN);
    data = scratch_folder();
    make_data(data);
    test_mean();
    test_resume();
    test_classification();
    remove_tree(data);
    return 0;
}
