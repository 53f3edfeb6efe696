/* What silently ruins an evaluation's numbers: looked for before anyone reads them. */
#ifndef BALLAST_EVAL_PROTOCOL_INPUT_CHECKS_H
#define BALLAST_EVAL_PROTOCOL_INPUT_CHECKS_H

#include "eval/protocol/evaluator.h"

enum { BL_MAX_FINDINGS = 32 };

typedef struct bl_finding {
    const char *code; /* "annotation-id-0", ...: for programs */
    int64_t count;
    char *message; /* one line: what, how many, the first of them, what to do; malloc'd */
} bl_finding;

typedef struct bl_findings {
    int n;
    bl_finding v[BL_MAX_FINDINGS];
} bl_findings;

/* Looks for: annotation id 0; areas that say nothing of sizes; masks of another size than their
 * image; `ignore` without iscrowd where the protocol does not honour it; boxes
 * that look like x1, y1, x2, y2 or like fractions of the image, boxes outside their image or
 * without area; scores outside [0, 1] or all equal; no detections at all, images with objects but
 * without detections; more detections than the protocol's limit; a result that stands in the file
 * twice; categories that `train` (NULL: none) names otherwise. `results` names the result file. */
bl_status bl_input_check(const bl_dataset *gt, const bl_detections *dt, const bl_eval_params *p,
                         const bl_dataset *train, const char *results, bl_findings *out);
/* Appends; dropped when there is no room or no memory. */
void bl_finding_add(bl_findings *f, const char *code, int64_t count, const char *format, ...)
    BL_PRINTF(4, 5);
void bl_findings_free(bl_findings *f);

#endif
