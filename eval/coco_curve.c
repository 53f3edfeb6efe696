#include <float.h>
#include <string.h>

#include "eval/coco_internal.h"

/* Detections that touch no ground truth are false positives in every range that holds their area: a
 * count per (areas, rank) says all about those passed so far. */
typedef struct plain_counts {
    int64_t n[1 << BL_COCO_A][BL_COCO_M];
} plain_counts;

static void plain_totals(const plain_counts *p, int64_t fp[BL_COCO_A][BL_COCO_M]) {
    memset(fp, 0, sizeof(int64_t) * BL_COCO_A * BL_COCO_M);
    for (int bits = 1; bits < 1 << BL_COCO_A; bits++)
        for (int rank = 0; rank < BL_COCO_M; rank++)
            for (int a = 0; a < BL_COCO_A; a++)
                if (bits >> a & 1) fp[a][rank] += p->n[bits][rank];
    for (int a = 0; a < BL_COCO_A; a++)
        for (int m = 1; m < BL_COCO_M; m++) fp[a][m] += fp[a][m - 1];
}

/* need[r]: how many true positives reach recall point r; n_gt + 1 never happens because the last
 * is 1. */
static void recall_needs(int64_t n_gt, int64_t need[BL_COCO_R]) {
    int64_t k = 0;
    for (int r = 0; r < BL_COCO_R; r++) {
        double point = coco_recall_point(r);
        if (n_gt == 0) {
            need[r] = 1;
            continue;
        }
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

/* Precision is wanted as its running maximum from the right, at the first detection that reaches a
 * recall point. Only true positives can raise that maximum, so it is enough to keep the best
 * precision between two recall points (in `precision`, at the left one) and to sweep once at the
 * end. */
static void add_tp(curve *c, const int64_t *need, int64_t plain_fp, double score, double *precision,
                   double *scores) {
    c->tp++;
    while (c->at + 1 < BL_COCO_R && need[c->at + 1] <= c->tp) {
        c->at++;
        precision[c->at] = 0;
        scores[c->at] = score;
    }
    double value = (double)c->tp / ((double)(plain_fp + c->fp) + (double)c->tp + DBL_EPSILON);
    if (value > precision[c->at]) precision[c->at] = value;
}

static void finish(const curve *c, double *precision, double *scores) {
    for (int r = c->at + 1; r < BL_COCO_R; r++) precision[r] = scores[r] = 0;
    for (int r = c->at; r > 0; r--)
        if (precision[r] > precision[r - 1]) precision[r - 1] = precision[r];
}

static void undefined(int a, coco_scratch *s) {
    int64_t first = (int64_t)a * BL_COCO_T * BL_COCO_M, n = BL_COCO_T * BL_COCO_M;
    for (int64_t i = first; i < first + n; i++) s->recall[i] = -1;
    for (int64_t i = first * BL_COCO_R; i < (first + n) * BL_COCO_R; i++)
        s->precision[i] = s->scores[i] = -1;
}

/* Applies one detection that has a pair to all its curves. */
static void add_pair(const coco_scored *d, const coco_pair *p, const plain_counts *plain,
                     int64_t need[BL_COCO_A][BL_COCO_R], curve (*curves)[BL_COCO_M],
                     coco_scratch *s) {
    int64_t fp[BL_COCO_A][BL_COCO_M];
    if (p->tp) plain_totals(plain, fp);
    for (uint64_t bits = p->fp; bits; bits &= bits - 1) {
        int cell = __builtin_ctzll(bits);
        for (int m = d->rank; m < BL_COCO_M; m++) curves[cell][m].fp++;
    }
    for (uint64_t bits = p->tp; bits; bits &= bits - 1) {
        int cell = __builtin_ctzll(bits), a = cell / BL_COCO_T;
        for (int m = d->rank; m < BL_COCO_M; m++) {
            int64_t at = ((int64_t)cell * BL_COCO_M + m) * BL_COCO_R;
            add_tp(&curves[cell][m], need[a], fp[a][m], d->score, s->precision + at,
                   s->scores + at);
        }
    }
}

void coco_curve_category(coco_scratch *s) {
    int64_t need[BL_COCO_A][BL_COCO_R];
    curve curves[COCO_CELLS][BL_COCO_M] = {0};
    plain_counts plain = {0};
    for (int a = 0; a < BL_COCO_A; a++) recall_needs(s->n_gt[a], need[a]);
    for (int64_t i = 0; i < COCO_CELLS * BL_COCO_M; i++) {
        /* Recall 0 is reached by the first detection, whatever it is; it is the best of its image.
         */
        s->precision[i * BL_COCO_R] = 0;
        s->scores[i * BL_COCO_R] = s->n ? s->list[0].score : 0;
    }
    for (int64_t i = 0; i < s->n; i++) {
        const coco_scored *d = &s->list[i];
        if (d->pair)
            add_pair(d, &s->pairs[d->pair - 1], &plain, need, curves, s);
        else
            plain.n[d->areas][d->rank]++;
    }
    for (int cell = 0; cell < COCO_CELLS; cell++) {
        int64_t n_gt = s->n_gt[cell / BL_COCO_T];
        for (int m = 0; m < BL_COCO_M; m++) {
            int64_t at = (int64_t)cell * BL_COCO_M + m;
            const curve *c = &curves[cell][m];
            finish(c, s->precision + at * BL_COCO_R, s->scores + at * BL_COCO_R);
            s->recall[at] = n_gt ? (double)c->tp / (double)n_gt : -1;
        }
    }
    for (int a = 0; a < BL_COCO_A; a++)
        if (s->n_gt[a] == 0) undefined(a, s);
}

bl_operating_point coco_best_f1(const coco_scratch *s) {
    bl_operating_point best = {.f1 = -1, .score = -1, .fn = s->n_gt[0]};
    if (s->n_gt[0] == 0) return best;
    best.f1 = 0;
    int64_t tp = 0, fp = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const coco_scored *d = &s->list[i];
        const coco_pair *p = d->pair ? &s->pairs[d->pair - 1] : NULL;
        tp += p ? p->tp & 1 : 0; /* bit 0: area all, IoU 0.5 */
        fp += p ? p->fp & 1 : d->areas & 1;
        /* A threshold cannot part equal scores. */
        if (i + 1 < s->n && s->list[i + 1].score == d->score) continue;
        int64_t fn = s->n_gt[0] - tp;
        double f1 = 2.0 * (double)tp / (double)(2 * tp + fp + fn);
        if (f1 > best.f1) best = (bl_operating_point){f1, d->score, tp, fp, fn};
    }
    return best;
}
