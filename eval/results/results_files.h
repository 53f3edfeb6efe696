/* The files of bl_results_write. Internal to eval/. */
#ifndef BALLAST_EVAL_RESULTS_RESULTS_FILES_H
#define BALLAST_EVAL_RESULTS_RESULTS_FILES_H

#include "eval/results/results.h"

/* "protocol", "model", "iter". */
void bl_results_put_head(FILE *f, int *first, const bl_results *r);

bl_status bl_results_write_metrics(const char *path, const bl_results *r);
bl_status bl_results_write_csv(const char *path, const bl_results *r, const bl_class_result *per);
bl_status bl_results_write_classes(const char *path, const bl_results *r,
                                   const bl_class_result *per);
bl_status bl_results_write_curves(const char *path, const bl_results *r);

#endif
