/* The lists around non-maximum suppression: anchors, decoded candidates, what was kept, and the
 * candidates of the second stage. */
#include <string.h>

#include "core/parallel.h"
#include "kernels/ref/ref.h"
#include "kernels/shared/proposal.h"

typedef struct anchor_job {
    const bl_anchor_grid *g;
    const bl_size *size;
    int32_t multiple, level;
    bl_box *box;
    uint8_t *valid; /* of one image; NULL: boxes */
} anchor_job;

/* Index = row of the level. */
static void anchor_rows(void *arg, int64_t begin, int64_t end) {
    const anchor_job *j = arg;
    const bl_anchor_grid *g = j->g;
    int64_t at = g->first[j->level] + begin * g->w[j->level] * g->per_cell;
    bl_loc l = {.level = j->level};
    for (l.y = (int32_t)begin; l.y < end; l.y++)
        for (l.x = 0; l.x < g->w[j->level]; l.x++)
            for (l.a = 0; l.a < g->per_cell; l.a++) j->box[at++] = bl_anchor_at(g, &l);
}

static void valid_rows(void *arg, int64_t begin, int64_t end) {
    const anchor_job *j = arg;
    const bl_anchor_grid *g = j->g;
    int64_t at = g->first[j->level] + begin * g->w[j->level] * g->per_cell;
    for (int32_t y = (int32_t)begin; y < end; y++)
        for (int32_t x = 0; x < g->w[j->level]; x++, at += g->per_cell)
            memset(j->valid + at, bl_anchor_valid(g, j->level, y, x, *j->size, j->multiple),
                   (size_t)g->per_cell);
}

static void anchors(const bl_anchor_grid *g, int32_t images, const bl_size *size, int32_t multiple,
                    bl_box *box, uint8_t *valid) {
    for (int l = 0; l < g->n_levels; l++) {
        anchor_job j = {.g = g, .level = l, .multiple = multiple, .box = box};
        bl_parallel_for(g->h[l], 64, anchor_rows, &j);
        for (int32_t i = 0; valid && i < images; i++) {
            j.size = &size[i];
            j.valid = valid + i * g->first[g->n_levels];
            bl_parallel_for(g->h[l], 64, valid_rows, &j);
        }
    }
}

static void candidates(const bl_gt_kernel *gt, const bl_box *proposals, const int32_t *count,
                       int64_t cap, int64_t own, bl_box *box, uint8_t *valid) {
    for (int64_t i = 0; i < gt->images; i++) {
        for (int64_t g = 0; g < own; g++, box++) {
            *valid++ = g < gt->count[i];
            *box = g < gt->count[i] ? gt->box[i * gt->cap + g] : (bl_box){0};
        }
        for (int64_t p = 0; p < cap; p++, box++) {
            *valid++ = p < count[i];
            *box = p < count[i] ? proposals[i * cap + p] : (bl_box){0};
        }
    }
}

typedef struct decode_job {
    const bl_proposals_kernel *p;
    const bl_anchor_grid *g;
    const bl_box_coder *coder;
    const bl_tensor *const *reg;
    const float *logit;
    bl_box *box;
    int32_t *group;
} decode_job;

static void decode_range(void *arg, int64_t begin, int64_t end) {
    const decode_job *j = arg;
    const bl_proposals_kernel *p = j->p;
    for (int64_t e = begin; e < end; e++) {
        int64_t image = e / p->per_image, at = e % p->per_image;
        int32_t l = bl_candidate_level(p->first, p->levels, at);
        bl_loc loc = bl_anchor_loc_in(j->g, (int32_t)image, l, p->pos[e]);
        const bl_tensor *m = j->reg[l];
        float d[4];
        for (int q = 0; q < 4; q++)
            d[q] = bl_f32(m)[bl_index(m, image, 4 * (int64_t)loc.a + q, loc.y, loc.x)];
        bl_size size = p->size[image];
        j->box[e] =
            bl_box_clip(bl_box_decode(j->coder, bl_anchor_at(j->g, &loc), d), size.w, size.h);
        j->group[e] = bl_proposal_ok(j->box[e], j->logit[e], p->least) ? l : BL_NMS_OUT;
    }
}

static void decode(const bl_proposals_kernel *p, const bl_anchor_grid *g, const bl_box_coder *coder,
                   const bl_tensor *const *reg, const float *logit, bl_box *box, int32_t *group) {
    decode_job j = {p, g, coder, reg, logit, box, group};
    bl_parallel_for(p->per_image * p->images, 512, decode_range, &j);
}

static void kept(int32_t images, int64_t per_image, int64_t post, const int32_t *keep,
                 const int32_t *count, const bl_box *box, const float *logit, bl_box *out,
                 float *score) {
    for (int64_t e = 0; e < images * post; e++) {
        int64_t image = e / post;
        bool used = e % post < count[image];
        int64_t from = used ? image * per_image + keep[e] : 0;
        out[e] = used ? box[from] : (bl_box){0};
        score[e] = used ? bl_proposal_score(logit[from]) : 0;
    }
}

void bl_ref_proposals(bl_kernels *k) {
    k->anchors = anchors;
    k->candidates = candidates;
    k->decode = decode;
    k->kept = kept;
}
