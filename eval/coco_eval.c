#include "eval/coco_eval.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/parallel.h"
#include "eval/coco_internal.h"

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

typedef struct job {
    const bl_dataset *gt;
    const bl_detections *dt;
    const coco_index *index;
    const int32_t *queue; /* categories, longest first */
    bool honour_ignore;
    bl_coco_result *out;
    atomic_int next, failed;
} job;

/* The result's layout is the reference's: [T][R][K][A][M]. */
static void store(const coco_scratch *s, int32_t k, bl_coco_result *out) {
    int64_t n_k = out->n_categories;
    for (int t = 0; t < BL_COCO_T; t++)
        for (int a = 0; a < BL_COCO_A; a++)
            for (int m = 0; m < BL_COCO_M; m++) {
                int64_t from = ((int64_t)a * BL_COCO_T + t) * BL_COCO_M + m;
                int64_t to = ((int64_t)k * BL_COCO_A + a) * BL_COCO_M + m;
                int64_t row = n_k * BL_COCO_A * BL_COCO_M;
                out->recall[t * row + to] = s->recall[from];
                for (int r = 0; r < BL_COCO_R; r++) {
                    out->precision[(t * BL_COCO_R + r) * row + to] =
                        s->precision[from * BL_COCO_R + r];
                    out->scores[(t * BL_COCO_R + r) * row + to] = s->scores[from * BL_COCO_R + r];
                }
            }
    for (int a = 0; a < BL_COCO_A; a++) out->n_gt[k * BL_COCO_A + a] = s->n_gt[a];
    out->best[k] = coco_best_f1(s);
}

/* Each worker takes the next category from the queue; categories share nothing. */
static void work(void *arg, int64_t begin, int64_t end) {
    job *j = arg;
    for (int64_t w = begin; w < end; w++) {
        coco_scratch s;
        if (coco_scratch_init(&s, j->index->dt_max, j->index->gt_max) != BL_OK) {
            atomic_store(&j->failed, 1);
            return;
        }
        int i;
        while ((i = atomic_fetch_add(&j->next, 1)) < j->gt->n_categories) {
            coco_match_category(j->gt, j->dt, j->index, j->queue[i], j->honour_ignore, &s);
            coco_curve_category(&s);
            store(&s, j->queue[i], j->out);
        }
        coco_scratch_free(&s);
    }
}

typedef struct load {
    int64_t n;
    int32_t category;
} load;

static int longest_first(const void *a, const void *b) {
    const load *x = a, *y = b;
    if (x->n != y->n) return x->n < y->n ? 1 : -1;
    return (x->category > y->category) - (x->category < y->category);
}

static bl_status make_queue(const coco_index *x, int32_t n, int32_t **queue) {
    load *v = malloc(((size_t)n + 1) * sizeof *v);
    *queue = malloc(((size_t)n + 1) * sizeof **queue);
    if (!v || !*queue) {
        free(v);
        return bl_fail(BL_ENOMEM, "no memory for %d categories", n);
    }
    for (int32_t k = 0; k < n; k++) v[k] = (load){x->dt_first[k + 1] - x->dt_first[k], k};
    qsort(v, (size_t)n, sizeof *v, longest_first);
    for (int32_t k = 0; k < n; k++) (*queue)[k] = v[k].category;
    free(v);
    return BL_OK;
}

static bl_status allocate(bl_coco_result *out, int32_t n_categories) {
    size_t cells = (size_t)n_categories * BL_COCO_A * BL_COCO_M * BL_COCO_T + 1;
    *out = (bl_coco_result){
        .n_categories = n_categories,
        .precision = malloc(cells * BL_COCO_R * sizeof(double)),
        .scores = malloc(cells * BL_COCO_R * sizeof(double)),
        .recall = malloc(cells * sizeof(double)),
        .n_gt = malloc(((size_t)n_categories * BL_COCO_A + 1) * sizeof(int64_t)),
        .best = malloc(((size_t)n_categories + 1) * sizeof *out->best),
    };
    if (out->precision && out->scores && out->recall && out->n_gt && out->best) return BL_OK;
    bl_coco_result_free(out);
    return bl_fail(BL_ENOMEM, "no memory for the curves of %d categories", n_categories);
}

bl_status bl_coco_evaluate(const bl_dataset *gt, const bl_detections *dt, bool honour_ignore,
                           bl_coco_result *out) {
    coco_index index = {0};
    int32_t *queue = NULL;
    bl_status status = BL_OK;
    *out = (bl_coco_result){0};
    BL_TRY(check_detections(gt, dt));
    BL_TRY(allocate(out, gt->n_categories));
    BL_TRY_DONE(coco_index_build(gt, dt, &index));
    BL_TRY_DONE(make_queue(&index, gt->n_categories, &queue));
    job j = {gt, dt, &index, queue, honour_ignore, out, 0, 0};
    int workers = bl_threads();
    if (workers > gt->n_categories) workers = gt->n_categories;
    if (index.dt_first[gt->n_categories] < 2000) workers = workers > 0; /* not worth a thread */
    bl_parallel_for(workers, 1, work, &j);
    /* A worker without memory leaves its share to the others; the queue tells whether any was left.
     */
    if (atomic_load(&j.failed) && atomic_load(&j.next) < gt->n_categories)
        status = bl_fail(BL_ENOMEM, "no memory to evaluate %lld detections", (long long)dt->n);
done:
    free(queue);
    coco_index_free(&index);
    if (status != BL_OK) bl_coco_result_free(out);
    return status;
}

void bl_coco_result_free(bl_coco_result *r) {
    free(r->precision), free(r->recall), free(r->scores), free(r->n_gt), free(r->best);
    *r = (bl_coco_result){0};
}
