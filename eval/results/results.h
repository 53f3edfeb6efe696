/* Evaluation results on disk: metrics.json, per_class.csv, per_class.json, pr.json; and the table
 * on the screen. `ballast score`, `ballast eval` and the training loop all write these. */
#ifndef BALLAST_EVAL_RESULTS_RESULTS_H
#define BALLAST_EVAL_RESULTS_RESULTS_H

#include <stdio.h>

#include "eval/protocol/evaluator.h"
#include "eval/protocol/input_checks.h"

/* What is known of a class besides its evaluation. Arrays over the K classes; NULL = unknown. */
typedef struct bl_class_info {
    const int64_t *train_images, *train_boxes; /* in the labelled set */
    const uint8_t *group;                      /* index into group_names; n_groups or more: none */
    const char *const *group_names;            /* e.g. "majority", "minority" */
    int32_t n_groups;
    const uint8_t *members; /* [n_groups][K] non-zero: class is in the group; for groups that
                               overlap. NULL: as `group` says */
} bl_class_info;

typedef struct bl_results {
    const bl_dataset *gt;
    const bl_detections *dt;
    const bl_eval_result *eval;
    const bl_class_info *info;   /* NULL: nothing known */
    const char *model;           /* whose detections: "teacher", "student"; NULL: not said */
    int64_t iter;                /* of training; negative: not said */
    const char *source;          /* result file, or NULL */
    const bl_findings *warnings; /* or NULL */
} bl_results;

/* Writes into folder `dir` (created), each file atomically.
 *
 * metrics.json: {"protocol": in words, "parameters": the protocol in numbers, "model", "iter",
 * "ground_truth", "results", "images", "detections", the keys of bl_eval_metrics ("AP": ...),
 * "groups": {"majority": {"classes": n, "AP": ...}, ...}, "warnings": [{"code", "count",
 * "message"}]}. per_class.json: {"protocol", ..., "classes": [one object per class]}; per_class.csv
 * has the same columns. pr.json: precision and score at the recall points per class, at IoU .5 and
 * .75.
 *
 * Numbers read back as the same doubles (17 significant digits where it takes them). Undefined is
 * -1 in JSON and an empty cell in CSV. */
bl_status bl_results_write(const char *dir, const bl_results *r);

/* The protocol in one line, to stand beside its numbers. */
void bl_results_protocol(const bl_eval_params *p, char *text, size_t size);

/* The table people know from pycocotools (or, for LVIS, from lvis-api), then groups. */
void bl_results_print(FILE *f, const bl_results *r);

/* A table by class: training boxes where known, objects, AP, AP50, AR. All classes when they are
 * few or `all`, else the best and the worst by AP. Only says that memory ran out. */
void bl_results_print_classes(FILE *f, const bl_results *r, bool all);

/* ---- shared by the writers ---- */

/* Name and id of class k of a result; class-agnostic results have one class, "any class", id 0. */
const char *bl_results_class_name(const bl_results *r, int32_t k);
int64_t bl_results_class_id(const bl_results *r, int32_t k);
/* mask[k] = 1 for the members of group g; returns how many. */
int32_t bl_class_group_mask(const bl_class_info *info, int32_t g, int32_t n_classes, uint8_t *mask);

#endif
