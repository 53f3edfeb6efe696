/* Pseudo boxes: what the teacher sees on weak views, how sure it is, and what of it reaches the
 * student's view.
 *
 * Xu et al. (Soft Teacher), sections 3.2-3.4: candidate boxes after NMS; box-jitter uncertainty for
 * regression; background reliability by the teacher's own background probability. */
#ifndef BALLAST_SSL_DETECTION_PSEUDO_LABEL_H
#define BALLAST_SSL_DETECTION_PSEUDO_LABEL_H

#include "datasets/loading/detection/loader.h"
#include "ssl/detection/soft_teacher.h"
#include "ssl/detection/view_batch.h"

/* One image's candidates in weak-view pixels, score-descending. */
typedef struct bl_pseudo {
    int32_t n;
    bl_box *box;
    int32_t *label;
    float *score;
    float *uncertainty; /* box-jitter spread relative to the box's sides; small = reliable */
} bl_pseudo;

typedef struct bl_teacher_view {
    bl_view_batch weak;
    bl_pyramid pyramid;    /* the teacher's features of the weak views */
    bl_boxes *detections;  /* [n] everything above 0.05 after NMS */
    bl_pseudo *candidates; /* [n] those above candidate_score, with uncertainty */
} bl_teacher_view;

/* Runs the teacher on weak views without recording; without uncertainties when cfg->jitter_times is
 * 0. `key` names the step's random stream. All lists
 * are step-arena memory. */
bl_status bl_teacher_look(bl_ctx *ctx, const bl_detector *teacher, const bl_teacher_section *cfg,
                          const bl_view_batch *weak, uint64_t seed, uint64_t key,
                          bl_teacher_view *out);

/* Box-jitter uncertainty of n boxes of class label[i] in image[i]: each box is jittered `times`
 * times (every coordinate += N(0,1) * scale * side, sides at least 1), the copies are regressed by
 * the RoI head, and the unbiased standard deviation of the four coordinates, divided by the mean
 * regressed box's width or height (at least 1), is averaged. */
bl_status bl_box_jitter_uncertainty(bl_ctx *ctx, const bl_detector *teacher, const bl_pyramid *p,
                                    const bl_size *size, const bl_box *box, const int32_t *label,
                                    const int32_t *image, int32_t n, int32_t times, float scale,
                                    uint64_t seed, uint64_t key, float *uncertainty);

/* Which candidates to take; `arg` is the predicate's. */
typedef bool (*bl_pseudo_filter)(const bl_pseudo *p, int32_t i, const void *arg);

/* The chosen candidates in the strong view's pixels: hull of the mapped corners, clipped,
 * degenerate boxes dropped. */
bl_status bl_pseudo_to_student(bl_arena *arena, const bl_pseudo *p, const bl_view *weak,
                               const bl_view *strong, bl_pseudo_filter keep, const void *arg,
                               bl_boxes *out);

/* weight[i] = the teacher's background probability of every background row of RoIs in strong-view
 * pixels (mapped to the weak view first); the other rows' weights stay. */
bl_status bl_teacher_background(bl_ctx *ctx, const bl_detector *teacher, const bl_teacher_view *tv,
                                const bl_view *const *strong, const bl_roi_batch *rois,
                                bl_tensor *weight);

/* Compares boxes with a view's hidden truth at IoU 0.5 per class, greedily by score: adds to tp[],
 * n_pseudo[] and n_truth[] (ignored truth is skipped). For diagnosis only. */
void bl_pseudo_quality(const bl_pseudo *p, bl_pseudo_filter keep, const void *arg,
                       const bl_view *weak, double *tp, double *n_pseudo, double *n_truth);

#endif
