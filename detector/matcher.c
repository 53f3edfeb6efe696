#include "detector/matcher.h"

#include "core/parallel.h"

enum { CHUNK = 512 };

/* A chunk of one job's boxes, the unit of parallel work. */
typedef struct chunk {
    bl_match_job *job;
    int64_t begin;
    int n;
    float *best; /* [gt] highest IoU in this chunk; NULL without low-quality matches */
} chunk;

typedef struct work {
    chunk *chunk;
    const bl_match_rule *rule;
    float **gt_best;  /* [job][gt] highest IoU over the image */
    int32_t **argmax; /* [job][box], only for BL_LOWQ_KEEP */
    bl_match_job *jobs;
} work;

/* Unlike fminf these are one vector instruction; boxes are finite. */
static inline float lower(float a, float b) {
    return a < b ? a : b;
}
static inline float upper(float a, float b) {
    return a > b ? a : b;
}

static bool touches(bl_box a, bl_box b) {
    return a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2;
}

static bl_box hull_of(const bl_box *b, int n) {
    bl_box h = b[0];
    for (int i = 1; i < n; i++) {
        h.x1 = lower(h.x1, b[i].x1), h.y1 = lower(h.y1, b[i].y1);
        h.x2 = upper(h.x2, b[i].x2), h.y2 = upper(h.y2, b[i].y2);
    }
    return h;
}

static inline float intersection(bl_box a, bl_box b) {
    float w = lower(a.x2, b.x2) - upper(a.x1, b.x1), h = lower(a.y2, b.y2) - upper(a.y1, b.y1);
    return (w > 0 ? w : 0) * (h > 0 ? h : 0);
}

/* IoU of n boxes with g. Both passes call this, so that equal pairs compare equal. */
static __attribute__((noinline)) void iou_row(const bl_box *b, int n, bl_box g, float *out) {
    float ga = (g.x2 - g.x1) * (g.y2 - g.y1);
    for (int i = 0; i < n; i++) {
        float in = intersection(b[i], g);
        float un = (b[i].x2 - b[i].x1) * (b[i].y2 - b[i].y1) + ga - in;
        out[i] = in / (un > 1e-6f ? un : 1e-6f);
    }
}

/* Boxes inside an ignore region and boxes outside the image take no part. */
static void mark_out(const chunk *c, const bl_match_rule *rule, bl_box hull, bool *out) {
    const bl_match_job *j = c->job;
    const bl_box *b = j->box + c->begin;
    for (int i = 0; i < c->n; i++) out[i] = j->valid && !j->valid[c->begin + i];
    for (int32_t g = 0; j->gt->ignore && g < j->gt->n; g++) {
        bl_box r = j->gt->box[g];
        if (!j->gt->ignore[g] || !touches(hull, r)) continue;
        for (int i = 0; i < c->n; i++) {
            float area = (b[i].x2 - b[i].x1) * (b[i].y2 - b[i].y1);
            float in = intersection(b[i], r);
            if (in > 0 && in >= rule->ignore_iof * area) out[i] = true;
        }
    }
}

static bool matchable(const bl_boxes *gt, int32_t g) {
    return !(gt->ignore && gt->ignore[g]) && gt->box[g].x2 > gt->box[g].x1 &&
           gt->box[g].y2 > gt->box[g].y1;
}

static void first_pass(void *arg, int64_t begin, int64_t end) {
    const work *w = arg;
    float iou[CHUNK], best[CHUNK];
    int32_t who[CHUNK];
    bool out[CHUNK];
    for (int64_t k = begin; k < end; k++) {
        const chunk *c = &w->chunk[k];
        const bl_match_job *j = c->job;
        const bl_box *b = j->box + c->begin;
        bl_box hull = hull_of(b, c->n);
        mark_out(c, w->rule, hull, out);
        for (int i = 0; i < c->n; i++) best[i] = 0, who[i] = -1;
        for (int32_t g = 0; g < j->gt->n; g++) {
            if (!matchable(j->gt, g) || !touches(hull, j->gt->box[g])) continue;
            iou_row(b, c->n, j->gt->box[g], iou);
            float top = 0;
            for (int i = 0; i < c->n; i++) {
                float v = out[i] ? 0 : iou[i];
                if (v > best[i]) best[i] = v, who[i] = g;
                if (v > top) top = v;
            }
            if (c->best) c->best[g] = top;
        }
        int32_t *argmax = w->argmax ? w->argmax[j - w->jobs] : NULL;
        for (int i = 0; i < c->n; i++) {
            int32_t m = BL_MATCH_IGNORE;
            if (!out[i] && best[i] < w->rule->neg_iou) m = BL_MATCH_NEGATIVE;
            if (!out[i] && who[i] >= 0 && best[i] >= w->rule->pos_iou) m = who[i];
            j->match[c->begin + i] = m;
            if (argmax) argmax[c->begin + i] = who[i];
        }
    }
}

/* Low-quality matches: chunks that hold some gt's best boxes look them up again. */
static void second_pass(void *arg, int64_t begin, int64_t end) {
    const work *w = arg;
    float iou[CHUNK];
    bool out[CHUNK];
    for (int64_t k = begin; k < end; k++) {
        const chunk *c = &w->chunk[k];
        const bl_match_job *j = c->job;
        const float *gt_best = w->gt_best[j - w->jobs];
        bool marked = false;
        for (int32_t g = 0; g < j->gt->n; g++) {
            float top = gt_best[g];
            if (top <= 0 || top < w->rule->min_pos_iou || c->best[g] != top) continue;
            const bl_box *b = j->box + c->begin;
            if (!marked) mark_out(c, w->rule, hull_of(b, c->n), out);
            marked = true;
            iou_row(b, c->n, j->gt->box[g], iou);
            for (int i = 0; i < c->n; i++) {
                if (out[i] || iou[i] != top) continue;
                bool keep = w->rule->low_quality == BL_LOWQ_KEEP;
                j->match[c->begin + i] = keep ? w->argmax[j - w->jobs][c->begin + i] : g;
            }
        }
    }
}

static bl_status prepare(bl_arena *arena, bl_match_job *jobs, int n_jobs, const bl_match_rule *rule,
                         work *w, int64_t *n_chunks) {
    bool low = rule->low_quality != BL_LOWQ_NONE;
    int64_t total = 0;
    for (int i = 0; i < n_jobs; i++) total += (jobs[i].n + CHUNK - 1) / CHUNK;
    *w = (work){.rule = rule, .jobs = jobs, .chunk = BL_NEW_ARRAY(arena, chunk, total)};
    if (!w->chunk) return BL_ENOMEM;
    if (low && !(w->gt_best = BL_NEW_ARRAY(arena, float *, n_jobs))) return BL_ENOMEM;
    if (rule->low_quality == BL_LOWQ_KEEP && !(w->argmax = BL_NEW_ARRAY(arena, int32_t *, n_jobs)))
        return BL_ENOMEM;
    chunk *c = w->chunk;
    for (int i = 0; i < n_jobs; i++) {
        int64_t count = (jobs[i].n + CHUNK - 1) / CHUNK;
        int32_t gts = jobs[i].gt->n;
        float *best = low ? BL_NEW_ARRAY(arena, float, count *gts) : NULL;
        if (low && (!best || !(w->gt_best[i] = BL_NEW_ARRAY(arena, float, gts)))) return BL_ENOMEM;
        if (w->argmax && !(w->argmax[i] = BL_NEW_ARRAY(arena, int32_t, jobs[i].n)))
            return BL_ENOMEM;
        for (int64_t k = 0; k < count; k++) {
            int64_t left = jobs[i].n - k * CHUNK;
            *c++ = (chunk){&jobs[i], k * CHUNK, left < CHUNK ? (int)left : CHUNK,
                           low ? best + k * gts : NULL};
        }
    }
    *n_chunks = total;
    return BL_OK;
}

bl_status bl_match(bl_arena *arena, bl_match_job *jobs, int n_jobs, const bl_match_rule *rule) {
    bl_arena_mark mark = bl_arena_save(arena);
    work w;
    int64_t n = 0;
    bl_status status = prepare(arena, jobs, n_jobs, rule, &w, &n);
    if (status != BL_OK) goto done;
    bl_parallel_for(n, 8, first_pass, &w);
    if (rule->low_quality == BL_LOWQ_NONE) goto done;
    for (int64_t k = 0; k < n; k++) {
        const chunk *c = &w.chunk[k];
        float *top = w.gt_best[c->job - jobs];
        for (int32_t g = 0; g < c->job->gt->n; g++)
            if (c->best[g] > top[g]) top[g] = c->best[g];
    }
    bl_parallel_for(n, 32, second_pass, &w);
done:
    bl_arena_restore(arena, mark);
    return status;
}
