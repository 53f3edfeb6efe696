/* The last evaluation of a run, read back from its metrics.jsonl: what `ballast report` prints. */
#ifndef BALLAST_CLI_RUN_SUMMARY_H
#define BALLAST_CLI_RUN_SUMMARY_H

#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

/* Average precisions are fractions; negative when the run has none (undefined or not written). */
typedef struct bl_run_summary {
    char model[16]; /* whose numbers: "teacher" when the run has one */
    int64_t iter;
    double ap, ap50, majority, minority;
} bl_run_summary;

/* BL_EFORMAT when the run has no finished evaluation. */
bl_status bl_run_summary_read(const char *run_dir, bl_run_summary *out);

/* A table of several runs, in percent, as people quote AP. */
void bl_run_summary_print(const char *const *run_dirs, const bl_run_summary *runs, int n, FILE *f);

#endif
