/* Checkpoints: one safetensors file with both models, the momentum and every array of state,
 * written atomically.
 *
 *   student.<name>, teacher.<name>     fp32, PyTorch-style names, readable by other tools
 *   momentum.<name>, square.<name>     fp32, of the optimiser; squares with Adam only
 *   state.<name>                       fp64 arrays of the learner, the loader and the loop
 *   metadata: iter, learner, classes, ballast_version */
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
} bl_loop_state;

bl_status bl_checkpoint_save(const char *path, bl_ctx *ctx, bl_learner *l, const bl_loop_state *st);
/* Restores everything; class counts and learner must agree. */
bl_status bl_checkpoint_load(const char *path, bl_ctx *ctx, bl_learner *l, bl_loop_state *st);

/* Weights of one model only: `model` is "teacher" or "student". A file without prefixed names (an
 * imported backbone) is read partially; *n_missing counts tensors it lacks. */
bl_status bl_checkpoint_load_weights(const char *path, bl_ctx *ctx, bl_store *store,
                                     const char *model, bool partial, int *n_missing);
/* One array of the learner's state (malloc'd). BL_EFORMAT when the file has none of that name. */
bl_status bl_checkpoint_state(const char *path, const char *name, double **v, int64_t *n);
/* Iteration and class count from the metadata; 0 when absent. */
bl_status bl_checkpoint_info(const char *path, int64_t *iter, int64_t *classes, bool *has_teacher);

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
/* Removes all but the newest `keep` and the one of `best_iter`. */
bl_status bl_checkpoint_prune(const char *run_dir, int64_t keep, int64_t best_iter);

#endif
