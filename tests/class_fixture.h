/* Fixture of classification tests: runs of seconds on a generated set, and resuming them. */
#ifndef BALLAST_TESTS_CLASS_FIXTURE_H
#define BALLAST_TESTS_CLASS_FIXTURE_H

#include "tests/train_fixture.h"

/* Every test's runs lie below it: scratch_folder(). */
static const char *root;

/* What every tiny run has in common; settings given later win. */
static const char *const tiny[] = {"task=classification",
                                   "run.iterations=14",
                                   "run.log_every=5",
                                   "run.eval_every=7",
                                   "run.checkpoint_every=0",
                                   "run.eval_batch=20",
                                   "run.threads=2",
                                   "images.source=synthetic",
                                   "images.synthetic.classes=4",
                                   "images.synthetic.train=160",
                                   "images.synthetic.test=40",
                                   "images.synthetic.size=16",
                                   "longtail.labelled_head=12",
                                   "longtail.labelled_ratio=4",
                                   "longtail.unlabelled_head=24",
                                   "longtail.unlabelled_ratio=4",
                                   "batch.labelled=5",
                                   "batch.unlabelled=7",
                                   "loader.workers=2",
                                   "loader.prefetch=2",
                                   "model.backbone=wrn",
                                   "model.depth=10",
                                   "model.width=1",
                                   "optim.lr=0.05",
                                   "optim.nesterov=true",
                                   "schedule.kind=cosine",
                                   "schedule.warmup=0",
                                   "method.epoch=4",
                                   "method.ema.keep=0.9",
                                   NULL};

static inline bl_status load_config(bl_arena *arena, const char *const *more, bl_run_config *c) {
    const char *all[MAX_SETTINGS];
    int n = 0;
    const char *const *lists[] = {tiny, more};
    for (int l = 0; l < 2; l++)
        for (const char *const *s = lists[l]; s && *s; s++) all[n++] = *s;
    return bl_run_config_load(NULL, all, n, arena, c);
}

static inline bl_run_config config(bl_arena *arena, const char *const *more) {
    bl_run_config c;
    CHECK_OK(load_config(arena, more, &c));
    CHECK_EQ(c.task, BL_TASK_CLASSIFICATION);
    return c;
}

/* A path below root, valid for the next 15 calls. */
static inline const char *in(const char *name) {
    static char path[16][512];
    static int next;
    char *p = path[next++ % 16];
    snprintf(p, sizeof path[0], "%s/%s", root, name);
    return p;
}

static inline bl_status train(const bl_run_config *c, const char *dir, bool resume, int64_t stop) {
    return bl_train(c, &(bl_train_options){.out_dir = dir, .resume = resume, .stop_after = stop});
}

/* One run in one go, and the same in three pieces. */
static inline void check_resume(const char *name, const char *const *settings) {
    bl_arena *arena = bl_arena_create(0);
    bl_run_config c = config(arena, settings);
    char whole[64], parts[64];
    snprintf(whole, sizeof whole, "%s", name);
    snprintf(parts, sizeof parts, "%s_parts", name);
    CHECK_OK(train(&c, in(whole), false, 0));
    CHECK_OK(train(&c, in(parts), false, 3));
    CHECK_OK(train(&c, in(parts), true, 9));
    CHECK_OK(train(&c, in(parts), true, 0));
    char *a = bl_checkpoint_path(in(whole), 14), *b = bl_checkpoint_path(in(parts), 14);
    check_same_checkpoint(a, b);
    check_same_metrics(in(whole), in(parts));
    free(a);
    free(b);
    bl_arena_destroy(arena);
}

#endif
