/* Region proposal network: the shared head and its losses (Ren et al., NeurIPS 2015). */
#include "detector/model.h"

/* "RPN": keeps this sampler's streams apart from others of the same key. */
enum { RPN_STREAM = 0x52504e };

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
        .ignore_iof = (float)c->ignore_iof,
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
    /* Inputs are whole multiples of the finest stride (bl_detector_extract). */
    int32_t input_w = (int32_t)r->cls[0]->w * r->stride[0];
    int32_t input_h = (int32_t)r->cls[0]->h * r->stride[0];
    bool shared = d->style->anchors_share_input;
    for (int l = 0; l < BL_PYRAMID_LEVELS; l++) {
        g->h[l] = (int32_t)r->cls[l]->h;
        g->w[l] = (int32_t)r->cls[l]->w;
        g->stride_x[l] = shared ? input_w / g->w[l] : r->stride[l];
        g->stride_y[l] = shared ? input_h / g->h[l] : r->stride[l];
        for (int a = 0; a < g->per_cell; a++) g->base[l][a] = d->rpn.base[l][a];
    }
    bl_anchor_grid_count(g);
}

bl_status bl_sizes_upload(bl_ctx *ctx, const bl_size *size, int32_t n, bl_tensor **out) {
    return bl_upload(ctx, BL_F32, n, sizeof *size / sizeof(float), size, out);
}

/* Whether the batch pads some image, so that anchors lie in the padding. */
static bool any_padding(const bl_anchor_grid *g, const bl_size *size, int32_t n, int32_t multiple) {
    for (int32_t i = 0; i < n; i++)
        for (int32_t l = 0; l < g->n_levels; l++)
            if (!bl_anchor_valid(g, l, g->h[l] - 1, g->w[l] - 1, size[i], multiple)) return true;
    return false;
}

/* Anchors of all images against their boxes. */
static bl_status match_images(bl_ctx *ctx, const bl_detector *d, const bl_anchor_grid *g,
                              const bl_box_lists *gt, const bl_size *size, bl_tensor **match) {
    int32_t multiple = (int32_t)d->cfg.pad_multiple;
    bl_tensor *sizes = NULL;
    bl_candidates anchors;
    if (!d->style->anchors_in_padding && any_padding(g, size, gt->images, multiple))
        BL_TRY(bl_sizes_upload(ctx, size, gt->images, &sizes));
    BL_TRY(bl_list_anchors(ctx, g, sizes, multiple, &anchors));
    BL_TRY(bl_list_match(ctx, &anchors, gt, &d->rpn.rule, match));
    bl_candidates_drop(ctx, &anchors);
    bl_tensor_drop(ctx, sizes);
    return BL_OK;
}

/* The sampled anchors of all images, and what they should predict. */
static bl_status choose(bl_ctx *ctx, const bl_detector *d, const bl_rpn_out *r, const bl_boxes *gt,
                        const bl_size *size, uint64_t seed, uint64_t key, bl_anchor_targets *out,
                        bl_tensor **counts) {
    bl_anchor_grid g;
    bl_box_lists truth;
    bl_tensor *match;
    bl_samples rows;
    bl_sample_attr attr = {.batch = d->cfg.rpn_batch,
                           .max_pos = (int64_t)((double)d->cfg.rpn_batch * d->cfg.rpn_pos_fraction),
                           .seed = seed,
                           .key = key,
                           .use = RPN_STREAM};
    double fixed = d->style->rpn_fixed_normaliser ? (double)d->cfg.rpn_batch * r->n : 0;
    bl_rpn_grid(d, r, &g);
    BL_TRY(bl_boxes_upload(ctx, gt, r->n, &truth));
    BL_TRY(match_images(ctx, d, &g, &truth, size, &match));
    BL_TRY(bl_list_sample(ctx, match, r->n, g.first[g.n_levels], &attr, &rows));
    BL_TRY(bl_list_anchor_targets(ctx, &g, &d->rpn.coder, &rows, &truth, fixed, out));
    if (counts) {
        *counts = rows.count;
        rows.count = NULL;
    }
    bl_samples_drop(ctx, &rows);
    bl_tensor_drop(ctx, match);
    bl_box_lists_drop(ctx, &truth);
    return BL_OK;
}

bl_status bl_rpn_loss(bl_ctx *ctx, const bl_detector *d, const bl_rpn_out *r, const bl_boxes *gt,
                      const bl_size *size, uint64_t seed, uint64_t key, bl_tensor **cls,
                      bl_tensor **box, bl_tensor **counts) {
    bl_anchor_targets t;
    bl_tensor *x = NULL;
    BL_TRY(choose(ctx, d, r, gt, size, seed, key, &t, counts));
    BL_TRY(bl_gather_list(ctx, r->cls, BL_PYRAMID_LEVELS, t.loc, 1, &x));
    BL_TRY(bl_sigmoid_bce_loss_list(ctx, x, t.object, t.weight, 1, cls));
    bl_tensor_drop(ctx, x);
    BL_TRY(bl_gather_list(ctx, r->reg, BL_PYRAMID_LEVELS, t.loc, 4, &x));
    BL_TRY(bl_smooth_l1_loss_list(ctx, x, t.first, t.delta, t.weight, 4, (float)d->cfg.box_beta, 1,
                                  box));
    bl_tensor_drop(ctx, x);
    bl_anchor_targets_drop(ctx, &t);
    return BL_OK;
}
