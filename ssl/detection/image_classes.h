/* Which classes the images of a data set hold, as sampling by class needs it. */
#ifndef BALLAST_SSL_DETECTION_IMAGE_CLASSES_H
#define BALLAST_SSL_DETECTION_IMAGE_CLASSES_H

#include "balance/repeat_factor.h"
#include "datasets/annotations/dataset.h"

/* Class lists of all images; crowds count as the reference does. One block
 * of memory: free(*memory). */
bl_status bl_image_classes_of(const bl_dataset *d, bl_image_classes *out, void **memory);

#endif
