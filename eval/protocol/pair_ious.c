#include "eval/protocol/pair_ious.h"

#include <stdlib.h>

bl_status bl_eval_pairs_init(eval_pairs *x, const bl_eval_params *p, int64_t most_dt,
                             int64_t most_gt, int64_t most_cells) {
    size_t d = (size_t)most_dt + 1, g = (size_t)most_gt + 1, cells = (size_t)most_cells + 1;
    bool ok = true;
    *x = (eval_pairs){.iou = malloc(cells * sizeof *x->iou)};
    if (p->kind == BL_IOU_SEGM) {
        x->dt = calloc(d, sizeof *x->dt);
        x->gt = calloc(g, sizeof *x->gt);
        x->crowd = malloc(g);
        x->columns = malloc(cells * sizeof *x->columns);
        x->most_dt = most_dt;
        x->most_gt = most_gt;
        ok = x->dt && x->gt && x->crowd && x->columns;
    }
    if (ok && x->iou) return BL_OK;
    bl_eval_pairs_free(x);
    return bl_no_memory("for %lld pairs of detections and objects", (long long)most_cells);
}

void bl_eval_pairs_free(eval_pairs *x) {
    for (int64_t d = 0; x->dt && d < x->most_dt; d++) bl_rle_free(&x->dt[d]);
    for (int64_t g = 0; x->gt && g < x->most_gt; g++) bl_rle_free(&x->gt[g]);
    free(x->iou);
    free(x->dt);
    free(x->gt);
    free(x->crowd);
    free(x->columns);
    *x = (eval_pairs){0};
}

/* With the evaluator's arithmetic. */
static double box_iou(const bl_detection *d, const bl_ann *g, bool crowd) {
    double x2 = d->w + d->x, y2 = d->h + d->y, gx2 = g->w + g->x, gy2 = g->h + g->y;
    double w = (x2 < gx2 ? x2 : gx2) - (d->x > g->x ? d->x : g->x);
    double h = (y2 < gy2 ? y2 : gy2) - (d->y > g->y ? d->y : g->y);
    if (w <= 0 || h <= 0) return 0;
    double both = w * h, area = d->w * d->h;
    double iou = both / (crowd ? area : area + g->w * g->h - both);
    return iou > 0 ? iou : 0; /* 0/0: areas that underflow */
}

static bl_status mask_ious(eval_pairs *x, const bl_dataset *gt, const bl_detections *dt,
                           const bl_eval_params *p, const eval_ranked *list, int64_t n_dt,
                           int64_t first_gt, int64_t n_gt) {
    for (int64_t d = 0; d < n_dt; d++) BL_TRY(bl_mask_runs(&dt->masks[list[d].index], &x->dt[d]));
    for (int64_t g = 0; g < n_gt; g++) {
        BL_TRY(bl_mask_runs(&gt->masks[first_gt + g], &x->gt[g]));
        x->crowd[g] = p->crowd && gt->anns[first_gt + g].iscrowd;
    }
    BL_TRY(bl_rle_ious(x->dt, n_dt, x->gt, n_gt, x->crowd, x->columns));
    for (int64_t d = 0; d < n_dt; d++)
        for (int64_t g = 0; g < n_gt; g++) {
            double iou = x->columns[g * n_dt + d];
            x->iou[d * n_gt + g] = iou > 0 ? iou : 0; /* -1: of different sizes */
        }
    return BL_OK;
}

bl_status bl_eval_pairs_find(eval_pairs *x, const bl_dataset *gt, const bl_detections *dt,
                             const bl_eval_params *p, const eval_ranked *list, int64_t n_dt,
                             int64_t first_gt, int64_t n_gt) {
    if (n_dt == 0 || n_gt == 0) return BL_OK;
    if (p->kind == BL_IOU_SEGM) return mask_ious(x, gt, dt, p, list, n_dt, first_gt, n_gt);
    for (int64_t d = 0; d < n_dt; d++)
        for (int64_t g = 0; g < n_gt; g++) {
            const bl_ann *a = &gt->anns[first_gt + g];
            x->iou[d * n_gt + g] = box_iou(&dt->v[list[d].index], a, p->crowd && a->iscrowd != 0);
        }
    return BL_OK;
}
