/* Does a score of 0.8 mean that 80 % of such detections are right?
 *
 * Detections are grouped into bins of equal width by score; in each, the mean score is compared
 * with the precision (the share of true positives at the analysis's IoU threshold). The expected
 * calibration error is their absolute difference, averaged over detections: Naeini et al.,
 * "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015; Guo et al., "On
 * Calibration of Modern Neural Networks", ICML 2017; for detectors, with precision in place of
 * accuracy, Kueppers et al., "Multivariate Confidence Calibration for Object Detection", CVPR
 * Workshops 2020. */
#ifndef BALLAST_EVAL_ANALYSIS_CALIBRATION_H
#define BALLAST_EVAL_ANALYSIS_CALIBRATION_H

#include "eval/analysis/fates.h"

enum { BL_CALIBRATION_BINS = 10 };

typedef struct bl_calibration_bin {
    double lo,
        hi; /* lo <= score < hi; the last bin has 1, too. Scores outside [0, 1] go to the ends */
    int64_t count;
    double mean_score, precision; /* -1 when the bin is empty */
} bl_calibration_bin;

typedef struct bl_calibration {
    bl_calibration_bin bins[BL_CALIBRATION_BINS]; /* all classes */
    double ece;                                   /* -1 without detections */
    int32_t n_classes;
    double *class_ece; /* [n_classes]; malloc'd */
} bl_calibration;

/* Over the detections that are neither left out nor ignored. */
bl_status bl_calibration_make(const bl_dataset *gt, const bl_detections *dt, const bl_fates *f,
                              bool class_agnostic, bl_calibration *out);
void bl_calibration_free(bl_calibration *c);

#endif
