/* A detector over image files: decode, resize to the test scale, predict, map back. One path for
 * evaluation, prediction and example images. */
#ifndef BALLAST_TRAIN_DETECTION_INFER_H
#define BALLAST_TRAIN_DETECTION_INFER_H

#include "eval/protocol/detections.h"
#include "train/train.h"

typedef struct bl_infer {
    bl_ctx *ctx;
    const bl_detector *detector;
    const bl_view_config *view;
    int64_t batch;
    double score_threshold; /* < 0: the detector's */
    bool exif;              /* turn images as EXIF says: data.exif */
    bool skip_bad;          /* leave unreadable images without detections (counted in n_skipped) */
    int64_t n_skipped;
    const volatile int *cancel; /* BL_ECANCELLED before the next batch once it is set; or NULL */
} bl_infer;

/* BL_ECANCELLED once in->cancel is set. */
bl_status bl_infer_go_on(const bl_infer *in);

/* Called once per image in order, boxes in original pixels. */
typedef bl_status (*bl_infer_fn)(void *arg, int32_t index, const bl_image *original,
                                 const bl_boxes *boxes);

bl_status bl_infer_run(bl_infer *in, char *const *paths, int32_t n, const char *progress,
                       bl_infer_fn fn, void *arg);

/* Detections of the first `limit` images (0 = all) of a data set. */
bl_status bl_infer_dataset(bl_infer *in, const bl_dataset *d, int64_t limit, const char *progress,
                           bl_detections *out);

#endif
