/* IoU of the detections of an image with its objects, over boxes or masks. Internal to eval/. */
#ifndef BALLAST_EVAL_PROTOCOL_PAIR_IOUS_H
#define BALLAST_EVAL_PROTOCOL_PAIR_IOUS_H

#include "eval/protocol/evaluator.h"
#include "eval/protocol/ranking.h"

/* Working memory of one thread. */
typedef struct eval_pairs {
    double *iou; /* [n_dt][n_gt] of the last call */
    /* Masks only: */
    bl_rle *dt, *gt;
    int64_t most_dt, most_gt;
    uint8_t *crowd;
    double *columns; /* [n_gt][n_dt], as bl_rle_ious has it */
} eval_pairs;

/* Room for images of so many detections, objects and pairs. */
bl_status bl_eval_pairs_init(eval_pairs *x, const bl_eval_params *p, int64_t most_dt,
                             int64_t most_gt, int64_t most_cells);
void bl_eval_pairs_free(eval_pairs *x);

/* Fills x->iou for the detections list[0..n_dt) and the objects first_gt..first_gt + n_gt. With
 * crowd objects, where the protocol has them, it is intersection over the detection; never
 * negative. */
bl_status bl_eval_pairs_find(eval_pairs *x, const bl_dataset *gt, const bl_detections *dt,
                             const bl_eval_params *p, const eval_ranked *list, int64_t n_dt,
                             int64_t first_gt, int64_t n_gt);

#endif
