#include "eval/results/voc_result.h"

#include <stdio.h>
#include <stdlib.h>

#include "eval/protocol/curve_store.h"

bl_eval_params bl_voc_like_params(const bl_voc_params *p) {
    bl_eval_params e = bl_eval_params_coco();
    snprintf(e.protocol, sizeof e.protocol, "%s", p->eleven_points ? "voc07" : "voc12");
    e.n_ious = e.n_areas = e.n_limits = 1;
    e.ious[0] = p->iou;
    e.max_dets[0] = BL_EVAL_UNLIMITED;
    e.honour_ignore = true;
    return e;
}

/* A class's AP as a curve of one point. */
static bl_classify_curves *pack(const bl_voc_class *c, bl_curve_room *room) {
    const double none = -1, recall = (double)c->tp / (double)c->n_gt;
    return bl_curves_pack(1, 1, 1, 1, &c->AP, &none, &recall, room);
}

bl_status bl_voc_run(const bl_dataset *gt, const bl_detections *dt, const bl_voc_params *p,
                     bl_eval_result *out) {
    int32_t n = gt->n_categories;
    size_t k_n = (size_t)n + 1;
    double mean;
    bl_status status;
    bl_voc_class *classes = calloc(k_n, sizeof *classes);
    bl_curve_room room = bl_curve_room_make(1, 1);
    *out = (bl_eval_result){.params = bl_voc_like_params(p),
                            .T = 1,
                            .R = 1,
                            .A = 1,
                            .M = 1,
                            .K = n,
                            .passes = 1,
                            .pass_width = 1,
                            .curves = calloc(k_n, sizeof *out->curves),
                            .n_gt = malloc(k_n * sizeof(int64_t)),
                            .best = malloc(k_n * sizeof *out->best),
                            .frequency = calloc(k_n, 1)};
    out->params.n_recalls = 1;
    if (!classes || !room.step || !room.curve || !room.of || !out->curves || !out->n_gt ||
        !out->best || !out->frequency)
        BL_TRY_DONE(bl_no_memory("for the results of %d classes", n));
    BL_TRY_DONE(bl_voc_evaluate(gt, dt, p, classes, &mean));
    for (int32_t k = 0; k < n; k++) {
        out->n_gt[k] = classes[k].n_gt;
        out->best[k] = classes[k].best;
        if (classes[k].n_gt && !(out->curves[k] = pack(&classes[k], &room)))
            BL_TRY_DONE(bl_no_memory("for the results of %d classes", n));
    }
done:
    free(classes);
    bl_curve_room_free(&room);
    if (status != BL_OK) bl_eval_result_free(out);
    return status;
}
