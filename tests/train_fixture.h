/* Tiny training runs for tests: a generated data set, a configuration of seconds, and the
 * comparison of what two runs wrote. */
#ifndef BALLAST_TESTS_TRAIN_FIXTURE_H
#define BALLAST_TESTS_TRAIN_FIXTURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <ftw.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/log.h"
#include "core/safetensors.h"
#include "datasets/synth/synth.h"
#include "tests/check.h"
#include "train/checkpoint.h"
#include "train/train.h"

enum { MAX_SETTINGS = 96 };

static inline int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void remove_tree(const char *dir) {
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* A fresh folder below TMPDIR, its name valid until the program ends. */
static inline const char *scratch_folder(void) {
    static char path[256];
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/ballast_train_XXXXXX", tmp && *tmp ? tmp : "/tmp");
    CHECK(mkdtemp(path));
    return path;
}

/* 64x64 scenes of four classes: 12 labelled, 24 unlabelled, 8 test images. */
static inline void make_data(const char *dir) {
    const char *o[] = {"width=64",      "height=64",   "classes=4",       "labelled=12",
                       "unlabelled=24", "test=8",      "min_instances=1", "objects_min=1",
                       "objects_max=2", "size_min=16", "size_max=36",     "imbalance=6",
                       "seed=3",        "clutter=0.3", "noise=2"};
    bl_arena *arena = bl_arena_create(0);
    bl_synth_config c;
    CHECK_OK(bl_config_load(&bl_synth_schema, NULL, o, sizeof o / sizeof *o, arena, &c));
    CHECK_OK(bl_synth_generate(&c, dir, NULL, NULL));
    bl_arena_destroy(arena);
}

/* What every tiny run has in common; `data` is make_data's folder. Each list ends with NULL. */
static const char *const tiny_settings[] = {"data.labelled=labelled.json",
                                            "data.unlabelled=unlabelled.json",
                                            "data.test=test.json",
                                            "data.image_dir=images",
                                            "run.iterations=30",
                                            "run.log_every=5",
                                            "run.eval_every=10",
                                            "run.checkpoint_every=0",
                                            "run.samples=1",
                                            "run.eval_batch=4",
                                            "run.threads=2",
                                            "view.min_side=56",
                                            "view.max_side=72",
                                            "view.long_side=96",
                                            "view.test_short=64",
                                            "view.test_long=96",
                                            "loader.batch=4",
                                            "loader.labelled=2",
                                            "loader.workers=2",
                                            "loader.prefetch=2",
                                            "detector.depth=small",
                                            "detector.norm=bn",
                                            "detector.head_norm=none",
                                            "detector.width=16",
                                            "detector.blocks=1",
                                            "detector.frozen_stages=-1",
                                            "detector.fpn_channels=16",
                                            "detector.fc_channels=32",
                                            "detector.anchor_scale=4",
                                            "detector.rpn_batch=64",
                                            "detector.rpn_pre_nms_train=100",
                                            "detector.rpn_pre_nms_test=100",
                                            "detector.rpn_post_nms_train=50",
                                            "detector.rpn_post_nms_test=50",
                                            "detector.roi_batch=32",
                                            "detector.roi_sampling=2",
                                            "detector.finest_scale=14",
                                            "optim.lr=0.02",
                                            "optim.clip_norm=5",
                                            "schedule.warmup=5",
                                            "schedule.steps=[0.7]",
                                            "method.teacher.ema=0.9",
                                            NULL};

/* Soft Teacher with all of the balancing on a schedule of 30 iterations. The thresholds are those
 * of a network that has learnt next to nothing, so that pseudo boxes, a pool and rebuilds (before
 * iterations 12 and 23) exist. */
static const char *const full_method[] = {"method.name=soft_teacher",
                                          "method.focal=1",
                                          "method.rfs=0.5",
                                          "method.teacher.cls_score=0.18",
                                          "method.teacher.rpn_score=0.25",
                                          "method.teacher.candidate_score=0.1",
                                          "method.teacher.reg_variance=0.5",
                                          "method.teacher.burn_in=2",
                                          "method.gbr.enabled=true",
                                          "method.gbr.warmup=4",
                                          "method.gbr.accumulate=0.9",
                                          "method.gbt.mode=code",
                                          "method.gbt.warmup=4",
                                          "method.gbt.lower=0.02",
                                          "method.gbt.upper=0.18",
                                          "method.crs.enabled=true",
                                          "method.crs.warmup=3",
                                          "method.crs.alpha=1",
                                          "method.crs.save_every=3",
                                          "method.crs.rebuild_every=11",
                                          NULL};

static inline bl_run_config tiny_config(bl_arena *arena, const char *data,
                                        const char *const *method, const char *const *more) {
    const char *all[MAX_SETTINGS];
    int n = 0;
    all[n++] = bl_arena_printf(arena, "data.root=%s", data);
    const char *const *lists[] = {tiny_settings, method, more};
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (const char *const *s = lists[l]; s && *s; s++) {
            CHECK(n < MAX_SETTINGS);
            all[n++] = *s;
        }
    bl_run_config c;
    CHECK_OK(bl_config_load(&bl_run_schema, NULL, all, n, arena, &c));
    return c;
}

/* Every tensor of two checkpoints, bit by bit. */
static inline void check_same_checkpoint(const char *a, const char *b) {
    bl_st_file *fa, *fb;
    CHECK_OK(bl_st_open(a, &fa));
    CHECK_OK(bl_st_open(b, &fb));
    CHECK_EQ(bl_st_count(fa), bl_st_count(fb));
    CHECK(bl_st_count(fa) > 20);
    for (int i = 0; i < bl_st_count(fa); i++) {
        const bl_st_tensor *ta = bl_st_at(fa, i), *tb = bl_st_find(fb, ta->name);
        if (!tb || ta->dtype != tb->dtype || ta->bytes != tb->bytes ||
            memcmp(ta->data, tb->data, ta->bytes) != 0) {
            fprintf(stderr, "%s and %s differ in %s\n", a, b, ta->name);
            exit(1);
        }
    }
    bl_st_close(fa);
    bl_st_close(fb);
}

static inline char *read_text(const char *dir, const char *name) {
    char *path = bl_path_join(dir, name), *text;
    size_t size;
    CHECK_OK(bl_read_file(path, 1 << 24, &text, &size));
    free(path);
    return text;
}

/* Blanks what a run took of the machine, the only values that may differ between equal runs. */
static inline void blank_times(char *text) {
    static const char *const keys[] = {"\"time\"",    "\"data_time\"", "\"cpu\"",
                                       "\"threads\"", "\"peak_mb\"",   "\"pool_mb\""};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        for (char *at = text; (at = strstr(at, keys[k]));) {
            at += strlen(keys[k]);
            for (; *at && *at != ',' && *at != '}' && *at != '\n'; at++) *at = ' ';
        }
}

static inline void check_same_metrics(const char *dir_a, const char *dir_b) {
    char *a = read_text(dir_a, "metrics.jsonl"), *b = read_text(dir_b, "metrics.jsonl");
    blank_times(a);
    blank_times(b);
    size_t pa = 0, pb = 0;
    for (int line = 1; a[pa] || b[pb]; line++) {
        size_t la = strcspn(a + pa, "\n"), lb = strcspn(b + pb, "\n");
        char *qa = a + pa, *qb = b + pb;
        /* blanked values may have had different widths */
        size_t i = 0, j = 0;
        for (; i < la || j < lb; i++, j++) {
            while (i < la && qa[i] == ' ') i++;
            while (j < lb && qb[j] == ' ') j++;
            if ((i < la) != (j < lb) || (i < la && qa[i] != qb[j])) {
                fprintf(stderr, "metrics.jsonl:%d of %s and %s differ:\n%.*s\n%.*s\n", line, dir_a,
                        dir_b, (int)la, qa, (int)lb, qb);
                exit(1);
            }
        }
        pa += la + (qa[la] == '\n');
        pb += lb + (qb[lb] == '\n');
    }
    free(a);
    free(b);
}

static inline int count_of(const char *text, const char *what) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) n++;
    return n;
}

#endif
