/* The evaluator: detections against ground truth under the COCO protocol (as pycocotools'
 * COCOeval), the LVIS protocol (as lvis-api's LVISEval) and anything between, to the last bit of
 * the reference.
 *
 *     bl_eval_params p = bl_eval_params_coco();
 *     bl_eval_result r;
 *     BL_TRY(bl_eval_run(gt, dt, &p, &r));
 *     printf("AP %.3f\n", bl_eval_summarise(&r, NULL).AP);
 *     bl_eval_result_free(&r);
 *
 * Ground truth and detections come from files (datasets/annotations/dataset.h,
 * eval/protocol/detections.h) or from memory (bl_dataset_build, bl_detections_add). A protocol is a
 * value: change the fields of a preset for other IoU thresholds, area ranges or limits.
 * docs/evaluation.md has the rules in words. */
#ifndef BALLAST_EVAL_PROTOCOL_EVALUATOR_H
#define BALLAST_EVAL_PROTOCOL_EVALUATOR_H

#include "eval/protocol/detections.h"

enum {
    BL_EVAL_MAX_IOUS = 64,
    BL_EVAL_MAX_RECALLS = 1001,
    BL_EVAL_MAX_AREAS = 16,
    BL_EVAL_MAX_LIMITS = 8,
    BL_EVAL_MAX_METRICS = 2 * (BL_EVAL_MAX_AREAS + BL_EVAL_MAX_LIMITS) + 8,
    BL_EVAL_UNLIMITED = INT32_MAX
};

typedef enum bl_iou_kind { BL_IOU_BBOX, BL_IOU_SEGM } bl_iou_kind;

/* Objects with min <= area <= max. Ground truth is measured by its `area` field; a detection by its
 * box, or in segm mode by its mask when the result file gave no boxes. */
typedef struct bl_area_range {
    char name[16]; /* "all", "small", ... */
    double min, max;
} bl_area_range;

typedef struct bl_eval_params {
    char protocol[24]; /* preset's name: "coco", "coco-segm", "lvis", ... */
    bl_iou_kind kind;
    int n_ious, n_recalls, n_areas, n_limits;
    double ious[BL_EVAL_MAX_IOUS];          /* any order, each in [0, 1] */
    double recalls[BL_EVAL_MAX_RECALLS];    /* ascending, each in [0, 1] */
    bl_area_range areas[BL_EVAL_MAX_AREAS]; /* the first is "everything" in summaries */
    int32_t max_dets[BL_EVAL_MAX_LIMITS];   /* per image and class; ascending, >= 1 */
    int32_t max_dets_per_image;             /* over all classes, the best by score; 0: no limit */
    int32_t max_dets_per_class;             /* over all images, the best by score; 0: no limit */
    bool class_agnostic;                    /* all classes of an image count as one */
    bool crowd;         /* iscrowd regions absorb detections (IoU = intersection over detection) */
    bool honour_ignore; /* annotations with `ignore` set are ignored */
    /* LVIS rules: a class is judged only in images where it is annotated or listed as absent
     * (neg_category_ids); where it is listed as not exhaustively annotated, an unmatched detection
     * is ignored; boxes and annotations without area do not count. */
    bool federated;
} bl_eval_params;

/* COCO: IoU 0.50:0.05:0.95, recall 0:0.01:1, areas all, small, medium, large (32^2, 96^2), 1, 10
 * and 100 detections per image and class; crowd; `ignore` is overwritten by iscrowd, as in
 * COCOeval._prepare. */
bl_eval_params bl_eval_params_coco(void);
/* The same over masks. */
bl_eval_params bl_eval_params_coco_segm(void);
/* LVIS (lvis-api 0.5): the same thresholds, points and areas; at most 300 detections per image over
 * all classes, no other limit; federated; no crowd; `ignore` honoured. */
bl_eval_params bl_eval_params_lvis(bl_iou_kind kind);
/* LVIS Fixed AP (Dave et al., "Evaluating Large-Vocabulary Object Detectors: The Devil is in the
 * Details", 2021; proposed as lvis-api pull request 25): of each class the 10,000 best detections
 * over the whole set, chosen before the federated rules, and no limit per image. */
bl_eval_params bl_eval_params_lvis_fixed(bl_iou_kind kind);
/* One limit of detections for a preset in place of its own: COCO's largest (smaller ones stay), or
 * LVIS's per image, or Fixed AP's per class. */
void bl_eval_set_max_dets(bl_eval_params *p, int32_t max_dets);
/* BL_EINVAL, and what is wrong. bl_eval_run checks too. */
bl_status bl_eval_params_check(const bl_eval_params *p);
/* Position of a threshold (exact equality, as the reference) or of a named range; -1: not there. */
int bl_eval_find_iou(const bl_eval_params *p, double iou);
int bl_eval_find_area(const bl_eval_params *p, const char *name);

/* A score threshold and what it leaves at IoU 0.5 (the first threshold of lists without 0.5), first
 * area range, last limit; ignored detections are in none of the counts. */
typedef struct bl_operating_point {
    double f1, score; /* -1, -1 without ground truth; score -1 when nothing was found at all */
    int64_t tp, fp, fn;
} bl_operating_point;

/* T IoU thresholds, R recall points, K classes (1 when class-agnostic, else in the data set's
 * order: ascending ids), A areas, M limits. Curves are stored without what repeats, so that memory
 * is by what the files hold and not by K; bl_eval_precision and its siblings read them,
 * bl_eval_expand makes the arrays of the reference. Other arrays are malloc'd, in C order, -1 =
 * undefined. */
typedef struct bl_eval_result {
    bl_eval_params params;
    int T, R, A, M;
    int32_t K;
    int passes, pass_width; /* thresholds are evaluated, and stored, in passes of that many */
    struct bl_classify_curves **curves; /* [K][passes]; NULL: undefined in all areas */
    int64_t *n_gt;                      /* [K][A] not ignored */
    bl_operating_point *best; /* [K] the threshold with the best F1; the highest of equals */
    char *frequency;          /* [K] 'r', 'c', 'f' or 0 */
} bl_eval_result;

/* Highest precision at recall >= point r, the score of the first detection that reaches it, and the
 * recall reached; -1 when undefined. */
double bl_eval_precision(const bl_eval_result *x, int t, int r, int32_t k, int a, int m);
double bl_eval_score(const bl_eval_result *x, int t, int r, int32_t k, int a, int m);
double bl_eval_recall(const bl_eval_result *x, int t, int32_t k, int a, int m);
/* The whole arrays as the reference lays them out: precision and scores [T][R][K][A][M], recall
 * [T][K][A][M]. Any of them may be NULL. */
void bl_eval_expand(const bl_eval_result *x, double *precision, double *scores, double *recall);

/* Uses all threads; the result does not depend on their number. Errors: parameters, indices or
 * numbers of a detection out of range (BL_EINVAL, naming it), memory; *out is empty then. */
bl_status bl_eval_run(const bl_dataset *gt, const bl_detections *dt, const bl_eval_params *p,
                      bl_eval_result *out);
void bl_eval_result_free(bl_eval_result *r);

/* The numbers of a protocol's summary, in the order of its table. Keys: AP, AP50, AP75, APs, APm,
 * APl, then COCO: AR1, AR10, AR100 (one per limit), ARs, ARm, ARl; LVIS: APr, APc, APf, AR, ARs,
 * ARm, ARl. Ranges of other names give AP_<name>, AR_<name>. All but AR<n> are taken at the last
 * limit (pycocotools takes AP at 100, and gives -1 when that is not in the list). */
typedef struct bl_eval_metric {
    char key[24];
    double value; /* -1: undefined */
    bool is_recall;
    double iou_min, iou_max; /* the thresholds averaged over */
    const char *area;        /* name of the range; lives as long as the result */
    int32_t max_dets;
    char frequency; /* 'r', 'c', 'f'; 0: all classes */
} bl_eval_metric;
/* Means over the classes whose mask entry is non-zero (NULL: all). Returns how many. */
int bl_eval_metrics(const bl_eval_result *r, const uint8_t *class_mask,
                    bl_eval_metric out[BL_EVAL_MAX_METRICS]);

/* The same as a struct; what the protocol has not is -1. */
typedef struct bl_eval_summary {
    double AP, AP50, AP75, APs, APm, APl, APr, APc, APf;
    double AR, AR1, AR10, AR100, ARs, ARm, ARl; /* AR: of the last limit */
} bl_eval_summary;
bl_eval_summary bl_eval_summarise(const bl_eval_result *r, const uint8_t *class_mask);

/* Mean over any block of cells: thresholds [t0, t1), classes [k0, k1) that are in the mask (NULL:
 * all) and of the frequency (0: any), one area, one limit. -1 when nothing in it is defined. Adds
 * as numpy does (pairwise), so that means too agree with the reference in all bits. */
typedef struct bl_eval_cells {
    int t0, t1, area, limit;
    int32_t k0, k1;
    const uint8_t *class_mask;
    char frequency;
} bl_eval_cells;
double bl_eval_mean_precision(const bl_eval_result *r, const bl_eval_cells *c);
double bl_eval_mean_recall(const bl_eval_result *r, const bl_eval_cells *c);

/* Per class: first area and last limit unless said otherwise; -1 when undefined. */
typedef struct bl_class_result {
    double AP, AP50, AP75, APs, APm, APl, AR;
    double best_f1, best_f1_score, precision_at_f1, recall_at_f1; /* at IoU 0.5 */
    int64_t tp, fp, fn;                                           /* at that score */
    int64_t n_gt, n_images, n_det;
} bl_class_result;
/* One entry per class (K). n_images: images with the class, crowd not counted; n_det: all its
 * detections. */
bl_status bl_eval_per_class(const bl_eval_result *r, const bl_dataset *gt, const bl_detections *dt,
                            bl_class_result *out);

#endif
