#include "eval/analysis/fates.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "eval/protocol/pair_ious.h"
#include "eval/protocol/ranking.h"

typedef struct job {
    const bl_dataset *gt;
    const bl_detections *dt;
    const bl_eval_params *p;
    const bl_fates_options *o;
    double iou;          /* as compared: the evaluator's cap of 1 - 1e-10 */
    const uint8_t *over; /* [n_dt] beyond the limit per class over all images; NULL: none */
    const int64_t *first;
    const int32_t *by_image; /* detections of image i: by_image[first[i]..first[i + 1]) */
    int64_t most_dt, most_gt, most_cells; /* of one image */
    bl_fates *out;
    atomic_int failed; /* the status of a worker */
    char message[256]; /* of the first that failed */
} job;

/* Working memory of one thread, for one image. */
typedef struct scratch {
    const job *j;
    int32_t image;
    eval_ranked *dt; /* by falling score */
    int64_t n_dt;
    const bl_ann *gt; /* anns of the image */
    int64_t n_gt, first_gt;
    eval_pairs pairs;
    const double *iou;   /* [n_dt][n_gt] */
    uint8_t *taken;      /* [n_gt] by a detection of its class */
    uint8_t *covered;    /* [n_gt] by a detection of any class */
    int32_t *class_seen; /* [n_classes] detections so far */
    uint8_t *judged;     /* [n_classes] bit 0: judged in this image, bit 1: not exhaustively */
} scratch;

static void scratch_free(scratch *s) {
    bl_eval_pairs_free(&s->pairs);
    free(s->dt);
    free(s->taken);
    free(s->covered);
    free(s->class_seen);
    free(s->judged);
}

static bl_status scratch_init(scratch *s, const job *j) {
    size_t k = (size_t)j->gt->n_categories + 1;
    *s = (scratch){.j = j,
                   .dt = malloc(((size_t)j->most_dt + 1) * sizeof *s->dt),
                   .taken = malloc((size_t)j->most_gt + 1),
                   .covered = malloc((size_t)j->most_gt + 1),
                   .class_seen = calloc(k, sizeof *s->class_seen),
                   .judged = calloc(k, 1)};
    bl_status status = bl_eval_pairs_init(&s->pairs, j->p, j->most_dt, j->most_gt, j->most_cells);
    s->iou = s->pairs.iou;
    if (status == BL_OK && s->dt && s->taken && s->covered && s->class_seen && s->judged)
        return BL_OK;
    scratch_free(s);
    return bl_no_memory("to analyse an image of %lld detections", (long long)j->most_dt);
}

static int32_t class_of(const job *j, int32_t category) {
    return j->p->class_agnostic ? 0 : category;
}

static int32_t dt_class(const scratch *s, int64_t d) {
    return class_of(s->j, s->j->dt->v[s->dt[d].index].category);
}

static double dt_area(const scratch *s, int32_t i) {
    const bl_detection *d = &s->j->dt->v[i];
    return s->j->p->kind == BL_IOU_SEGM ? bl_detection_area(s->j->dt, i) : d->w * d->h;
}

/* ---- who takes part ---- */

/* LVIS: a class is judged where it is annotated or listed as absent. */
static void find_judged(scratch *s) {
    const bl_federated *f = s->j->gt->federated ? &s->j->gt->federated[s->image] : NULL;
    memset(s->judged, 0, (size_t)s->j->gt->n_categories);
    for (int64_t g = 0; g < s->n_gt; g++) s->judged[s->gt[g].category] |= 1;
    for (int32_t i = 0; f && i < f->n_negative; i++) s->judged[f->negative[i]] |= 1;
    for (int32_t i = 0; f && i < f->n_not_exhaustive; i++) s->judged[f->not_exhaustive[i]] |= 2;
}

/* Applies the limits and the federated rules; the rest of the list moves up. */
static void select_detections(scratch *s) {
    const bl_eval_params *p = s->j->p;
    int32_t limit = p->max_dets[p->n_limits - 1];
    int64_t kept = 0;
    bl_eval_ranked_sort(s->dt, (size_t)s->n_dt);
    if (p->max_dets_per_image && s->n_dt > p->max_dets_per_image) s->n_dt = p->max_dets_per_image;
    for (int64_t d = 0; d < s->n_dt; d++) {
        const bl_detection *one = &s->j->dt->v[s->dt[d].index];
        if (s->j->over && s->j->over[s->dt[d].index]) continue;
        if (p->federated && (!(s->judged[one->category] & 1) || !(dt_area(s, s->dt[d].index) > 0)))
            continue;
        if (s->class_seen[dt_class(s, d)]++ >= limit) continue;
        s->dt[kept++] = s->dt[d];
    }
    s->n_dt = kept;
    for (int64_t i = s->j->first[s->image]; i < s->j->first[s->image + 1]; i++)
        s->class_seen[class_of(s->j, s->j->dt->v[s->j->by_image[i]].category)] = 0;
}

static bool is_crowd(const scratch *s, const bl_ann *g) {
    return s->j->p->crowd && g->iscrowd;
}

static bool counts(const scratch *s, const bl_ann *g) {
    const bl_eval_params *p = s->j->p;
    return !is_crowd(s, g) && !(p->honour_ignore && g->ignore) &&
           !(g->area < p->areas[0].min || g->area > p->areas[0].max) &&
           !(p->federated && !(g->area > 0));
}

/* ---- within a class: right, ignored or wrong ---- */

/* The free object of the detection's class with the highest IoU, the later of equals
 * (class-agnostic: in the order of classes, as the evaluator has them); of those that count, or of
 * the others. */
static int64_t best_free(const scratch *s, int64_t d, bool counting) {
    const double *row = s->iou + d * s->n_gt;
    int32_t class = dt_class(s, d);
    double best = s->j->iou;
    int64_t found = -1;
    for (int64_t g = 0; g < s->n_gt; g++) {
        if (row[g] < best || class_of(s->j, s->gt[g].category) != class) continue;
        if (row[g] == best && found >= 0 && s->gt[g].category < s->gt[found].category) continue;
        if (counts(s, &s->gt[g]) != counting || (s->taken[g] && !is_crowd(s, &s->gt[g]))) continue;
        best = row[g];
        found = g;
    }
    return found;
}

/* An unmatched detection is no error when its size is outside the range, or its class is not
 * exhaustively annotated here. */
static bool excused(const scratch *s, int32_t i) {
    const bl_eval_params *p = s->j->p;
    const bl_detection *one = &s->j->dt->v[i];
    double area = dt_area(s, i);
    return area < p->areas[0].min || area > p->areas[0].max ||
           (p->federated && s->judged[one->category] & 2);
}

static void match(scratch *s) {
    bl_fates *out = s->j->out;
    for (int64_t d = 0; d < s->n_dt; d++) {
        int32_t i = s->dt[d].index;
        int64_t g = best_free(s, d, true);
        if (g >= 0) {
            s->taken[g] = 1;
            out->dt[i] = BL_FATE_RIGHT;
            out->fix[i] = (int32_t)(s->first_gt + g);
            continue;
        }
        g = best_free(s, d, false);
        if (g >= 0) s->taken[g] = 1;
        out->dt[i] = g >= 0 || excused(s, i) ? BL_FATE_IGNORED : BL_FATE_BOTH; /* see explain() */
    }
}

/* ---- why it is wrong ---- */

static bl_fate explain(const scratch *s, int64_t d, int64_t *object) {
    const double *row = s->iou + d * s->n_gt, t_f = s->j->o->iou, t_b = s->j->o->background_iou;
    int32_t class = dt_class(s, d);
    double same = -1, other = -1; /* highest IoU with its own and with other classes */
    int64_t same_at = -1, other_at = -1;
    for (int64_t g = 0; g < s->n_gt; g++) {
        if (!counts(s, &s->gt[g])) continue;
        if (class_of(s->j, s->gt[g].category) == class) {
            if (row[g] > same) {
                same = row[g];
                same_at = g;
            }
        } else if (row[g] > other) {
            other = row[g];
            other_at = g;
        }
    }
    *object = -1;
    if (t_b <= same && same <= t_f) {
        *object = same_at;
        return BL_FATE_LOC;
    }
    if (other >= t_f) {
        *object = other_at;
        return BL_FATE_CLS;
    }
    if (same > t_f) return BL_FATE_DUPE;
    return same <= t_b && other <= t_b ? BL_FATE_BKG : BL_FATE_BOTH;
}

/* Among the detections that would find an object if corrected, the best one shall:
 * the first here. */
static void explain_all(scratch *s) {
    bl_fates *out = s->j->out;
    for (int64_t g = 0; g < s->n_gt; g++)
        out->gt[s->first_gt + g] = !counts(s, &s->gt[g]) ? BL_OBJECT_IGNORED
                                   : s->taken[g]         ? BL_OBJECT_FOUND
                                                         : BL_OBJECT_MISSED;
    for (int64_t d = 0; d < s->n_dt; d++) {
        int32_t i = s->dt[d].index;
        int64_t g;
        if (out->dt[i] != BL_FATE_BOTH) continue;
        out->dt[i] = (uint8_t)explain(s, d, &g);
        if (g < 0 || out->gt[s->first_gt + g] != BL_OBJECT_MISSED) continue;
        out->gt[s->first_gt + g] = BL_OBJECT_NEARLY;
        out->fix[i] = (int32_t)(s->first_gt + g);
    }
}

/* ---- across classes ---- */

/* Greedy by score: the uncovered object with the highest IoU; of equals one of the same class, then
 * the later one. */
static void confuse(scratch *s) {
    bl_fates *out = s->j->out;
    for (int64_t d = 0; d < s->n_dt; d++) {
        int32_t i = s->dt[d].index, class = dt_class(s, d);
        const double *row = s->iou + d * s->n_gt;
        if (s->dt[d].score < s->j->o->score_threshold || out->dt[i] == BL_FATE_IGNORED) continue;
        double best = s->j->iou;
        int64_t found = -1;
        bool same = false;
        for (int64_t g = 0; g < s->n_gt; g++) {
            if (row[g] < best || s->covered[g] || !counts(s, &s->gt[g])) continue;
            bool own = class_of(s->j, s->gt[g].category) == class;
            if (row[g] > best || own || !same) {
                best = row[g];
                found = g;
                same = own;
            }
        }
        if (found >= 0) s->covered[found] = 1;
        out->confused[i] = found < 0 ? BL_CONFUSED_BACKGROUND : (int32_t)(s->first_gt + found);
    }
}

/* ---- all images ---- */

static bl_status one_image(scratch *s, int32_t image) {
    const job *j = s->j;
    const bl_image_info *im = &j->gt->images[image];
    s->image = image;
    s->gt = j->gt->anns + im->first_ann;
    s->first_gt = im->first_ann;
    s->n_gt = im->n_anns;
    s->n_dt = 0;
    for (int64_t i = j->first[image]; i < j->first[image + 1]; i++)
        s->dt[s->n_dt++] = (eval_ranked){
            j->dt->v[j->by_image[i]].score,
            j->p->class_agnostic ? j->dt->v[j->by_image[i]].category : 0, j->by_image[i]};
    if (j->p->federated) find_judged(s);
    select_detections(s);
    memset(s->taken, 0, (size_t)s->n_gt);
    memset(s->covered, 0, (size_t)s->n_gt);
    BL_TRY(bl_eval_pairs_find(&s->pairs, j->gt, j->dt, j->p, s->dt, s->n_dt, s->first_gt, s->n_gt));
    match(s);
    explain_all(s);
    confuse(s);
    return BL_OK;
}

static void work(void *arg, int64_t begin, int64_t end) {
    job *j = arg;
    scratch s;
    bl_status status = scratch_init(&s, j);
    if (status == BL_OK) {
        for (int64_t i = begin; status == BL_OK && i < end; i++) status = one_image(&s, (int32_t)i);
        scratch_free(&s);
    }
    if (status != BL_OK && atomic_exchange(&j->failed, status) == BL_OK) /* one of them tells why */
        snprintf(j->message, sizeof j->message, "%s", bl_error());
}

/* The limit per class over all images. */
static bl_status find_over(const job *j, uint8_t **over) {
    int64_t limit = j->p->max_dets_per_class;
    int32_t n = j->gt->n_categories;
    eval_ranking r = {0};
    bl_status status;
    int32_t *key = malloc(((size_t)j->dt->n + 1) * sizeof *key);
    *over = calloc((size_t)j->dt->n + 1, 1);
    if (!key || !*over) {
        status = bl_no_memory("to order %lld detections", (long long)j->dt->n);
        goto done;
    }
    for (int64_t i = 0; i < j->dt->n; i++) key[i] = class_of(j, j->dt->v[i].category);
    BL_TRY_DONE(bl_eval_rank(j->gt, j->dt, key, n, j->p->class_agnostic, &r));
    for (int32_t k = 0; k < n; k++)
        for (int64_t i = r.first[k] + limit; i < r.first[k + 1]; i++) (*over)[r.order[i]] = 1;
done:
    bl_eval_ranking_free(&r);
    free(key);
    return status;
}

/* Detections by image, in file order; the largest image. */
static void group(job *j, int64_t *first, int32_t *by_image) {
    int64_t *at = first + 1;
    for (int64_t i = 0; i < j->dt->n; i++) at[j->dt->v[i].image + 1]++;
    for (int32_t i = 0; i < j->gt->n_images; i++) {
        int64_t d = at[i + 1], g = j->gt->images[i].n_anns;
        if (d > j->most_dt) j->most_dt = d;
        if (g > j->most_gt) j->most_gt = g;
        if (d * g > j->most_cells) j->most_cells = d * g;
        at[i + 1] += at[i];
    }
    for (int64_t i = 0; i < j->dt->n; i++) by_image[at[j->dt->v[i].image]++] = (int32_t)i;
    j->first = first;
    j->by_image = by_image;
}

static bl_status allocate(bl_fates *out, int64_t n_dt, int64_t n_gt) {
    size_t d = (size_t)n_dt + 1, g = (size_t)n_gt + 1;
    *out = (bl_fates){.n_dt = n_dt,
                      .n_gt = n_gt,
                      .dt = calloc(d, 1), /* LEFT_OUT until matched */
                      .gt = calloc(g, 1),
                      .fix = malloc(d * sizeof(int32_t)),
                      .confused = malloc(d * sizeof(int32_t))};
    if (!out->dt || !out->gt || !out->fix || !out->confused) {
        bl_fates_free(out);
        return bl_no_memory("to analyse %lld detections", (long long)n_dt);
    }
    for (int64_t i = 0; i < n_dt; i++) {
        out->fix[i] = -1;
        out->confused[i] = BL_CONFUSED_NOT;
    }
    return BL_OK;
}

bl_status bl_fates_find(const bl_dataset *gt, const bl_detections *dt, const bl_eval_params *p,
                        const bl_fates_options *o, bl_fates *out) {
    job j = {.gt = gt, .dt = dt, .p = p, .o = o, .iou = fmin(o->iou, 1 - 1e-10), .out = out};
    uint8_t *over = NULL;
    bl_status status = BL_OK;
    *out = (bl_fates){0};
    if (dt->n > INT32_MAX || gt->n_anns > INT32_MAX)
        return bl_fail(BL_EUNSUPPORTED, "%lld detections, %lld objects: at most %d of each",
                       (long long)dt->n, (long long)gt->n_anns, INT32_MAX);
    if (p->kind == BL_IOU_SEGM && ((gt->n_anns && !gt->masks) || (dt->n && !dt->masks)))
        return bl_fail(BL_EINVAL, "%s: masks are to be analysed, but there are none",
                       gt->name ? gt->name : "ground truth");
    int64_t *first = calloc((size_t)gt->n_images + 2, sizeof *first);
    int32_t *by_image = malloc(((size_t)dt->n + 1) * sizeof *by_image);
    if (!first || !by_image)
        BL_TRY_DONE(bl_no_memory("to analyse %lld detections", (long long)dt->n));
    BL_TRY_DONE(allocate(out, dt->n, gt->n_anns));
    if (p->max_dets_per_class) BL_TRY_DONE(find_over(&j, &over));
    j.over = over;
    group(&j, first, by_image);
    bl_parallel_for(gt->n_images, 16, work, &j);
    status = atomic_load(&j.failed);
    if (status != BL_OK) bl_fail(status, "%s", j.message);
done:
    if (status != BL_OK) bl_fates_free(out);
    free(first);
    free(by_image);
    free(over);
    return status;
}

void bl_fates_free(bl_fates *f) {
    free(f->dt);
    free(f->gt);
    free(f->fix);
    free(f->confused);
    *f = (bl_fates){0};
}
