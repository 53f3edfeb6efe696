/* Matching: a thread is a box. It meets every ground truth of its image, as rules that count ties
 * want it; the highest IoU of a ground truth is an integer maximum over the bits of floats that are
 * never negative, so it does not depend on who comes first. */
#include "kernels/shared/match.h"

#include <string.h>

#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"

static __device__ int32_t bits_of(float v) {
    int32_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}
static __device__ float float_of(int32_t b) {
    float v;
    memcpy(&v, &b, sizeof v);
    return v;
}

/* One box against its image: box k of image i. */
typedef struct pairing {
    bl_box box;
    const bl_box *gt;
    const uint8_t *ignore;
    int32_t n_gt;
    bool out; /* takes no part */
} pairing;

static __device__ pairing pairing_at(const bl_candidates_kernel *c, const bl_gt_kernel *gt,
                                     const bl_match_rule *rule, int64_t i, int64_t k) {
    pairing p = {c->box[c->shared ? k : i * c->n + k], gt->box + i * gt->cap,
                 gt->ignore ? gt->ignore + i * gt->cap : NULL, gt->count[i],
                 c->valid && !c->valid[i * c->n + k]};
    for (int32_t g = 0; p.ignore && g < p.n_gt && !p.out; g++) {
        p.out = p.ignore[g] && bl_match_inside(rule, p.box, p.gt[g]);
    }
    return p;
}

static __device__ bool matchable(const pairing *p, int32_t g) {
    return bl_match_able(p->gt[g], p->ignore && p->ignore[g]);
}

/* top[image][cap]: bits of the highest IoU; NULL without low-quality matches. */
static __global__ void first_pass(bl_candidates_kernel c, bl_gt_kernel gt, bl_match_rule rule,
                                  int32_t *top, int32_t *match) {
    BL_EACH(e, c.n * gt.images) {
        int64_t i = e / c.n, k = e % c.n;
        pairing p = pairing_at(&c, &gt, &rule, i, k);
        float best = 0;
        int32_t who = -1;
        for (int32_t g = 0; g < p.n_gt && !p.out; g++) {
            if (!matchable(&p, g)) continue;
            float v = bl_match_iou(p.box, p.gt[g]);
            if (v > best) {
                best = v;
                who = g;
            }
            if (top && v > 0) {
                int32_t *t = &top[i * gt.cap + g], bits = bits_of(v);
                if (bits > *t) atomicMax(t, bits);
            }
        }
        match[e] = p.out ? (int32_t)BL_MATCH_IGNORE : bl_match_of(&rule, best, who);
    }
}

static __global__ void second_pass(bl_candidates_kernel c, bl_gt_kernel gt, bl_match_rule rule,
                                   const int32_t *top, int32_t *match) {
    BL_EACH(e, c.n * gt.images) {
        int64_t i = e / c.n, k = e % c.n;
        pairing p = pairing_at(&c, &gt, &rule, i, k);
        if (p.out) continue;
        float best = 0;
        int32_t who = -1, last = -1; /* last: of the ground truths whose best it is */
        for (int32_t g = 0; g < p.n_gt; g++) {
            if (!matchable(&p, g)) continue;
            float v = bl_match_iou(p.box, p.gt[g]), t = float_of(top[i * gt.cap + g]);
            if (v > best) {
                best = v;
                who = g;
            }
            if (v == t && bl_match_low_quality(&rule, t)) last = g;
        }
        if (last >= 0) match[e] = rule.low_quality == BL_LOWQ_KEEP ? who : last;
    }
}

static __global__ void own_boxes(bl_candidates_kernel c, bl_gt_kernel gt, bl_match_rule rule,
                                 int32_t *match) {
    BL_EACH(e, c.own * gt.images) {
        int64_t i = e / c.own;
        int32_t g = (int32_t)(e % c.own);
        pairing p = pairing_at(&c, &gt, &rule, i, g);
        match[i * c.n + g] = g < p.n_gt && matchable(&p, g) ? g : (int32_t)BL_MATCH_IGNORE;
    }
}

static bl_status match(const bl_candidates_kernel *c, const bl_gt_kernel *gt,
                       const bl_match_rule *rule, int32_t *out) {
    int64_t n = c->n * gt->images, tops = gt->cap * gt->images;
    int32_t *top = NULL;
    if (rule->low_quality != BL_LOWQ_NONE && tops > 0) {
        size_t bytes = (size_t)tops * sizeof *top;
        top = (int32_t *)bl_scratch(bytes);
        if (!top || cudaMemsetAsync(top, 0, bytes, cudaStreamPerThread) != cudaSuccess) {
            bl_scratch_free(top);
            return bl_fail(BL_ENOMEM, "matching: no device memory for %lld boxes", (long long)tops);
        }
    }
    BL_LAUNCH_EACH(first_pass, n, *c, *gt, *rule, top, out);
    if (top) BL_LAUNCH_EACH(second_pass, n, *c, *gt, *rule, (const int32_t *)top, out);
    BL_LAUNCH_EACH(own_boxes, c->own * gt->images, *c, *gt, *rule, out);
    bl_scratch_free(top);
    return BL_OK;
}

extern "C" void bl_cuda_match_slots(bl_kernels *k) {
    k->match = match;
}
