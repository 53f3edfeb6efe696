/* One step: labelled losses; the teacher looks at the weak views; the student learns from its boxes
 * on the strong views. Three filters choose from the same candidates: RPN (score), RoI
 * classification (per-class threshold), box regression (jitter uncertainty). */
#include "ssl/soft_teacher.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ssl/detection_learner.h"
#include "ssl/pseudo_label.h"
#include "ssl/student_branch.h"
#include "ssl/teacher_ema.h"

/* Per-class sums over a log window. */
typedef struct {
    double *images, *pseudo_total;                      /* one number each */
    double *candidates, *pseudo, *tp, *counted, *truth; /* [K] each */
} window;

typedef struct {
    bl_detection_learner base;
    bl_method_config cfg;
    bl_detector_pair pair;
    bl_balancer *balancer;
    bl_student student;
    bool hidden_truth; /* unlabelled images carry boxes: measure pseudo-label quality */
    double (*lr_at)(const void *, int64_t);
    const void *lr_arg;
    int32_t classes;
    double *numbers; /* all of the window's arrays, then log scratch */
    window win;
} soft_teacher;

enum { WINDOW_ARRAYS = 5, WINDOW_TOTALS = 2, SCRATCH_ARRAYS = 3 };

static bool keep_rpn(const bl_pseudo *p, int32_t i, const void *arg) {
    return p->score[i] > ((const soft_teacher *)arg)->cfg.teacher.rpn_score;
}
static bool keep_cls(const bl_pseudo *p, int32_t i, const void *arg) {
    return p->score[i] > bl_balancer_threshold(((const soft_teacher *)arg)->balancer, p->label[i]);
}
static bool keep_box(const bl_pseudo *p, int32_t i, const void *arg) {
    return p->uncertainty[i] < ((const soft_teacher *)arg)->cfg.teacher.reg_variance;
}

static bl_status before_step(bl_learner *l, bl_ctx *ctx, int64_t t) {
    soft_teacher *s = (soft_teacher *)l;
    BL_TRY(bl_balancer_begin(s->balancer, t));
    return bl_detector_pair_ema(&s->pair, ctx, s->cfg.teacher.ema, t);
}

/* Statistics of what the teacher said: balancing and the log window. */
static bl_status observe_teacher(soft_teacher *s, const bl_batch *batch, const bl_teacher_view *tv,
                                 int64_t t) {
    for (int32_t i = 0; i < tv->weak.n; i++) {
        const bl_boxes *d = &tv->detections[i];
        const bl_pseudo *c = &tv->candidates[i];
        int32_t image = batch->samples[batch->n_labelled + i].image;
        BL_TRY(bl_balancer_detections(s->balancer, t, image, d->label, d->score, d->n));
        *s->win.images += 1;
        for (int32_t j = 0; j < c->n; j++) {
            s->win.candidates[c->label[j]] += 1;
            if (!keep_cls(c, j, s)) continue;
            s->win.pseudo[c->label[j]] += 1;
            *s->win.pseudo_total += 1;
        }
        if (s->hidden_truth)
            bl_pseudo_quality(c, keep_cls, s, tv->weak.view[i], s->win.tp, s->win.counted,
                              s->win.truth);
    }
    return BL_OK;
}

static bl_status pseudo_boxes(soft_teacher *s, bl_ctx *ctx, const bl_teacher_view *tv,
                              const bl_view_batch *strong, bl_pseudo_filter keep, bl_boxes **out) {
    *out = BL_NEW_ARRAY(ctx->arena, bl_boxes, strong->n);
    if (!*out) return BL_ENOMEM;
    for (int32_t i = 0; i < strong->n; i++)
        BL_TRY(bl_pseudo_to_student(ctx->arena, &tv->candidates[i], tv->weak.view[i],
                                    strong->view[i], keep, s, &(*out)[i]));
    return BL_OK;
}

/* Box regression on a second sampling with the low-uncertainty boxes. Only foreground rows have a
 * loss, so only they go through the RoI head; the normaliser stays the number of sampled RoIs. */
static bl_status box_loss(soft_teacher *s, bl_ctx *ctx, const bl_branch_features *f,
                          const bl_boxes *gt, int64_t t, bl_tensor **loss) {
    bl_roi_draw draw = {.add_gt = true,
                        .foreground_only = true,
                        .seed = s->student.seed,
                        .key = bl_stream_key(BL_STREAM_BOX_UNLABELLED, t)};
    bl_roi_batch rois;
    bl_roi_out r;
    BL_TRY(bl_roi_sample(ctx, s->pair.student, &f->proposals, gt, &draw, &rois));
    BL_TRY(bl_roi_forward_list(ctx, s->pair.student, &f->pyramid, rois.target.roi, rois.image, &r));
    return bl_roi_box_loss(ctx, s->pair.student, &rois, &r, loss);
}

static bl_status unlabelled_losses(soft_teacher *s, bl_ctx *ctx, const bl_step_input *in, int64_t t,
                                   double weight, bl_step_losses *out) {
    const bl_batch *batch = in->detection;
    const bl_detector_config *dc = bl_detector_get_config(s->pair.student);
    int32_t first = batch->n_labelled, n = batch->n - batch->n_labelled;
    bl_view_batch strong, weak;
    bl_teacher_view tv;
    BL_TRY(bl_view_batch_make(ctx, dc, in, first, n, 1, &weak));
    BL_TRY(bl_teacher_look(ctx, s->pair.teacher, &s->cfg.teacher, &weak, s->student.seed,
                           bl_stream_key(BL_STREAM_JITTER, t), &tv));
    BL_TRY(observe_teacher(s, batch, &tv, t));

    BL_TRY(bl_view_batch_make(ctx, dc, in, first, n, 0, &strong));
    bl_boxes *gt_rpn, *gt_cls, *gt_box;
    BL_TRY(pseudo_boxes(s, ctx, &tv, &strong, keep_rpn, &gt_rpn));
    BL_TRY(pseudo_boxes(s, ctx, &tv, &strong, keep_cls, &gt_cls));
    BL_TRY(pseudo_boxes(s, ctx, &tv, &strong, keep_box, &gt_box));

    bl_branch_features f;
    bl_tensor *rpn_cls, *rpn_box, *roi_cls, *roi_box;
    BL_TRY(bl_student_forward(ctx, &s->student, &strong, &f));
    BL_TRY(bl_rpn_loss(ctx, s->pair.student, &f.rpn, gt_rpn, strong.size, s->student.seed,
                       bl_stream_key(BL_STREAM_RPN_UNLABELLED, t), &rpn_cls, &rpn_box, NULL));
    bl_roi_batch rois;
    bl_roi_draw draw = {
        .add_gt = true, .seed = s->student.seed, .key = bl_stream_key(BL_STREAM_ROI_UNLABELLED, t)};
    BL_TRY(bl_roi_sample(ctx, s->pair.student, &f.proposals, gt_cls, &draw, &rois));
    /* Background rows are only as reliable as the teacher's belief that they are background. */
    if (s->cfg.teacher.background_weight)
        BL_TRY(bl_teacher_background(ctx, s->pair.teacher, &tv, strong.view, &rois,
                                     rois.target.weight));
    bl_roi_out r;
    BL_TRY(bl_roi_forward_list(ctx, s->pair.student, &f.pyramid, rois.target.roi, rois.image, &r));
    BL_TRY(bl_student_cls_loss(ctx, &s->student, BL_BRANCH_UNLABELLED, t, &rois, rois.target.weight,
                               &r, &roi_cls));
    BL_TRY(box_loss(s, ctx, &f, gt_box, t, &roi_box));

    bl_add_loss(out, "unsup_rpn_cls", rpn_cls, weight);
    bl_add_loss(out, "unsup_rpn_box", rpn_box, weight);
    bl_add_loss(out, "unsup_roi_cls", roi_cls, weight);
    bl_add_loss(out, "unsup_roi_box", roi_box, weight);
    return BL_OK;
}

static bl_status losses(bl_learner *l, bl_ctx *ctx, const bl_step_input *in, int64_t t,
                        bl_step_losses *out) {
    const bl_batch *batch = in->detection;
    soft_teacher *s = (soft_teacher *)l;
    const bl_teacher_section *tc = &s->cfg.teacher;
    bl_view_batch labelled;
    BL_TRY(bl_view_batch_make(ctx, bl_detector_get_config(s->pair.student), in, 0,
                              batch->n_labelled, 0, &labelled));
    BL_TRY(bl_labelled_losses(ctx, &s->student, &labelled, t, out));

    int64_t since = t - tc->burn_in;
    if (since < 0 || batch->n == batch->n_labelled) return BL_OK;
    double ramp = tc->ramp > 0 ? fmin(1.0, (double)(since + 1) / (double)tc->ramp) : 1.0;
    return unlabelled_losses(s, ctx, in, t, tc->unsup_weight * ramp, out);
}

static bl_status after_step(bl_learner *l, bl_ctx *ctx, int64_t t) {
    (void)ctx;
    soft_teacher *s = (soft_teacher *)l;
    return bl_balancer_step(s->balancer, s->lr_at(s->lr_arg, t));
}

static void ratio(const double *a, const double *b, double *out, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        out[i] = b[i] > 0 ? a[i] / b[i] : NAN; /* NaN is written as null */
}

static bl_status report(bl_learner *l, int64_t t, bl_metrics *lines, double *pseudo_per_image) {
    soft_teacher *s = (soft_teacher *)l;
    int32_t k = s->classes;
    window *w = &s->win;
    double *scratch = s->numbers + WINDOW_ARRAYS * k + WINDOW_TOTALS;
    *pseudo_per_image = *w->images > 0 ? *w->pseudo_total / *w->images : 0;
    BL_TRY(bl_balancer_report(s->balancer, lines));
    if (*w->images == 0) return BL_OK;

    bl_metrics_begin(lines);
    bl_metrics_number(lines, "iter", (double)t);
    bl_metrics_string(lines, "kind", "class");
    bl_balancer_weights(s->balancer, scratch);
    bl_metrics_array(lines, "weight", scratch, k + 1);
    for (int32_t c = 0; c < k; c++) scratch[c] = bl_balancer_threshold(s->balancer, c);
    bl_metrics_array(lines, "threshold", scratch, k);
    bl_metrics_array(lines, "pseudo", w->pseudo, k);
    bl_metrics_array(lines, "candidates", w->candidates, k);
    ratio(w->pseudo, w->candidates, scratch, k);
    bl_metrics_array(lines, "kept", scratch, k);
    if (s->hidden_truth) {
        ratio(w->tp, w->counted, scratch, k);
        bl_metrics_array(lines, "precision", scratch, k);
        ratio(w->tp, w->truth, scratch, k);
        bl_metrics_array(lines, "recall", scratch, k);
    }
    BL_TRY(bl_metrics_end(lines));
    memset(s->numbers, 0, sizeof *s->numbers * (size_t)(WINDOW_ARRAYS * k + WINDOW_TOTALS));
    return BL_OK;
}

static bl_status prepare(bl_learner *l, bl_ctx *ctx, int64_t t, bool changed[2]) {
    (void)ctx;
    bl_balancer *b = ((soft_teacher *)l)->balancer;
    changed[0] = bl_balancer_labelled_due(b, t);
    return bl_balancer_resample(b, t, &changed[1]);
}

static bool copies(bl_learner *l, int64_t t, bool labelled, int32_t *out) {
    return bl_balancer_copies(((soft_teacher *)l)->balancer, t, labelled, out);
}

static void thresholds(const bl_learner *l, double *theta) {
    const soft_teacher *s = (const soft_teacher *)l;
    for (int32_t c = 0; c < s->classes; c++) theta[c] = bl_balancer_threshold(s->balancer, c);
}

/* The log window is part of the state: a resumed run writes the same lines as an uninterrupted one.
 */
static bl_status state(bl_learner *l, bl_state_io *io) {
    soft_teacher *s = (soft_teacher *)l;
    int64_t n = (int64_t)WINDOW_ARRAYS * s->classes + WINDOW_TOTALS;
    BL_TRY(bl_state_numbers(io, "window", s->numbers, n));
    return bl_balancer_state(s->balancer, io);
}

static void destroy(bl_learner *l) {
    soft_teacher *s = (soft_teacher *)l;
    bl_detector_pair_destroy(&s->pair);
    bl_balancer_destroy(s->balancer);
    free(s->numbers);
    free(s);
}

static const bl_learner_ops ops = {.prepare = prepare,
                                   .copies = copies,
                                   .before_step = before_step,
                                   .losses = losses,
                                   .after_step = after_step,
                                   .report = report,
                                   .state = state,
                                   .destroy = destroy};

bl_status bl_soft_teacher_create(const bl_method_config *cfg, const bl_learner_env *env,
                                 bl_learner **out) {
    if (!env->unlabelled)
        return bl_fail(BL_ECONFIG,
                       "method.name soft_teacher needs unlabelled images: set data.unlabelled");
    soft_teacher *s = calloc(1, sizeof *s);
    if (!s) return bl_fail(BL_ENOMEM, "out of memory for the learner");
    bl_learner *l = &s->base.base;
    l->ops = &ops;
    l->name = "soft_teacher";
    s->base.thresholds = thresholds;
    s->cfg = *cfg;
    s->lr_at = env->lr_at, s->lr_arg = env->lr_arg;
    s->hidden_truth = env->unlabelled->n_anns > 0;
    bl_status status;
    BL_TRY_DONE(bl_detector_pair_create(env, &s->pair));
    int32_t k = s->classes = bl_detector_classes(s->pair.student);
    s->numbers =
        calloc((size_t)((WINDOW_ARRAYS + SCRATCH_ARRAYS) * k + WINDOW_TOTALS + SCRATCH_ARRAYS),
               sizeof *s->numbers);
    if (!s->numbers) {
        status = bl_fail(BL_ENOMEM, "out of memory for the learner");
        goto done;
    }
    double *a = s->numbers;
    s->win = (window){.candidates = a,
                      .pseudo = a + k,
                      .tp = a + 2 * k,
                      .counted = a + 3 * k,
                      .truth = a + 4 * k,
                      .images = a + 5 * k,
                      .pseudo_total = a + 5 * k + 1};
    BL_TRY_DONE(bl_balancer_create(cfg, k, env, &s->balancer));
    s->student = (bl_student){s->pair.student, s->balancer, cfg->focal, env->seed};
    l->model[0] = (bl_learner_model){"student", s->pair.student_store, s->pair.student};
    l->model[1] =
        (bl_learner_model){bl_learner_average_name(true), s->pair.teacher_store, s->pair.teacher};
    s->base.labelled_views[0] = BL_VIEW_LABELLED, s->base.n_labelled_views = 1;
    s->base.unlabelled_views[0] = BL_VIEW_STRONG, s->base.unlabelled_views[1] = BL_VIEW_WEAK;
    s->base.n_unlabelled_views = 2;
    l->n_classes = k, l->uses_unlabelled = true;
    *out = l;
done:
    if (status != BL_OK) destroy(l);
    return status;
}
