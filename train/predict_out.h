/* Detections of prediction, collected and written: COCO result entries with file names, CSV, or a
 * table for the screen. */
#ifndef BALLAST_TRAIN_PREDICT_OUT_H
#define BALLAST_TRAIN_PREDICT_OUT_H

#include <stdio.h>

#include "core/ids.h"
#include "detector/faster_rcnn.h"

/* What the run knows of its classes, by label. */
typedef struct bl_predict_class {
    int64_t id; /* of the annotation file it was trained on */
    const char *name;
} bl_predict_class;

typedef struct bl_predicted {
    int32_t image, label;
    bl_box box; /* pixels of the original */
    float score;
} bl_predicted;

typedef struct bl_predictions {
    const char *const *images; /* file names */
    const bl_id *ids;          /* of a data set's images; NULL: they are made of the file names */
    int32_t n_images;
    const bl_predict_class *classes;
    bl_predicted *v;
    int64_t n, cap;
} bl_predictions;

/* Appends the boxes of one image. Images come in order. */
bl_status bl_predictions_add(bl_predictions *p, int32_t image, const bl_boxes *b);
void bl_predictions_free(bl_predictions *p);

/* CSV when `path` ends in .csv, else JSON. */
bl_status bl_predictions_write(const bl_predictions *p, const char *path);
/* A line each detection; images without any have a line as well. */
void bl_predictions_print(const bl_predictions *p, double least_score, FILE *f);

#endif
