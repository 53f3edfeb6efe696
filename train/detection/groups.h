/* What is known of the classes before training: counts in the labelled set and their groups. */
#ifndef BALLAST_TRAIN_DETECTION_GROUPS_H
#define BALLAST_TRAIN_DETECTION_GROUPS_H

#include "eval/results/class_groups.h"
#include "train/train.h"

typedef struct bl_groups {
    int32_t n_classes;
    bl_class_groups of; /* with counts and membership (info.members), also where no groups are */
} bl_groups;

/* From the labelled data set and the configuration: data.groups, else data.minority, else LVIS
 * frequencies of the categories, else data.minority_ratio. */
bl_status bl_groups_make(const bl_data_config *cfg, const bl_dataset *labelled, bl_groups *out);
/* From a run folder's classes.json; the class list must equal the data set's. */
bl_status bl_groups_read(const char *path, const bl_dataset *d, bl_groups *out);
/* The class list of that file as a data set without images, for bl_run_set_match. */
bl_status bl_groups_classes(const char *path, bl_dataset **out);
bl_status bl_groups_write(const bl_groups *g, const bl_dataset *d, const char *path);
void bl_groups_free(bl_groups *g);

#endif
