/* Results of image classification on disk and on the screen, in the form of results.h. */
#ifndef BALLAST_EVAL_RESULTS_CLASSIFICATION_H
#define BALLAST_EVAL_RESULTS_CLASSIFICATION_H

#include <stdbool.h>
#include <stdio.h>

#include "eval/protocol/accuracy.h"

typedef struct bl_classify_results {
    const bl_accuracy *accuracy;          /* finished */
    const char *const *names;             /* [K] */
    const int64_t *labelled, *unlabelled; /* [K] training images; unlabelled may be NULL */
    const char *model;                    /* "teacher" or "student" */
    int64_t iter;
} bl_classify_results;

/* Writes into folder `dir` (created), each file atomically: metrics.json, per_class.csv,
 * per_class.json, confusion.json; docs/run-folder.md describes them. */
bl_status bl_classify_results_write(const char *dir, const bl_classify_results *r);
/* A table: overall numbers, then one line a class: all of them when they are few or `all`, else
 * those of the best and the worst recall. */
void bl_classify_results_print(FILE *f, const bl_classify_results *r, bool all);

/* features.safetensors: "features" [n][d] f32, "logits" [n][K] f32, "labels" [n] i32. */
bl_status bl_classify_features_write(const char *path, int64_t n, int32_t d, const float *features,
                                     int32_t k, const float *logits, const int32_t *labels);

#endif
