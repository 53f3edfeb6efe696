/* Evaluating a model on a data set and writing the results. */
#ifndef BALLAST_TRAIN_EVALUATE_H
#define BALLAST_TRAIN_EVALUATE_H

#include "train/detection/groups.h"
#include "train/detection/infer.h"

typedef struct bl_evaluation {
    double AP;
    int n_metrics; /* of the protocol; their `area` is NULL */
    bl_eval_metric metric[BL_EVAL_MAX_METRICS];
    double group_AP[BL_MAX_CLASS_GROUPS]; /* in the order of the groups given */
} bl_evaluation;

/* Rules of run.protocol. BL_ECONFIG for LVIS's where `d` (NULL: anything) is not annotated so. */
bl_status bl_run_protocol(int32_t protocol, const bl_dataset *d, bl_eval_params *out);

/* Detects on `d` (first `limit` images; 0 = all), evaluates by `protocol`, writes eval files into `dir` (NULL:
 * none), prints the tables to `f` (NULL: none; all_classes as for bl_results_print_classes). */
bl_status bl_evaluate_model(bl_infer *in, const char *model, int64_t iter, const bl_dataset *d,
                            const bl_eval_params *protocol, int64_t limit, const bl_groups *g,
                            const char *dir, FILE *f, bool all_classes, bl_evaluation *out);

#endif
