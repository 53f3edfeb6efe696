/* Evaluation results on disk: metrics.json, per_class.csv, per_class.json, pr.json. */
#ifndef BALLAST_EVAL_RESULTS_H
#define BALLAST_EVAL_RESULTS_H

#include <stdio.h>

#include "eval/evaluator.h"

/* What is known of a class besides its evaluation. Arrays over the K categories; NULL = unknown. */
typedef struct bl_class_info {
    const int64_t *train_images, *train_boxes; /* in the labelled set */
    const uint8_t *group;                      /* index into group_names */
    const char *const *group_names;            /* e.g. "majority", "minority" */
    int32_t n_groups;
} bl_class_info;

/* Writes into folder `dir` (created). metrics.json: {"protocol": "...", "model": "teacher", "iter":
 * N, "AP":...,
 * ..., "groups": {"majority": {"AP":...}, ...}}; 17 significant digits where they
 * are needed to read the same number back; what is undefined (-1 in C) is null, in the CSV an empty
 * cell. pr.json: precision at the 101 recall points per class at IoU .5 and .75 for the report.
 * `model` labels whose detections these are. */
bl_status bl_results_write(const char *dir, const char *model, int64_t iter, const bl_dataset *gt,
                           const bl_detections *dt, const bl_eval_result *r,
                           const bl_class_info *info);
/* The table people know from pycocotools, plus groups, to a stream. */
void bl_results_print(FILE *f, const bl_eval_result *r, const bl_dataset *gt,
                      const bl_class_info *info);

#endif
