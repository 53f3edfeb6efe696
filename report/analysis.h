/* analysis.json in memory: what kinds of errors a result has. Internal to eval/. */
#ifndef BALLAST_REPORT_ANALYSIS_H
#define BALLAST_REPORT_ANALYSIS_H

#include "report/data.h"

typedef struct rep_confused { /* of the confusion matrix, count > 0 */
    int row, column;          /* ground truth, prediction; `n_classes` is the background */
    double count;
} rep_confused;

typedef enum rep_error { /* TIDE (Bolya et al., ECCV 2020); the last two contain the others */
                         REP_CLS,
                         REP_LOC,
                         REP_BOTH,
                         REP_DUPE,
                         REP_BKG,
                         REP_MISS,
                         REP_FALSE_POSITIVE,
                         REP_FALSE_NEGATIVE,
                         REP_ERRORS
} rep_error;

typedef struct rep_bin { /* detections with scores in [lo, hi) */
    double lo, hi, count, mean_score, precision;
} rep_bin;

typedef struct rep_costly {
    const char *class_name, *file, *data_uri; /* data_uri NULL: no thumbnail */
    double cost, fp, fn;
} rep_costly;

typedef struct rep_analysis {
    double iou, score_threshold;
    const char **classes;
    int n_classes;
    rep_confused *cells;
    int n_cells;
    bool background;              /* the matrix has a background row and column */
    double *row_sum, *column_sum; /* [n_classes + 1] */
    bool has_tide;
    double ap50, gain[REP_ERRORS], count[REP_ERRORS]; /* gain in AP50 if that error were mended */
    rep_bin *bins;
    int n_bins;
    double ece;
    rep_costly *costly; /* by class, in file order */
    int n_costly;
} rep_analysis;

/* Of a run's main model; NULL if there is none. */
const rep_analysis *bl_rep_analysis_of(const rep_run *run);

#endif
