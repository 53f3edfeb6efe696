#include "eval/protocol/voc_ap.h"

#include <math.h>
#include <stdlib.h>

#include "core/parallel.h"
#include "eval/protocol/ranking.h"

bl_voc_params bl_voc_params_07(void) {
    return (bl_voc_params){.iou = 0.5, .eleven_points = true, .plus_one = true};
}

bl_voc_params bl_voc_params_12(void) {
    return (bl_voc_params){.iou = 0.5, .plus_one = true};
}

typedef struct work {
    const bl_dataset *gt;
    const bl_detections *dt;
    const bl_voc_params *p;
    bl_voc_class *out;
    int64_t *first;    /* [n_categories + 1] of a class in list */
    eval_ranked *list; /* detections by class, falling score */
    int8_t *fate;      /* as list: 1 hit, -1 false positive, 0 on a difficult object */
    double *curve;     /* recall and precision per detection */
    uint8_t *taken;    /* as annotations */
} work;

static bool counts(const bl_ann *a) {
    return !a->difficult && !a->ignore && !a->iscrowd;
}

static double overlap(const bl_detection *d, const bl_ann *a, double one) {
    double dx = d->x + d->w, dy = d->y + d->h, ax = a->x + a->w, ay = a->y + a->h;
    double w = fmin(dx, ax) - fmax(d->x, a->x) + one, h = fmin(dy, ay) - fmax(d->y, a->y) + one;
    if (!(w > 0 && h > 0)) return -1;
    double both = w * h;
    return both /
           ((dx - d->x + one) * (dy - d->y + one) + (ax - a->x + one) * (ay - a->y + one) - both);
}

static int8_t judge(work *k, const bl_detection *d) {
    const bl_image_info *im = &k->gt->images[d->image];
    double most = -1;
    int64_t best = -1;
    for (int64_t i = im->first_ann; i < im->first_ann + im->n_anns; i++) {
        const bl_ann *a = &k->gt->anns[i];
        if (a->category != d->category) continue;
        double v = overlap(d, a, k->p->plus_one ? 1 : 0);
        if (v > most) {
            most = v;
            best = i;
        }
    }
    if (!(most >= k->p->iou)) return -1;
    if (!counts(&k->gt->anns[best])) return 0;
    if (k->taken[best]) return -1;
    k->taken[best] = 1;
    return 1;
}

/* The area under the curve after making precision monotonous from the right. */
static double all_points(const double *recall, double *precision, int64_t n) {
    double ap = 0, before = 0;
    for (int64_t i = n - 2; i >= 0; i--) precision[i] = fmax(precision[i], precision[i + 1]);
    for (int64_t i = 0; i < n; i++) {
        if (recall[i] != before) ap += (recall[i] - before) * precision[i];
        before = recall[i];
    }
    return ap;
}

static double eleven_points(const double *recall, double *precision, int64_t n) {
    double ap = 0;
    for (int64_t i = n - 2; i >= 0; i--) precision[i] = fmax(precision[i], precision[i + 1]);
    int64_t at = 0;
    for (int t = 0; t <= 10; t++) {
        while (at < n && recall[at] < t * 0.1) at++;
        ap += (at < n ? precision[at] : 0) / 11;
    }
    return ap;
}

static void best_f1(const eval_ranked *list, const int8_t *fate, int64_t n, bl_voc_class *c) {
    int64_t tp = 0, fp = 0;
    c->best = (bl_operating_point){.f1 = -1, .score = -1, .fn = c->n_gt};
    c->precision = c->recall = -1;
    if (c->n_gt == 0) return;
    c->best.f1 = c->recall = 0;
    for (int64_t i = 0; i < n; i++) {
        tp += fate[i] > 0;
        fp += fate[i] < 0;
        if (i + 1 < n && list[i + 1].score == list[i].score) continue;
        double f1 = 2 * (double)tp / (double)(tp + fp + c->n_gt);
        if (f1 <= c->best.f1) continue;
        c->best = (bl_operating_point){
            .f1 = f1, .score = list[i].score, .tp = tp, .fp = fp, .fn = c->n_gt - tp};
        c->precision = (double)tp / (double)(tp + fp);
        c->recall = (double)tp / (double)c->n_gt;
    }
}

static void evaluate_class(work *k, int32_t category) {
    bl_voc_class *c = &k->out[category];
    int64_t from = k->first[category], n = k->first[category + 1] - from;
    eval_ranked *list = k->list + from;
    int8_t *fate = k->fate + from;
    double *recall = k->curve + 2 * from, *precision = recall + n;
    bl_eval_ranked_sort(list, (size_t)n);
    c->n_det = n;
    for (int64_t i = 0; i < n; i++) {
        fate[i] = judge(k, &k->dt->v[list[i].index]);
        c->tp += fate[i] > 0;
        c->fp += fate[i] < 0;
        recall[i] = (double)c->tp / (double)c->n_gt;
        precision[i] = c->tp ? (double)c->tp / (double)(c->tp + c->fp) : 0;
    }
    best_f1(list, fate, n, c);
    if (c->n_gt == 0)
        c->AP = -1;
    else
        c->AP = (k->p->eleven_points ? eleven_points : all_points)(recall, precision, n);
}

static void evaluate_classes(void *arg, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) evaluate_class(arg, (int32_t)i);
}

static bl_status check(const bl_dataset *gt, const bl_detections *dt, const bl_voc_params *p) {
    if (!(p->iou > 0 && p->iou <= 1))
        return bl_fail(BL_EINVAL, "IoU threshold %g, expected more than 0 and at most 1", p->iou);
    if (dt->n >= INT32_MAX)
        return bl_fail(BL_EUNSUPPORTED, "%lld detections; the limit is 2^31 - 2", (long long)dt->n);
    for (int64_t i = 0; i < dt->n; i++) {
        const bl_detection *d = &dt->v[i];
        if (d->image < 0 || d->image >= gt->n_images || d->category < 0 ||
            d->category >= gt->n_categories)
            return bl_fail(BL_EINVAL, "detection %lld: image %d of %d, category %d of %d",
                           (long long)i, d->image, gt->n_images, d->category, gt->n_categories);
        if (!isfinite(d->x) || !isfinite(d->y) || !isfinite(d->w) || !isfinite(d->h) ||
            !isfinite(d->score))
            return bl_fail(BL_EINVAL, "detection %lld is not finite", (long long)i);
    }
    return BL_OK;
}

/* Objects per class, and their images. */
static void count_objects(work *k) {
    for (int32_t i = 0; i < k->gt->n_images; i++) {
        const bl_image_info *im = &k->gt->images[i];
        const bl_ann *first = &k->gt->anns[im->first_ann];
        for (const bl_ann *a = first; a < first + im->n_anns; a++) {
            bl_voc_class *c = &k->out[a->category];
            c->n_difficult += !counts(a);
            if (!counts(a)) continue;
            c->n_gt++;
            const bl_ann *b = first; /* the image counts at its first such object */
            while (b->category != a->category || !counts(b)) b++;
            c->n_images += a == b;
        }
    }
}

static void list_detections(work *k) {
    int64_t *at = k->first;
    for (int64_t i = 0; i < k->dt->n; i++) at[k->dt->v[i].category + 1]++;
    for (int32_t c = 0; c < k->gt->n_categories; c++) at[c + 1] += at[c];
    /* filling moves each start to its class's end: the starts shifted by one */
    for (int64_t i = 0; i < k->dt->n; i++)
        k->list[at[k->dt->v[i].category]++] =
            (eval_ranked){.score = k->dt->v[i].score, .index = (int32_t)i};
    for (int32_t c = k->gt->n_categories; c > 0; c--) at[c] = at[c - 1];
    at[0] = 0;
}

bl_status bl_voc_evaluate(const bl_dataset *gt, const bl_detections *dt, const bl_voc_params *p,
                          bl_voc_class *out, double *mean) {
    BL_TRY(check(gt, dt, p));
    size_t n = (size_t)dt->n + 1;
    work k = {.gt = gt,
              .dt = dt,
              .p = p,
              .out = out,
              .first = calloc((size_t)gt->n_categories + 1, sizeof *k.first),
              .list = malloc(n * sizeof *k.list),
              .fate = malloc(n * sizeof *k.fate),
              .curve = malloc(2 * n * sizeof *k.curve),
              .taken = calloc((size_t)gt->n_anns + 1, 1)};
    bl_status status = BL_OK;
    *mean = -1;
    if (!k.first || !k.list || !k.fate || !k.curve || !k.taken) {
        status = bl_no_memory("to evaluate %lld detections", (long long)dt->n);
    } else {
        for (int32_t c = 0; c < gt->n_categories; c++) out[c] = (bl_voc_class){0};
        count_objects(&k);
        list_detections(&k);
        bl_parallel_for(gt->n_categories, 1, evaluate_classes, &k);
        double sum = 0;
        int32_t defined = 0;
        for (int32_t c = 0; c < gt->n_categories; c++)
            if (out[c].AP >= 0) {
                sum += out[c].AP;
                defined++;
            }
        if (defined) *mean = sum / defined;
    }
    free(k.first);
    free(k.list);
    free(k.fate);
    free(k.curve);
    free(k.taken);
    return status;
}
