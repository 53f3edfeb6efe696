/* What becomes of unlabelled images over a log window: how many are used, and, where the truth is
 * known, how right their pseudo-labels are. Diagnosis only. */
#ifndef BALLAST_SSL_CLASSIFICATION_WATCH_H
#define BALLAST_SSL_CLASSIFICATION_WATCH_H

#include "ssl/classification/learner.h"

typedef struct bl_classify_watch bl_classify_watch;
bl_status bl_classify_watch_create(int32_t classes, bl_classify_watch **out);
void bl_classify_watch_destroy(bl_classify_watch *w);

/* One step's pseudo-labels; truth [n] or BL_CLASSIFY_UNKNOWN. */
void bl_classify_watch_add(bl_classify_watch *w, const bl_classify_pseudo *q, const int32_t *truth);
/* Fraction of images with a weight above 0; 0 when nothing was seen. */
double bl_classify_watch_rate(const bl_classify_watch *w);
/* Adds to an open "class" line: pseudo (used pseudo-labels of each class), mask_rate,
 * pseudo_accuracy (of the used ones), label_accuracy (of all), precision and recall by class
 * (recall: right and used, of the images truly of the class; null where undefined), mean_label (the
 * mean of p: the estimated unlabelled prior), truth (share of each class). Clears the window. */
void bl_classify_watch_report(bl_classify_watch *w, bl_metrics *line);
bool bl_classify_watch_empty(const bl_classify_watch *w);

bl_status bl_classify_watch_state(bl_classify_watch *w, bl_state_io *io);

#endif
