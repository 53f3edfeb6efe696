#include "detector/faster_rcnn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector/model.h"

/* ---- building ---- */

static bl_status out_of_range(const char *key, double v, double lo, double hi) {
    return bl_fail(BL_EINVAL, "detector.%s is %g, must be %g..%g", key, v, lo, hi);
}

/* The schema checks what users write; this protects callers that fill the struct themselves. */
static bl_status check_config(const bl_detector_config *c) {
    const struct {
        const char *key;
        double v, lo, hi;
    } limits[] = {
        {"style", c->style, 0, BL_STYLE_COUNT - 1},
        {"gn_groups", (double)c->gn_groups, 1, 4096},
        {"frozen_stages", (double)c->frozen_stages, -1, 4},
        {"width", (double)c->width, 1, 4096},
        {"blocks", (double)c->blocks, 1, 64},
        {"mean (count)", c->mean.n, 3, 3},
        {"std (count)", c->std.n, 3, 3},
        {"fpn_channels", (double)c->fpn_channels, 1, 4096},
        {"fc_channels", (double)c->fc_channels, 1, 16384},
        {"anchor_ratios (count)", c->anchor_ratios.n, 1, BL_ANCHORS_MAX},
        {"anchor_scale", c->anchor_scale, 0.01, 1000},
        {"rpn_batch", (double)c->rpn_batch, 1, 1 << 20},
        {"rpn_pos_fraction", c->rpn_pos_fraction, 0, 1},
        {"rpn_pre_nms_train", (double)c->rpn_pre_nms_train, 1, 1 << 24},
        {"rpn_pre_nms_test", (double)c->rpn_pre_nms_test, 1, 1 << 24},
        {"rpn_post_nms_train", (double)c->rpn_post_nms_train, 0, 1 << 24},
        {"rpn_post_nms_test", (double)c->rpn_post_nms_test, 1, 1 << 24},
        {"roi_batch", (double)c->roi_batch, 1, 1 << 20},
        {"roi_pos_fraction", c->roi_pos_fraction, 0, 1},
        {"roi_size", (double)c->roi_size, 1, 64},
        {"roi_sampling", (double)c->roi_sampling, -1, 64},
        {"finest_scale", c->finest_scale, 1e-3, 1e6},
        {"box_beta", c->box_beta, -1, 1e3},
        {"max_detections", (double)c->max_detections, 1, 1 << 20},
        {"pad_multiple", (double)c->pad_multiple, 1, 1 << 12},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (!(limits[i].v >= limits[i].lo && limits[i].v <= limits[i].hi))
            return out_of_range(limits[i].key, limits[i].v, limits[i].lo, limits[i].hi);
    for (int32_t i = 0; i < c->anchor_ratios.n; i++)
        if (!(c->anchor_ratios.v[i] > 0))
            return bl_fail(BL_EINVAL, "detector.anchor_ratios[%d] is %g, must be positive", i,
                           c->anchor_ratios.v[i]);
    return BL_OK;
}

static bl_status copy_reals(bl_arena *a, bl_reals *r) {
    double *v = BL_NEW_ARRAY(a, double, r->n);
    if (!v) return BL_ENOMEM;
    for (int32_t i = 0; i < r->n; i++) v[i] = r->v[i];
    r->v = v;
    return BL_OK;
}

static bl_status build(bl_detector *d, bl_store *s) {
    bl_detector_config *c = &d->cfg;
    BL_TRY(copy_reals(d->arena, &c->anchor_ratios));
    BL_TRY(copy_reals(d->arena, &c->mean));
    BL_TRY(copy_reals(d->arena, &c->std));
    c->frozen = (bl_strings){0}; /* is over when the store is finished */
    bl_resnet_config rc = {
        .depth = (bl_resnet_depth)c->depth,
        .norm = (bl_norm_type)c->norm,
        .groups = (int32_t)c->gn_groups,
        .frozen_stages = (int32_t)c->frozen_stages,
        .stride_in_1x1 = c->stride_in_1x1,
        .width = (int32_t)c->width,
        .blocks = (int32_t)c->blocks,
    };
    int32_t channels[4];
    int64_t n[5] = {bl_store_elements(s)};
    BL_TRY(bl_resnet_create(&rc, s, "backbone", &d->backbone));
    n[1] = bl_store_elements(s);
    bl_resnet_channels(d->backbone, channels);
    BL_TRY(bl_fpn_create(channels, (int32_t)c->fpn_channels, (bl_norm_type)c->head_norm,
                         (int32_t)c->gn_groups, s, "neck", &d->neck));
    n[2] = bl_store_elements(s);
    BL_TRY(bl_rpn_declare(d, s));
    n[3] = bl_store_elements(s);
    BL_TRY(bl_roi_head_declare(d, s));
    n[4] = bl_store_elements(s);
    d->count.backbone = n[1] - n[0];
    d->count.neck = n[2] - n[1];
    d->count.rpn = n[3] - n[2];
    d->count.roi = n[4] - n[3];
    return BL_OK;
}

static bl_status check_classifier(const bl_roi_classifier *c, int32_t classes) {
    if (c->outputs < 1 || c->outputs > 1 << 24 || c->memory < 0 || c->memory > 1 << 24)
        return bl_fail(BL_EINVAL,
                       "RoI classifier: %lld outputs and a memory of %lld, must be 1..16777216 and "
                       "0..16777216",
                       (long long)c->outputs, (long long)c->memory);
    if (!c->scores && c->outputs != classes + 1)
        return bl_fail(BL_EINVAL,
                       "RoI classifier: %lld outputs for %d classes need a way to scores; softmax "
                       "takes %d",
                       (long long)c->outputs, classes, classes + 1);
    if (!(c->prior >= 0 && c->prior < 1) || !(c->scale >= 0 && c->scale < 1e6))
        return bl_fail(BL_EINVAL,
                       "RoI classifier: prior %g and scale %g, must be in [0, 1) and [0, 1e6)",
                       c->prior, c->scale);
    return BL_OK;
}

/* Values that a configuration leaves to the style. */
static void fill_from_style(bl_detector_config *c, const bl_style *y) {
    if (c->rpn_post_nms_train == 0) c->rpn_post_nms_train = y->rpn_post_nms_train;
    if (c->roi_sampling < 0) c->roi_sampling = y->roi_sampling;
    if (c->box_beta < 0) c->box_beta = y->box_beta;
    if (c->ignore_iof < 0) c->ignore_iof = y->ignore_iof;
}

bl_status bl_detector_create(const bl_detector_config *cfg, int32_t n_classes, bl_store *store,
                             bl_detector **out) {
    return bl_detector_create_with(cfg, n_classes, NULL, store, out);
}

bl_status bl_detector_create_with(const bl_detector_config *cfg, int32_t n_classes,
                                  const bl_roi_classifier *classifier, bl_store *store,
                                  bl_detector **out) {
    *out = NULL;
    BL_TRY(check_config(cfg));
    if (n_classes < 1 || n_classes > 1000000)
        return bl_fail(BL_EINVAL, "detector: %d classes, must be 1..1000000", n_classes);
    bl_roi_classifier own = classifier ? *classifier : (bl_roi_classifier){0};
    if (!own.outputs) own.outputs = (int64_t)n_classes + 1;
    BL_TRY(check_classifier(&own, n_classes));
    bl_detector *d = calloc(1, sizeof *d);
    if (!d) return bl_no_memory("for the detector");
    d->cfg = *cfg;
    d->classes = n_classes;
    d->classifier = own;
    d->style = bl_style_get(cfg->style);
    fill_from_style(&d->cfg, d->style);
    d->arena = bl_arena_create(4096);
    bl_status status = d->arena ? build(d, store) : bl_no_memory("for the detector");
    if (status != BL_OK) {
        bl_detector_destroy(d);
        return status;
    }
    *out = d;
    return BL_OK;
}

void bl_detector_destroy(bl_detector *d) {
    if (!d) return;
    bl_resnet_destroy(d->backbone);
    bl_fpn_destroy(d->neck);
    bl_arena_destroy(d->arena);
    free(d);
}

const bl_detector_config *bl_detector_get_config(const bl_detector *d) {
    return &d->cfg;
}

int32_t bl_detector_classes(const bl_detector *d) {
    return d->classes;
}

void bl_detector_describe(const bl_detector *d, void (*line)(void *, const char *), void *arg) {
    const bl_detector_config *c = &d->cfg;
    char text[160];
    int32_t ch[4];
    bl_resnet_channels(d->backbone, ch);
    snprintf(text, sizeof text,
             "backbone  resnet %s, norm %s, C2-C5 %d/%d/%d/%d: %.2f M parameters",
             bl_resnet_depth_names[c->depth], bl_norm_type_names[c->norm], ch[0], ch[1], ch[2],
             ch[3], (double)d->count.backbone * 1e-6);
    line(arg, text);
    snprintf(text, sizeof text, "neck      FPN P2-P6, %d channels, norm %s: %.2f M parameters",
             (int)c->fpn_channels, bl_norm_type_names[c->head_norm], (double)d->count.neck * 1e-6);
    line(arg, text);
    snprintf(text, sizeof text, "rpn       %d anchors a cell, scale %g: %.2f M parameters",
             d->rpn.per_cell, c->anchor_scale, (double)d->count.rpn * 1e-6);
    line(arg, text);
    snprintf(text, sizeof text,
             "roi head  %dx%d RoIAlign, 2 x %d, %d classes + background: %.2f M parameters",
             (int)c->roi_size, (int)c->roi_size, (int)c->fc_channels, d->classes,
             (double)d->count.roi * 1e-6);
    line(arg, text);
}

/* ---- running ---- */

bl_status bl_detector_extract(bl_ctx *ctx, const bl_detector *d, bool train, bl_tensor *images,
                              bl_pyramid *out) {
    *out = (bl_pyramid){.n = (int32_t)images->n};
    if (images->c != 3 || images->h < 32 || images->w < 32 || images->h % 32 || images->w % 32)
        return bl_fail(
            BL_EINVAL,
            "detector input is %lldx%lldx%lld, must be 3 channels and multiples of 32 px",
            (long long)images->c, (long long)images->h, (long long)images->w);
    bl_tensor *c[4] = {0};
    BL_TRY(bl_resnet_forward(ctx, d->backbone, train, images, c));
    for (int l = 0; l < BL_PYRAMID_LEVELS; l++) out->stride[l] = 4 << l;
    return bl_fpn_forward(ctx, d->neck, train, c, out->map);
}

static void drop_pyramid(bl_ctx *ctx, bl_pyramid *p) {
    for (int l = 0; l < BL_PYRAMID_LEVELS; l++) bl_tensor_drop(ctx, p->map[l]);
}

static bl_status propose(bl_ctx *ctx, const bl_detector *d, const bl_pyramid *p,
                         const bl_size *size, bool train, bl_boxes *prop) {
    bl_rpn_out r;
    bl_box_lists lists;
    BL_TRY(bl_rpn_forward(ctx, d, p, &r));
    BL_TRY(bl_rpn_proposals(ctx, d, &r, size, train, &lists));
    BL_TRY(bl_boxes_read(ctx, &lists, prop));
    bl_box_lists_drop(ctx, &lists);
    for (int l = 0; l < BL_PYRAMID_LEVELS; l++) {
        bl_tensor_drop(ctx, r.cls[l]);
        bl_tensor_drop(ctx, r.reg[l]);
    }
    return BL_OK;
}

/* The proposals of all images as one list. */
static bl_status join(bl_arena *a, const bl_boxes *prop, int32_t n_images, bl_box **roi,
                      int32_t **image, int32_t *n) {
    int32_t total = 0, k = 0;
    for (int32_t i = 0; i < n_images; i++) total += prop[i].n;
    *roi = BL_NEW_ARRAY(a, bl_box, total);
    *image = BL_NEW_ARRAY(a, int32_t, total);
    if (!*roi || !*image) return BL_ENOMEM;
    for (int32_t i = 0; i < n_images; i++)
        for (int32_t j = 0; j < prop[i].n; j++, k++) {
            (*roi)[k] = prop[i].box[j];
            (*image)[k] = i;
        }
    *n = total;
    return BL_OK;
}

static bl_status predict(bl_ctx *ctx, const bl_detector *d, bl_tensor *images, const bl_size *size,
                         bool train_proposals, double thr, bl_pyramid *p, bl_boxes *out) {
    BL_TRY(bl_detector_extract(ctx, d, false, images, p));
    bl_boxes *prop = BL_NEW_ARRAY(ctx->arena, bl_boxes, p->n);
    if (!prop) return BL_ENOMEM;
    BL_TRY(propose(ctx, d, p, size, train_proposals, prop));
    bl_box *roi = NULL;
    int32_t *image = NULL, n = 0;
    BL_TRY(join(ctx->arena, prop, p->n, &roi, &image, &n));
    bl_roi_out r;
    BL_TRY(bl_roi_forward(ctx, d, p, roi, image, n, &r));
    BL_TRY(bl_roi_detections(ctx, d, roi, image, n, &r, size, p->n, thr, out));
    bl_tensor_drop(ctx, r.feature);
    bl_tensor_drop(ctx, r.logits);
    bl_tensor_drop(ctx, r.deltas);
    return BL_OK;
}

bl_status bl_detector_predict(bl_ctx *ctx, const bl_detector *d, bl_tensor *images,
                              const bl_size *size, bool train_proposals, double score_threshold,
                              bl_pyramid *pyramid_out, bl_boxes *out) {
    bl_pyramid p = {0};
    bool old = bl_no_grad(ctx);
    bl_status status = predict(ctx, d, images, size, train_proposals, score_threshold, &p, out);
    bl_set_grad(ctx, old);
    if (pyramid_out && status == BL_OK)
        *pyramid_out = p;
    else
        drop_pyramid(ctx, &p);
    return status;
}
