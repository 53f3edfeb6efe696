#include "eval/analysis/error_breakdown.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "eval/protocol/ranking.h"

const char *const bl_error_names[BL_ERROR_KINDS] = {"cls", "loc",  "both", "dupe",
                                                    "bkg", "miss", "fp",   "fn"};

enum { AS_IT_IS = BL_ERROR_KINDS }; /* the oracle that corrects nothing */

typedef struct job {
    const bl_dataset *gt;
    const bl_detections *dt;
    const bl_eval_params *p;
    const bl_fates *f;
    const int32_t *image_rank;
    eval_ranking own;                   /* detections by their class */
    eval_ranking elsewhere;             /* fixable CLS errors by the class of their object */
    int64_t *n_gt, *n_found, *n_missed; /* [K] */
    bl_error_breakdown *out;
} job;

static const uint8_t kind_of[] = {
    [BL_FATE_LOC] = BL_ERROR_LOC, [BL_FATE_CLS] = BL_ERROR_CLS,   [BL_FATE_DUPE] = BL_ERROR_DUPE,
    [BL_FATE_BKG] = BL_ERROR_BKG, [BL_FATE_BOTH] = BL_ERROR_BOTH,
};

/* ---- average precision of a list that is told one detection after the other ---- */

typedef struct curve {
    const bl_eval_params *p;
    int64_t n_gt, tp, fp;
    int at; /* recall points 0..at are reached */
    double best[BL_EVAL_MAX_RECALLS];
} curve;

static void curve_start(curve *c, const bl_eval_params *p, int64_t n_gt) {
    c->p = p;
    c->n_gt = n_gt;
    c->tp = c->fp = 0;
    c->at = -1;
}

/* Between two recall points only the best precision matters, and only a true positive raises it. */
static void curve_add(curve *c, bool right) {
    c->tp += right;
    c->fp += !right;
    double recall = (double)c->tp / (double)c->n_gt;
    while (c->at + 1 < c->p->n_recalls && c->p->recalls[c->at + 1] <= recall) c->best[++c->at] = 0;
    if (!right || c->at < 0) return;
    double precision = (double)c->tp / ((double)c->fp + (double)c->tp + DBL_EPSILON);
    if (precision > c->best[c->at]) c->best[c->at] = precision;
}

static double curve_ap(curve *c) {
    double sum = 0, highest = 0;
    for (int r = c->at; r >= 0; r--) {
        if (c->best[r] > highest) highest = c->best[r];
        sum += highest;
    }
    return sum / c->p->n_recalls;
}

/* ---- one class under one oracle ---- */

/* What the oracle makes of a detection: -1 gone, 0 wrong, 1 right. */
static int judge(const job *j, int32_t i, int oracle) {
    bl_fate fate = j->f->dt[i];
    if (fate == BL_FATE_RIGHT) return 1;
    if (oracle == BL_ERROR_FP) return -1;
    if (oracle != kind_of[fate]) return 0;
    return fate == BL_FATE_LOC && j->f->fix[i] >= 0 ? 1 : -1;
}

static bool before(const job *j, int32_t a, int32_t b) {
    const bl_detection *x = &j->dt->v[a], *y = &j->dt->v[b];
    if (x->score != y->score) return x->score > y->score;
    int32_t rx = j->image_rank[x->image], ry = j->image_rank[y->image];
    return rx != ry ? rx < ry : a < b;
}

static double class_ap(const job *j, int32_t k, int oracle) {
    int64_t n_gt = j->n_gt[k];
    if (oracle == BL_ERROR_MISS) n_gt -= j->n_missed[k];
    if (oracle == BL_ERROR_FN) n_gt = j->n_found[k];
    if (n_gt == 0) return -1;
    int64_t a = j->own.first[k], a_end = j->own.first[k + 1];
    int64_t b = j->elsewhere.first[k];
    int64_t b_end = oracle == BL_ERROR_CLS ? j->elsewhere.first[k + 1] : b;
    curve c;
    curve_start(&c, j->p, n_gt);
    while (a < a_end || b < b_end) {
        bool added = a == a_end || (b < b_end && before(j, j->elsewhere.order[b], j->own.order[a]));
        int verdict = added ? 1 : judge(j, j->own.order[a], oracle);
        if (verdict >= 0) curve_add(&c, verdict);
        b += added;
        a += !added;
    }
    return curve_ap(&c);
}

static void work(void *arg, int64_t begin, int64_t end) {
    const job *j = arg;
    for (int64_t k = begin; k < end; k++)
        for (int oracle = 0; oracle <= AS_IT_IS; oracle++) {
            double ap = class_ap(j, (int32_t)k, oracle);
            *(oracle == AS_IT_IS ? &j->out->classes[k].ap : &j->out->classes[k].gain[oracle]) = ap;
        }
}

/* ---- all classes ---- */

static double gain(double with, double without) {
    if (with < 0 || without < 0) return -1;
    return with > without ? with - without : 0;
}

/* Classes hold the AP under each oracle so far; makes them gains. */
static void summarise(bl_error_breakdown *e) {
    double mean[BL_ERROR_KINDS + 1];
    for (int oracle = 0; oracle <= AS_IT_IS; oracle++) {
        double sum = 0;
        int64_t n = 0;
        for (int32_t k = 0; k < e->n_classes; k++) {
            double ap = oracle == AS_IT_IS ? e->classes[k].ap : e->classes[k].gain[oracle];
            if (ap >= 0) {
                sum += ap;
                n++;
            }
        }
        mean[oracle] = n ? sum / (double)n : -1;
    }
    e->all.ap = mean[AS_IT_IS];
    for (int oracle = 0; oracle < BL_ERROR_KINDS; oracle++) {
        e->all.gain[oracle] = gain(mean[oracle], mean[AS_IT_IS]);
        for (int32_t k = 0; k < e->n_classes; k++) {
            bl_error_costs *c = &e->classes[k];
            c->gain[oracle] = gain(c->gain[oracle], c->ap);
            e->all.count[oracle] += c->count[oracle];
        }
    }
}

static void count(job *j) {
    bool agnostic = j->p->class_agnostic;
    for (int64_t g = 0; g < j->f->n_gt; g++) {
        int32_t k = agnostic ? 0 : j->gt->anns[g].category;
        bl_object_fate fate = j->f->gt[g];
        if (fate == BL_OBJECT_IGNORED) continue;
        j->n_gt[k]++;
        j->n_found[k] += fate == BL_OBJECT_FOUND;
        j->n_missed[k] += fate == BL_OBJECT_MISSED;
        j->out->classes[k].count[BL_ERROR_FN] += fate != BL_OBJECT_FOUND;
        j->out->classes[k].count[BL_ERROR_MISS] += fate == BL_OBJECT_MISSED;
    }
    for (int64_t i = 0; i < j->f->n_dt; i++) {
        if (j->f->dt[i] <= BL_FATE_RIGHT) continue;
        bl_error_costs *c = &j->out->classes[agnostic ? 0 : j->dt->v[i].category];
        c->count[BL_ERROR_FP]++;
        c->count[kind_of[j->f->dt[i]]]++;
    }
}

bl_status bl_error_breakdown_make(const bl_dataset *gt, const bl_detections *dt,
                                  const bl_eval_params *p, const bl_fates *f,
                                  bl_error_breakdown *out) {
    bool agnostic = p->class_agnostic;
    int32_t k_n = agnostic ? 1 : gt->n_categories, *rank = NULL;
    size_t k = (size_t)k_n + 1;
    job j = {.gt = gt, .dt = dt, .p = p, .f = f, .out = out};
    bl_status status;
    int32_t *key = malloc(((size_t)dt->n + 1) * sizeof *key);
    int64_t *counts = calloc(3 * k, sizeof *counts);
    *out = (bl_error_breakdown){.n_classes = k_n, .classes = calloc(k, sizeof *out->classes)};
    if (!key || !counts || !out->classes)
        BL_TRY_DONE(bl_no_memory("for the errors of %d classes", k_n));
    j.n_gt = counts;
    j.n_found = counts + k;
    j.n_missed = counts + 2 * k;
    BL_TRY_DONE(bl_eval_rank_images(gt, &rank));
    j.image_rank = rank;
    for (int64_t i = 0; i < dt->n; i++)
        key[i] = f->dt[i] < BL_FATE_RIGHT ? -1 : agnostic ? 0 : dt->v[i].category;
    BL_TRY_DONE(bl_eval_rank(gt, dt, key, k_n, agnostic, &j.own));
    for (int64_t i = 0; i < dt->n; i++)
        key[i] = f->dt[i] == BL_FATE_CLS && f->fix[i] >= 0 ? gt->anns[f->fix[i]].category : -1;
    BL_TRY_DONE(bl_eval_rank(gt, dt, key, k_n, agnostic, &j.elsewhere));
    count(&j);
    bl_parallel_for(k_n, 1, work, &j);
    summarise(out);
done:
    free(key);
    free(counts);
    free(rank);
    bl_eval_ranking_free(&j.own);
    bl_eval_ranking_free(&j.elsewhere);
    if (status != BL_OK) bl_error_breakdown_free(out);
    return status;
}

void bl_error_breakdown_free(bl_error_breakdown *e) {
    free(e->classes);
    *e = (bl_error_breakdown){0};
}
