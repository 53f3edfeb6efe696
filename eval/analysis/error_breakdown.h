/* TIDE: which kind of error costs how much average precision.
 *
 * Bolya, Foley, Hays and Hoffman, "TIDE: A General Toolbox for Identifying Object Detection
 * Errors", ECCV 2020, section 2. The kinds are those of bl_fate (t_f = 0.5, t_b = 0.1), and missed
 * objects. The weight of a kind is the AP gained by an oracle that corrects this kind and leaves
 * all others:
 *
 *   localisation    the detection finds its object; if a better one claims the object, it goes away
 *   classification  the same, in the object's class
 *   both, duplicate, background   the detection goes away
 *   missed          the object goes away (N of the recall falls)
 *   false positives all of them go away; false negatives: all objects that are not found go away
 *
 * AP here is at one IoU threshold over the evaluator's recall points; classes without objects do
 * not count, as in COCO (the authors' program counts such a class with 0 when
 * it has detections). */
#ifndef BALLAST_EVAL_ANALYSIS_ERROR_BREAKDOWN_H
#define BALLAST_EVAL_ANALYSIS_ERROR_BREAKDOWN_H

#include "eval/analysis/fates.h"

typedef enum bl_error_kind {
    BL_ERROR_CLS,
    BL_ERROR_LOC,
    BL_ERROR_BOTH,
    BL_ERROR_DUPE,
    BL_ERROR_BKG,
    BL_ERROR_MISS,
    BL_ERROR_FP, /* special: overlaps with the six above */
    BL_ERROR_FN,
    BL_ERROR_KINDS
} bl_error_kind;
extern const char *const bl_error_names[BL_ERROR_KINDS]; /* "cls", "loc", ... */

typedef struct bl_error_costs {
    double ap;                     /* -1: no objects */
    double gain[BL_ERROR_KINDS];   /* >= 0; -1: undefined (no objects, or none left) */
    int64_t count[BL_ERROR_KINDS]; /* CLS counts with the class of the detection */
} bl_error_costs;

typedef struct bl_error_breakdown {
    bl_error_costs all;
    int32_t n_classes;
    bl_error_costs *classes; /* [n_classes]; malloc'd */
} bl_error_breakdown;

/* `f` from bl_fates_find with the same data and parameters. */
bl_status bl_error_breakdown_make(const bl_dataset *gt, const bl_detections *dt,
                                  const bl_eval_params *p, const bl_fates *f,
                                  bl_error_breakdown *out);
void bl_error_breakdown_free(bl_error_breakdown *e);

#endif
