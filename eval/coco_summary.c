#include <stdlib.h>

#include "eval/coco_internal.h"

/* Walks the defined values (> -1) of precision or recall in memory order, for one area range and
 * one limit of detections, over thresholds [t0, t1) and the categories of a mask or a range. */
typedef struct cursor {
    const double *v;
    int32_t n_k;
    int n_r; /* recall points: 101, or 1 for the recall array */
    int a, m;
    int32_t k0, k1;
    const uint8_t *mask;
    int64_t row, row_end; /* t * n_r + r */
    int32_t k;
} cursor;

static cursor cursor_make(const bl_coco_result *r, const double *v, int n_r, int t0, int t1, int a,
                          int m) {
    return (cursor){.v = v,
                    .n_k = r->n_categories,
                    .n_r = n_r,
                    .a = a,
                    .m = m,
                    .k0 = 0,
                    .k1 = r->n_categories,
                    .row = (int64_t)t0 * n_r,
                    .row_end = (int64_t)t1 * n_r};
}

static bool cursor_next(cursor *c, double *value) {
    for (; c->row < c->row_end; c->row++, c->k = c->k0) {
        while (c->k < c->k1) {
            int32_t k = c->k++;
            if (c->mask && !c->mask[k]) continue;
            *value = c->v[((c->row * c->n_k + k) * BL_COCO_A + c->a) * BL_COCO_M + c->m];
            if (*value > -1) return true;
        }
    }
    return false;
}

/* numpy's pairwise summation, so that means agree with the reference to the last bit: blocks of at
 * most 128 in eight interleaved sums, halves split at multiples of eight. It reads strictly from
 * left to right, so a cursor can feed it. (Higham, "The accuracy of floating point summation", SISC
 * 1993.) */
static double pairwise_sum(cursor *c, int64_t n) {
    double value = 0;
    if (n < 8) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) cursor_next(c, &value), sum += value;
        return sum;
    }
    if (n <= 128) {
        double s[8], sum;
        for (int j = 0; j < 8; j++) cursor_next(c, &s[j]);
        int64_t i = 8;
        for (; i < n - n % 8; i++) cursor_next(c, &value), s[i % 8] += value;
        sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
        for (; i < n; i++) cursor_next(c, &value), sum += value;
        return sum;
    }
    int64_t half = n / 2;
    half -= half % 8;
    double left = pairwise_sum(c, half);
    return left + pairwise_sum(c, n - half);
}

static double mean(cursor c) {
    c.k = c.k0;
    cursor count = c;
    double value;
    int64_t n = 0;
    while (cursor_next(&count, &value)) n++;
    return n ? pairwise_sum(&c, n) / (double)n : -1;
}

/* A range [k0, k1) of categories, or those of a mask. */
typedef struct selection {
    const uint8_t *mask;
    int32_t k0, k1;
} selection;

static double mean_precision(const bl_coco_result *r, selection sel, int t0, int t1, int a, int m) {
    cursor c = cursor_make(r, r->precision, BL_COCO_R, t0, t1, a, m);
    c.mask = sel.mask, c.k0 = sel.k0, c.k1 = sel.k1;
    return mean(c);
}

static double mean_recall(const bl_coco_result *r, selection sel, int a, int m) {
    cursor c = cursor_make(r, r->recall, 1, 0, BL_COCO_T, a, m);
    c.mask = sel.mask, c.k0 = sel.k0, c.k1 = sel.k1;
    return mean(c);
}

enum { T50 = 0, T75 = 5 };

bl_coco_summary bl_coco_summarise(const bl_coco_result *r, const uint8_t *category_mask) {
    selection all = {category_mask, 0, r->n_categories};
    return (bl_coco_summary){
        .AP = mean_precision(r, all, 0, BL_COCO_T, 0, 2),
        .AP50 = mean_precision(r, all, T50, T50 + 1, 0, 2),
        .AP75 = mean_precision(r, all, T75, T75 + 1, 0, 2),
        .APs = mean_precision(r, all, 0, BL_COCO_T, 1, 2),
        .APm = mean_precision(r, all, 0, BL_COCO_T, 2, 2),
        .APl = mean_precision(r, all, 0, BL_COCO_T, 3, 2),
        .AR1 = mean_recall(r, all, 0, 0),
        .AR10 = mean_recall(r, all, 0, 1),
        .AR100 = mean_recall(r, all, 0, 2),
        .ARs = mean_recall(r, all, 1, 2),
        .ARm = mean_recall(r, all, 2, 2),
        .ARl = mean_recall(r, all, 3, 2),
    };
}

bl_status bl_coco_per_class(const bl_coco_result *r, const bl_dataset *gt, const bl_detections *dt,
                            bl_class_result *out) {
    if (gt->n_categories != r->n_categories)
        return bl_fail(BL_EINVAL, "the result has %d categories, the ground truth %d",
                       r->n_categories, gt->n_categories);
    for (int32_t k = 0; k < r->n_categories; k++) {
        selection one = {NULL, k, k + 1};
        bl_operating_point best = r->best[k];
        double picked = (double)(best.tp + best.fp);
        out[k] = (bl_class_result){
            .AP = mean_precision(r, one, 0, BL_COCO_T, 0, 2),
            .AP50 = mean_precision(r, one, T50, T50 + 1, 0, 2),
            .AP75 = mean_precision(r, one, T75, T75 + 1, 0, 2),
            .APs = mean_precision(r, one, 0, BL_COCO_T, 1, 2),
            .APm = mean_precision(r, one, 0, BL_COCO_T, 2, 2),
            .APl = mean_precision(r, one, 0, BL_COCO_T, 3, 2),
            .AR100 = mean_recall(r, one, 0, 2),
            .best_f1 = best.f1,
            .best_f1_score = best.score,
            .precision_at_f1 = picked > 0 ? (double)best.tp / picked : -1,
            .recall_at_f1 = best.f1 < 0 ? -1 : (double)best.tp / (double)(best.tp + best.fn),
            .tp = best.tp,
            .fp = best.fp,
            .fn = best.fn,
            .n_gt = r->n_gt[k * BL_COCO_A],
        };
    }
    for (int64_t i = 0; i < dt->n; i++) out[dt->v[i].category].n_det++;
    int64_t *images = calloc((size_t)gt->n_categories + 1, sizeof *images);
    if (!images) return bl_fail(BL_ENOMEM, "no memory for %d categories", gt->n_categories);
    bl_dataset_counts(gt, false, images, NULL);
    for (int32_t k = 0; k < r->n_categories; k++) out[k].n_images = images[k];
    free(images);
    return BL_OK;
}
