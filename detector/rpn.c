/* Region proposal network: the shared head and its losses (Ren et al., NeurIPS 2015). */
#include "core/rng.h"
#include "detector/model.h"
#include "detector/sampler.h"

enum {
    RPN_STREAM = 0x52504e
}; /* "RPN": keeps this sampler's streams apart from others of the same key */

static bl_status declare(bl_detector *d, bl_store *s, const char *name, int32_t out, int32_t kernel,
                         bl_act act, bl_conv_layer *l) {
    int32_t in = (int32_t)d->cfg.fpn_channels;
    bl_conv_spec spec = {.conv_name = name,
                         .in = in,
                         .out = out,
                         .kernel = kernel,
                         .stride = 1,
                         .pad = kernel / 2,
                         .dilation = 1,
                         .bias = true,
                         .norm = BL_NORMTYPE_NONE,
                         .act = act,
                         .init = BL_INIT_NORMAL,
                         .init_std = d->style->rpn_std,
                         .trainable = true};
    return bl_conv_layer_declare(s, &spec, l);
}

bl_status bl_rpn_declare(bl_detector *d, bl_store *s) {
    const bl_detector_config *c = &d->cfg;
    const bl_style *y = d->style;
    int32_t a = d->rpn.per_cell = c->anchor_ratios.n;
    for (int l = 0; l < BL_PYRAMID_LEVELS; l++) {
        double stride = (double)(4 << l), size = c->anchor_scale * stride;
        bl_anchors_base(&size, 1, c->anchor_ratios.v, a, stride, y->anchor_offset, y->round_anchors,
                        d->rpn.base[l]);
    }
    d->rpn.coder = (bl_box_coder){{1, 1, 1, 1}, y->max_log_ratio, y->clamp_symmetric};
    d->rpn.rule = (bl_match_rule){
        .pos_iou = (float)c->rpn_pos_iou,
        .neg_iou = (float)c->rpn_neg_iou,
        .min_pos_iou = y->rpn_low_quality_min ? (float)c->rpn_min_pos_iou : 0,
        .low_quality = y->rpn_low_quality,
        .ignore_iof = y->ignore_iof,
    };
    BL_TRY(
        declare(d, s, "rpn_head.rpn_conv", (int32_t)c->fpn_channels, 3, BL_ACT_RELU, &d->rpn.conv));
    BL_TRY(declare(d, s, "rpn_head.rpn_cls", a, 1, BL_ACT_NONE, &d->rpn.cls));
    return declare(d, s, "rpn_head.rpn_reg", 4 * a, 1, BL_ACT_NONE, &d->rpn.reg);
}

bl_status bl_rpn_forward(bl_ctx *ctx, const bl_detector *d, const bl_pyramid *p, bl_rpn_out *out) {
    *out = (bl_rpn_out){.n = p->n};
    for (int l = 0; l < BL_PYRAMID_LEVELS; l++) {
        bl_tensor *t = NULL;
        out->stride[l] = p->stride[l];
        BL_TRY(bl_conv_layer_apply(ctx, &d->rpn.conv, false, p->map[l], NULL, &t));
        BL_TRY(bl_conv_layer_apply(ctx, &d->rpn.cls, false, t, NULL, &out->cls[l]));
        BL_TRY(bl_conv_layer_apply(ctx, &d->rpn.reg, false, t, NULL, &out->reg[l]));
        bl_tensor_drop(ctx, t);
    }
    return BL_OK;
}

void bl_rpn_grid(const bl_detector *d, const bl_rpn_out *r, bl_anchor_grid *g) {
    *g = (bl_anchor_grid){.n_levels = BL_PYRAMID_LEVELS, .per_cell = d->rpn.per_cell};
    for (int l = 0; l < BL_PYRAMID_LEVELS; l++) {
        g->stride[l] = r->stride[l];
        g->h[l] = (int32_t)r->cls[l]->h, g->w[l] = (int32_t)r->cls[l]->w;
        for (int a = 0; a < g->per_cell; a++) g->base[l][a] = d->rpn.base[l][a];
    }
    bl_anchor_grid_count(g);
}

/* The sampled anchors of all images, foreground first. */
typedef struct sample {
    int64_t n_pos, n_neg;
    bl_loc *pos, *neg;
    float *delta; /* [n_pos*4] */
} sample;

static bl_status sample_new(bl_arena *a, int64_t n, sample *s) {
    *s = (sample){.pos = BL_NEW_ARRAY(a, bl_loc, 2 * n), /* negatives are appended in the end */
                  .neg = BL_NEW_ARRAY(a, bl_loc, n),
                  .delta = BL_NEW_ARRAY(a, float, 4 * n)};
    return s->pos && s->neg && s->delta ? BL_OK : BL_ENOMEM;
}

/* Anchors of all images against their boxes; jobs[i].match is filled. */
static bl_status match_images(bl_ctx *ctx, const bl_detector *d, const bl_anchor_grid *g,
                              const bl_boxes *gt, const bl_size *size, int32_t n,
                              bl_match_job **out) {
    int64_t total = g->first[g->n_levels];
    bl_box *anchor = BL_NEW_ARRAY(ctx->arena, bl_box, total);
    bl_match_job *job = BL_NEW_ARRAY(ctx->arena, bl_match_job, n);
    if (!anchor || !job) return BL_ENOMEM;
    bl_anchor_grid_fill(g, anchor);
    for (int32_t i = 0; i < n; i++) {
        uint8_t *valid = BL_NEW_ARRAY(ctx->arena, uint8_t, total);
        int32_t *match = BL_NEW_ARRAY(ctx->arena, int32_t, total);
        if (!valid || !match) return BL_ENOMEM;
        int64_t invalid = bl_anchor_grid_valid(g, size[i], (int32_t)d->cfg.pad_multiple, valid);
        job[i] = (bl_match_job){.box = anchor,
                                .valid = invalid ? valid : NULL,
                                .n = total,
                                .gt = &gt[i],
                                .match = match};
    }
    *out = job;
    return bl_match(ctx->arena, job, n, &d->rpn.rule);
}

static bl_status sample_images(bl_ctx *ctx, const bl_detector *d, const bl_anchor_grid *g,
                               const bl_match_job *job, int32_t n, uint64_t seed, uint64_t key,
                               sample *s) {
    int64_t batch = d->cfg.rpn_batch;
    int32_t *pos = BL_NEW_ARRAY(ctx->arena, int32_t, batch);
    int32_t *neg = BL_NEW_ARRAY(ctx->arena, int32_t, batch);
    if (!pos || !neg) return BL_ENOMEM;
    for (int32_t i = 0; i < n; i++) {
        int64_t np = 0, nn = 0;
        BL_TRY(bl_sample(ctx->arena, job[i].match, job[i].n, batch, d->cfg.rpn_pos_fraction, seed,
                         bl_rng_key(key, RPN_STREAM, (uint64_t)i), pos, &np, neg, &nn));
        for (int64_t k = 0; k < np; k++) {
            bl_box to = job[i].gt->box[job[i].match[pos[k]]];
            bl_box_encode(&d->rpn.coder, job[i].box[pos[k]], to, &s->delta[4 * s->n_pos]);
            s->pos[s->n_pos++] = bl_anchor_loc(g, i, pos[k]);
        }
        for (int64_t k = 0; k < nn; k++) s->neg[s->n_neg++] = bl_anchor_loc(g, i, neg[k]);
    }
    return BL_OK;
}

/* All bookkeeping on the host; nothing here makes tensors, so the arena can be rewound. */
static bl_status choose(bl_ctx *ctx, const bl_detector *d, const bl_rpn_out *r, const bl_boxes *gt,
                        const bl_size *size, uint64_t seed, uint64_t key, sample *s) {
    bl_anchor_grid g;
    bl_rpn_grid(d, r, &g);
    bl_arena_mark mark = bl_arena_save(ctx->arena);
    bl_match_job *job = NULL;
    bl_status status = match_images(ctx, d, &g, gt, size, r->n, &job);
    if (status == BL_OK) status = sample_images(ctx, d, &g, job, r->n, seed, key, s);
    bl_arena_restore(ctx->arena, mark);
    return status;
}

bl_status bl_rpn_loss(bl_ctx *ctx, const bl_detector *d, const bl_rpn_out *r, const bl_boxes *gt,
                      const bl_size *size, uint64_t seed, uint64_t key, bl_tensor **cls,
                      bl_tensor **box, int64_t *n_pos, int64_t *n_neg) {
    sample s;
    BL_TRY(sample_new(ctx->arena, d->cfg.rpn_batch * r->n, &s));
    BL_TRY(choose(ctx, d, r, gt, size, seed, key, &s));
    int64_t n = s.n_pos + s.n_neg;
    float *target = BL_NEW_ARRAY(ctx->arena, float, n);
    int32_t *first = BL_NEW_ARRAY(ctx->arena, int32_t, s.n_pos); /* zero: all four columns */
    if (!target || !first) return BL_ENOMEM;
    for (int64_t i = 0; i < s.n_pos; i++) target[i] = 1;
    for (int64_t i = 0; i < s.n_neg; i++) s.pos[s.n_pos + i] = s.neg[i];
    int64_t norm = d->style->rpn_fixed_normaliser ? d->cfg.rpn_batch * r->n : n;
    float scale = 1.0f / (float)(norm > 0 ? norm : 1);

    bl_tensor *x = NULL;
    BL_TRY(bl_gather(ctx, r->cls, BL_PYRAMID_LEVELS, s.pos, n, 1, &x));
    BL_TRY(bl_sigmoid_bce_loss(ctx, x, target, NULL, scale, cls));
    bl_tensor_drop(ctx, x);
    BL_TRY(bl_gather(ctx, r->reg, BL_PYRAMID_LEVELS, s.pos, s.n_pos, 4, &x));
    BL_TRY(bl_smooth_l1_loss(ctx, x, first, s.delta, NULL, 4, (float)d->cfg.box_beta, scale, box));
    bl_tensor_drop(ctx, x);
    if (n_pos) *n_pos = s.n_pos;
    if (n_neg) *n_neg = s.n_neg;
    return BL_OK;
}
