/* What is known of the classes before training: counts in the labelled set and the
 * majority/minority groups. */
#ifndef BALLAST_TRAIN_DETECTION_GROUPS_H
#define BALLAST_TRAIN_DETECTION_GROUPS_H

#include "eval/results/results.h"
#include "train/train.h"

typedef struct bl_groups {
    int32_t n_classes;
    int64_t *images, *boxes; /* labelled set */
    uint8_t *group;          /* 0 majority, 1 minority */
    uint8_t *mask;           /* [2 * n_classes]: membership per group, for bl_eval_summarise */
    bl_class_info info;      /* points into this */
} bl_groups;

/* From the labelled data set and the configuration (data.minority, else data.minority_ratio). */
bl_status bl_groups_make(const bl_data_config *cfg, const bl_dataset *labelled, bl_groups *out);
/* From a run folder's classes.json; the class list must equal the data set's. */
bl_status bl_groups_read(const char *path, const bl_dataset *d, bl_groups *out);
/* The class list of that file as a data set without images, for bl_run_set_match. */
bl_status bl_groups_classes(const char *path, bl_dataset **out);
bl_status bl_groups_write(const bl_groups *g, const bl_dataset *d, const char *path);
void bl_groups_free(bl_groups *g);

#endif
