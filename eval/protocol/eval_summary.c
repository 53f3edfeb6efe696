#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/protocol/eval_internal.h"

/* A class has values in an area range, at every threshold and point, or none at all. */
static bool defined(const bl_eval_result *r, const bl_eval_cells *c, int32_t k) {
    return r->n_gt[(int64_t)k * r->A + c->area] > 0 && (!c->class_mask || c->class_mask[k]) &&
           (!c->frequency || r->frequency[k] == c->frequency);
}

/* Walks the defined values of a block of precision or recall in the order of the reference's
 * arrays: by threshold, point, class. */
typedef struct cursor {
    const bl_eval_result *r;
    const bl_eval_cells *c;
    int points; /* a threshold; 0: recall */
    int t, point;
    int32_t k;
    const bl_curve_step *
        *at; /* [k1 - k0] where each class's curve stands; NULL: sought each time */
} cursor;

static double value(cursor *c, int32_t k) {
    int area = c->c->area, limit = c->c->limit;
    if (!c->points) return bl_eval_recall(c->r, c->t, k, area, limit);
    if (!c->at) return bl_eval_precision(c->r, c->t, c->point, k, area, limit);
    const bl_curve_step **at = &c->at[k - c->c->k0];
    if (c->point == 0) *at = bl_eval_steps(c->r, c->t, k, area, limit);
    *at = bl_curve_step_at(*at, c->point);
    return (*at)->precision;
}

/* The caller counts: there is a next one. */
static double cursor_next(cursor *c) {
    for (;;) {
        while (c->k < c->c->k1) {
            int32_t k = c->k++;
            if (defined(c->r, c->c, k)) return value(c, k);
        }
        c->k = c->c->k0;
        if (++c->point >= c->points) {
            c->point = 0;
            c->t++;
        }
    }
}

/* numpy's pairwise summation, so that means agree with the reference to the last bit: blocks of at
 * most 128 in eight interleaved sums, halves split at multiples of eight. It reads strictly from
 * left to right, so a cursor can feed it. (Higham, "The accuracy of floating point summation", SISC
 * 1993.) */
static double pairwise_sum(cursor *c, int64_t n) {
    if (n < 8) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += cursor_next(c);
        return sum;
    }
    if (n <= 128) {
        double s[8], sum;
        for (int j = 0; j < 8; j++) s[j] = cursor_next(c);
        int64_t i = 8;
        for (; i < n - n % 8; i++) s[i % 8] += cursor_next(c);
        sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
        for (; i < n; i++) sum += cursor_next(c);
        return sum;
    }
    int64_t half = n / 2;
    half -= half % 8;
    double left = pairwise_sum(c, half);
    return left + pairwise_sum(c, n - half);
}

/* points: as in a cursor. */
static double mean(const bl_eval_result *r, int points, const bl_eval_cells *cells) {
    enum { FEW = 64 };
    const bl_curve_step *few[FEW], **many = NULL;
    int64_t n = 0;
    for (int32_t k = cells->k0; k < cells->k1; k++) n += defined(r, cells, k);
    n *= (int64_t)(cells->t1 - cells->t0) * (points ? points : 1);
    if (n <= 0) return -1;
    int32_t classes = cells->k1 - cells->k0;
    if (points && classes > FEW) many = malloc((size_t)classes * sizeof *many);
    cursor c = {.r = r,
                .c = cells,
                .points = points,
                .t = cells->t0,
                .k = cells->k0,
                .at = classes > FEW ? many : few};
    double sum = pairwise_sum(&c, n);
    free(many);
    return sum / (double)n;
}

double bl_eval_mean_precision(const bl_eval_result *r, const bl_eval_cells *c) {
    return mean(r, r->R, c);
}

double bl_eval_mean_recall(const bl_eval_result *r, const bl_eval_cells *c) {
    return mean(r, 0, c);
}

/* ---- summaries ---- */

/* One number of a summary: what it averages over. */
typedef struct spec {
    bool is_recall;
    double iou; /* 0: all thresholds */
    int area, limit;
    char frequency;
} spec;

static double evaluate(const bl_eval_result *r, const spec *s, bl_eval_cells cells) {
    cells.t0 = 0;
    cells.t1 = r->T;
    cells.area = s->area;
    cells.limit = s->limit;
    if (s->iou > 0) {
        cells.t0 = bl_eval_find_iou(&r->params, s->iou);
        if (cells.t0 < 0) return -1;
        cells.t1 = cells.t0 + 1;
    }
    if (s->area < 0) return -1;
    return s->is_recall ? bl_eval_mean_recall(r, &cells) : bl_eval_mean_precision(r, &cells);
}

/* "APs", "ARl", "AP_tiny"; the first range has no suffix. */
static void area_key(const bl_eval_params *p, const char *prefix, int area, char *key,
                     size_t size) {
    static const char *const standard[] = {"small", "medium", "large"};
    const char *name = p->areas[area].name;
    for (int i = 0; i < 3; i++)
        if (strcmp(name, standard[i]) == 0) {
            snprintf(key, size, "%s%c", prefix, name[0]);
            return;
        }
    snprintf(key, size, "%s_%s", prefix, name);
}

typedef struct list {
    const bl_eval_result *r;
    const uint8_t *mask;
    bl_eval_metric *out;
    int n;
} list;

static void add(list *l, const char *key, spec s) {
    const bl_eval_result *r = l->r;
    const bl_eval_params *p = &r->params;
    bl_eval_metric *m = &l->out[l->n++];
    *m = (bl_eval_metric){.is_recall = s.is_recall,
                          .iou_min = s.iou > 0 ? s.iou : p->ious[0],
                          .iou_max = s.iou > 0 ? s.iou : p->ious[p->n_ious - 1],
                          .area = p->areas[s.area].name,
                          .max_dets = p->max_dets[s.limit],
                          .frequency = s.frequency};
    snprintf(m->key, sizeof m->key, "%s", key);
    bl_eval_cells cells = {.k0 = 0, .k1 = r->K, .class_mask = l->mask, .frequency = s.frequency};
    m->value = evaluate(r, &s, cells);
}

static void add_areas(list *l, const char *prefix, bool is_recall) {
    char key[24];
    for (int a = 1; a < l->r->A; a++) {
        area_key(&l->r->params, prefix, a, key, sizeof key);
        add(l, key, (spec){.is_recall = is_recall, .area = a, .limit = l->r->M - 1});
    }
}

int bl_eval_metrics(const bl_eval_result *r, const uint8_t *class_mask,
                    bl_eval_metric out[BL_EVAL_MAX_METRICS]) {
    list l = {.r = r, .mask = class_mask, .out = out};
    int last = r->M - 1;
    add(&l, "AP", (spec){.limit = last});
    add(&l, "AP50", (spec){.iou = 0.5, .limit = last});
    add(&l, "AP75", (spec){.iou = 0.75, .limit = last});
    add_areas(&l, "AP", false);
    if (r->params.federated) {
        for (const char *f = "rcf"; *f; f++) {
            const char key[] = {'A', 'P', *f, 0};
            add(&l, key, (spec){.limit = last, .frequency = *f});
        }
        add(&l, "AR", (spec){.is_recall = true, .limit = last});
    } else {
        for (int m = 0; m < r->M; m++) {
            char key[24];
            snprintf(key, sizeof key, "AR%d", (int)r->params.max_dets[m]);
            if (r->params.max_dets[m] == BL_EVAL_UNLIMITED) key[2] = 0;
            add(&l, key, (spec){.is_recall = true, .limit = m});
        }
    }
    add_areas(&l, "AR", true);
    return l.n;
}

bl_eval_summary bl_eval_summarise(const bl_eval_result *r, const uint8_t *class_mask) {
    bl_eval_summary s = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    const struct {
        const char *key;
        double *to;
    } fields[] = {{"AP", &s.AP},   {"AP50", &s.AP50}, {"AP75", &s.AP75}, {"APs", &s.APs},
                  {"APm", &s.APm}, {"APl", &s.APl},   {"APr", &s.APr},   {"APc", &s.APc},
                  {"APf", &s.APf}, {"AR1", &s.AR1},   {"AR10", &s.AR10}, {"AR100", &s.AR100},
                  {"ARs", &s.ARs}, {"ARm", &s.ARm},   {"ARl", &s.ARl}};
    bl_eval_metric v[BL_EVAL_MAX_METRICS];
    int n = bl_eval_metrics(r, class_mask, v);
    for (int i = 0; i < n; i++) {
        for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
            if (strcmp(fields[f].key, v[i].key) == 0) *fields[f].to = v[i].value;
        /* overall recall at the last limit: "AR", or the last of AR1, AR10, ... */
        if (v[i].is_recall && v[i].area == r->params.areas[0].name) s.AR = v[i].value;
    }
    return s;
}

/* ---- per class ---- */

static double class_value(const bl_eval_result *r, int32_t k, bool is_recall, double iou,
                          int area) {
    const spec s = {.is_recall = is_recall, .iou = iou, .area = area, .limit = r->M - 1};
    return evaluate(r, &s, (bl_eval_cells){.k0 = k, .k1 = k + 1});
}

static void count_objects(const bl_eval_result *r, const bl_dataset *gt, const bl_detections *dt,
                          int64_t *images, bl_class_result *out) {
    bool one = r->params.class_agnostic;
    for (int64_t i = 0; i < dt->n; i++) out[one ? 0 : dt->v[i].category].n_det++;
    bl_dataset_counts(gt, false, images, NULL);
    for (int32_t k = 0; k < r->K && !one; k++) out[k].n_images = images[k];
    for (int32_t i = 0; i < gt->n_images && one; i++) {
        const bl_image_info *im = &gt->images[i];
        bool any = false;
        for (int32_t a = 0; a < im->n_anns; a++) any = any || !gt->anns[im->first_ann + a].iscrowd;
        out[0].n_images += any;
    }
}

bl_status bl_eval_per_class(const bl_eval_result *r, const bl_dataset *gt, const bl_detections *dt,
                            bl_class_result *out) {
    const bl_eval_params *p = &r->params;
    if (!p->class_agnostic && gt->n_categories != r->K)
        return bl_fail(BL_EINVAL, "the result has %d categories, the ground truth %d", r->K,
                       gt->n_categories);
    int64_t *images = calloc((size_t)gt->n_categories + 1, sizeof *images);
    if (!images) return bl_no_memory("for %d categories", gt->n_categories);
    int small = bl_eval_find_area(p, "small"), medium = bl_eval_find_area(p, "medium");
    int large = bl_eval_find_area(p, "large");
    for (int32_t k = 0; k < r->K; k++) {
        bl_operating_point best = r->best[k];
        double picked = (double)(best.tp + best.fp);
        out[k] = (bl_class_result){
            .AP = class_value(r, k, false, 0, 0),
            .AP50 = class_value(r, k, false, 0.5, 0),
            .AP75 = class_value(r, k, false, 0.75, 0),
            .APs = class_value(r, k, false, 0, small),
            .APm = class_value(r, k, false, 0, medium),
            .APl = class_value(r, k, false, 0, large),
            .AR = class_value(r, k, true, 0, 0),
            .best_f1 = best.f1,
            .best_f1_score = best.score,
            .precision_at_f1 = picked > 0 ? (double)best.tp / picked : -1,
            .recall_at_f1 = best.f1 < 0 ? -1 : (double)best.tp / (double)(best.tp + best.fn),
            .tp = best.tp,
            .fp = best.fp,
            .fn = best.fn,
            .n_gt = r->n_gt[(int64_t)k * r->A],
        };
    }
    count_objects(r, gt, dt, images, out);
    free(images);
    return BL_OK;
}
