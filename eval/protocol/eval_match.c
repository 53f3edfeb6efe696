#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/protocol/eval_internal.h"

bl_status bl_eval_scratch_init(eval_scratch *s, const bl_eval_params *p, const eval_index *x) {
    eval_plan first; /* the first pass is the widest */
    bl_eval_plan_make(p, 0, &first);
    size_t d = (size_t)x->dt_max + 1, g = (size_t)x->gt_max + 1;
    size_t curves = (size_t)first.n_cells * (size_t)p->n_limits, r = (size_t)p->n_recalls;
    *s = (eval_scratch){
        .list = malloc(d * sizeof *s->list),
        .spare = malloc(d * sizeof *s->spare),
        .pairs = malloc(d * sizeof *s->pairs),
        .x1 = malloc(g * sizeof(double)),
        .y1 = malloc(g * sizeof(double)),
        .x2 = malloc(g * sizeof(double)),
        .y2 = malloc(g * sizeof(double)),
        .area = malloc(g * sizeof(double)),
        .matched = malloc(g * sizeof *s->matched),
        .ignored = malloc(g * sizeof *s->ignored),
        .crowd = malloc(g),
        .void_id = malloc(g),
        .cand = malloc(g * sizeof(int32_t)),
        .cand_iou = malloc(g * sizeof(double)),
        .precision = malloc(curves * r * sizeof(double)),
        .scores = malloc(curves * r * sizeof(double)),
        .recall = malloc(curves * sizeof(double)),
        .need = malloc((size_t)p->n_areas * r * sizeof(int64_t)),
        .room = bl_curve_room_make((int64_t)curves, p->n_recalls),
        .masks = p->kind == BL_IOU_SEGM ? calloc(g, sizeof *s->masks) : NULL,
        .n_masks = p->kind == BL_IOU_SEGM ? x->gt_max : 0,
    };
    bool masks = s->masks || p->kind != BL_IOU_SEGM;
    if (s->list && s->spare && s->pairs && s->x1 && s->y1 && s->x2 && s->y2 && s->area &&
        s->matched && s->ignored && s->crowd && s->void_id && s->cand && s->cand_iou &&
        s->precision && s->scores && s->recall && s->need && s->room.step && s->room.curve &&
        s->room.of && masks)
        return BL_OK;
    bl_eval_scratch_free(s);
    return bl_no_memory("to evaluate %lld detections of one class", (long long)x->dt_max);
}

void bl_eval_scratch_free(eval_scratch *s) {
    free(s->list);
    free(s->spare);
    free(s->pairs);
    free(s->x1);
    free(s->y1);
    free(s->x2);
    free(s->y2);
    free(s->area);
    free(s->matched);
    free(s->ignored);
    free(s->crowd);
    free(s->void_id);
    free(s->cand);
    free(s->cand_iou);
    free(s->precision);
    free(s->scores);
    free(s->recall);
    free(s->need);
    bl_curve_room_free(&s->room);
    for (int64_t i = 0; i < s->n_masks && s->masks; i++) bl_rle_free(&s->masks[i].runs);
    bl_rle_free(&s->dt_mask.runs);
    free(s->masks);
    *s = (eval_scratch){0};
}

/* The mask to be decoded when it is needed; the memory of the one before is used again. */
static void point_at(eval_mask *m, const bl_mask *kept) {
    m->kept = kept;
    m->decoded = false;
}

static bl_status decode(eval_mask *m) {
    if (m->decoded) return BL_OK;
    BL_TRY(bl_mask_runs(m->kept, &m->runs));
    bl_rle_to_box(&m->runs, m->box);
    m->decoded = true;
    return BL_OK;
}

/* Loads one image's ground truth; the order stays, "ignored last" is done by two passes when
 * matching. */
static void load_gt(const eval_input *in, const eval_plan *plan, const eval_item *item, int64_t n,
                    eval_scratch *s) {
    const bl_eval_params *p = plan->p;
    uint16_t all = (uint16_t)((1u << p->n_areas) - 1);
    for (int64_t i = 0; i < n; i++) {
        const bl_ann *g = &in->gt->anns[item[i].index];
        bool crowd = p->crowd && g->iscrowd, ignore = crowd || (p->honour_ignore && g->ignore);
        s->x1[i] = g->x;
        s->y1[i] = g->y;
        s->x2[i] = g->w + g->x;
        s->y2[i] = g->h + g->y;
        s->area[i] = g->w * g->h;
        s->ignored[i] =
            ignore ? all : (uint16_t)(~plan->class_areas[bl_eval_area_class(plan, g->area)] & all);
        s->crowd[i] = crowd;
        s->void_id[i] = g->id == 0;
        s->matched[i] = 0;
        if (s->masks) point_at(&s->masks[i], &in->gt->masks[item[i].index]);
        for (int a = 0; a < p->n_areas; a++) s->n_gt[a] += !(s->ignored[i] >> a & 1);
    }
}

static void add_candidate(eval_scratch *s, int *n, int64_t g, double iou, double *best) {
    s->cand[*n] = (int32_t)g;
    s->cand_iou[(*n)++] = iou;
    if (!(iou <= *best)) *best = isnan(iou) ? INFINITY : iou;
}

/* Candidates: all ground truth whose IoU with `d` is not below the smallest threshold. The
 * comparison is written so that an undefined IoU (0/0 for boxes whose areas underflow) counts as
 * one, as in numpy. */
static int box_candidates(const bl_detection *d, const eval_plan *plan, int64_t n_gt,
                          eval_scratch *s, double *best) {
    double dx2 = d->w + d->x, dy2 = d->h + d->y, area = d->w * d->h;
    double sure = plan->floor * (1 - 1e-9);
    int n = 0;
    *best = 0;
    for (int64_t g = 0; g < n_gt; g++) {
        double w = (dx2 < s->x2[g] ? dx2 : s->x2[g]) - (d->x > s->x1[g] ? d->x : s->x1[g]);
        double h = (dy2 < s->y2[g] ? dy2 : s->y2[g]) - (d->y > s->y1[g] ? d->y : s->y1[g]);
        if (w <= 0 || h <= 0) {
            if (plan->floor <= 0) add_candidate(s, &n, g, 0, best);
            continue;
        }
        double i = w * h, u = s->crowd[g] ? area : area + s->area[g] - i;
        if (i < u * sure) continue; /* surely below: spares the division */
        double iou = i / u;
        if (!(iou < plan->floor)) add_candidate(s, &n, g, iou, best);
    }
    return n;
}

/* The same over masks. Their areas alone rule out most pairs before anything is decoded. */
static bl_status mask_candidates(const bl_mask *d, const eval_plan *plan, int64_t n_gt,
                                 eval_scratch *s, int *n, double *best) {
    double sure = plan->floor * (1 - 1e-9), area = d->area;
    point_at(&s->dt_mask, d);
    *best = 0;
    for (int64_t g = 0; g < n_gt; g++) {
        eval_mask *m = &s->masks[g];
        double other = m->kept->area, least = area < other ? area : other;
        double most = s->crowd[g] || area > other ? area : other;
        if (least < most * sure) continue;
        BL_TRY(decode(&s->dt_mask));
        BL_TRY(decode(m));
        double iou = bl_rle_iou(&s->dt_mask.runs, s->dt_mask.box, &m->runs, m->box, s->crowd[g]);
        if (!(iou < plan->floor)) add_candidate(s, n, g, iou, best);
    }
    return BL_OK;
}

/* The best candidate among those ignored in range `a` or among the others; -1 if none. An IoU equal
 * to the best so far replaces it. */
static int best_candidate(const eval_scratch *s, int n, int a, int bit, bool ignored, double best) {
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

static eval_pair match_one(const eval_plan *plan, eval_scratch *s, int n_cand, double best_iou,
                           uint16_t areas) {
    eval_pair p = {0, 0};
    for (int a = 0; a < plan->p->n_areas; a++) {
        bool inside = areas >> a & 1;
        for (int t = 0; t < plan->n_t; t++) {
            int bit = a * plan->n_t + t, g = -1;
            if (plan->iou[t] <= best_iou) {
                g = best_candidate(s, n_cand, a, bit, false, plan->iou[t]);
                if (g < 0) g = best_candidate(s, n_cand, a, bit, true, plan->iou[t]);
            }
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

/* One image: detections item[0..n_dt), ground truth already loaded. Appends to the list.
 * `exhaustive`: an unmatched detection is an error; otherwise (LVIS) it is ignored. */
static bl_status match_image(const eval_input *in, const eval_plan *plan, const eval_item *item,
                             int64_t n_dt, int64_t n_gt, bool exhaustive, eval_scratch *s) {
    const int32_t *limits = plan->p->max_dets;
    int last = plan->p->n_limits - 1, rank = 0;
    eval_scored *run = s->list + s->n;
    for (int64_t i = 0; i < n_dt; i++)
        run[i] = (eval_scored){.score = in->dt->v[item[i].index].score, .pair = (uint32_t)i};
    bl_eval_sort_scores(run, n_dt, s->spare);
    int64_t kept = n_dt < limits[last] ? n_dt : limits[last];
    for (int64_t i = 0; i < kept; i++) {
        uint32_t index = item[run[i].pair].index;
        const bl_detection *d = &in->dt->v[index];
        while (i >= limits[rank]) rank++;
        run[i].rank = (uint8_t)rank;
        double area = bl_detection_area(in->dt, index);
        run[i].area_class = exhaustive ? (uint8_t)bl_eval_area_class(plan, area) : 0;
        run[i].pair = 0;
        double best_iou = 0;
        int n_cand = 0;
        if (n_gt && s->masks)
            BL_TRY(mask_candidates(&in->dt->masks[index], plan, n_gt, s, &n_cand, &best_iou));
        else if (n_gt)
            n_cand = box_candidates(d, plan, n_gt, s, &best_iou);
        if (!n_cand) continue;
        s->pairs[s->n_pairs++] =
            match_one(plan, s, n_cand, best_iou, plan->class_areas[run[i].area_class]);
        run[i].pair = (uint32_t)s->n_pairs;
    }
    s->n += kept;
    return BL_OK;
}

/* Items from `i` on that lie in the same image as the first. */
static int64_t same_image(const eval_item *v, int64_t i, int64_t end) {
    int64_t j = i;
    while (j < end && v[j].rank == v[i].rank) j++;
    return j - i;
}

static bool listed(const int32_t *v, int32_t n, int32_t category) {
    int32_t lo = 0, hi = n; /* ascending */
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        if (v[mid] < category)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && v[lo] == category;
}

/* How an image judges a class. */
typedef struct judgement {
    bool judged;     /* detections count at all */
    bool exhaustive; /* an unmatched detection is an error */
} judgement;

static judgement judge(const eval_input *in, const eval_plan *plan, int32_t category, int32_t image,
                       bool annotated) {
    if (!plan->p->federated) return (judgement){true, true};
    const bl_federated *f = &in->gt->federated[image];
    return (judgement){
        .judged = annotated || listed(f->negative, f->n_negative, category),
        .exhaustive = !listed(f->not_exhaustive, f->n_not_exhaustive, category),
    };
}

/* Detections lie all over memory: asks for those that are soon to be looked at. */
static void prefetch(const eval_input *in, int64_t d, int64_t n, int64_t end) {
    enum { AHEAD = 16 };
    for (int64_t i = d + AHEAD; i < d + AHEAD + n && i < end; i++)
        __builtin_prefetch(&in->dt->v[in->index->dt[i].index]);
}

bl_status bl_eval_match_class(const eval_input *in, const eval_plan *plan, int32_t k,
                              eval_scratch *s) {
    const eval_index *x = in->index;
    int64_t d = x->dt_first[k], d_end = x->dt_first[k + 1];
    int64_t g = x->gt_first[k], g_end = x->gt_first[k + 1];
    s->n = s->n_pairs = 0;
    memset(s->n_gt, 0, sizeof s->n_gt);
    while (d < d_end || g < g_end) { /* both run by image rank: a merge join */
        int32_t d_rank = d < d_end ? x->dt[d].rank : INT32_MAX;
        int32_t g_rank = g < g_end ? x->gt[g].rank : INT32_MAX;
        int64_t nd = d_rank <= g_rank ? same_image(x->dt, d, d_end) : 0;
        int64_t ng = g_rank <= d_rank ? same_image(x->gt, g, g_end) : 0;
        prefetch(in, d, nd, d_end);
        load_gt(in, plan, x->gt + g, ng, s);
        if (nd > 0) {
            int32_t image = in->dt->v[x->dt[d].index].image;
            judgement j = judge(in, plan, k, image, ng > 0);
            if (j.judged) BL_TRY(match_image(in, plan, x->dt + d, nd, ng, j.exhaustive, s));
        }
        d += nd;
        g += ng;
    }
    bl_eval_sort_scores(s->list, s->n, s->spare);
    return BL_OK;
}
