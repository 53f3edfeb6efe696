/* What happens when training blows up: steps whose loss or gradient is not finite change nothing,
 * the run ends with a message that names the first culprit and the images, and no checkpoint ever
 * holds a value that is not finite. */
#include <dirent.h>

#include "tests/train_fixture.h"

static const char *data;

/* Every checkpoint below dir/ckpt: how many, and none with a weight that is not finite. */
static int check_checkpoints(const char *dir) {
    char *ckpt = bl_path_join(dir, "ckpt");
    DIR *d = opendir(ckpt);
    CHECK(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        CHECK(strstr(e->d_name, ".safetensors") && !strstr(e->d_name, "tmp"));
        char *path = bl_path_join(ckpt, e->d_name);
        bl_st_file *f;
        CHECK_OK(bl_st_open(path, &f));
        for (int i = 0; i < bl_st_count(f); i++) {
            const bl_st_tensor *t = bl_st_at(f, i);
            for (size_t k = 0; k < t->bytes / (t->dtype == BL_ST_F64 ? 8 : 4); k++) {
                double v;
                float v32;
                if (t->dtype == BL_ST_F64) {
                    memcpy(&v, (const char *)t->data + 8 * k, 8);
                } else {
                    CHECK_EQ(t->dtype, BL_ST_F32);
                    memcpy(&v32, (const char *)t->data + 4 * k, 4);
                    v = v32;
                }
                if (!isfinite(v)) {
                    fprintf(stderr, "%s: %s[%zu] is %g\n", path, t->name, k, v);
                    exit(1);
                }
            }
        }
        bl_st_close(f);
        free(path);
        n++;
    }
    closedir(d);
    free(ckpt);
    return n;
}

static const char *const supervised[] = {"method.name=supervised", NULL};

/* A learning rate far too large: finite weights, but losses and gradients that overflow. */
static void test_blow_up(const char *name, const char *const *method) {
    bl_arena *arena = bl_arena_create(0);
    const char *const more[] = {"run.max_bad_steps=3",
                                "run.checkpoint_every=1",
                                "run.keep_checkpoints=1000",
                                "run.iterations=60",
                                "run.eval_every=0",
                                "optim.clip_norm=0",
                                "detector.norm=frozen_bn",
                                "detector.head_norm=none",
                                "schedule.warmup=0",
                                "loader.skip_bad=false",
                                NULL};
    bl_run_config c = tiny_config(arena, data, method, more);
    c.optim.lr = 1e8; /* beyond what a configuration file may say */
    char dir[300];
    snprintf(dir, sizeof dir, "%s/%s", data, name);
    bl_status status = bl_train(&c, &(bl_train_options){.out_dir = dir});
    printf("%s: %s\n", name, bl_error());
    CHECK_EQ(status, BL_ENUMERIC);
    CHECK(strstr(bl_error(), "iteration "));
    CHECK(strstr(bl_error(), "not finite"));
    CHECK(strstr(bl_error(), "optim.lr"));
    CHECK(strstr(bl_error(), "image id"));
    /* Once is enough to say where. */
    const char *first = strstr(bl_error(), "iteration ");
    CHECK(!strstr(first + 1, "iteration "));
    int n = check_checkpoints(dir);
    printf("%d checkpoints, all finite\n", n);
    bl_arena_destroy(arena);
}

/* A skipped step is as if it had not been: a run of nothing but tolerated bad steps keeps its
 * weights. */
static void test_bad_steps_change_nothing(void) {
    bl_arena *arena = bl_arena_create(0);
    const char *const more[] = {"run.max_bad_steps=100",
                                "run.checkpoint_every=1",
                                "run.keep_checkpoints=100",
                                "run.iterations=4",
                                "data.test=",
                                NULL};
    bl_run_config c = tiny_config(arena, data, full_method, more);
    /* Views become NaN when divided by a standard deviation of zero. */
    double zero[3] = {0, 0, 0};
    c.detector.std = (bl_reals){3, zero};
    char dir[300];
    snprintf(dir, sizeof dir, "%s/skipping", data);
    CHECK_OK(bl_train(&c, &(bl_train_options){.out_dir = dir}));
    CHECK_EQ(check_checkpoints(dir), 4);
    char *a = bl_checkpoint_path(dir, 1), *b = bl_checkpoint_path(dir, 4);
    bl_st_file *fa, *fb;
    CHECK_OK(bl_st_open(a, &fa));
    CHECK_OK(bl_st_open(b, &fb));
    for (int i = 0; i < bl_st_count(fa); i++) {
        const bl_st_tensor *ta = bl_st_at(fa, i), *tb = bl_st_find(fb, ta->name);
        CHECK(tb && ta->bytes == tb->bytes);
        bool moves = strncmp(ta->name, "state.", 6) == 0 || strncmp(ta->name, "teacher.", 8) == 0;
        if (!moves && memcmp(ta->data, tb->data, ta->bytes) != 0) {
            fprintf(stderr, "%s changed in steps that were skipped\n", ta->name);
            exit(1);
        }
    }
    char *log = read_text(dir, "log.txt");
    CHECK_EQ(count_of(log, "step skipped (image ids "), 4);
    free(log);
    free(a);
    free(b);
    bl_st_close(fa);
    bl_st_close(fb);
    bl_arena_destroy(arena);
}

int main(void) {
    bl_log_set_level(BL_LOG_ERROR);
    data = scratch_folder();
    make_data(data);
    test_blow_up("supervised", supervised);
    test_blow_up("full", full_method);
    bl_log_set_level(BL_LOG_WARN); /* the run's log.txt holds what the console shows */
    test_bad_steps_change_nothing();
    remove_tree(data);
    return 0;
}
