/* Checkpoints: one safetensors file with both models, the momentum and every array of state,
 * written atomically.
 *
 *   student.<name>, teacher.<name>     fp32, PyTorch-style names, readable by other tools
 *   momentum.<name>, square.<name>     fp32, of the optimiser; squares with Adam only
 *   state.<name>                       fp64 arrays of the learner, the loader and the loop
 *   checksum.crc32                     of all of the above (core/safetensors.h)
 *   metadata: iter, learner, classes, evaluated, ballast_version
 */
#ifndef BALLAST_TRAIN_CHECKPOINT_H
#define BALLAST_TRAIN_CHECKPOINT_H

#include "ssl/learner.h"
#include "train/loss_scale.h"
#include "train/task.h"

/* What the loop itself must remember. */
typedef struct bl_loop_state {
    int64_t iter;                     /* finished iterations */
    int64_t pos[BL_POS_WORDS];        /* of the loader */
    double best_score;                /* the teacher's, of best_checkpoint; < 0 none */
    double best_iter;                 /* 0 none */
    double window[BL_MAX_LOSSES + 4]; /* sums since the last log line */
    double bad_steps;
    bl_loss_scale loss_scale;
    int64_t lines; /* of metrics.jsonl when this was saved; < 0 not known */
    bool evaluate; /* the evaluation that is due after `iter` iterations is still to be made */
} bl_loop_state;

bl_status bl_checkpoint_save(const char *path, bl_ctx *ctx, bl_learner *l, const bl_loop_state *st);
/* Restores everything; class counts and learner must agree, and every value of the state must be
 * one that can have been saved (BL_EFORMAT). The checksum is the caller's to verify. */
bl_status bl_checkpoint_load(const char *path, bl_ctx *ctx, bl_learner *l, bl_loop_state *st);

/* BL_EFORMAT unless the file's checksum is there and right. */
bl_status bl_checkpoint_verify(const char *path);
/* Weights of one model only: `model` is "teacher" or "student". A file without prefixed names (an
 * imported backbone) is read partially; *n_missing counts tensors it lacks. BL_ENUMERIC for weights
 * that are not finite. */
bl_status bl_checkpoint_load_weights(const char *path, bl_ctx *ctx, bl_store *store,
                                     const char *model, bool partial, int *n_missing);
/* One array of the learner's state (malloc'd). BL_EFORMAT when the file has none of that name. */
bl_status bl_checkpoint_state(const char *path, const char *name, double **v, int64_t *n);
/* Iteration and class count from the metadata; 0 when absent. */
bl_status bl_checkpoint_info(const char *path, int64_t *iter, int64_t *classes, bool *has_teacher);
/* Whether nothing was due any more when the file was saved, by its metadata; false for a file that
 * cannot be read. */
bool bl_checkpoint_evaluated(const char *path);

/* ---- which file (checkpoint_files.c) ---- */

/* The run folder that a checkpoint argument (that folder, or a file in its ckpt/) belongs to
 * (malloc'd). */
char *bl_checkpoint_run_dir(const char *arg);
/* <run>/ckpt/iter_00001000.safetensors (malloc'd). */
char *bl_checkpoint_path(const char *run_dir, int64_t iter);
/* Path named by <run>/last_checkpoint or best_checkpoint (malloc'd); NULL with a message when there
 * is none. */
char *bl_checkpoint_named(const char *run_dir, const char *which);
/* Points <run>/<which> at the checkpoint of `iter`. */
bl_status bl_checkpoint_point(const char *run_dir, const char *which, int64_t iter);
/* The iterations of all checkpoints of a run, newest first (malloc'd; NULL when there are none). */
bl_status bl_checkpoint_list(const char *run_dir, int64_t **iters, int *n);
/* The newest undamaged checkpoint of less than `before` iterations (malloc'd); *path NULL when
 * there is none. */
bl_status bl_checkpoint_before(const char *run_dir, int64_t before, char **path);
/* The iteration in a checkpoint's file name; -1 when that has none. */
int64_t bl_checkpoint_iter(const char *path);
/* The file that `arg` means, a checkpoint or a run folder (its last one; malloc'd). verify: it must
 * have its checksum; where a run's last one is damaged, the message names the one before it. */
bl_status bl_checkpoint_find(const char *arg, bool verify, char **path);
/* Removes all but the newest `keep` of those up to iteration `newest`, and the one of `best_iter`.
 * Newer ones are of a continuation that was given up: they go too when `newer`. */
bl_status bl_checkpoint_prune(const char *run_dir, int64_t keep, int64_t newest, int64_t best_iter,
                              bool newer);

#endif
