/* Example images for the report: truth, predictions and pseudo boxes of a few images, as JPEG +
 * samples.json. */
#ifndef BALLAST_TRAIN_DETECTION_SAMPLES_H
#define BALLAST_TRAIN_DETECTION_SAMPLES_H

#include "train/detection/infer.h"

/* The first `n` images of each set (unlabelled may be NULL). Predictions below `min_score` are left
 * out; `pseudo_threshold` [classes] selects pseudo boxes among the unlabelled set's detections. */
bl_status bl_samples_write(bl_infer *in, const char *dir, int32_t n, const bl_dataset *test,
                           const bl_dataset *unlabelled, double min_score,
                           const double *pseudo_threshold);

#endif
