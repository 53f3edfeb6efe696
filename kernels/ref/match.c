/* Matching over fixed chunks of boxes: a chunk skips every ground truth that does not touch its
 * hull, which with anchors is nearly all of them, so IoU is computed once per pair worth it and
 * never stored. */
#include "kernels/shared/match.h"

#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "kernels/ref/ref.h"

enum { CHUNK = 512 };

/* One image. */
typedef struct image_job {
    const bl_box *box;    /* [n] */
    const uint8_t *valid; /* [n] or NULL */
    const bl_box *gt;     /* [n_gt] */
    const uint8_t *ignore;
    int32_t n_gt;
    int32_t *match; /* [n] */
} image_job;

/* Chunk k is number k % per_image of image k / per_image. */
typedef struct work {
    const bl_match_rule *rule;
    image_job *job;
    int64_t n, per_image, cap; /* boxes and chunks an image; places of ground truth */
    /* [chunk][cap]: highest IoU in the chunk; NULL without low-quality matches */
    float *chunk_best;
    float *best;     /* [image][cap]: over the image */
    int32_t *argmax; /* [image][n], only for BL_LOWQ_KEEP */
} work;

typedef struct chunk {
    const image_job *job;
    int64_t begin;
    int n;
} chunk;

static chunk chunk_at(const work *w, int64_t k) {
    int64_t begin = k % w->per_image * CHUNK, left = w->n - begin;
    return (chunk){&w->job[k / w->per_image], begin, left < CHUNK ? (int)left : CHUNK};
}

static bool touches(bl_box a, bl_box b) {
    return a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2;
}

static bl_box hull_of(const bl_box *b, int n) {
    bl_box h = b[0];
    for (int i = 1; i < n; i++) {
        h.x1 = bl_match_lower(h.x1, b[i].x1);
        h.y1 = bl_match_lower(h.y1, b[i].y1);
        h.x2 = bl_match_upper(h.x2, b[i].x2);
        h.y2 = bl_match_upper(h.y2, b[i].y2);
    }
    return h;
}

/* IoU of n boxes with g. Both passes call this, so that equal pairs compare equal. */
static __attribute__((noinline)) void iou_row(const bl_box *b, int n, bl_box g, float *out) {
    for (int i = 0; i < n; i++) out[i] = bl_match_iou(b[i], g);
}

static bool matchable(const image_job *j, int32_t g) {
    return bl_match_able(j->gt[g], j->ignore && j->ignore[g]);
}

/* Boxes inside an ignore region and boxes outside the image take no part. */
static void mark_out(const chunk *c, const bl_match_rule *rule, bl_box hull, bool *out) {
    const image_job *j = c->job;
    const bl_box *b = j->box + c->begin;
    for (int i = 0; i < c->n; i++) out[i] = j->valid && !j->valid[c->begin + i];
    for (int32_t g = 0; j->ignore && g < j->n_gt; g++) {
        if (!j->ignore[g] || !touches(hull, j->gt[g])) continue;
        for (int i = 0; i < c->n; i++)
            if (bl_match_inside(rule, b[i], j->gt[g])) out[i] = true;
    }
}

static void first_pass(void *arg, int64_t begin, int64_t end) {
    const work *w = arg;
    float iou[CHUNK], best[CHUNK];
    int32_t who[CHUNK];
    bool out[CHUNK];
    for (int64_t k = begin; k < end; k++) {
        chunk c = chunk_at(w, k);
        const image_job *j = c.job;
        const bl_box *b = j->box + c.begin;
        bl_box hull = hull_of(b, c.n);
        mark_out(&c, w->rule, hull, out);
        for (int i = 0; i < c.n; i++) {
            best[i] = 0;
            who[i] = -1;
        }
        for (int32_t g = 0; g < j->n_gt; g++) {
            if (!matchable(j, g) || !touches(hull, j->gt[g])) continue;
            iou_row(b, c.n, j->gt[g], iou);
            float top = 0;
            for (int i = 0; i < c.n; i++) {
                float v = out[i] ? 0 : iou[i];
                if (v > best[i]) {
                    best[i] = v;
                    who[i] = g;
                }
                if (v > top) top = v;
            }
            if (w->chunk_best) w->chunk_best[k * w->cap + g] = top;
        }
        int32_t *match = j->match + c.begin;
        for (int i = 0; i < c.n; i++)
            match[i] = out[i] ? BL_MATCH_IGNORE : bl_match_of(w->rule, best[i], who[i]);
        if (w->argmax)
            memcpy(w->argmax + (j - w->job) * w->n + c.begin, who, sizeof *who * (size_t)c.n);
    }
}

/* Low-quality matches: chunks that hold some gt's best boxes look them up again. */
static void second_pass(void *arg, int64_t begin, int64_t end) {
    const work *w = arg;
    float iou[CHUNK];
    bool out[CHUNK];
    for (int64_t k = begin; k < end; k++) {
        chunk c = chunk_at(w, k);
        const image_job *j = c.job;
        int64_t image = j - w->job;
        bool marked = false;
        for (int32_t g = 0; g < j->n_gt; g++) {
            float top = w->best[image * w->cap + g];
            if (!bl_match_low_quality(w->rule, top) || w->chunk_best[k * w->cap + g] != top)
                continue;
            const bl_box *b = j->box + c.begin;
            if (!marked) mark_out(&c, w->rule, hull_of(b, c.n), out);
            marked = true;
            iou_row(b, c.n, j->gt[g], iou);
            for (int i = 0; i < c.n; i++) {
                if (out[i] || iou[i] != top) continue;
                j->match[c.begin + i] = w->argmax ? w->argmax[image * w->n + c.begin + i] : g;
            }
        }
    }
}

static bl_status prepare(const bl_candidates_kernel *c, const bl_gt_kernel *gt,
                         const bl_match_rule *rule, int32_t *match, work *w) {
    int64_t images = gt->images, per_image = (c->n + CHUNK - 1) / CHUNK;
    bool low = rule->low_quality != BL_LOWQ_NONE;
    *w = (work){.rule = rule, .n = c->n, .per_image = per_image, .cap = gt->cap};
    w->job = calloc((size_t)images + 1, sizeof *w->job);
    if (low) w->chunk_best = calloc((size_t)(images * per_image * gt->cap) + 1, sizeof(float));
    if (low) w->best = calloc((size_t)(images * gt->cap) + 1, sizeof *w->best);
    if (rule->low_quality == BL_LOWQ_KEEP)
        w->argmax = malloc(((size_t)(images * c->n) + 1) * sizeof *w->argmax);
    if (!w->job || (low && (!w->chunk_best || !w->best)) ||
        (rule->low_quality == BL_LOWQ_KEEP && !w->argmax))
        return bl_no_memory("for matching %lld boxes", (long long)(images * c->n));
    for (int64_t i = 0; i < images; i++)
        w->job[i] = (image_job){.box = c->box + (c->shared ? 0 : i * c->n),
                                .valid = c->valid ? c->valid + i * c->n : NULL,
                                .gt = gt->box + i * gt->cap,
                                .ignore = gt->ignore ? gt->ignore + i * gt->cap : NULL,
                                .n_gt = gt->count[i],
                                .match = match + i * c->n};
    return BL_OK;
}

/* A box stands for itself, even inside an ignore region or beside an identical box. */
static void own_boxes(const work *w, int64_t images, int64_t own) {
    for (int64_t i = 0; i < images; i++) {
        const image_job *j = &w->job[i];
        for (int32_t g = 0; g < own; g++)
            j->match[g] = g < j->n_gt && matchable(j, g) ? g : BL_MATCH_IGNORE;
    }
}

static bl_status match(const bl_candidates_kernel *c, const bl_gt_kernel *gt,
                       const bl_match_rule *rule, int32_t *out) {
    work w;
    bl_status status = prepare(c, gt, rule, out, &w);
    int64_t chunks = w.per_image * gt->images;
    if (status != BL_OK) goto done;
    bl_parallel_for(chunks, 8, first_pass, &w);
    if (rule->low_quality != BL_LOWQ_NONE) {
        for (int64_t k = 0; k < chunks; k++) {
            const float *best = w.chunk_best + k * w.cap;
            float *top = w.best + k / w.per_image * w.cap;
            for (int64_t g = 0; g < w.cap; g++)
                if (best[g] > top[g]) top[g] = best[g];
        }
        bl_parallel_for(chunks, 32, second_pass, &w);
    }
    own_boxes(&w, gt->images, c->own);
done:
    free(w.job);
    free(w.chunk_best);
    free(w.best);
    free(w.argmax);
    return status;
}

void bl_ref_match(bl_kernels *k) {
    k->match = match;
}
