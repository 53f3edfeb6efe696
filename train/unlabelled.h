/* What data.unlabelled may be, found out by looking at it. */
#ifndef BALLAST_TRAIN_UNLABELLED_H
#define BALLAST_TRAIN_UNLABELLED_H

#include "train/train.h"

/* Reads data.unlabelled: a folder of images, a text file that lists them, a COCO file or a VOC
 * list, the latter two also without annotations. `images` is the folder of the images, NULL for
 * that of a VOC root. BL_ECONFIG when there is no such thing. */
bl_status bl_unlabelled_open(const bl_data_config *c, const char *images, bl_read_options *opt,
                             bl_dataset **out);

/* A folder may hold all images of a project: leaves out those of `other` (the labelled or the test
 * set; may be NULL), with a note. Sets from lists and annotation files stay as they are. */
bl_status bl_unlabelled_without(bl_dataset **d, const bl_dataset *other, const char *what);

#endif
