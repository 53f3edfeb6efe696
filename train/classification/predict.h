/* bl_predict of a classification run. */
#ifndef BALLAST_TRAIN_CLASSIFICATION_PREDICT_H
#define BALLAST_TRAIN_CLASSIFICATION_PREDICT_H

#include "train/train.h"

/* Of files: every image is resized to the size of the training set's (Pillow's bilinear filter, as
 * image folders are when read) and seen as in evaluation; only the run folder is needed. Of a set
 * of the run (opt->set): its images as evaluation sees them. */
bl_status bl_classify_predict(const bl_run_config *cfg, const bl_predict_options *opt);

#endif
