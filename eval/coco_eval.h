/* COCO detection evaluation with the semantics of pycocotools' COCOeval (iouType bbox), to the last
 * bit: stable score sorting, ignored ground truth last, crowd by intersection over detection area,
 * later ground truth wins ties, 101 recall points, -1 for undefined. */
#ifndef BALLAST_EVAL_COCO_EVAL_H
#define BALLAST_EVAL_COCO_EVAL_H

#include "eval/detections.h"

enum { BL_COCO_T = 10, BL_COCO_R = 101, BL_COCO_A = 4, BL_COCO_M = 3 };

/* A score threshold and what it leaves at IoU 0.5, area all, 100 detections; ignored detections are
 * in none of the counts. */
typedef struct bl_operating_point {
    double f1, score; /* -1, -1 without ground truth; score -1 when nothing was found at all */
    int64_t tp, fp, fn;
} bl_operating_point;

typedef struct bl_coco_result {
    int32_t n_categories; /* K */
    /* precision[T][R][K][A][M], recall[T][K][A][M], scores as precision; -1 = undefined. malloc'd.
     */
    double *precision, *recall, *scores;
    int64_t *n_gt;            /* [K][A] not ignored */
    bl_operating_point *best; /* [K] the threshold with the best F1; the highest of equals */
} bl_coco_result;

/* The twelve summary numbers, -1 when undefined. */
typedef struct bl_coco_summary {
    double AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl;
} bl_coco_summary;

/* Per class: area all, 100 detections, unless said otherwise; -1 when undefined. */
typedef struct bl_class_result {
    double AP, AP50, AP75, APs, APm, APl, AR100;
    double best_f1, best_f1_score, precision_at_f1, recall_at_f1; /* at IoU 0.5 */
    int64_t tp, fp, fn;                                           /* at that score */
    int64_t n_gt, n_images, n_det;
} bl_class_result;

/* Uses all threads; the result does not depend on their number. Ground truth marked `ignore` (VOC
 * difficult) is treated as crowd-less ignore only when honour_ignore is set: pycocotools overwrites
 * ignore by iscrowd. */
bl_status bl_coco_evaluate(const bl_dataset *gt, const bl_detections *dt, bool honour_ignore,
                           bl_coco_result *out);
void bl_coco_result_free(bl_coco_result *r);

/* Means over the categories whose mask entry is non-zero (mask NULL = all). */
bl_coco_summary bl_coco_summarise(const bl_coco_result *r, const uint8_t *category_mask);
/* One entry per category; arrays of n_categories. n_images: images with the class, crowd not
 * counted; n_det: all its detections. */
bl_status bl_coco_per_class(const bl_coco_result *r, const bl_dataset *gt, const bl_detections *dt,
                            bl_class_result *out);

#endif
