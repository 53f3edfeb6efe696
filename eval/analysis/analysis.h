/* Error analysis of one result: which classes are confused, which errors cost AP, whether scores
 * mean what they say, which images to look at. Definitions: docs/error-analysis.md and the headers
 * below. */
#ifndef BALLAST_EVAL_ANALYSIS_ANALYSIS_H
#define BALLAST_EVAL_ANALYSIS_ANALYSIS_H

#include "eval/analysis/calibration.h"
#include "eval/analysis/confusion.h"
#include "eval/analysis/costly.h"
#include "eval/analysis/error_breakdown.h"
#include "eval/results/results.h"

typedef struct bl_analysis_options {
    const bl_eval_params *params; /* rules of the analysis; NULL: the result's */
    bl_fates_options fates;
    int32_t costly;         /* images named per class */
    const char *image_dir;  /* thumbnails of them are made from here; NULL: none */
    int32_t max_thumbnails; /* over all classes, those of the largest costs first */
} bl_analysis_options;

/* IoU 0.5 and 0.1, score 0.3, 5 images a class, 400 thumbnails. */
bl_analysis_options bl_analysis_defaults(void);

typedef struct bl_analysis {
    bl_analysis_options options;
    bl_fates fates;
    bl_confusion confusion;
    bl_error_breakdown errors;
    bl_calibration calibration;
    bl_costly costly;
} bl_analysis;

/* For the data and the protocol of `r`. About a second for half a million detections. */
bl_status bl_analysis_run(const bl_results *r, const bl_analysis_options *o, bl_analysis *out);
void bl_analysis_free(bl_analysis *a);

/* Writes analysis.json into `dir`, and thumbnails below dir/thumbs:
 * {"iou", "background_iou", "score_threshold", "classes": [names],
 *  "confusion": [[...]] (K+1 rows: objects; K+1 columns: detections; last: background) or, for more
 * than 200 classes, "confusion_sparse": [[row, column, count], ...], "tide": {"AP50", "dAP":
 * {"cls", "loc", "both", "dupe", "bkg", "miss", "fp", "fn"}, "counts": {...}, "per_class":
 * [{"AP50", "dAP", "counts"}]}, "calibration": {"bins": [{"lo", "hi", "count", "mean_score",
 * "precision"}], "ece", "per_class": [{"ece"}]}, "costly": [{"class", "AP", "images": [{"image_id",
 * "file_name", "cost", "fp", "fn", "thumbnail"}]}]}. Undefined is -1. An image that cannot be read
 * has no thumbnail; n_unreadable (may be NULL) counts them. */
bl_status bl_analysis_write(const char *dir, const bl_results *r, const bl_analysis *a,
                            int64_t *n_unreadable);

/* The error breakdown in a few lines. */
void bl_analysis_print(FILE *f, const bl_analysis *a);

#endif
