/* VOC's average precision in the form of the evaluator's results, so that the same tables, files
 * and groups of classes serve it. */
#ifndef BALLAST_EVAL_RESULTS_VOC_RESULT_H
#define BALLAST_EVAL_RESULTS_VOC_RESULT_H

#include "eval/protocol/voc_ap.h"

/* One threshold, one area, no limit of detections, and one "recall point" that holds a class's AP.
 * out->params.protocol is "voc07" or "voc12" by p->eleven_points. */
bl_status bl_voc_run(const bl_dataset *gt, const bl_detections *dt, const bl_voc_params *p,
                     bl_eval_result *out);
/* What the protocol is for checks of the input, and nearly for the error analysis: COCO's rules
 * with one threshold, no limit, and `ignore` honoured (as VOC's readers mark difficult objects). */
bl_eval_params bl_voc_like_params(const bl_voc_params *p);

#endif
