#include "eval/protocol/evaluator.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/parallel.h"
#include "eval/protocol/eval_internal.h"

static bl_status check_detections(const bl_dataset *gt, const bl_detections *dt) {
    for (int64_t i = 0; i < dt->n; i++) {
        const bl_detection *d = &dt->v[i];
        if (d->image < 0 || d->image >= gt->n_images)
            return bl_fail(BL_EINVAL, "detection %lld: image index %d is outside 0..%d",
                           (long long)i, d->image, gt->n_images - 1);
        if (d->category < 0 || d->category >= gt->n_categories)
            return bl_fail(BL_EINVAL, "detection %lld: category index %d is outside 0..%d",
                           (long long)i, d->category, gt->n_categories - 1);
        if (!isfinite(d->x) || !isfinite(d->y) || !isfinite(d->w) || !isfinite(d->h) ||
            !isfinite(d->score))
            return bl_fail(BL_EINVAL,
                           "detection %lld: box (%g, %g, %g, %g), score %g: numbers must be finite",
                           (long long)i, d->x, d->y, d->w, d->h, d->score);
    }
    return BL_OK;
}

static bl_status check_annotations(const bl_dataset *gt) {
    for (int64_t i = 0; i < gt->n_anns; i++) {
        const bl_ann *a = &gt->anns[i];
        if (!isfinite(a->x) || !isfinite(a->y) || !isfinite(a->w) || !isfinite(a->h) ||
            !isfinite(a->area))
            return bl_fail(
                BL_EINVAL,
                "annotation id %lld: box (%g, %g, %g, %g), area %g: numbers must be finite",
                (long long)a->id, a->x, a->y, a->w, a->h, a->area);
    }
    return BL_OK;
}

/* Without its lists an image would judge nothing but its own classes, and nobody would notice. */
static bl_status check_lists(const bl_dataset *gt) {
    for (int32_t i = 0; i < gt->n_images; i++)
        if (!gt->federated || !gt->federated[i].stated)
            return bl_fail(
                BL_EINVAL,
                "%s: image id %lld has no \"neg_category_ids\" and "
                "\"not_exhaustive_category_ids\": the LVIS protocol needs both (an empty "
                "list is allowed); use the COCO protocol for other data",
                gt->name, (long long)gt->images[i].id);
    return BL_OK;
}

static bl_status check_masks(const bl_dataset *gt, const bl_detections *dt) {
    for (int64_t i = 0; i < gt->n_anns; i++)
        if (!gt->masks || !gt->masks[i].text)
            return bl_fail(BL_EINVAL,
                           "%s: annotation id %lld has no mask; evaluate boxes, or read the ground "
                           "truth with masks",
                           gt->name, (long long)gt->anns[i].id);
    for (int64_t i = 0; i < dt->n; i++)
        if (!dt->masks || !dt->masks[i].text)
            return bl_fail(
                BL_EINVAL,
                "detection %lld has no mask; evaluate boxes, or read the results with masks",
                (long long)i);
    return BL_OK;
}

/* ---- the work ---- */

/* One class, one pass over some of the cells. */
typedef struct task {
    int64_t n; /* detections: what it costs */
    int32_t k, pass;
} task;

typedef struct job {
    eval_input in;
    const eval_plan *plans; /* [passes] */
    const task *queue;      /* longest first */
    int64_t n_tasks;
    bl_eval_result *out;
    atomic_llong next;
    atomic_int failed, lost; /* a worker without memory; a task given up */
} job;

/* Undefined classes stay NULL. */
static bl_status store(const eval_plan *plan, eval_scratch *s, const task *t, bl_eval_result *out) {
    int32_t k = t->k;
    if (eval_any_gt(plan, s)) {
        bl_classify_curves *c = bl_curves_pack(out->A, plan->n_t, out->M, out->R, s->precision,
                                               s->scores, s->recall, &s->room);
        if (!c) return BL_ENOMEM;
        out->curves[(int64_t)k * out->passes + t->pass] = c;
    }
    int iou50 = bl_eval_find_iou(plan->p, 0.5), at = (iou50 < 0 ? 0 : iou50) - plan->t0;
    if (at < 0 || at >= plan->n_t) return BL_OK;
    for (int a = 0; a < out->A; a++) out->n_gt[(int64_t)k * out->A + a] = s->n_gt[a];
    out->best[k] = bl_eval_best_f1(plan, at, s);
    return BL_OK;
}

/* Each worker takes the next task from the queue; tasks share nothing. */
static void work(void *arg, int64_t begin, int64_t end) {
    job *j = arg;
    for (int64_t w = begin; w < end; w++) {
        eval_scratch s;
        const eval_index *x = j->in.index;
        if (bl_eval_scratch_init(&s, &j->out->params, x) != BL_OK) {
            atomic_store(&j->failed, 1);
            return;
        }
        int64_t i;
        while ((i = atomic_fetch_add(&j->next, 1)) < j->n_tasks) {
            const task *t = &j->queue[i];
            const eval_plan *plan = &j->plans[t->pass];
            if (bl_eval_match_class(&j->in, plan, t->k, &s) != BL_OK) {
                atomic_store(&j->lost, 1);
                break;
            }
            bl_eval_curve_class(plan, &s);
            if (store(plan, &s, t, j->out) != BL_OK) {
                atomic_store(&j->lost, 1);
                break;
            }
        }
        bl_eval_scratch_free(&s);
    }
}

static int longest_first(const void *a, const void *b) {
    const task *x = a, *y = b;
    if (x->n != y->n) return x->n < y->n ? 1 : -1;
    if (x->k != y->k) return x->k < y->k ? -1 : 1;
    return (x->pass > y->pass) - (x->pass < y->pass);
}

static bl_status make_queue(const eval_index *x, const bl_eval_params *p, task **queue,
                            eval_plan **plans) {
    int passes = bl_eval_n_passes(p);
    *plans = malloc((size_t)passes * sizeof **plans);
    *queue = malloc(((size_t)x->n_classes * (size_t)passes + 1) * sizeof **queue);
    if (!*plans || !*queue) return bl_no_memory("for %d categories", x->n_classes);
    task *v = *queue;
    for (int pass = 0; pass < passes; pass++) bl_eval_plan_make(p, pass, &(*plans)[pass]);
    for (int32_t k = 0; k < x->n_classes; k++)
        for (int pass = 0; pass < passes; pass++)
            *v++ = (task){x->dt_first[k + 1] - x->dt_first[k], k, pass};
    qsort(*queue, (size_t)(v - *queue), sizeof *v, longest_first);
    return BL_OK;
}

static bl_status allocate(const bl_dataset *gt, const bl_eval_params *p, bl_eval_result *out) {
    *out = (bl_eval_result){.params = *p,
                            .T = p->n_ious,
                            .R = p->n_recalls,
                            .K = p->class_agnostic ? 1 : gt->n_categories,
                            .A = p->n_areas,
                            .M = p->n_limits};
    out->passes = bl_eval_n_passes(p);
    out->pass_width = bl_eval_pass_width(p);
    size_t classes = (size_t)out->K + 1;
    out->curves = calloc(classes * (size_t)out->passes, sizeof *out->curves);
    out->n_gt = malloc(classes * (size_t)out->A * sizeof(int64_t));
    out->best = malloc(classes * sizeof *out->best);
    out->frequency = calloc(classes, 1);
    if (!out->curves || !out->n_gt || !out->best || !out->frequency) {
        bl_eval_result_free(out);
        return bl_no_memory("for the curves of %d categories", gt->n_categories);
    }
    for (int32_t k = 0; k < out->K && !p->class_agnostic; k++)
        out->frequency[k] = gt->categories[k].frequency;
    return BL_OK;
}

bl_status bl_eval_run(const bl_dataset *gt, const bl_detections *dt, const bl_eval_params *p,
                      bl_eval_result *out) {
    eval_index index = {0};
    task *queue = NULL;
    eval_plan *plans = NULL;
    bl_status status = BL_OK;
    *out = (bl_eval_result){0};
    BL_TRY(bl_eval_params_check(p));
    BL_TRY(check_annotations(gt));
    BL_TRY(check_detections(gt, dt));
    if (p->kind == BL_IOU_SEGM) BL_TRY(check_masks(gt, dt));
    if (p->federated) BL_TRY(check_lists(gt));
    BL_TRY(allocate(gt, p, out));
    BL_TRY_DONE(bl_eval_index_build(gt, dt, p, &index));
    BL_TRY_DONE(make_queue(&index, &out->params, &queue, &plans));
    job j = {.in = {gt, dt, &index},
             .plans = plans,
             .queue = queue,
             .n_tasks = (int64_t)index.n_classes * bl_eval_n_passes(p),
             .out = out};
    int workers = bl_threads();
    if (workers > j.n_tasks) workers = (int)j.n_tasks;
    if (index.dt_first[index.n_classes] < 2000) workers = workers > 0; /* not worth a thread */
    bl_parallel_for(workers, 1, work, &j);
    /* A worker without memory leaves its share to the others; the queue tells whether
     * any was left. */
    if (atomic_load(&j.lost) || (atomic_load(&j.failed) && atomic_load(&j.next) < j.n_tasks))
        status = bl_no_memory("to evaluate %lld detections", (long long)dt->n);
done:
    free(queue);
    free(plans);
    bl_eval_index_free(&index);
    if (status != BL_OK) bl_eval_result_free(out);
    return status;
}

void bl_eval_result_free(bl_eval_result *r) {
    for (int64_t i = 0; r->curves && i < (int64_t)r->K * r->passes; i++) free(r->curves[i]);
    free(r->curves);
    free(r->n_gt);
    free(r->best);
    free(r->frequency);
    *r = (bl_eval_result){0};
}
