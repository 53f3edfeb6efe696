/* Confusion matrix of a detector, with background.
 *
 * Detections at or above a score take objects in the order of their scores, over all classes: each
 * the free object with the highest IoU, at least the threshold. What takes none stands in the
 * background row, an object that nobody takes in the background column. */
#ifndef BALLAST_EVAL_ANALYSIS_CONFUSION_H
#define BALLAST_EVAL_ANALYSIS_CONFUSION_H

#include "eval/analysis/fates.h"

typedef struct bl_confusion_cell {
    int32_t row, column; /* class of the object, class of the detection; n_classes: background */
    int64_t count;       /* > 0 */
} bl_confusion_cell;

/* The cells that are not zero, by row, then column. A row sums to the objects of its class that
 * count, a column to its class's detections; background against background has no cell. */
typedef struct bl_confusion {
    int32_t n_classes;
    int64_t n_cells;
    bl_confusion_cell *cells; /* malloc'd */
} bl_confusion;

/* One class when `class_agnostic`. */
bl_status bl_confusion_make(const bl_dataset *gt, const bl_detections *dt, const bl_fates *f,
                            bool class_agnostic, bl_confusion *out);
void bl_confusion_free(bl_confusion *c);

#endif
