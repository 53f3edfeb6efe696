/* What the training loop does not know: the task, detection or classification. A task owns the data
 * sets and the loader, makes the learner, and evaluates; loop, checkpoints and resume are the same
 * for all. One file a task: train/detection/task.c, train/classification/task.c. */
#ifndef BALLAST_TRAIN_TASK_H
#define BALLAST_TRAIN_TASK_H

#include "core/log.h"
#include "ssl/learner.h"
#include "train/train.h"

/* Words of a loader's position, whichever task's; zero where a loader has fewer. */
enum { BL_POS_WORDS = 8 };

/* One evaluation of one of the learner's models. */
typedef struct bl_task_evaluation {
    const bl_learner *learner;
    int model; /* of learner->model */
    bl_ctx *ctx;
    const char *run_dir;
    bl_metrics *metrics; /* receives one "eval" line */
    int64_t iter;
    bool last;       /* of the run: on all test images */
    bool validation; /* on the validation images: a "validation" line, files below validation/ */
    bool main;       /* of the model that stands for the run: the average where there is one */
    const volatile int *cancel; /* set by a signal handler: BL_ECANCELLED within moments; or NULL */
    double *score;              /* out: the higher the better */
} bl_task_evaluation;

typedef struct bl_task bl_task;
typedef struct bl_task_ops {
    /* The data sets in a few words, for the log. */
    void (*describe)(const bl_task *k, char *out, size_t size);
    /* Files about the data in a new run folder: classes.json, chosen images. */
    bl_status (*record)(bl_task *k, const char *run_dir);
    /* Entries of provenance.json's "data". */
    void (*provenance)(const bl_task *k, struct json_object **sets);

    /* `l` belongs to the caller, who destroys it before the task. */
    bl_status (*create_learner)(bl_task *k, bl_ctx *ctx, bl_learner **l);
    bl_status (*create_loader)(bl_task *k, const bl_learner *l);

    int32_t (*images)(const bl_task *k, bool labelled);
    bl_status (*set_repeats)(bl_task *k, bool labelled, const int32_t *copies);
    /* Labels of the labelled list from the next batch on; NULL for tasks whose labels stay. */
    bl_status (*set_labels)(bl_task *k, const int32_t *label);
    bl_status (*next)(bl_task *k, bl_step_input *in);
    void (*release)(bl_task *k, bl_step_input *in);
    /* Which images a batch holds, for messages. */
    void (*describe_batch)(const bl_task *k, const bl_step_input *in, char *out, size_t size);
    void (*tell)(const bl_task *k, int64_t pos[BL_POS_WORDS]);
    bl_status (*seek)(bl_task *k, const int64_t pos[BL_POS_WORDS]);
    int64_t (*skipped)(const bl_task *k); /* unreadable images passed over */

    bool (*has_test)(const bl_task *k);
    int64_t (*validation)(const bl_task *k); /* how many images choose the best checkpoint */
    int64_t (*test)(const bl_task *k);       /* how many are tested */
    const char *measure;                     /* what *score below is */
    bl_status (*evaluate)(bl_task *k, const bl_task_evaluation *e);
    /* After the last iteration: summaries over the whole run. */
    bl_status (*finish)(bl_task *k, const char *run_dir);
    void (*close)(bl_task *k); /* frees it */
} bl_task_ops;

/* First member of each task's own struct. */
struct bl_task {
    const bl_task_ops *ops;
};

/* Reads the data sets of a configuration. */
bl_status bl_task_open(const bl_run_config *cfg, bl_task **out);
bl_status bl_detection_task_open(const bl_run_config *cfg, bl_task **out);
bl_status bl_classify_task_open(const bl_run_config *cfg, bl_task **out);

/* Iterations of a generation of a learner that trains in several, each from the start: the
 * schedule runs over so many, and again. All iterations where there is but one. */
int64_t bl_run_generation(const bl_run_config *cfg);
/* The schedule's learning rate; `arg` is the bl_run_config. */
double bl_run_lr(const void *arg, int64_t iteration);
/* <run>/<what>/iter_00001000[/<leaf>] (malloc'd; NULL with a message). */
char *bl_step_folder(const char *run_dir, const char *what, int64_t iter, const char *leaf);

#endif
