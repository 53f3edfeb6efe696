/* From dense RPN output to proposals: the best anchors of each level, decoded, clipped, suppressed.
 */
#include <math.h>

#include "detector/model.h"

bl_status bl_boxes_new(bl_arena *arena, int32_t n, bool label, bool score, bl_boxes *out) {
    *out = (bl_boxes){.box = BL_NEW_ARRAY(arena, bl_box, n)};
    if (label) out->label = BL_NEW_ARRAY(arena, int32_t, n);
    if (score) out->score = BL_NEW_ARRAY(arena, float, n);
    if (!out->box || (label && !out->label) || (score && !out->score)) return BL_ENOMEM;
    return BL_OK;
}

/* The candidates of a whole batch, image-major, levels in order within an image. */
typedef struct candidates {
    bl_loc *loc;
    float *logit;
    float *delta; /* [4] each */
    int64_t per_image;
} candidates;

static bl_status best_anchors(bl_ctx *ctx, const bl_rpn_out *r, int64_t k, candidates *c) {
    int64_t cap = 0, room[BL_PYRAMID_LEVELS];
    for (int l = 0; l < BL_PYRAMID_LEVELS; l++) {
        int64_t all = r->cls[l]->c * r->cls[l]->h * r->cls[l]->w;
        room[l] = all < k ? all : k;
        cap += room[l];
    }
    c->per_image = cap;
    c->loc = BL_NEW_ARRAY(ctx->arena, bl_loc, cap * r->n);
    c->logit = BL_NEW_ARRAY(ctx->arena, float, cap * r->n);
    bl_loc *loc = BL_NEW_ARRAY(ctx->arena, bl_loc, k * r->n);
    float *score = BL_NEW_ARRAY(ctx->arena, float, k * r->n);
    if (!c->loc || !c->logit || !loc || !score) return BL_ENOMEM;
    int64_t at = 0;
    for (int l = 0; l < BL_PYRAMID_LEVELS; l++) {
        int64_t n = 0;
        BL_TRY(bl_topk(ctx, r->cls[l], l, room[l], loc, score, &n));
        for (int32_t i = 0; i < r->n; i++)
            for (int64_t j = 0; j < n; j++) {
                c->loc[i * cap + at + j] = loc[i * room[l] + j];
                c->logit[i * cap + at + j] = score[i * room[l] + j];
            }
        at += n;
    }
    return BL_OK;
}

/* One image: decode, clip, drop empty boxes, suppress within levels, keep the best. */
static bl_status finish_image(bl_ctx *ctx, const bl_detector *d, const bl_anchor_grid *g,
                              const candidates *c, int32_t image, bl_size size, int64_t keep,
                              bl_boxes *out) {
    int64_t n = 0, kept = 0, cap = c->per_image;
    bl_box *box = BL_NEW_ARRAY(ctx->arena, bl_box, cap);
    float *logit = BL_NEW_ARRAY(ctx->arena, float, cap);
    int32_t *level = BL_NEW_ARRAY(ctx->arena, int32_t, cap);
    int32_t *index = BL_NEW_ARRAY(ctx->arena, int32_t, cap);
    if (!box || !logit || !level || !index) return BL_ENOMEM;
    float least = d->style->min_proposal;
    for (int64_t i = image * cap; i < (image + 1) * cap; i++) {
        bl_box b = bl_box_decode(&d->rpn.coder, bl_anchor_at(g, &c->loc[i]), &c->delta[4 * i]);
        b = bl_box_clip(b, size.w, size.h);
        /* Also false for NaN: a broken prediction yields no proposal. */
        if (!(b.x2 - b.x1 > least && b.y2 - b.y1 > least) || isnan(c->logit[i])) continue;
        box[n] = b, logit[n] = c->logit[i], level[n] = c->loc[i].level;
        n++;
    }
    BL_TRY(bl_nms(ctx, box, logit, level, n, (float)d->cfg.rpn_nms, keep, index, &kept));
    BL_TRY(bl_boxes_new(ctx->arena, (int32_t)kept, false, true, out));
    out->n = (int32_t)kept;
    for (int64_t i = 0; i < kept; i++) {
        out->box[i] = box[index[i]];
        out->score[i] = 1.0f / (1.0f + expf(-logit[index[i]]));
    }
    return BL_OK;
}

bl_status bl_rpn_proposals(bl_ctx *ctx, const bl_detector *d, const bl_rpn_out *r,
                           const bl_size *size, bool train, bl_boxes *out) {
    const bl_detector_config *cfg = &d->cfg;
    int64_t pre = train ? cfg->rpn_pre_nms_train : cfg->rpn_pre_nms_test;
    int64_t post = train ? cfg->rpn_post_nms_train : cfg->rpn_post_nms_test;
    bl_anchor_grid g;
    bl_rpn_grid(d, r, &g);
    candidates c = {0};
    BL_TRY(best_anchors(ctx, r, pre, &c));
    int64_t n = c.per_image * r->n;
    c.delta = BL_NEW_ARRAY(ctx->arena, float, 4 * n);
    if (!c.delta) return BL_ENOMEM;
    bool old = bl_no_grad(ctx);
    bl_tensor *t = NULL;
    bl_status status = bl_gather(ctx, r->reg, BL_PYRAMID_LEVELS, c.loc, n, 4, &t);
    bl_set_grad(ctx, old);
    if (status != BL_OK) return status;
    BL_TRY(bl_tensor_to_host(ctx, t, c.delta));
    bl_tensor_drop(ctx, t);
    for (int32_t i = 0; i < r->n; i++)
        BL_TRY(finish_image(ctx, d, &g, &c, i, size[i], post, &out[i]));
    return BL_OK;
}
