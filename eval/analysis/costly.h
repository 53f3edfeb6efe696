/* The images that cost a class the most average precision.
 *
 * With N objects, and detections by falling score, average precision (the area under the curve
 * itself, without interpolation) is
 *
 *   AP = (1/N) * sum of the precision at each true positive.
 *
 * A true positive at rank r with f false positives before it has precision 1 - f/r. So
 *
 *   1 - AP = (objects not found) / N  +  (1/N) * sum over true positives of f/r,
 *
 * which splits exactly: an object that is not found costs 1/N, a false positive costs 1/(N r) for
 * every true positive behind it. The cost of an image is the sum of what its objects and detections
 * cost; the costs of all images add up to 1 - AP. */
#ifndef BALLAST_EVAL_ANALYSIS_COSTLY_H
#define BALLAST_EVAL_ANALYSIS_COSTLY_H

#include "eval/analysis/fates.h"

typedef struct bl_costly_image {
    int32_t image;  /* index */
    int64_t fp, fn; /* of the class in this image */
    double cost;    /* > 0 */
} bl_costly_image;

typedef struct bl_costly {
    int32_t n_classes, most; /* at most `most` images per class */
    bl_costly_image *images; /* [n_classes][most], costliest first; equal costs by image id */
    int32_t *n;              /* [n_classes] */
    double *ap;              /* [n_classes] AP as above; -1 without objects */
} bl_costly;

/* Classes without objects have no images. */
bl_status bl_costly_find(const bl_dataset *gt, const bl_detections *dt, const bl_fates *f,
                         bool class_agnostic, int32_t most, bl_costly *out);
void bl_costly_free(bl_costly *c);

#endif
