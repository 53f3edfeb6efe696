/* The evaluator's inner stages. Internal to eval/ (coco_eval.h is the interface).
 *
 *   coco_index   detections and ground truth in the order category, image id, file order
 *   coco_match   one category: per image, detections by score meet ground truth (all area ranges
 * and IoU thresholds at once, as bit sets) coco_curve   the matched detections of one category
 * become precision and recall curves
 *
 * Source of every rule: COCOeval.evaluateImg and COCOeval.accumulate of pycocotools 2.0 (Lin et
 * al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its evaluation code). */
#ifndef BALLAST_EVAL_COCO_INTERNAL_H
#define BALLAST_EVAL_COCO_INTERNAL_H

#include "eval/coco_eval.h"

enum { COCO_MAX_DETS = 100, COCO_CELLS = BL_COCO_A * BL_COCO_T };

/* Threshold number t and recall point number r, bit for bit what numpy's linspace gives. */
double coco_iou_threshold(int t);
double coco_recall_point(int r);
/* Detections counted per image and class: 1, 10, 100. */
extern const int coco_max_dets[BL_COCO_M];
/* all, small, medium, large: both ends belong to the range. */
extern const double coco_area_range[BL_COCO_A][2];

typedef struct coco_index {
    int64_t *dt_first, *gt_first; /* [K + 1] where a category begins in the order arrays */
    int64_t *dt_order, *gt_order; /* indices by category, ascending image id, file order */
    int32_t *image_rank;          /* [images] position of an image among ascending ids */
    int64_t dt_max, gt_max;       /* longest category */
} coco_index;
bl_status coco_index_build(const bl_dataset *gt, const bl_detections *dt, coco_index *out);
void coco_index_free(coco_index *x);

/* One detection of the category being evaluated. */
typedef struct coco_scored {
    double score;
    uint32_t pair; /* 0: touches no ground truth; else 1 + index into pairs */
    uint8_t areas; /* bit a: its own area lies in range a */
    uint8_t rank;  /* 0: best of its image, 1: among the best 10, 2: among the best 100 */
} coco_scored;

/* Fate of a detection with IoU >= 0.5 to something; bit a * T + t. In neither set: ignored. */
typedef struct coco_pair {
    uint64_t tp, fp;
} coco_pair;

/* Working memory of one thread, large enough for the longest category. */
typedef struct coco_scratch {
    coco_scored *list, *spare; /* [dt_max] */
    coco_pair *pairs;          /* [dt_max] */
    int64_t n, n_pairs;
    int64_t n_gt[BL_COCO_A]; /* not ignored */
    /* Ground truth of one image. [gt_max] each. */
    double *x1, *y1, *x2, *y2, *area;
    uint64_t *matched; /* bit a * T + t */
    uint8_t *ignored;  /* bit a */
    uint8_t *crowd, *void_id;
    /* Ground truth within reach of one detection. */
    int32_t *cand;
    double *cand_iou;
    /* Curves of one category: [A][T][M][R] and [A][T][M]. */
    double *precision, *scores, *recall;
} coco_scratch;
bl_status coco_scratch_init(coco_scratch *s, int64_t dt_max, int64_t gt_max);
void coco_scratch_free(coco_scratch *s);

/* Fills list (sorted by descending score; ties by image id, then file order), pairs and n_gt. */
void coco_match_category(const bl_dataset *gt, const bl_detections *dt, const coco_index *x,
                         int32_t category, bool honour_ignore, coco_scratch *s);

/* Stable, descending; `spare` has room for n. */
void coco_sort_scores(coco_scored *v, int64_t n, coco_scored *spare);

/* From the matched list to precision, scores and recall of the scratch. */
void coco_curve_category(coco_scratch *s);
/* The score threshold with the best F1 at IoU 0.5, area all, 100 detections. */
bl_operating_point coco_best_f1(const coco_scratch *s);

#endif
