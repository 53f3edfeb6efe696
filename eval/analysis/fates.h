/* What becomes of every detection and every object at one IoU threshold, and why: the common ground
 * of confusion, error_breakdown, calibration and costly. docs/error-analysis.md has the rules in
 * words. */
#ifndef BALLAST_EVAL_ANALYSIS_FATES_H
#define BALLAST_EVAL_ANALYSIS_FATES_H

#include "eval/protocol/evaluator.h"

/* Kinds of error: Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors",
 * ECCV 2020, section 2.2, with foreground threshold t_f and background threshold t_b. They are
 * tried in this order. */
typedef enum bl_fate {
    BL_FATE_LEFT_OUT, /* beyond a limit of detections, or its class is not judged in the image */
    BL_FATE_IGNORED,  /* on a crowd or ignored object: neither right nor wrong */
    BL_FATE_RIGHT,    /* true positive */
    BL_FATE_LOC,      /* localisation: t_b <= IoU <= t_f with an object of its class */
    BL_FATE_CLS,      /* classification: IoU >= t_f with an object of another class */
    BL_FATE_DUPE,     /* duplicate: IoU > t_f with an object of its class that a better one found */
    BL_FATE_BKG,      /* background: IoU <= t_b with everything */
    BL_FATE_BOTH      /* t_b < IoU < t_f with an object of another class */
} bl_fate;

typedef enum bl_object_fate {
    BL_OBJECT_IGNORED, /* does not count: crowd, `ignore`, or not judged */
    BL_OBJECT_FOUND,
    BL_OBJECT_NEARLY, /* not found, but a LOC or CLS detection would find it if corrected */
    BL_OBJECT_MISSED
} bl_object_fate;

enum { BL_CONFUSED_BACKGROUND = -1, BL_CONFUSED_NOT = -2 };

typedef struct bl_fates_options {
    double iou;             /* t_f */
    double background_iou;  /* t_b */
    double score_threshold; /* detections below it take no part in `confused` */
} bl_fates_options;

/* Indices of objects are into the data set's anns. Arrays are malloc'd. */
typedef struct bl_fates {
    int64_t n_dt, n_gt;
    uint8_t *dt;  /* [n_dt] bl_fate */
    uint8_t *gt;  /* [n_gt] bl_object_fate */
    int32_t *fix; /* [n_dt] RIGHT: its object. LOC, CLS: the unfound object that correcting it would
                     find, when no better detection does so; else -1 */
    /* [n_dt] the object that the detection covers whatever its class, BL_CONFUSED_BACKGROUND, or
     * BL_CONFUSED_NOT (below the score threshold, left out or ignored). */
    int32_t *confused;
} bl_fates;

/* Matching within a class is the evaluator's (bl_eval_run with `p`, at IoU o->iou, the first area
 * range, the last limit of detections), except that an annotation with id 0 is an object like any
 * other. All threads; the result does not depend on their number. */
bl_status bl_fates_find(const bl_dataset *gt, const bl_detections *dt, const bl_eval_params *p,
                        const bl_fates_options *o, bl_fates *out);
void bl_fates_free(bl_fates *f);

#endif
