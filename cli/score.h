/* Evaluating a result file into a folder: what `ballast score` does, and `ballast report` with
 * result files. */
#ifndef BALLAST_CLI_SCORE_H
#define BALLAST_CLI_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct bl_score_options {
    const char *gt, *dt, *out, *protocol, *ious, *areas, *max_dets;
    const char *groups, *train_gt, *images, *split, *classes;
    double score;
    int64_t costly, threads;
    bool zero_based, class_agnostic, skip_unknown, no_analysis;
    bool quiet; /* no tables on standard output */
} bl_score_options;

extern const bl_score_options bl_score_defaults;
extern const char *const bl_score_protocols[]; /* NULL-terminated */

bl_status bl_score_run(const bl_score_options *o);

#endif
