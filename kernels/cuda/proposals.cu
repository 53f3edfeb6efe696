/* The lists around non-maximum suppression: anchors, decoded candidates, what was kept, and the
 * candidates of the second stage. A thread is an entry. */
#include "kernels/shared/proposal.h"

#include "kernels/cuda/maps.h"
#include "kernels/cuda/typed.h"

/* valid: NULL, or of `images` images. */
static __global__ void fill_anchors(bl_anchor_grid g, int32_t images, const bl_size *size,
                                    int32_t multiple, bl_box *box, uint8_t *valid) {
    int64_t n = g.first[g.n_levels];
    BL_EACH(i, n) {
        bl_loc l = bl_anchor_loc(&g, 0, i);
        box[i] = bl_anchor_at(&g, &l);
        for (int32_t q = 0; valid && q < images; q++) {
            valid[q * n + i] = bl_anchor_valid(&g, l.level, l.y, l.x, size[q], multiple);
        }
    }
}

static void anchors(const bl_anchor_grid *g, int32_t images, const bl_size *size, int32_t multiple,
                    bl_box *box, uint8_t *valid) {
    BL_LAUNCH_EACH(fill_anchors, g->first[g->n_levels], *g, images, size, multiple, box, valid);
}

static __global__ void fill_candidates(bl_gt_kernel gt, const bl_box *proposals,
                                       const int32_t *count, int64_t cap, int64_t own, bl_box *box,
                                       uint8_t *valid) {
    int64_t n = own + cap;
    BL_EACH(e, n * gt.images) {
        int64_t image = e / n, at = e % n;
        bool used = at < own ? at < gt.count[image] : at - own < count[image];
        bl_box b = {0, 0, 0, 0};
        if (used) b = at < own ? gt.box[image * gt.cap + at] : proposals[image * cap + at - own];
        box[e] = b;
        valid[e] = used;
    }
}

static void candidates(const bl_gt_kernel *gt, const bl_box *proposals, const int32_t *count,
                       int64_t cap, int64_t own, bl_box *box, uint8_t *valid) {
    BL_LAUNCH_EACH(fill_candidates, (own + cap) * gt->images, *gt, proposals, count, cap, own, box,
                   valid);
}

template <typename T>
static __global__ void decode_candidates(bl_proposals_kernel p, bl_anchor_grid g,
                                         bl_box_coder coder, bl_cuda_maps reg, const float *logit,
                                         bl_box *box, int32_t *group) {
    BL_EACH(e, p.per_image * p.images) {
        int64_t image = e / p.per_image;
        int32_t l = bl_candidate_level(p.first, p.levels, e % p.per_image);
        bl_loc loc = bl_anchor_loc_in(&g, (int32_t)image, l, p.pos[e]);
        const bl_cuda_map *m = &reg.m[l];
        float d[4];
        for (int q = 0; q < 4; q++) {
            d[q] = bl_get((const T *)m->data,
                          bl_cuda_at(m, image, 4 * (int64_t)loc.a + q, loc.y, loc.x));
        }
        bl_size size = p.size[image];
        bl_box b = bl_box_clip(bl_box_decode(&coder, bl_anchor_at(&g, &loc), d), size.w, size.h);
        box[e] = b;
        group[e] = bl_proposal_ok(b, logit[e], p.least) ? l : (int32_t)BL_NMS_OUT;
    }
}

static void decode(const bl_proposals_kernel *p, const bl_anchor_grid *g, const bl_box_coder *coder,
                   const bl_tensor *const *reg, const float *logit, bl_box *box, int32_t *group) {
    bl_cuda_maps maps = bl_cuda_maps_of(reg, p->levels);
    BL_TYPED(reg[0]->dtype, T,
             BL_LAUNCH_EACH(decode_candidates<T>, p->per_image * p->images, *p, *g, *coder, maps,
                            logit, box, group));
}

static __global__ void take_kept(int32_t images, int64_t per_image, int64_t post,
                                 const int32_t *keep, const int32_t *count, const bl_box *box,
                                 const float *logit, bl_box *out, float *score) {
    BL_EACH(e, images * post) {
        int64_t image = e / post, from = 0;
        bool used = e % post < count[image];
        if (used) from = image * per_image + keep[e];
        bl_box b = {0, 0, 0, 0};
        if (used) b = box[from];
        out[e] = b;
        score[e] = used ? bl_proposal_score(logit[from]) : 0;
    }
}

static void kept(int32_t images, int64_t per_image, int64_t post, const int32_t *keep,
                 const int32_t *count, const bl_box *box, const float *logit, bl_box *out,
                 float *score) {
    BL_LAUNCH_EACH(take_kept, images * post, images, per_image, post, keep, count, box, logit, out,
                   score);
}

extern "C" void bl_cuda_proposals_slots(bl_kernels *k) {
    k->anchors = anchors;
    k->candidates = candidates;
    k->decode = decode;
    k->kept = kept;
}
