/* Unbiased Teacher (Liu et al., "Unbiased Teacher for Semi-Supervised Object Detection", ICLR 2021).
 * First a burn-in on labelled images alone, then the teacher begins as a copy of the student and is
 * its average. One step: labelled losses on the weak and the strong view of each labelled image; the
 * teacher looks at the weak views; the student learns the classes of its boxes, in RPN and RoI head,
 * on the strong views, which share the weak ones' geometry. Pseudo boxes teach no box regression.
 * The RoI loss of the paper is the focal one, method.focal = 1.5 (section 3.3). */
#include <stdlib.h>

#include "core/rows.h"
#include "ssl/detection/pseudo_window.h"
#include "ssl/detection/student_branch.h"

typedef struct bl_unbiased_section {
    double ema, unsup_weight, score;
    int64_t burn_in;
} bl_unbiased_section;

static const bl_field fields[] = {
    BL_ROW_REAL(bl_unbiased_section, ema, "0.9996", 0, 1, NULL,
                "Keep rate of the teacher's exponential moving average after the burn-in."),
    BL_ROW_REAL(bl_unbiased_section, unsup_weight, "4", 0, 1000, NULL,
                "Factor of the losses on unlabelled images."),
    BL_ROW_REAL(bl_unbiased_section, score, "0.7", 0, 1, NULL,
                "Pseudo boxes above this score teach (RoI classification: see gbt)."),
    BL_ROW_START(bl_unbiased_section, burn_in, "2000", 0, 1e9,
                 "Iterations of supervised training, after which the teacher is a copy."),
    BL_ROWS_END};
static const bl_schema section = {"method.unbiased",
                                  "Unbiased Teacher (base learner \"unbiased_teacher\").",
                                  sizeof(bl_unbiased_section), fields};

enum { STRONG, WEAK }; /* the views of every image */

typedef struct {
    bl_plugin base;
    const bl_unbiased_section *cfg;
    const bl_detection_world *world;
    bl_pseudo_window *window;
} unbiased;

/* A use of candidates, for filters. */
typedef struct {
    const unbiased *learner;
    bl_pseudo_use use;
} taught;

static bool keep(const bl_pseudo *c, int32_t i, const void *arg) {
    const taught *f = arg;
    const unbiased *u = f->learner;
    double least = f->use == BL_TEACHES_CLASS ? u->world->theta[c->label[i]] : u->cfg->score;
    return c->score[i] > least && bl_detection_keep(u->world, c, i, f->use);
}

static bl_status pseudo_boxes(const unbiased *u, bl_ctx *ctx, const bl_teacher_view *tv,
                              const bl_view_batch *strong, bl_pseudo_use use, bl_boxes **out) {
    taught f = {u, use};
    *out = BL_NEW_ARRAY(ctx->arena, bl_boxes, strong->n);
    if (!*out) return BL_ENOMEM;
    for (int32_t i = 0; i < strong->n; i++)
        BL_TRY(bl_pseudo_to_student(ctx->arena, &tv->candidates[i], tv->weak.view[i],
                                    strong->view[i], keep, &f, &(*out)[i]));
    return BL_OK;
}

/* Every detection is a candidate; nothing asks how far its box can be relied on. */
static bl_status look(unbiased *u, bl_detection_step *s, const bl_view_batch *weak,
                      bl_teacher_view *tv) {
    static const bl_teacher_section all = {.candidate_score = 0};
    taught f = {u, BL_TEACHES_CLASS};
    BL_TRY(bl_teacher_look(s->ctx, u->world->pair.teacher, &all, weak, u->world->seed, 0, tv));
    for (int32_t i = 0; i < weak->n; i++) {
        int32_t image = s->batch->samples[s->batch->n_labelled + i].image;
        BL_DETECTION_EACH(s->world, detections, s, image, &tv->detections[i]);
        bl_pseudo_window_add(u->window, &tv->candidates[i], keep, &f, weak->view[i]);
    }
    return BL_OK;
}

static bl_status unlabelled_losses(unbiased *u, bl_detection_step *s) {
    const bl_detection_world *w = s->world;
    const bl_detector_config *dc = bl_detector_get_config(w->pair.student);
    int32_t first = s->batch->n_labelled, n = s->batch->n - first;
    bl_view_batch strong, weak;
    bl_teacher_view tv;
    BL_TRY(bl_view_batch_make(s->ctx, dc, s->in, &(bl_view_choice){first, n, WEAK, 1}, &weak));
    BL_TRY(look(u, s, &weak, &tv));

    BL_TRY(bl_view_batch_make(s->ctx, dc, s->in, &(bl_view_choice){first, n, STRONG, 1}, &strong));
    bl_boxes *gt_rpn, *gt_cls;
    BL_TRY(pseudo_boxes(u, s->ctx, &tv, &strong, BL_TEACHES_RPN, &gt_rpn));
    BL_TRY(pseudo_boxes(u, s->ctx, &tv, &strong, BL_TEACHES_CLASS, &gt_cls));

    bl_branch_features f;
    bl_tensor *rpn_cls, *rpn_box, *roi_cls;
    BL_TRY(bl_student_forward(s, &strong, &f));
    BL_TRY(bl_rpn_loss(s->ctx, w->pair.student, &f.rpn, gt_rpn, strong.size, w->seed,
                       bl_stream_key(BL_STREAM_RPN_UNLABELLED, bl_detection_draw(s)), &rpn_cls,
                       &rpn_box, NULL));
    BL_TRY(bl_pseudo_class_loss(s, &f, &strong, gt_cls, NULL, &roi_cls));
    bl_add_loss(s->out, "unsup_rpn_cls", rpn_cls, u->cfg->unsup_weight);
    bl_add_loss(s->out, "unsup_roi_cls", roi_cls, u->cfg->unsup_weight);
    return BL_OK;
}

static bl_status learn(bl_plugin *p, bl_detection_step *s) {
    unbiased *u = (unbiased *)p;
    BL_TRY(bl_labelled_losses(s));
    if (s->t < u->cfg->burn_in || s->batch->n == s->batch->n_labelled) return BL_OK;
    return unlabelled_losses(u, s);
}

static bool watched(const bl_plugin *p, double *pseudo_per_image) {
    return bl_pseudo_window_watched(((const unbiased *)p)->window, pseudo_per_image);
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    bl_pseudo_window_report(((unbiased *)p)->window, line);
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    return bl_pseudo_window_state(((unbiased *)p)->window, io);
}

static void destroy(bl_plugin *p) {
    bl_pseudo_window_destroy(((unbiased *)p)->window);
    free(p);
}

static bl_status needs(const bl_method_config *cfg, const bl_learner_env *env,
                       bl_detection_needs *n) {
    const bl_unbiased_section *c = bl_method_settings(cfg, "unbiased");
    if (!env->unlabelled)
        return bl_fail(BL_ECONFIG,
                       "method.name unbiased_teacher needs unlabelled images: set data.unlabelled");
    *n = (bl_detection_needs){.labelled_views = {BL_VIEW_BLURRED, BL_VIEW_WEAK},
                              .n_labelled_views = 2,
                              .unlabelled_views = {BL_VIEW_BLURRED, BL_VIEW_WEAK},
                              .n_unlabelled_views = 2,
                              .ema = c->ema,
                              .copied_until = c->burn_in,
                              .unsup_weight = c->unsup_weight,
                              .threshold = c->score};
    return BL_OK;
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    unbiased *u = calloc(1, sizeof *u);
    if (!u) return bl_no_memory("for the learner");
    u->cfg = bl_method_settings(cfg, "unbiased");
    u->world = w;
    bl_status status = bl_pseudo_window_create(w->classes, w->unlabelled->n_anns > 0, &u->window);
    if (status == BL_OK) {
        *out = &u->base;
    } else {
        free(u);
    }
    return status;
}

const bl_detection_plugin_type bl_unbiased_teacher_plugin = {.plugin = {.name = "unbiased_teacher",
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
