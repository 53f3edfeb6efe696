/* The sizes of a data set's images as their files say, read from the headers alone. */
#ifndef BALLAST_DATASETS_ANNOTATIONS_MEASURE_H
#define BALLAST_DATASETS_ANNOTATIONS_MEASURE_H

#include "datasets/annotations/dataset.h"

typedef struct bl_measure {
    bool skip_bad;       /* unreadable images are no failure */
    const char *dir_key; /* of the configuration, for the message when no image is where it says */
    bool ignore_exif;    /* as bl_dataset.ignore_exif, which is set to it */
    int64_t n_corrected; /* out: images of a VOC list whose file has another size than the XML */
    int64_t n_left_out;  /* out: unreadable images whose size nobody knows */
    int64_t n_turned;    /* out: images whose boxes were turned with the pixels */
} bl_measure;

/* Opens every image of *d, in parallel, and sets the sizes that are not known, and those of VOC
 * lists (whose tools often write wrong ones) in any case. Fails when a file cannot be read, saying
 * how many, or has another size than a COCO file says: before hours of training instead of within
 * them. With skip_bad such images stay, for the loader to pass over, except those without a size:
 * *d is then another data set without them.
 *
 * Images that EXIF turns are measured upright. Annotations of the stored pixels, as their boxes show
 * (bl_orientation_frame), are turned with them; where the boxes do not show it but the size is the
 * stored one, it fails, and with skip_bad leaves the size for the loader to pass over. */
bl_status bl_dataset_measure(bl_dataset **d, bl_measure *how);

#endif
