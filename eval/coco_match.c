#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/coco_internal.h"

const int coco_max_dets[BL_COCO_M] = {1, 10, COCO_MAX_DETS};
const double coco_area_range[BL_COCO_A][2] = {
    {0, 1e10}, {0, 32 * 32}, {32 * 32, 96 * 96}, {96 * 96, 1e10}};

/* linspace(0.5, 0.95, 10): start + i * step with the last value set; index 8 is 0.8999999999999999.
 */
double coco_iou_threshold(int t) {
    return t == BL_COCO_T - 1 ? 0.95 : 0.5 + t * ((0.95 - 0.5) / 9.0);
}

/* linspace(0, 1, 101); i / 100.0 would differ in the last bit at ten places. */
double coco_recall_point(int r) {
    return r == BL_COCO_R - 1 ? 1.0 : r * 0.01;
}

bl_status coco_scratch_init(coco_scratch *s, int64_t dt_max, int64_t gt_max) {
    size_t d = (size_t)dt_max + 1, g = (size_t)gt_max + 1, cells = COCO_CELLS * BL_COCO_M;
    *s = (coco_scratch){
        .list = malloc(d * sizeof *s->list),
        .spare = malloc(d * sizeof *s->spare),
        .pairs = malloc(d * sizeof *s->pairs),
        .x1 = malloc(g * sizeof(double)),
        .y1 = malloc(g * sizeof(double)),
        .x2 = malloc(g * sizeof(double)),
        .y2 = malloc(g * sizeof(double)),
        .area = malloc(g * sizeof(double)),
        .matched = malloc(g * sizeof(uint64_t)),
        .ignored = malloc(g),
        .crowd = malloc(g),
        .void_id = malloc(g),
        .cand = malloc(g * sizeof(int32_t)),
        .cand_iou = malloc(g * sizeof(double)),
        .precision = malloc(cells * BL_COCO_R * sizeof(double)),
        .scores = malloc(cells * BL_COCO_R * sizeof(double)),
        .recall = malloc(cells * sizeof(double)),
    };
    if (s->list && s->spare && s->pairs && s->x1 && s->y1 && s->x2 && s->y2 && s->area &&
        s->matched && s->ignored && s->crowd && s->void_id && s->cand && s->cand_iou &&
        s->precision && s->scores && s->recall)
        return BL_OK;
    coco_scratch_free(s);
    return bl_fail(BL_ENOMEM, "no memory to evaluate %lld detections of one class",
                   (long long)dt_max);
}

void coco_scratch_free(coco_scratch *s) {
    free(s->list), free(s->spare), free(s->pairs);
    free(s->x1), free(s->y1), free(s->x2), free(s->y2), free(s->area);
    free(s->matched), free(s->ignored), free(s->crowd), free(s->void_id);
    free(s->cand), free(s->cand_iou), free(s->precision), free(s->scores), free(s->recall);
    *s = (coco_scratch){0};
}

static void insertion_sort(coco_scored *v, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        coco_scored one = v[i];
        int64_t j = i;
        for (; j > 0 && v[j - 1].score < one.score; j--) v[j] = v[j - 1];
        v[j] = one;
    }
}

static void merge(const coco_scored *a, int64_t na, const coco_scored *b, int64_t nb,
                  coco_scored *out) {
    int64_t i = 0, j = 0;
    while (i < na && j < nb) {
        bool right = b[j].score > a[i].score; /* equal: the left one, for stability */
        *out++ = right ? b[j] : a[i];
        j += right, i += !right;
    }
    memcpy(out, a + i, (size_t)(na - i) * sizeof *a);
    memcpy(out + (na - i), b + j, (size_t)(nb - j) * sizeof *b);
}

void coco_sort_scores(coco_scored *v, int64_t n, coco_scored *spare) {
    enum { RUN = 16 };
    for (int64_t i = 0; i < n; i += RUN) insertion_sort(v + i, n - i < RUN ? n - i : RUN);
    coco_scored *from = v, *to = spare;
    for (int64_t run = RUN; run < n; run *= 2) {
        for (int64_t i = 0; i < n; i += 2 * run) {
            int64_t na = n - i < run ? n - i : run;
            int64_t nb = n - i - na < run ? n - i - na : run;
            merge(from + i, na, from + i + na, nb, to + i);
        }
        coco_scored *t = from;
        from = to, to = t;
    }
    if (from != v) memcpy(v, from, (size_t)n * sizeof *v);
}

static uint8_t areas_of(double area) {
    uint8_t bits = 0;
    for (int a = 0; a < BL_COCO_A; a++) {
        bool outside = area < coco_area_range[a][0] || area > coco_area_range[a][1];
        bits |= (uint8_t)(!outside << a);
    }
    return bits;
}

/* Loads one image's ground truth; the order stays, "ignored last" is done by two passes when
 * matching. */
static void load_gt(const bl_dataset *gt, const int64_t *order, int64_t n, bool honour_ignore,
                    coco_scratch *s) {
    for (int64_t i = 0; i < n; i++) {
        const bl_ann *g = &gt->anns[order[i]];
        bool ignore = g->iscrowd || (honour_ignore && g->ignore);
        s->x1[i] = g->x, s->y1[i] = g->y;
        s->x2[i] = g->w + g->x, s->y2[i] = g->h + g->y;
        s->area[i] = g->w * g->h;
        s->ignored[i] = ignore ? 0xf : (uint8_t)(~areas_of(g->area) & 0xf);
        s->crowd[i] = g->iscrowd != 0;
        s->void_id[i] = g->id == 0;
        s->matched[i] = 0;
        for (int a = 0; a < BL_COCO_A; a++) s->n_gt[a] += !(s->ignored[i] >> a & 1);
    }
}

/* Candidates: all ground truth whose IoU with `d` is not below the smallest threshold. The
 * comparison is written so that an undefined IoU (0/0 for boxes whose areas underflow) counts as
 * one, as in numpy. */
static int find_candidates(const bl_detection *d, int64_t n_gt, coco_scratch *s, double *best) {
    double dx2 = d->w + d->x, dy2 = d->h + d->y, area = d->w * d->h;
    int n = 0;
    *best = 0;
    for (int64_t g = 0; g < n_gt; g++) {
        double w = (dx2 < s->x2[g] ? dx2 : s->x2[g]) - (d->x > s->x1[g] ? d->x : s->x1[g]);
        if (w <= 0) continue;
        double h = (dy2 < s->y2[g] ? dy2 : s->y2[g]) - (d->y > s->y1[g] ? d->y : s->y1[g]);
        if (h <= 0) continue;
        double i = w * h, u = s->crowd[g] ? area : area + s->area[g] - i;
        if (2 * i < u * (1 - 1e-9)) continue; /* surely below 0.5: spares the division */
        double iou = i / u;
        if (iou < 0.5) continue;
        s->cand[n] = (int32_t)g, s->cand_iou[n++] = iou;
        if (!(iou <= *best)) *best = isnan(iou) ? INFINITY : iou;
    }
    return n;
}

/* The best candidate among those ignored in range `a` or among the others; -1 if none. An IoU equal
 * to the best so far replaces it. */
static int best_candidate(const coco_scratch *s, int n, int a, int bit, bool ignored, double best) {
    int found = -1;
    for (int c = 0; c < n; c++) {
        int32_t g = s->cand[c];
        if ((s->ignored[g] >> a & 1) != ignored) continue;
        if ((s->matched[g] >> bit & 1) && !s->crowd[g]) continue;
        if (s->cand_iou[c] < best) continue;
        best = s->cand_iou[c];
        found = g;
    }
    return found;
}

static coco_pair match_one(coco_scratch *s, int n_cand, double best_iou, uint8_t areas) {
    coco_pair p = {0, 0};
    for (int a = 0; a < BL_COCO_A; a++) {
        bool inside = areas >> a & 1;
        for (int t = 0; t < BL_COCO_T; t++) {
            int bit = a * BL_COCO_T + t;
            double threshold = coco_iou_threshold(t);
            if (threshold > 1 - 1e-10) threshold = 1 - 1e-10;
            int g = -1;
            if (threshold <= best_iou) g = best_candidate(s, n_cand, a, bit, false, threshold);
            if (g < 0 && threshold <= best_iou)
                g = best_candidate(s, n_cand, a, bit, true, threshold);
            bool ignored = g >= 0 && (s->ignored[g] >> a & 1);
            /* The reference stores the matched annotation's id and reads 0 as "unmatched": a
             * detection on annotation 0 occupies it and still is a false positive. */
            bool matched = g >= 0 && !s->void_id[g];
            if (g >= 0) s->matched[g] |= 1ull << bit;
            if (ignored || (!matched && !inside)) continue;
            if (matched)
                p.tp |= 1ull << bit;
            else
                p.fp |= 1ull << bit;
        }
    }
    return p;
}

/* One image: detections order[0..n_dt), ground truth already loaded. Appends to the list. */
static void match_image(const bl_detections *dt, const int64_t *order, int64_t n_dt, int64_t n_gt,
                        coco_scratch *s) {
    coco_scored *run = s->list + s->n;
    for (int64_t i = 0; i < n_dt; i++)
        run[i] = (coco_scored){dt->v[order[i]].score, (uint32_t)i, 0, 0};
    coco_sort_scores(run, n_dt, s->spare);
    int64_t kept = n_dt < COCO_MAX_DETS ? n_dt : COCO_MAX_DETS;
    for (int64_t i = 0; i < kept; i++) {
        const bl_detection *d = &dt->v[order[run[i].pair]];
        run[i].areas = areas_of(d->w * d->h);
        run[i].rank = (uint8_t)((i >= coco_max_dets[0]) + (i >= coco_max_dets[1]));
        run[i].pair = 0;
        double best_iou = 0;
        int n_cand = n_gt ? find_candidates(d, n_gt, s, &best_iou) : 0;
        if (!n_cand) continue;
        s->pairs[s->n_pairs++] = match_one(s, n_cand, best_iou, run[i].areas);
        run[i].pair = (uint32_t)s->n_pairs;
    }
    s->n += kept;
}

void coco_match_category(const bl_dataset *gt, const bl_detections *dt, const coco_index *x,
                         int32_t category, bool honour_ignore, coco_scratch *s) {
    int64_t d = x->dt_first[category], d_end = x->dt_first[category + 1];
    int64_t g = x->gt_first[category], g_end = x->gt_first[category + 1];
    s->n = s->n_pairs = 0;
    memset(s->n_gt, 0, sizeof s->n_gt);
    while (d < d_end || g < g_end) { /* both run by image rank: a merge join */
        int32_t d_rank = d < d_end ? x->image_rank[dt->v[x->dt_order[d]].image] : INT32_MAX;
        int32_t g_rank = g < g_end ? x->image_rank[gt->anns[x->gt_order[g]].image] : INT32_MAX;
        int32_t rank = d_rank < g_rank ? d_rank : g_rank;
        int64_t nd = 0, ng = 0;
        while (d + nd < d_end && x->image_rank[dt->v[x->dt_order[d + nd]].image] == rank) nd++;
        while (g + ng < g_end && x->image_rank[gt->anns[x->gt_order[g + ng]].image] == rank) ng++;
        load_gt(gt, x->gt_order + g, ng, honour_ignore, s);
        match_image(dt, x->dt_order + d, nd, ng, s);
        d += nd, g += ng;
    }
    coco_sort_scores(s->list, s->n, s->spare);
}
