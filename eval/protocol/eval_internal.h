/* The evaluator's inner stages. Internal to eval/ (evaluator.h is the interface).
 *
 *   eval_plan    what one pass over a class decides: at most 64 pairs of area range and threshold
 *   eval_index   detections and ground truth in the order class, image id, file order; limits that
 *                reach over classes or images
 *   eval_match   one class: per image, detections by score meet ground truth (all pairs of area
 *                range and threshold at once, as bit sets)
 *   eval_curve   the matched detections of one class become precision and recall curves
 *
 * Source of every rule: COCOeval.evaluateImg and COCOeval.accumulate of pycocotools 2.0 (Lin et
 * al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its evaluation code), LVISEval
 * and LVISResults of lvis-api 0.5 (Gupta et al., "LVIS", CVPR 2019). */
#ifndef BALLAST_EVAL_INTERNAL_H
#define BALLAST_EVAL_INTERNAL_H

#include "eval/protocol/curve_store.h"
#include "eval/protocol/evaluator.h"

/* ---- plan ---- */

enum { EVAL_CELLS = 64, EVAL_MAX_EDGES = 2 * BL_EVAL_MAX_AREAS };

/* Cell number a * n_t + t: area range a, threshold t0 + t. Sizes fall into a few classes, each with
 * the set of ranges that hold it; class 0 is in none. */
typedef struct eval_plan {
    const bl_eval_params *p;
    int t0, n_t, n_cells;
    double iou[BL_EVAL_MAX_IOUS]; /* of this pass, as compared: min(threshold, 1 - 1e-10) */
    double floor;                 /* the smallest of them */
    int n_edges, n_classes;
    double edge[EVAL_MAX_EDGES];                  /* ends of ranges, ascending, distinct */
    uint8_t class_of[2 * EVAL_MAX_EDGES + 1];     /* by number of edges below, and whether on one */
    uint16_t class_areas[2 * EVAL_MAX_EDGES + 2]; /* bit a: range a holds sizes of the class */
} eval_plan;

int bl_eval_n_passes(const bl_eval_params *p);
int bl_eval_pass_width(const bl_eval_params *p); /* thresholds of a pass */
void bl_eval_plan_make(const bl_eval_params *p, int pass, eval_plan *out);
int bl_eval_area_class(const eval_plan *plan, double area);

/* ---- index ---- */

/* A detection or an annotation, with the position of its image among ascending ids. */
typedef struct eval_item {
    uint32_t index;
    int32_t rank;
} eval_item;

typedef struct eval_index {
    int64_t *dt_first, *gt_first; /* [K + 1] where a class begins in the arrays below */
    eval_item *dt, *gt;           /* by class, ascending image id, file order */
    int64_t dt_max, gt_max;       /* longest class; most annotations of a class in an image */
    int32_t n_classes;            /* K */
} eval_index;
bl_status bl_eval_index_build(const bl_dataset *gt, const bl_detections *dt,
                              const bl_eval_params *p, eval_index *out);
void bl_eval_index_free(eval_index *x);

/* ---- matching ---- */

/* One detection of the class being evaluated. */
typedef struct eval_scored {
    double score;
    uint32_t pair;      /* 0: touches no ground truth; else 1 + index into pairs */
    uint8_t area_class; /* of its own size; 0 also when it is ignored unless matched */
    uint8_t rank;       /* how many limits it exceeds within its image */
} eval_scored;

/* Fate of a detection with enough IoU to something; a bit per cell. In neither set: ignored. */
typedef struct eval_pair {
    uint64_t tp, fp;
} eval_pair;

/* Runs of a mask and its box, decoded when first needed. */
typedef struct eval_mask {
    const bl_mask *kept;
    bl_rle runs;
    double box[4];
    bool decoded;
} eval_mask;

/* Working memory of one thread, large enough for the longest class. */
typedef struct eval_scratch {
    eval_scored *list, *spare; /* [dt_max] */
    eval_pair *pairs;          /* [dt_max] */
    int64_t n, n_pairs;
    int64_t n_gt[BL_EVAL_MAX_AREAS]; /* not ignored */
    /* Ground truth of one image. [gt_max] each. */
    double *x1, *y1, *x2, *y2, *area;
    uint64_t *matched; /* bit per cell */
    uint16_t *ignored; /* bit a */
    uint8_t *crowd, *void_id;
    eval_mask *masks; /* segm mode only */
    int64_t n_masks;  /* how many masks own runs */
    eval_mask dt_mask;
    /* Ground truth within reach of one detection. */
    int32_t *cand;
    double *cand_iou;
    /* Curves of one class: [cells][M][R] and [cells][M]. */
    double *precision, *scores, *recall;
    int64_t *need;      /* [A][R] */
    bl_curve_room room; /* to store them in */
} eval_scratch;
bl_status bl_eval_scratch_init(eval_scratch *s, const bl_eval_params *p, const eval_index *x);
void bl_eval_scratch_free(eval_scratch *s);

typedef struct eval_input {
    const bl_dataset *gt;
    const bl_detections *dt;
    const eval_index *index;
} eval_input;

/* Fills list (sorted by descending score; ties by image id, then file order), pairs and n_gt. Fails
 * when masks do not fit into memory. */
bl_status bl_eval_match_class(const eval_input *in, const eval_plan *plan, int32_t k,
                              eval_scratch *s);

/* Stable, descending; `spare` has room for n. */
void bl_eval_sort_scores(eval_scored *v, int64_t n, eval_scored *spare);

/* ---- curves ---- */

/* Some range has ground truth; without, all of the class is undefined and the scratch stays as it
 * is. */
static inline bool eval_any_gt(const eval_plan *plan, const eval_scratch *s) {
    for (int a = 0; a < plan->p->n_areas; a++)
        if (s->n_gt[a]) return true;
    return false;
}
/* From the matched list to precision, scores and recall of the scratch. */
void bl_eval_curve_class(const eval_plan *plan, eval_scratch *s);
/* The steps of a cell's curve; NULL for a class that is undefined in all areas. */
const bl_curve_step *bl_eval_steps(const bl_eval_result *x, int t, int32_t k, int a, int m);
/* The score threshold with the best F1 in a cell of area 0, last limit. */
bl_operating_point bl_eval_best_f1(const eval_plan *plan, int cell, const eval_scratch *s);

#endif
