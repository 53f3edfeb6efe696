/* A training run in progress: what trainer_setup.c builds, loop.c drives and milestones.c evaluates
 * and saves. */
#ifndef BALLAST_TRAIN_TRAINER_H
#define BALLAST_TRAIN_TRAINER_H

#include "core/log.h"
#include "train/checkpoint.h"
#include "train/progress.h"
#include "train/resources.h"
#include "train/run_folder.h"
#include "train/task.h"

typedef struct bl_trainer {
    const bl_run_config *cfg;
    const bl_train_options *opt;
    bl_run_folder folder;
    char *resume;     /* the checkpoint to continue from; NULL: the run starts anew */
    bool started_new; /* its folder was cleared and filled by this process */
    bl_task *task;
    bl_ctx *ctx;
    bl_learner *learner;
    bl_metrics *metrics;
    bl_loop_state st;
    int32_t *copies;                  /* scratch, one per image of the larger set */
    const char *names[BL_MAX_LOSSES]; /* of the losses in st.window, in order of appearance */
    int n_names;
    double started; /* bl_now() at the first iteration of this process */
    int64_t first;  /* iteration this process began with */
    double window_start, data_time;
    int64_t window_first;
    bl_resources resources;
} bl_trainer;

/* Opens task, context, learner, loader, run folder; restores the checkpoint when resuming. */
bl_status bl_trainer_open(bl_trainer *t, const bl_run_config *cfg, const bl_train_options *opt);
void bl_trainer_close(bl_trainer *t);
/* The run failed before it learnt anything: takes its files away, so that the corrected command
 * finds the folder as it was. */
void bl_trainer_discard(bl_trainer *t);
/* Between two generations: the learner chooses and makes new models; start weights, labels and
 * lists as at the start of a run. */
bl_status bl_trainer_next_generation(bl_trainer *t);

/* Saves the checkpoint of the iteration reached, then the names that point to it, then removes old
 * ones: whenever the process dies, every name leads to a file. */
bl_status bl_trainer_checkpoint(bl_trainer *t);
/* Evaluates both models, after a checkpoint, so that nothing is lost when that is interrupted: on the
 * validation images, which choose the best checkpoint, and on the test images, which choose where
 * there are no others. *last: of the run; set when patience has run out. *best: the model is the best
 * so far. */
bl_status bl_trainer_evaluate(bl_trainer *t, bool *last, bool *best);
/* run.patience evaluations have passed since the best one. */
bool bl_trainer_out_of_patience(const bl_trainer *t);
/* best_checkpoint and best.json, which say which checkpoint is the best and what chose it. */
bl_status bl_trainer_point_to_best(const bl_trainer *t);

#endif
