/* best.json: which checkpoint of a run is the best, and what says so. */
#ifndef BALLAST_TRAIN_BEST_H
#define BALLAST_TRAIN_BEST_H

#include <stdint.h>

#include "core/status.h"

typedef struct bl_best {
    int64_t iter;
    double score;        /* of `model` on `set` */
    const char *measure; /* "AP", "balanced accuracy" */
    const char *model;   /* "teacher", "ema", "student" */
    const char *set;     /* "validation", or "test" where a run has no validation images */
    int64_t images;
} bl_best;

bl_status bl_best_write(const char *run_dir, const bl_best *b);

#endif
