#include <float.h>
#include <string.h>

#include "eval/protocol/eval_internal.h"

/* Detections that touch no ground truth are false positives in every range that holds their size: a
 * count per (class of sizes, rank) says all about those passed so far. */
typedef struct plain_counts {
    int64_t n[2 * EVAL_MAX_EDGES + 2][BL_EVAL_MAX_LIMITS];
} plain_counts;

typedef struct per_area_and_limit {
    int64_t n[BL_EVAL_MAX_AREAS][BL_EVAL_MAX_LIMITS];
} per_area_and_limit;

static void plain_totals(const eval_plan *plan, const plain_counts *p, per_area_and_limit *fp) {
    int n_a = plan->p->n_areas, n_m = plan->p->n_limits;
    for (int a = 0; a < n_a; a++)
        for (int m = 0; m < n_m; m++) fp->n[a][m] = 0;
    for (int c = 1; c < plan->n_classes; c++)
        for (int a = 0; a < n_a; a++)
            if (plan->class_areas[c] >> a & 1)
                for (int m = 0; m < n_m; m++) fp->n[a][m] += p->n[c][m];
    for (int a = 0; a < n_a; a++)
        for (int m = 1; m < n_m; m++) fp->n[a][m] += fp->n[a][m - 1];
}

/* need[r]: how many true positives reach recall point r, which is at most 1. */
static void recall_needs(const bl_eval_params *p, int64_t n_gt, int64_t *need) {
    int64_t k = 0;
    for (int r = 0; r < p->n_recalls; r++) {
        double point = p->recalls[r];
        int64_t guess = (int64_t)(point * (double)n_gt) - 1; /* start close, then walk exactly */
        if (guess > k) k = guess;
        while ((double)k / (double)n_gt < point) k++;
        need[r] = k;
    }
}

typedef struct curve {
    int64_t tp, fp; /* fp: of detections with a pair only */
    int at;         /* recall points 0..at are reached */
} curve;

/* Where a class's curves stand. */
typedef struct progress {
    const eval_plan *plan;
    eval_scratch *s;
    int n_r, n_m;
    curve curves[EVAL_CELLS][BL_EVAL_MAX_LIMITS];
    plain_counts plain;
} progress;

/* Precision is wanted as its running maximum from the right, at the first detection that reaches a
 * recall point. Only true positives can raise that maximum, so it is enough to keep the best
 * precision between two recall points (in `precision`, at the left one) and to sweep once at the
 * end. */
static void add_tp(curve *c, int n_r, const int64_t *need, int64_t plain_fp, double score,
                   double *precision, double *scores) {
    c->tp++;
    while (c->at + 1 < n_r && need[c->at + 1] <= c->tp) {
        c->at++;
        precision[c->at] = 0;
        scores[c->at] = score;
    }
    if (c->at < 0) return; /* below the first point of a list that does not start at 0 */
    double value = (double)c->tp / ((double)(plain_fp + c->fp) + (double)c->tp + DBL_EPSILON);
    if (value > precision[c->at]) precision[c->at] = value;
}

static void finish(const curve *c, int n_r, double *precision, double *scores) {
    for (int r = c->at + 1; r < n_r; r++) precision[r] = scores[r] = 0;
    for (int r = c->at; r > 0; r--)
        if (precision[r] > precision[r - 1]) precision[r - 1] = precision[r];
}

/* Applies one detection that has a pair to all its curves. */
static void add_pair(progress *g, const eval_scored *d, const eval_pair *p) {
    per_area_and_limit fp;
    if (p->tp) plain_totals(g->plan, &g->plain, &fp);
    for (uint64_t bits = p->fp; bits; bits &= bits - 1) {
        int cell = __builtin_ctzll(bits);
        for (int m = d->rank; m < g->n_m; m++) g->curves[cell][m].fp++;
    }
    for (uint64_t bits = p->tp; bits; bits &= bits - 1) {
        int cell = __builtin_ctzll(bits), a = cell / g->plan->n_t;
        for (int m = d->rank; m < g->n_m; m++) {
            int64_t at = ((int64_t)cell * g->n_m + m) * g->n_r;
            add_tp(&g->curves[cell][m], g->n_r, g->s->need + (int64_t)a * g->n_r, fp.n[a][m],
                   d->score, g->s->precision + at, g->s->scores + at);
        }
    }
}

/* Recall points of 0 are reached by the first detection, whatever it is; it is the best of its
 * image, so every limit admits it. */
static void start(progress *g) {
    const bl_eval_params *p = g->plan->p;
    eval_scratch *s = g->s;
    int zeros = 0;
    while (zeros < g->n_r && p->recalls[zeros] <= 0) zeros++;
    for (int cell = 0; cell < g->plan->n_cells; cell++)
        for (int m = 0; m < g->n_m; m++) {
            int64_t at = ((int64_t)cell * g->n_m + m) * g->n_r;
            g->curves[cell][m] = (curve){.at = zeros - 1};
            for (int r = 0; r < zeros; r++) {
                s->precision[at + r] = 0;
                s->scores[at + r] = s->n ? s->list[0].score : 0;
            }
        }
    for (int a = 0; a < p->n_areas; a++)
        if (s->n_gt[a]) recall_needs(p, s->n_gt[a], s->need + (int64_t)a * g->n_r);
}

static void end(progress *g, int cell, int m) {
    eval_scratch *s = g->s;
    int64_t n_gt = s->n_gt[cell / g->plan->n_t], at = (int64_t)cell * g->n_m + m;
    double *precision = s->precision + at * g->n_r, *scores = s->scores + at * g->n_r;
    const curve *c = &g->curves[cell][m];
    if (n_gt) {
        finish(c, g->n_r, precision, scores);
        s->recall[at] = (double)c->tp / (double)n_gt;
        return;
    }
    for (int r = 0; r < g->n_r; r++) precision[r] = scores[r] = -1;
    s->recall[at] = -1;
}

void bl_eval_curve_class(const eval_plan *plan, eval_scratch *s) {
    if (!eval_any_gt(plan, s)) return;
    progress g = {.plan = plan, .s = s, .n_r = plan->p->n_recalls, .n_m = plan->p->n_limits};
    start(&g);
    for (int64_t i = 0; i < s->n; i++) {
        const eval_scored *d = &s->list[i];
        if (d->pair)
            add_pair(&g, d, &s->pairs[d->pair - 1]);
        else
            g.plain.n[d->area_class][d->rank]++;
    }
    for (int cell = 0; cell < plan->n_cells; cell++)
        for (int m = 0; m < g.n_m; m++) end(&g, cell, m);
}

bl_operating_point bl_eval_best_f1(const eval_plan *plan, int cell, const eval_scratch *s) {
    bl_operating_point best = {.f1 = -1, .score = -1, .fn = s->n_gt[0]};
    if (s->n_gt[0] == 0) return best;
    best.f1 = 0;
    int64_t tp = 0, fp = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const eval_scored *d = &s->list[i];
        const eval_pair *p = d->pair ? &s->pairs[d->pair - 1] : NULL;
        tp += p ? p->tp >> cell & 1 : 0;
        fp += p ? p->fp >> cell & 1 : plan->class_areas[d->area_class] & 1;
        /* A threshold cannot part equal scores. */
        if (i + 1 < s->n && s->list[i + 1].score == d->score) continue;
        int64_t fn = s->n_gt[0] - tp;
        double f1 = 2.0 * (double)tp / (double)(2 * tp + fp + fn);
        if (f1 > best.f1) best = (bl_operating_point){f1, d->score, tp, fp, fn};
    }
    return best;
}
