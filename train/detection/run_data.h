/* The data sets of a detection run one by one: what bl_run_data_open is made of, for checks that go
 * on after a fault. */
#ifndef BALLAST_TRAIN_DETECTION_RUN_DATA_H
#define BALLAST_TRAIN_DETECTION_RUN_DATA_H

#include "train/train.h"

typedef enum bl_run_set {
    BL_RUN_LABELLED,
    BL_RUN_UNLABELLED,
    BL_RUN_VALIDATION,
    BL_RUN_TEST,
    BL_RUN_SETS
} bl_run_set;

const char *bl_run_set_name(bl_run_set set);                          /* "labelled", ... */
const char *bl_run_set_file(const bl_data_config *c, bl_run_set set); /* data.<name>; may be "" */

/* Reads one set, opens its images' headers, and adds damaged entries that were passed over (with
 * data.skip_bad) to *skipped. */
bl_status bl_run_set_open(const bl_data_config *c, bl_run_set set, int64_t *skipped,
                          bl_dataset **out);

/* Gives a set the categories of `like`, matched by name, and logs what was matched. Boxes of
 * unlabelled images may go; a test set whose categories `like` does not have is BL_EFORMAT. Either
 * may be NULL. */
bl_status bl_run_set_match(bl_dataset **d, bl_run_set set, const bl_dataset *like);
/* data.validation_share: moves labelled images into the validation set. */
bl_status bl_run_hold_out(const bl_data_config *c, bl_run_data *data);
/* Unlabelled folders without the other sets' images; all sets with the labelled one's categories.
 */
bl_status bl_run_data_join(bl_run_data *data);

#endif
