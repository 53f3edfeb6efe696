#include "nn/classifier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/resnet.h"
#include "nn/resnet_cifar.h"
#include "nn/wrn.h"

enum { MAX_HEADS = 16 };

const char *const bl_backbone_names[] = {"wrn", "resnet_cifar", "resnet", NULL};

#define F(member) offsetof(bl_classifier_config, member)
static const bl_field fields[] = {
    {"backbone", BL_T_ENUM, F(backbone), "\"wrn\"", 0, 0, bl_backbone_names, NULL,
     "Network: a wide ResNet or a CIFAR ResNet for 32x32 images, or an ImageNet-style ResNet.",
     NULL},
    {"depth", BL_T_INT, F(depth), "0", 0, 2000, NULL, "layers",
     "Depth: 6n+4 for wrn, 6n+2 for resnet_cifar, 18, 34, 50 or 101 for resnet; 0 = 28, 32, 50.",
     NULL},
    {"width", BL_T_INT, F(width), "2", 1, 256, NULL, NULL,
     "Widening factor of wrn: WRN-28-2 has 2.", NULL},
    {"variant", BL_T_ENUM, F(variant), "\"a\"", 0, 0, bl_wrn_variant_names, NULL,
     "Where the blocks that open wrn's stages 2 and 3 start: a = branch from the activated input, "
     "shortcut from the raw one; b = both raw; c = both activated.",
     NULL},
    {"small_images", BL_T_BOOL, F(small_images), "true", 0, 0, NULL, NULL,
     "resnet: 3x3 stride-1 stem without max-pool, for images of 32 to 64 px.", NULL},
    {"slope", BL_T_REAL, F(slope), "0.1", 0.001, 0.99, NULL, NULL,
     "Negative slope of wrn's leaky ReLU.", NULL},
    {"bn_momentum", BL_T_REAL, F(bn_momentum), "0.1", 1e-6, 1, NULL, NULL,
     "Part of the new batch in batch norm's running statistics.", NULL},
    {"bn_eps", BL_T_REAL, F(bn_eps), "1e-5", 1e-8, 0.1, NULL, NULL, "Batch norm's epsilon.", NULL},
    {"decay_norm", BL_T_BOOL, F(decay_norm), "true", 0, 0, NULL, NULL,
     "Weight decay on normalisations and biases too.", NULL},
    {"frozen", BL_T_BOOL, F(frozen), "false", 0, 0, NULL, NULL,
     "The backbone is not trained (classifier re-training); batch statistics stay in use.", NULL},
    {0}};

const bl_schema bl_classifier_schema = {"model", "The network of a classification run.",
                                        sizeof(bl_classifier_config), fields};

typedef struct head {
    bl_head_spec spec;
    bl_linear_layer layer[2]; /* layer[1]: behind a hidden one */
    int64_t params;
} head;

struct bl_classifier {
    bl_classifier_config cfg;
    char title[48];
    bl_wrn *wrn; /* one of the three */
    bl_resnet_cifar *cifar;
    bl_resnet *resnet;
    int64_t features, params;
    head head[MAX_HEADS];
    int heads;
};

/* ---- building ---- */

static bl_status build_wrn(bl_classifier *c, bl_store *s) {
    bl_wrn_config w = {.depth = c->cfg.depth ? (int32_t)c->cfg.depth : 28,
                       .width = (int32_t)c->cfg.width,
                       .variant = (bl_wrn_variant)c->cfg.variant,
                       .slope = (float)c->cfg.slope,
                       .bn_eps = (float)c->cfg.bn_eps,
                       .bn_momentum = (float)c->cfg.bn_momentum,
                       .frozen = c->cfg.frozen,
                       .decay_norm = c->cfg.decay_norm};
    snprintf(c->title, sizeof c->title, "WRN-%d-%d, variant %s", w.depth, w.width,
             bl_wrn_variant_names[w.variant]);
    BL_TRY(bl_wrn_create(&w, s, "backbone", &c->wrn));
    c->features = bl_wrn_channels(c->wrn);
    return BL_OK;
}

static bl_status build_cifar(bl_classifier *c, bl_store *s) {
    bl_resnet_cifar_config r = {.depth = c->cfg.depth ? (int32_t)c->cfg.depth : 32,
                                .bn_eps = (float)c->cfg.bn_eps,
                                .bn_momentum = (float)c->cfg.bn_momentum,
                                .frozen = c->cfg.frozen,
                                .decay_norm = c->cfg.decay_norm};
    snprintf(c->title, sizeof c->title, "ResNet-%d (CIFAR)", r.depth);
    BL_TRY(bl_resnet_cifar_create(&r, s, "backbone", &c->cifar));
    c->features = bl_resnet_cifar_channels(c->cifar);
    return BL_OK;
}

static bl_status build_resnet(bl_classifier *c, bl_store *s) {
    static const struct {
        int32_t layers;
        bl_resnet_depth depth;
    } known[] = {{18, BL_RESNET_18}, {34, BL_RESNET_34}, {50, BL_RESNET_50}, {101, BL_RESNET_101}};
    bl_resnet_config r = {.norm = BL_NORMTYPE_BN,
                          .frozen_stages = c->cfg.frozen ? 4 : -1,
                          .small_images = c->cfg.small_images,
                          .keep_statistics = true,
                          .no_norm_decay = !c->cfg.decay_norm,
                          .bn_eps = (float)c->cfg.bn_eps,
                          .bn_momentum = (float)c->cfg.bn_momentum};
    int64_t depth = c->cfg.depth ? c->cfg.depth : 50;
    for (int i = 0; i < 4; i++)
        if (known[i].layers == depth) r.depth = known[i].depth;
    if (r.depth == BL_RESNET_SMALL)
        return bl_fail(BL_EINVAL,
                       "model.depth: a ResNet of %lld layers is not known; use 18, 34, 50 "
                       "or 101",
                       (long long)depth);
    snprintf(c->title, sizeof c->title, "ResNet-%d%s", (int)depth,
             r.small_images ? ", stem for small images" : "");
    int32_t channels[4];
    BL_TRY(bl_resnet_create(&r, s, "backbone", &c->resnet));
    bl_resnet_channels(c->resnet, channels);
    c->features = channels[3];
    return BL_OK;
}

static bl_status build_linear(const bl_classifier *c, bl_store *s, const char *name, int64_t in,
                              int64_t out, bl_act act, bl_linear_layer *l) {
    bool fan_in = c->cfg.backbone == BL_BACKBONE_RESNET_CIFAR;
    bl_linear_spec d = {.name = name,
                        .in = in,
                        .out = out,
                        .act = act,
                        .init = fan_in ? BL_INIT_KAIMING_FAN_IN : BL_INIT_XAVIER_NORMAL,
                        .bias_init = fan_in ? BL_INIT_UNIFORM : BL_INIT_ZERO,
                        .bias_std = (float)(1 / sqrt((double)in)),
                        .no_bias_decay = !c->cfg.decay_norm};
    return bl_linear_layer_build(s, &d, l);
}

static bl_status build_head(bl_classifier *c, bl_store *s, const bl_head_spec *spec) {
    head *h = &c->head[c->heads];
    h->spec = *spec;
    if (!spec->name || !spec->name[0] || bl_classifier_find(c, spec->name) >= 0)
        return bl_fail(BL_EINVAL, "model: head %d (%s) needs a name of its own", c->heads,
                       spec->name ? spec->name : "no name");
    if (spec->out < 1 || spec->hidden < 0 || !(spec->scale >= 0))
        return bl_fail(BL_EINVAL,
                       "model: head %s cannot have %lld outputs, %lld hidden units and "
                       "scale %g",
                       spec->name, (long long)spec->out, (long long)spec->hidden, spec->scale);
    h->spec.name = strdup(spec->name);
    if (!h->spec.name) return bl_no_memory("for the model");
    c->heads++;
    char name[96], second[104];
    int n = snprintf(name, sizeof name, "head.%s", spec->name);
    if (n < 0 || n >= (int)sizeof name)
        return bl_fail(BL_EINVAL, "model: the head name %.40s... is too long", spec->name);
    int64_t before = bl_store_elements(s);
    if (spec->kind == BL_HEAD_COSINE) {
        bl_linear_spec d = {.name = name,
                            .in = c->features,
                            .out = spec->out,
                            .init = BL_INIT_UNIT_ROWS,
                            .no_bias = true};
        BL_TRY(bl_linear_layer_build(s, &d, &h->layer[0]));
    } else if (spec->kind == BL_HEAD_PROJECTION && spec->hidden > 0) {
        snprintf(second, sizeof second, "%s.2", name);
        strcat(name, ".0");
        BL_TRY(build_linear(c, s, name, c->features, spec->hidden, BL_ACT_RELU, &h->layer[0]));
        BL_TRY(build_linear(c, s, second, spec->hidden, spec->out, BL_ACT_NONE, &h->layer[1]));
    } else {
        BL_TRY(build_linear(c, s, name, c->features, spec->out, BL_ACT_NONE, &h->layer[0]));
    }
    h->params = bl_store_elements(s) - before;
    return BL_OK;
}

static bl_status build(bl_classifier *c, const bl_head_spec *heads, int n_heads, bl_store *s) {
    int64_t before = bl_store_elements(s);
    switch (c->cfg.backbone) {
    case BL_BACKBONE_WRN:
        BL_TRY(build_wrn(c, s));
        break;
    case BL_BACKBONE_RESNET_CIFAR:
        BL_TRY(build_cifar(c, s));
        break;
    case BL_BACKBONE_RESNET:
        BL_TRY(build_resnet(c, s));
        break;
    default:
        return bl_fail(BL_EINVAL, "model: unknown backbone %d", c->cfg.backbone);
    }
    c->params = bl_store_elements(s) - before;
    for (int i = 0; i < n_heads; i++) BL_TRY(build_head(c, s, &heads[i]));
    return BL_OK;
}

bl_status bl_classifier_create(const bl_classifier_config *cfg, const bl_head_spec *heads,
                               int n_heads, bl_store *store, bl_classifier **out) {
    *out = NULL;
    if (n_heads < 1 || n_heads > MAX_HEADS)
        return bl_fail(BL_EINVAL, "model: %d heads, must be 1..%d", n_heads, MAX_HEADS);
    bl_classifier *c = calloc(1, sizeof *c);
    if (!c) return bl_no_memory("for the model");
    c->cfg = *cfg;
    bl_status status = build(c, heads, n_heads, store);
    if (status != BL_OK) {
        bl_classifier_destroy(c);
        return status;
    }
    *out = c;
    return BL_OK;
}

void bl_classifier_destroy(bl_classifier *c) {
    if (!c) return;
    bl_wrn_destroy(c->wrn);
    bl_resnet_cifar_destroy(c->cifar);
    bl_resnet_destroy(c->resnet);
    for (int i = 0; i < c->heads; i++) free((char *)c->head[i].spec.name);
    free(c);
}

/* ---- asking ---- */

void bl_classifier_describe(const bl_classifier *c, void (*line)(void *, const char *), void *arg) {
    char text[192], shape[64];
    static const char *const kind[] = {"linear", "cosine", "projection"};
    int64_t total = c->params;
    snprintf(text, sizeof text, "backbone: %s, %lld features, %lld parameters%s", c->title,
             (long long)c->features, (long long)c->params, c->cfg.frozen ? " (not trained)" : "");
    line(arg, text);
    for (int i = 0; i < c->heads; i++) {
        const head *h = &c->head[i];
        bool hidden = h->layer[1].w != NULL;
        snprintf(shape, sizeof shape, hidden ? "%lld -> %lld -> %lld" : "%lld -> %lld",
                 (long long)c->features, (long long)(hidden ? h->spec.hidden : h->spec.out),
                 (long long)h->spec.out);
        snprintf(text, sizeof text, "head %s: %s %s%s, %lld parameters", h->spec.name,
                 kind[h->spec.kind], shape, h->spec.normalise ? ", unit length" : "",
                 (long long)h->params);
        line(arg, text);
        total += h->params;
    }
    snprintf(text, sizeof text, "model: %lld parameters", (long long)total);
    line(arg, text);
}

int64_t bl_classifier_features(const bl_classifier *c) {
    return c->features;
}

int bl_classifier_find(const bl_classifier *c, const char *name) {
    for (int i = 0; i < c->heads; i++)
        if (strcmp(c->head[i].spec.name, name) == 0) return i;
    return -1;
}

const bl_head_spec *bl_classifier_head_spec(const bl_classifier *c, int i) {
    return i >= 0 && i < c->heads ? &c->head[i].spec : NULL;
}

/* ---- running ---- */

bl_status bl_classifier_extract(bl_ctx *ctx, const bl_classifier *c, bool train, bl_tensor *images,
                                bl_tensor **z) {
    bl_tensor *map, *stage[4];
    *z = NULL;
    if (images->c != 3)
        return bl_fail(BL_EINVAL, "model: images of %lld channels, must be 3",
                       (long long)images->c);
    if (c->wrn) {
        BL_TRY(bl_wrn_forward(ctx, c->wrn, train, images, &map));
    } else if (c->cifar) {
        BL_TRY(bl_resnet_cifar_forward(ctx, c->cifar, train, images, &map));
    } else {
        BL_TRY(bl_resnet_forward(ctx, c->resnet, train, images, stage));
        for (int i = 0; i < 3; i++) bl_tensor_drop(ctx, stage[i]);
        map = stage[3];
    }
    BL_TRY(bl_avg_pool_global(ctx, map, z));
    bl_tensor_drop(ctx, map);
    return BL_OK;
}

static bl_status apply_cosine(bl_ctx *ctx, const head *h, bl_tensor *z, bl_tensor **out) {
    const float tiny = 1e-12f;
    bl_tensor *zn, *wn, *y;
    BL_TRY(bl_l2_normalize(ctx, z, tiny, &zn));
    BL_TRY(bl_l2_normalize(ctx, h->layer[0].w, tiny, &wn));
    BL_TRY(bl_linear(ctx, zn, wn, NULL, BL_ACT_NONE, &y));
    bl_tensor_drop(ctx, zn);
    bl_tensor_drop(ctx, wn);
    *out = y;
    if (h->spec.scale == 0 || h->spec.scale == 1) return BL_OK;
    BL_TRY(bl_scale(ctx, y, (float)h->spec.scale, out));
    bl_tensor_drop(ctx, y);
    return BL_OK;
}

bl_status bl_classifier_apply(bl_ctx *ctx, const bl_classifier *c, int i, bl_tensor *z,
                              bl_tensor **out) {
    *out = NULL;
    if (i < 0 || i >= c->heads)
        return bl_fail(BL_EINVAL, "model: head %d does not exist; there are %d", i, c->heads);
    const head *h = &c->head[i];
    if (h->spec.kind == BL_HEAD_COSINE) return apply_cosine(ctx, h, z, out);
    bl_tensor *y, *u;
    BL_TRY(bl_linear_layer_apply(ctx, &h->layer[0], z, &y));
    if (h->layer[1].w) {
        BL_TRY(bl_linear_layer_apply(ctx, &h->layer[1], y, &u));
        bl_tensor_drop(ctx, y);
        y = u;
    }
    if (h->spec.kind == BL_HEAD_PROJECTION && h->spec.normalise) {
        BL_TRY(bl_l2_normalize(ctx, y, 1e-12f, &u));
        bl_tensor_drop(ctx, y);
        y = u;
    }
    *out = y;
    return BL_OK;
}

/* ---- foreign weights ---- */

bl_status bl_classifier_import(const bl_classifier *c, bl_store *store, bl_ctx *ctx,
                               const bl_st_file *f, int *n_missing) {
    char first[96];
    bool own = bl_st_find(f, "backbone.conv1.weight") != NULL;
    bool linear = bl_st_find(f, "linear.weight") != NULL;
    snprintf(first, sizeof first, "head.%s.", c->head[0].spec.name);
    const bl_rename rules[] = {{"backbone.", ""}, {first, linear ? "linear." : "fc."}};
    for (int64_t i = 0; i < bl_store_count(store); i++) {
        const char *name = bl_store_spec(store, i)->name;
        if (strncmp(name, "backbone.", 9) != 0) continue;
        name += own ? 0 : 9;
        if (!bl_st_find(f, name))
            return bl_fail(BL_EFORMAT, "tensor %s is missing: the file does not hold a %s", name,
                           c->title);
    }
    return bl_store_import_renamed(store, ctx, f, rules, own ? 0 : 2, true, n_missing);
}
