/* Damaged checkpoints: any changed bit, cut or extension is noticed, and the one before is named or
 * used; values that cannot have been saved are refused even where the checksum is right. */
#include "core/rng.h"
#include "tests/train_fixture.h"
#include "train/resume.h"

enum { MUTATIONS = 500 };

static const char *data;
static char run_dir[300];

static void write_raw(const char *path, const char *bytes, size_t n) {
    FILE *f = fopen(path, "wb"); /* without the wait for the disk */
    CHECK(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static uint32_t draw(uint64_t i, uint32_t below) {
    bl_rng r = bl_rng_make(7, i);
    return bl_rng_u32(&r) % below;
}

/* Changes `bytes` (room for 64 more) and returns the new length. */
static size_t mutate(char *bytes, size_t n, uint64_t i) {
    size_t at = draw(4 * i + 1, (uint32_t)n);
    /* Half of the flips hit the header, which is small. */
    if (draw(4 * i + 2, 2)) at %= 4096;
    switch (i % 5) {
    case 0:
        return at; /* cut */
    case 1:
        memset(bytes + n, (int)(i & 1), 1 + at % 64); /* extended */
        return n + 1 + at % 64;
    default:
        bytes[at] ^= (char)(1 << draw(4 * i + 3, 8));
        return n;
    }
}

static void check_refused(const char *last, const char *before) {
    char *path;
    CHECK_FAILS(bl_resume_choose(&(bl_resume_choice){run_dir, NULL, true}, &path), BL_EFORMAT,
                "--resume=previous takes it");
    CHECK(strstr(bl_error(), last) && strstr(bl_error(), before) && !path);
    CHECK_OK(bl_resume_choose(&(bl_resume_choice){run_dir, "auto", true}, &path));
    CHECK_STR(path, before);
    free(path);
    CHECK_FAILS(bl_checkpoint_find(run_dir, true, &path), BL_EFORMAT, "--checkpoint");
    CHECK(strstr(bl_error(), before));
    CHECK(bl_checkpoint_find(last, true, &path) != BL_OK);
}

static void test_mutations(void) {
    char *last = bl_checkpoint_path(run_dir, 2), *before = bl_checkpoint_path(run_dir, 1), *text;
    size_t n;
    CHECK_OK(bl_read_file(last, 1 << 26, &text, &n));
    char *bytes = malloc(n + 64);
    CHECK(bytes);
    for (uint64_t i = 0; i < MUTATIONS; i++) {
        memcpy(bytes, text, n);
        write_raw(last, bytes, mutate(bytes, n, i));
        check_refused(last, before);
    }
    write_raw(last, text, n);
    char *path;
    CHECK_OK(bl_resume_choose(&(bl_resume_choice){run_dir, NULL, true}, &path));
    CHECK_STR(path, last);
    free(path);
    free(bytes);
    free(text);
    free(last);
    free(before);
}

/* Writes the last checkpoint anew, sealed, with value `index` of array `name` replaced. */
static void replace_value(const char *from, const char *to, const char *name, int index, double v) {
    static const char *const keys[] = {"iter", "learner", "classes", "evaluated"};
    enum { KEYS = sizeof keys / sizeof *keys };
    const char *meta[2 * KEYS];
    bl_st_file *f;
    CHECK_OK(bl_st_open(from, &f));
    int n = bl_st_count(f);
    bl_st_tensor *t = malloc((size_t)n * sizeof *t);
    double *changed = NULL;
    for (int i = 0; i < n; i++) {
        t[i] = *bl_st_at(f, i);
        if (strcmp(t[i].name, name) != 0) continue;
        changed = malloc(t[i].bytes);
        memcpy(changed, t[i].data, t[i].bytes);
        changed[index] = v;
        t[i].data = changed;
    }
    CHECK(changed);
    for (int k = 0; k < KEYS; k++) {
        meta[2 * k] = keys[k];
        meta[2 * k + 1] = bl_st_metadata(f, keys[k]);
    }
    CHECK_OK(bl_st_write_sealed(to, t, n, meta, KEYS));
    bl_st_close(f);
    free(changed);
    free(t);
}

static void test_values(const bl_run_config *c) {
    static const struct {
        const char *name;
        int index;
        double v;
        const char *part;
    } bad[] = {{"state.loop", 0, NAN, "state.loop[0] is"},
               {"state.loop", 0, 1e300, "impossible values"},
               {"state.loop", 0, 1.5, "impossible values"},
               {"state.loop", 0, 1, "state.loop is of iteration 1"},
               {"state.loop", 2, 3, "impossible values"},
               {"state.loop", 4, -1, "impossible values"},
               {"state.record", 1, 2, "impossible values"},
               {"state.crs_pool", 0, 1e9, "pool does not fit"},
               {"state.thresholds", 0, INFINITY, "state.thresholds[0] is"}};
    char *last = bl_checkpoint_path(run_dir, 2), *kept = bl_path_join(run_dir, "kept");
    CHECK(rename(last, kept) == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        replace_value(kept, last, bad[i].name, bad[i].index, bad[i].v);
        CHECK_FAILS(bl_train(c, &(bl_train_options){.out_dir = run_dir, .resume = true}),
                    BL_EFORMAT, bad[i].part);
    }
    CHECK(rename(kept, last) == 0);
    CHECK_OK(bl_train(c, &(bl_train_options){.out_dir = run_dir, .resume = true}));
    free(last);
    free(kept);
}

int main(void) {
    static const char *const few[] = {"run.iterations=3", "run.checkpoint_every=1",
                                      "run.keep_checkpoints=3", "data.test=", NULL};
    bl_log_set_level(BL_LOG_ERROR);
    data = scratch_folder();
    make_data(data);
    snprintf(run_dir, sizeof run_dir, "%s/run", data);
    bl_arena *arena = bl_arena_create(0);
    bl_run_config c = tiny_config(arena, data, full_method, few);
    CHECK_OK(bl_train(&c, &(bl_train_options){.out_dir = run_dir, .stop_after = 2}));
    test_mutations();
    test_values(&c);
    bl_arena_destroy(arena);
    remove_tree(data);
    return 0;
}
