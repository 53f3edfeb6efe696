#include "nn/resnet.h"

#include <stdio.h>
#include <stdlib.h>

enum { STAGES = 4, MAX_CONVS = 3 };

const char *const bl_resnet_depth_names[] = {"small", "r18", "r34", "r50", "r101", NULL};

typedef struct shape {
    int32_t blocks[STAGES];
    bool bottleneck;
} shape;
static const shape shapes[] = {
    [BL_RESNET_18] = {{2, 2, 2, 2}, false},
    [BL_RESNET_34] = {{3, 4, 6, 3}, false},
    [BL_RESNET_50] = {{3, 4, 6, 3}, true},
    [BL_RESNET_101] = {{3, 4, 23, 3}, true},
};

typedef struct block {
    bl_conv_layer conv[MAX_CONVS], down;
    int convs;
    bool has_down;
} block;

struct bl_resnet {
    bool max_pool;
    int32_t blocks[STAGES], channels[STAGES];
    bl_conv_layer stem;
    block *block; /* of all stages in order */
};

/* What the blocks of one network have in common. */
typedef struct builder {
    const bl_resnet_config *cfg;
    bl_store *store;
    const char *prefix;
} builder;

/* conv `conv` with norm `norm`, both names below the prefix and `unit` ("layer1.0." or ""). */
static bl_status declare(const builder *b, const char *unit, const char *conv, const char *norm,
                         int32_t in, int32_t out, int32_t kernel, int32_t stride, bl_act act,
                         bool trainable, bool last, bl_conv_layer *l) {
    char conv_name[128], norm_name[128];
    int n = snprintf(conv_name, sizeof conv_name, "%s.%s%s", b->prefix, unit, conv);
    int m = snprintf(norm_name, sizeof norm_name, "%s.%s%s", b->prefix, unit, norm);
    if (n < 0 || m < 0 || n >= (int)sizeof conv_name || m >= (int)sizeof norm_name)
        return bl_fail(BL_EINVAL, "backbone: the name prefix %.40s is too long", b->prefix);
    bl_conv_spec s = {.conv_name = conv_name,
                      .norm_name = norm_name,
                      .in = in,
                      .out = out,
                      .kernel = kernel,
                      .stride = stride,
                      .pad = kernel / 2,
                      .dilation = 1,
                      .norm = b->cfg->norm,
                      .groups = b->cfg->groups,
                      .act = act,
                      .init = BL_INIT_KAIMING_FAN_OUT,
                      .trainable = trainable,
                      .zero_gamma = last,
                      .decay_norm = !b->cfg->no_norm_decay,
                      .norm_eps = b->cfg->bn_eps,
                      .norm_momentum = b->cfg->bn_momentum,
                      .keep_statistics = b->cfg->keep_statistics};
    return bl_conv_layer_declare(b->store, &s, l);
}

static bl_status declare_block(const builder *b, int stage, int index, bool bottleneck, int32_t in,
                               int32_t width, int32_t stride, block *k) {
    char unit[32];
    snprintf(unit, sizeof unit, "layer%d.%d.", stage + 1, index);
    bool train = b->cfg->frozen_stages < stage + 1;
    int32_t out = bottleneck ? 4 * width : width;
    if (bottleneck) {
        int32_t s1 = b->cfg->stride_in_1x1 ? stride : 1, s2 = b->cfg->stride_in_1x1 ? 1 : stride;
        k->convs = 3;
        BL_TRY(declare(b, unit, "conv1", "bn1", in, width, 1, s1, BL_ACT_RELU, train, false,
                       &k->conv[0]));
        BL_TRY(declare(b, unit, "conv2", "bn2", width, width, 3, s2, BL_ACT_RELU, train, false,
                       &k->conv[1]));
        BL_TRY(declare(b, unit, "conv3", "bn3", width, out, 1, 1, BL_ACT_RELU, train, true,
                       &k->conv[2]));
    } else {
        k->convs = 2;
        BL_TRY(declare(b, unit, "conv1", "bn1", in, width, 3, stride, BL_ACT_RELU, train, false,
                       &k->conv[0]));
        BL_TRY(declare(b, unit, "conv2", "bn2", width, width, 3, 1, BL_ACT_RELU, train, true,
                       &k->conv[1]));
    }
    k->has_down = stride != 1 || in != out;
    if (!k->has_down) return BL_OK;
    return declare(b, unit, "downsample.0", "downsample.1", in, out, 1, stride, BL_ACT_NONE, train,
                   false, &k->down);
}

static bl_status build(bl_resnet *r, const builder *b) {
    const bl_resnet_config *cfg = b->cfg;
    bool small = cfg->depth == BL_RESNET_SMALL;
    bool bottleneck = !small && shapes[cfg->depth].bottleneck;
    int32_t width = small ? cfg->width : 64, count = 0;
    for (int i = 0; i < STAGES; i++) {
        r->blocks[i] = small ? cfg->blocks : shapes[cfg->depth].blocks[i];
        count += r->blocks[i];
    }
    r->block = calloc((size_t)count, sizeof *r->block);
    if (!r->block) return bl_no_memory("for the backbone");
    bool thin = cfg->small_images;
    r->max_pool = !small && !thin;
    BL_TRY(declare(b, "", "conv1", "bn1", 3, width, small || thin ? 3 : 7, thin ? 1 : 2,
                   BL_ACT_RELU, cfg->frozen_stages < 0, false, &r->stem));
    int32_t in = width;
    block *k = r->block;
    for (int i = 0; i < STAGES; i++) {
        int32_t w = width << i;
        for (int32_t j = 0; j < r->blocks[i]; j++) {
            int32_t stride = j == 0 && (i > 0 || (small && !thin)) ? 2 : 1;
            BL_TRY(declare_block(b, i, j, bottleneck, in, w, stride, k++));
            in = bottleneck ? 4 * w : w;
        }
        r->channels[i] = in;
    }
    return BL_OK;
}

static bl_status check(const bl_resnet_config *c) {
    if (c->depth < BL_RESNET_SMALL || c->depth > BL_RESNET_101)
        return bl_fail(BL_EINVAL, "backbone: unknown depth %d", (int)c->depth);
    if (c->norm == BL_NORMTYPE_NONE)
        return bl_fail(BL_EINVAL,
                       "backbone: residual networks need a normalisation: bn, frozen_bn, "
                       "eval_bn or gn");
    if (c->depth == BL_RESNET_SMALL &&
        (c->width < 1 || c->width > 4096 || c->blocks < 1 || c->blocks > 64))
        return bl_fail(BL_EINVAL,
                       "backbone: small needs width 1..4096 and blocks 1..64, not %d, %d", c->width,
                       c->blocks);
    if (c->frozen_stages < -1 || c->frozen_stages > STAGES)
        return bl_fail(BL_EINVAL, "backbone: frozen_stages is %d, must be -1..4", c->frozen_stages);
    return BL_OK;
}

bl_status bl_resnet_create(const bl_resnet_config *cfg, bl_store *s, const char *prefix,
                           bl_resnet **out) {
    *out = NULL;
    BL_TRY(check(cfg));
    bl_resnet *r = calloc(1, sizeof *r);
    if (!r) return bl_no_memory("for the backbone");
    builder b = {cfg, s, prefix};
    bl_status status = build(r, &b);
    if (status != BL_OK) {
        bl_resnet_destroy(r);
        return status;
    }
    *out = r;
    return BL_OK;
}

void bl_resnet_destroy(bl_resnet *r) {
    if (!r) return;
    free(r->block);
    free(r);
}

void bl_resnet_channels(const bl_resnet *r, int32_t channels[4]) {
    for (int i = 0; i < STAGES; i++) channels[i] = r->channels[i];
}

/* Does not drop x. */
static bl_status run_block(bl_ctx *ctx, const block *k, bool train, bl_tensor *x, bl_tensor **y) {
    bl_tensor *t = x, *skip = x;
    for (int i = 0; i < k->convs - 1; i++) {
        bl_tensor *u = NULL;
        BL_TRY(bl_conv_layer_apply(ctx, &k->conv[i], train, t, NULL, &u));
        if (t != x) bl_tensor_drop(ctx, t);
        t = u;
    }
    if (k->has_down) BL_TRY(bl_conv_layer_apply(ctx, &k->down, train, x, NULL, &skip));
    BL_TRY(bl_conv_layer_apply(ctx, &k->conv[k->convs - 1], train, t, skip, y));
    bl_tensor_drop(ctx, t);
    if (skip != x) bl_tensor_drop(ctx, skip);
    return BL_OK;
}

bl_status bl_resnet_forward(bl_ctx *ctx, const bl_resnet *r, bool train, bl_tensor *x,
                            bl_tensor *c[4]) {
    bl_tensor *t = NULL;
    BL_TRY(bl_conv_layer_apply(ctx, &r->stem, train, x, NULL, &t));
    if (r->max_pool) {
        bl_tensor *u = NULL;
        BL_TRY(bl_max_pool(ctx, t, 3, 2, 1, &u));
        bl_tensor_drop(ctx, t);
        t = u;
    }
    const block *k = r->block;
    bool keep = false; /* t is the output of the stage before: the caller's */
    for (int i = 0; i < STAGES; i++) {
        for (int32_t j = 0; j < r->blocks[i]; j++) {
            bl_tensor *u = NULL;
            BL_TRY(run_block(ctx, k++, train, t, &u));
            if (!keep) bl_tensor_drop(ctx, t);
            keep = false;
            t = u;
        }
        c[i] = t;
        keep = true;
    }
    return BL_OK;
}
