#include "nn/wrn.h"

#include <stdio.h>
#include <stdlib.h>

enum { STAGES = 3 };

const char *const bl_wrn_variant_names[] = {"a", "b", "c", NULL};

typedef struct block {
    bl_norm_layer bn[2];
    bl_conv_layer conv[2], shortcut;
    bool has_shortcut;
    bool raw_branch; /* the branch starts from x, not from act(bn(x)) */
    bool raw_skip;   /* so does the shortcut */
} block;

struct bl_wrn {
    bl_conv_layer stem;
    bl_norm_layer last;
    block *block;
    int32_t blocks, channels;
};

typedef struct builder {
    const bl_wrn_config *cfg;
    bl_store *store;
    const char *prefix;
} builder;

static bl_status full_name(const builder *b, const char *name, char out[128]) {
    int n = snprintf(out, 128, "%s.%s", b->prefix, name);
    if (n < 0 || n >= 128)
        return bl_fail(BL_EINVAL, "backbone: the name prefix %.40s is too long", b->prefix);
    return BL_OK;
}

static bl_status declare_conv(const builder *b, const char *name, int32_t in, int32_t out,
                              int32_t kernel, int32_t stride, bl_conv_layer *l) {
    char full[128];
    BL_TRY(full_name(b, name, full));
    bl_conv_spec s = {.conv_name = full,
                      .in = in,
                      .out = out,
                      .kernel = kernel,
                      .stride = stride,
                      .pad = kernel / 2,
                      .init = BL_INIT_KAIMING_FAN_OUT,
                      .trainable = !b->cfg->frozen};
    return bl_conv_layer_declare(b->store, &s, l);
}

static bl_status declare_norm(const builder *b, const char *name, int32_t channels, bool keep_input,
                              bl_norm_layer *l) {
    char full[128];
    BL_TRY(full_name(b, name, full));
    bl_norm_spec s = {.name = full,
                      .channels = channels,
                      .type = BL_NORMTYPE_BN,
                      .eps = b->cfg->bn_eps,
                      .momentum = b->cfg->bn_momentum,
                      .act = BL_ACT_LEAKY,
                      .slope = b->cfg->slope,
                      .trainable = !b->cfg->frozen,
                      .keep_statistics = true,
                      .decay = b->cfg->decay_norm,
                      .keep_input = keep_input};
    return bl_norm_layer_declare(b->store, &s, l);
}

static bl_status declare_block(const builder *b, int stage, int index, int32_t in, int32_t out,
                               int32_t stride, block *k) {
    char name[5][48];
    static const char *const part[] = {"bn1", "conv1", "bn2", "conv2", "shortcut"};
    for (int i = 0; i < 5; i++)
        snprintf(name[i], sizeof name[i], "layer%d.%d.%s", stage + 1, index, part[i]);
    bl_wrn_variant v = b->cfg->variant;
    k->has_shortcut = in != out || stride != 1;
    bool opens = k->has_shortcut && stage > 0;
    k->raw_branch = opens && v == BL_WRN_B;
    k->raw_skip = !k->has_shortcut || (opens && v != BL_WRN_C);
    BL_TRY(declare_norm(b, name[0], in, k->raw_skip, &k->bn[0]));
    BL_TRY(declare_conv(b, name[1], in, out, 3, stride, &k->conv[0]));
    BL_TRY(declare_norm(b, name[2], out, false, &k->bn[1]));
    BL_TRY(declare_conv(b, name[3], out, out, 3, 1, &k->conv[1]));
    return k->has_shortcut ? declare_conv(b, name[4], in, out, 1, stride, &k->shortcut) : BL_OK;
}

static bl_status build(bl_wrn *w, const builder *b) {
    int32_t per = (b->cfg->depth - 4) / 6, in = 16;
    w->blocks = STAGES * per;
    w->block = calloc((size_t)w->blocks, sizeof *w->block);
    if (!w->block) return bl_no_memory("for the backbone");
    BL_TRY(declare_conv(b, "conv1", 3, in, 3, 1, &w->stem));
    for (int i = 0; i < STAGES; i++) {
        int32_t out = (16 << i) * b->cfg->width;
        for (int32_t j = 0; j < per; j++) {
            int32_t stride = i > 0 && j == 0 ? 2 : 1;
            BL_TRY(declare_block(b, i, j, in, out, stride, &w->block[i * per + j]));
            in = out;
        }
    }
    w->channels = in;
    return declare_norm(b, "bn1", in, false, &w->last);
}

bl_status bl_wrn_create(const bl_wrn_config *cfg, bl_store *s, const char *prefix, bl_wrn **out) {
    *out = NULL;
    if (cfg->depth < 10 || cfg->depth > 1000 || (cfg->depth - 4) % 6 != 0)
        return bl_fail(BL_EINVAL, "backbone: a WRN of depth %d does not exist; use 10, 16, 22, 28",
                       cfg->depth);
    if (cfg->width < 1 || cfg->width > 256)
        return bl_fail(BL_EINVAL, "backbone: the WRN's width is %d, must be 1..256", cfg->width);
    bl_wrn *w = calloc(1, sizeof *w);
    if (!w) return bl_no_memory("for the backbone");
    builder b = {cfg, s, prefix};
    bl_status status = build(w, &b);
    if (status != BL_OK) {
        bl_wrn_destroy(w);
        return status;
    }
    *out = w;
    return BL_OK;
}

void bl_wrn_destroy(bl_wrn *w) {
    if (!w) return;
    free(w->block);
    free(w);
}

int32_t bl_wrn_channels(const bl_wrn *w) {
    return w->channels;
}

/* Does not drop x. */
static bl_status run_block(bl_ctx *ctx, const block *k, bool train, bl_tensor *x, bl_tensor **y) {
    bl_tensor *a = x, *skip = x, *t, *u;
    if (!k->raw_branch) BL_TRY(bl_norm_layer_apply(ctx, &k->bn[0], train, x, NULL, &a));
    if (k->has_shortcut)
        BL_TRY(bl_conv_layer_apply(ctx, &k->shortcut, train, k->raw_skip ? x : a, NULL, &skip));
    BL_TRY(bl_conv_layer_apply(ctx, &k->conv[0], train, a, NULL, &t));
    if (a != x) bl_tensor_drop(ctx, a);
    BL_TRY(bl_norm_layer_apply(ctx, &k->bn[1], train, t, NULL, &u));
    bl_tensor_drop(ctx, t);
    BL_TRY(bl_conv_layer_apply(ctx, &k->conv[1], train, u, NULL, &t));
    bl_tensor_drop(ctx, u);
    BL_TRY(bl_add(ctx, t, skip, y));
    bl_tensor_drop(ctx, t);
    if (skip != x) bl_tensor_drop(ctx, skip);
    return BL_OK;
}

bl_status bl_wrn_forward(bl_ctx *ctx, const bl_wrn *w, bool train, bl_tensor *x, bl_tensor **y) {
    bl_tensor *t, *u;
    BL_TRY(bl_conv_layer_apply(ctx, &w->stem, train, x, NULL, &t));
    for (int32_t i = 0; i < w->blocks; i++) {
        BL_TRY(run_block(ctx, &w->block[i], train, t, &u));
        bl_tensor_drop(ctx, t);
        t = u;
    }
    BL_TRY(bl_norm_layer_apply(ctx, &w->last, train, t, NULL, y));
    bl_tensor_drop(ctx, t);
    return BL_OK;
}
