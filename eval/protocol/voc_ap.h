/* Average precision as the Pascal VOC development kit computes it (VOCevaldet, VOCap; Everingham et
 * al., "The Pascal Visual Object Classes Challenge", IJCV 2010): one IoU threshold, detections of a
 * class over all images by falling score (equal ones as in the result file), each assigned to the
 * object of its image and class that it overlaps most, even if that one is taken: a hit when the
 * overlap reaches the threshold and the object is free, nothing when the object is difficult, else
 * a false positive. No limit of detections, no area ranges. */
#ifndef BALLAST_EVAL_PROTOCOL_VOC_AP_H
#define BALLAST_EVAL_PROTOCOL_VOC_AP_H

#include "eval/protocol/evaluator.h"

typedef struct bl_voc_params {
    double iou; /* 0.5 */
    /* VOC 2007: the mean, over the recalls 0, 0.1, ..., 1 (i * 0.1 in double), of the highest
     * precision at that recall or above. Else, from VOC 2010 on: the area under the precision made
     * monotonous. */
    bool eleven_points;
    /* The kit's boxes are inclusive pixels: width = right - left + 1. Set, x and x + w of a box
     * are taken as such pixels. Clear it for boxes whose w counts the pixels already, as a VOC
     * folder read with one_based gives them: with detections alike, that is the same overlap. */
    bool plus_one;
} bl_voc_params;

bl_voc_params bl_voc_params_07(void); /* 0.5, eleven points, plus one */
bl_voc_params bl_voc_params_12(void); /* 0.5, all points, plus one */

typedef struct bl_voc_class {
    double AP;                /* -1 without objects */
    int64_t n_gt;             /* objects that count */
    int64_t n_difficult;      /* marked difficult, ignore or iscrowd: they do not */
    int64_t n_images;         /* with objects that count */
    int64_t n_det, tp, fp;    /* all detections; the rest lies on difficult objects */
    bl_operating_point best;  /* the score threshold with the best F1, and what it leaves */
    double precision, recall; /* there; -1 when undefined */
} bl_voc_class;

/* One entry per category, and the mean over those with objects (-1 without any). Uses all threads.
 * Errors: a threshold outside (0, 1], numbers or indices of a detection out of range (BL_EINVAL,
 * naming it), memory. */
bl_status bl_voc_evaluate(const bl_dataset *gt, const bl_detections *dt, const bl_voc_params *p,
                          bl_voc_class *out, double *mean);

#endif
