/* Evaluating a classifier on the test images and writing the results. */
#ifndef BALLAST_TRAIN_CLASSIFICATION_EVALUATE_H
#define BALLAST_TRAIN_CLASSIFICATION_EVALUATE_H

#include "eval/results/classification.h"
#include "train/classification/data.h"

typedef struct bl_classify_evaluation {
    const bl_classify_world *world;
    const bl_classify_run_data *data;
    bl_ctx *ctx;
    int model;        /* 0 student, 1 EMA */
    const char *name; /* in the results */
    int64_t iter, batch;
    bool validation;            /* the images set aside instead of the test images */
    int64_t limit;              /* test images; 0 = all */
    const char *dir;            /* result files, or NULL */
    bool features;              /* also features.safetensors */
    FILE *table;                /* or NULL */
    const volatile int *cancel; /* BL_ECANCELLED after the batch in which it is set; or NULL */
    bool all_classes;           /* in the table, however many there are */
} bl_classify_evaluation;

/* *out is the caller's to free. */
bl_status bl_classify_evaluate(const bl_classify_evaluation *e, bl_accuracy *out);

/* <run>/summary.json from the "eval" lines of <run>/metrics.jsonl: last, best, median and mean of
 * the last 20 of each model and measure. Logs the main line. */
bl_status bl_classify_summary_write(const char *run_dir);

/* bl_evaluate_checkpoint for a classification run. */
bl_status bl_classify_evaluate_checkpoint(const bl_run_config *cfg, const bl_eval_options *opt,
                                          FILE *f);

#endif
