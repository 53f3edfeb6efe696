#include "nn/resnet_cifar.h"

#include <stdio.h>
#include <stdlib.h>

enum { STAGES = 3, WIDTH = 16 };

typedef struct block {
    bl_conv_layer conv[2];
    int32_t stride, out;
} block;

struct bl_resnet_cifar {
    bl_conv_layer stem;
    block *block;
    int32_t blocks;
};

typedef struct builder {
    const bl_resnet_cifar_config *cfg;
    bl_store *store;
    const char *prefix;
} builder;

/* conv<n> and bn<n> of a unit ("layer1.0." or ""). */
static bl_status declare(const builder *b, const char *unit, int n, int32_t in, int32_t out,
                         int32_t stride, bl_conv_layer *l) {
    char conv[128], norm[128];
    int a = snprintf(conv, sizeof conv, "%s.%sconv%d", b->prefix, unit, n);
    int c = snprintf(norm, sizeof norm, "%s.%sbn%d", b->prefix, unit, n);
    if (a < 0 || c < 0 || a >= (int)sizeof conv || c >= (int)sizeof norm)
        return bl_fail(BL_EINVAL, "backbone: the name prefix %.40s is too long", b->prefix);
    bl_conv_spec s = {.conv_name = conv,
                      .norm_name = norm,
                      .in = in,
                      .out = out,
                      .kernel = 3,
                      .stride = stride,
                      .pad = 1,
                      .norm = BL_NORMTYPE_BN,
                      .act = BL_ACT_RELU,
                      .init = BL_INIT_KAIMING_FAN_IN,
                      .trainable = !b->cfg->frozen,
                      .keep_statistics = true,
                      .norm_eps = b->cfg->bn_eps,
                      .norm_momentum = b->cfg->bn_momentum,
                      .decay_norm = b->cfg->decay_norm};
    return bl_conv_layer_declare(b->store, &s, l);
}

static bl_status build(bl_resnet_cifar *r, const builder *b) {
    int32_t per = (b->cfg->depth - 2) / 6, in = WIDTH;
    r->blocks = STAGES * per;
    r->block = calloc((size_t)r->blocks, sizeof *r->block);
    if (!r->block) return bl_no_memory("for the backbone");
    BL_TRY(declare(b, "", 1, 3, in, 1, &r->stem));
    for (int i = 0; i < STAGES; i++) {
        for (int32_t j = 0; j < per; j++) {
            block *k = &r->block[i * per + j];
            char unit[32];
            snprintf(unit, sizeof unit, "layer%d.%d.", i + 1, (int)j);
            k->out = WIDTH << i;
            k->stride = i > 0 && j == 0 ? 2 : 1;
            BL_TRY(declare(b, unit, 1, in, k->out, k->stride, &k->conv[0]));
            BL_TRY(declare(b, unit, 2, k->out, k->out, 1, &k->conv[1]));
            in = k->out;
        }
    }
    return BL_OK;
}

bl_status bl_resnet_cifar_create(const bl_resnet_cifar_config *cfg, bl_store *s, const char *prefix,
                                 bl_resnet_cifar **out) {
    *out = NULL;
    if (cfg->depth < 8 || cfg->depth > 2000 || (cfg->depth - 2) % 6 != 0)
        return bl_fail(BL_EINVAL,
                       "backbone: a CIFAR ResNet of depth %d does not exist; use 20, 32, 44, 56",
                       cfg->depth);
    bl_resnet_cifar *r = calloc(1, sizeof *r);
    if (!r) return bl_no_memory("for the backbone");
    builder b = {cfg, s, prefix};
    bl_status status = build(r, &b);
    if (status != BL_OK) {
        bl_resnet_cifar_destroy(r);
        return status;
    }
    *out = r;
    return BL_OK;
}

void bl_resnet_cifar_destroy(bl_resnet_cifar *r) {
    if (!r) return;
    free(r->block);
    free(r);
}

int32_t bl_resnet_cifar_channels(const bl_resnet_cifar *r) {
    return r->block[r->blocks - 1].out;
}

/* Does not drop x. */
static bl_status run_block(bl_ctx *ctx, const block *k, bool train, bl_tensor *x, bl_tensor **y) {
    bl_tensor *t, *skip = x;
    BL_TRY(bl_conv_layer_apply(ctx, &k->conv[0], train, x, NULL, &t));
    if (k->stride != 1 || x->c != k->out) BL_TRY(bl_shortcut(ctx, x, k->stride, k->out, &skip));
    BL_TRY(bl_conv_layer_apply(ctx, &k->conv[1], train, t, skip, y));
    bl_tensor_drop(ctx, t);
    if (skip != x) bl_tensor_drop(ctx, skip);
    return BL_OK;
}

bl_status bl_resnet_cifar_forward(bl_ctx *ctx, const bl_resnet_cifar *r, bool train, bl_tensor *x,
                                  bl_tensor **y) {
    bl_tensor *t, *u;
    BL_TRY(bl_conv_layer_apply(ctx, &r->stem, train, x, NULL, &t));
    for (int32_t i = 0; i < r->blocks; i++) {
        BL_TRY(run_block(ctx, &r->block[i], train, t, &u));
        bl_tensor_drop(ctx, t);
        t = u;
    }
    *y = t;
    return BL_OK;
}
