/* Evaluating a model on a data set and writing the results. */
#ifndef BALLAST_TRAIN_EVALUATE_H
#define BALLAST_TRAIN_EVALUATE_H

#include "train/detection/groups.h"
#include "train/detection/infer.h"

typedef struct bl_evaluation {
    bl_eval_summary all, majority, minority;
} bl_evaluation;

/* Detects on `d` (first `limit` images; 0 = all), evaluates, writes eval files into `dir` (NULL:
 * none), prints the tables to `f` (NULL: none; all_classes as for bl_results_print_classes). */
bl_status bl_evaluate_model(bl_infer *in, const char *model, int64_t iter, const bl_dataset *d,
                            int64_t limit, const bl_groups *g, const char *dir, FILE *f,
                            bool all_classes, bl_evaluation *out);

#endif
