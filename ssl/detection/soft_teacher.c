/* Soft Teacher (Xu et al., "End-to-End Semi-Supervised Object Detection with Soft Teacher", ICCV
 * 2021). One step: labelled losses; the teacher looks at the weak views; the student learns from its
 * boxes on the strong views. Three filters choose from the same candidates: RPN (score), RoI
 * classification (per-class threshold), box regression (jitter uncertainty). */
#include "ssl/detection/soft_teacher.h"

#include <math.h>
#include <stdlib.h>

#include "core/rows.h"
#include "ssl/detection/pseudo_window.h"
#include "ssl/detection/student_branch.h"

static const bl_field fields[] = {
    BL_ROW_REAL(bl_teacher_section, ema, "0.999", 0, 1, NULL,
                "Keep rate of the teacher's exponential moving average; warmed up as min(ema, 1 - "
                "1/(t+1))."),
    BL_ROW_REAL(bl_teacher_section, unsup_weight, "4", 0, 1000, NULL,
                "Factor of all losses on unlabelled images."),
    BL_ROW_START(bl_teacher_section, burn_in, "0", 0, 1e9,
                 "Iterations of supervised training before unlabelled images are used."),
    BL_ROW_PERIOD(bl_teacher_section, ramp, "0", 0, 1e9,
                  "Iterations over which unsup_weight rises linearly from 0 after the burn-in."),
    BL_ROW_REAL(bl_teacher_section, candidate_score, "0.5", 0, 1, NULL,
                "Teacher detections above this score are pseudo-box candidates."),
    BL_ROW_REAL(bl_teacher_section, rpn_score, "0.9", 0, 1, NULL,
                "Pseudo boxes above this score train the RPN."),
    BL_ROW_REAL(bl_teacher_section, cls_score, "0.9", 0, 1, NULL,
                "Base threshold of pseudo boxes for RoI classification (see gbt)."),
    BL_ROW_REAL(bl_teacher_section, reg_variance, "0.02", 0, 10, NULL,
                "Pseudo boxes whose box-jitter uncertainty is below this train box regression."),
    BL_ROW_INT(bl_teacher_section, jitter_times, "10", 2, 100, NULL,
               "Jittered copies of each candidate box."),
    BL_ROW_REAL(bl_teacher_section, jitter_scale, "0.06", 0, 1, NULL,
                "Standard deviation of the jitter, as a fraction of the box's side."),
    BL_ROW_BOOL(
        bl_teacher_section, background_weight, "true",
        "Weight background RoIs of unlabelled images by the teacher's background probability."),
    BL_ROWS_END};
static const bl_schema section = {
    "method.teacher", "Soft Teacher: how the teacher is averaged and what its boxes may teach.",
    sizeof(bl_teacher_section), fields};

typedef struct {
    bl_plugin base;
    const bl_teacher_section *cfg;
    const bl_detection_world *world;
    bl_pseudo_window *window;
} soft_teacher;

/* A use of candidates, for filters. */
typedef struct {
    const soft_teacher *teacher;
    bl_pseudo_use use;
} taught;

static bool keep(const bl_pseudo *c, int32_t i, const void *arg) {
    const taught *f = arg;
    const soft_teacher *s = f->teacher;
    bool good = f->use == BL_TEACHES_RPN     ? c->score[i] > s->cfg->rpn_score
                : f->use == BL_TEACHES_CLASS ? c->score[i] > s->world->theta[c->label[i]]
                                             : c->uncertainty[i] < s->cfg->reg_variance;
    return good && bl_detection_keep(s->world, c, i, f->use);
}

/* Statistics of what the teacher said: the plug-ins' and the log window. */
static bl_status observe_teacher(soft_teacher *t, bl_detection_step *s, const bl_teacher_view *tv) {
    taught f = {t, BL_TEACHES_CLASS};
    for (int32_t i = 0; i < tv->weak.n; i++) {
        int32_t image = s->batch->samples[s->batch->n_labelled + i].image;
        BL_DETECTION_EACH(s->world, detections, s, image, &tv->detections[i]);
        bl_pseudo_window_add(t->window, &tv->candidates[i], keep, &f, tv->weak.view[i]);
    }
    return BL_OK;
}

static bl_status pseudo_boxes(const soft_teacher *t, bl_ctx *ctx, const bl_teacher_view *tv,
                              const bl_view_batch *strong, bl_pseudo_use use, bl_boxes **out) {
    taught f = {t, use};
    *out = BL_NEW_ARRAY(ctx->arena, bl_boxes, strong->n);
    if (!*out) return BL_ENOMEM;
    for (int32_t i = 0; i < strong->n; i++)
        BL_TRY(bl_pseudo_to_student(ctx->arena, &tv->candidates[i], tv->weak.view[i],
                                    strong->view[i], keep, &f, &(*out)[i]));
    return BL_OK;
}

/* Box regression on a second sampling with the low-uncertainty boxes. Only foreground rows have a
 * loss, so only they go through the RoI head; the normaliser stays the number of sampled RoIs. */
static bl_status box_loss(bl_detection_step *s, const bl_branch_features *f, const bl_boxes *gt,
                          bl_tensor **loss) {
    const bl_detector *d = s->world->pair.student;
    bl_roi_draw draw = {.add_gt = true,
                        .foreground_only = true,
                        .seed = s->world->seed,
                        .key = bl_stream_key(BL_STREAM_BOX_UNLABELLED, bl_detection_draw(s))};
    bl_roi_batch rois;
    bl_roi_out r;
    BL_TRY(bl_roi_sample(s->ctx, d, &f->proposals, gt, &draw, &rois));
    BL_TRY(bl_roi_forward_list(s->ctx, d, &f->pyramid, rois.target.roi, rois.image, &r));
    return bl_roi_box_loss(s->ctx, d, &rois, &r, loss);
}

static bl_status unlabelled_losses(soft_teacher *t, bl_detection_step *s, double weight) {
    const bl_detection_world *w = s->world;
    const bl_detector_config *dc = bl_detector_get_config(w->pair.student);
    int32_t first = s->batch->n_labelled, n = s->batch->n - first;
    bl_view_batch strong, weak;
    bl_teacher_view tv;
    BL_TRY(bl_view_batch_make(s->ctx, dc, s->in, &(bl_view_choice){first, n, 1, 1}, &weak));
    BL_TRY(bl_teacher_look(s->ctx, w->pair.teacher, t->cfg, &weak, w->seed,
                           bl_stream_key(BL_STREAM_JITTER, bl_detection_draw(s)), &tv));
    BL_TRY(observe_teacher(t, s, &tv));

    BL_TRY(bl_view_batch_make(s->ctx, dc, s->in, &(bl_view_choice){first, n, 0, 1}, &strong));
    bl_boxes *gt_rpn, *gt_cls, *gt_box;
    BL_TRY(pseudo_boxes(t, s->ctx, &tv, &strong, BL_TEACHES_RPN, &gt_rpn));
    BL_TRY(pseudo_boxes(t, s->ctx, &tv, &strong, BL_TEACHES_CLASS, &gt_cls));
    BL_TRY(pseudo_boxes(t, s->ctx, &tv, &strong, BL_TEACHES_BOX, &gt_box));

    bl_branch_features f;
    bl_tensor *rpn_cls, *rpn_box, *roi_cls, *roi_box;
    BL_TRY(bl_student_forward(s, &strong, &f));
    BL_TRY(bl_rpn_loss(s->ctx, w->pair.student, &f.rpn, gt_rpn, strong.size, w->seed,
                       bl_stream_key(BL_STREAM_RPN_UNLABELLED, bl_detection_draw(s)), &rpn_cls,
                       &rpn_box, NULL));
    BL_TRY(bl_pseudo_class_loss(s, &f, &strong, gt_cls, t->cfg->background_weight ? &tv : NULL,
                                &roi_cls));
    BL_TRY(box_loss(s, &f, gt_box, &roi_box));
    bl_add_loss(s->out, "unsup_rpn_cls", rpn_cls, weight);
    bl_add_loss(s->out, "unsup_rpn_box", rpn_box, weight);
    bl_add_loss(s->out, "unsup_roi_cls", roi_cls, weight);
    bl_add_loss(s->out, "unsup_roi_box", roi_box, weight);
    return BL_OK;
}

static bl_status learn(bl_plugin *p, bl_detection_step *s) {
    soft_teacher *t = (soft_teacher *)p;
    BL_TRY(bl_labelled_losses(s));
    int64_t since = s->t - t->cfg->burn_in;
    if (since < 0 || s->batch->n == s->batch->n_labelled) return BL_OK;
    double ramp = t->cfg->ramp > 0 ? fmin(1.0, (double)(since + 1) / (double)t->cfg->ramp) : 1.0;
    return unlabelled_losses(t, s, t->cfg->unsup_weight * ramp);
}

static bool watched(const bl_plugin *p, double *pseudo_per_image) {
    return bl_pseudo_window_watched(((const soft_teacher *)p)->window, pseudo_per_image);
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    bl_pseudo_window_report(((soft_teacher *)p)->window, line);
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    return bl_pseudo_window_state(((soft_teacher *)p)->window, io);
}

static void destroy(bl_plugin *p) {
    bl_pseudo_window_destroy(((soft_teacher *)p)->window);
    free(p);
}

static bl_status needs(const bl_method_config *cfg, const bl_learner_env *env,
                       bl_detection_needs *n) {
    const bl_teacher_section *teacher = bl_method_settings(cfg, "teacher");
    if (!env->unlabelled)
        return bl_fail(BL_ECONFIG,
                       "method.name soft_teacher needs unlabelled images: set data.unlabelled");
    *n = (bl_detection_needs){.labelled_views = {BL_VIEW_LABELLED},
                              .n_labelled_views = 1,
                              .unlabelled_views = {BL_VIEW_STRONG, BL_VIEW_WEAK},
                              .n_unlabelled_views = 2,
                              .ema = teacher->ema,
                              .copied_until = -1,
                              .unsup_weight = teacher->unsup_weight,
                              .threshold = teacher->cls_score};
    return BL_OK;
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    soft_teacher *s = calloc(1, sizeof *s);
    if (!s) return bl_no_memory("for the learner");
    s->cfg = bl_method_settings(cfg, "teacher");
    s->world = w;
    bl_status status = bl_pseudo_window_create(w->classes, w->unlabelled->n_anns > 0, &s->window);
    if (status == BL_OK) {
        *out = &s->base;
    } else {
        free(s);
    }
    return status;
}

const bl_detection_plugin_type bl_soft_teacher_plugin = {.plugin = {.name = "soft_teacher",
                                                                    .base = true,
                                                                    .section = &section,
                                                                    .report = report,
                                                                    .state = state,
                                                                    .destroy = destroy},
                                                         .unlabelled = true,
                                                         .needs = needs,
                                                         .create = create,
                                                         .learn = learn,
                                                         .watched = watched};
