/* The images of a classification run: what is labelled, what is unlabelled, what is tested on. */
#ifndef BALLAST_TRAIN_CLASSIFICATION_DATA_H
#define BALLAST_TRAIN_CLASSIFICATION_DATA_H

#include "ssl/classification/method.h"
#include "train/train.h"

typedef struct bl_classify_run_data {
    bl_classify_data sets;
    bl_classify_set *joined; /* training set with irrelevant images behind it, or NULL */
    bl_longtail *split;
    bl_classify_items labelled, unlabelled;       /* with label lists; unlabelled.n 0 = none */
    bl_classify_items validation;                 /* set aside; n 0 = none */
    uint8_t *is_labelled;                         /* [unlabelled.n] or NULL */
    int64_t *labelled_counts, *unlabelled_counts; /* [K]; unlabelled by hidden truth */
    int32_t *labels, *truth, *held;               /* what the items point at */
} bl_classify_run_data;

/* Reads (or draws) the sets and builds the long tail. */
bl_status bl_classify_run_data_open(const bl_run_config *cfg, bl_classify_run_data *out);
void bl_classify_run_data_close(bl_classify_run_data *d);

#endif
