#include "nn/layers.h"

#include <stdio.h>

const char *const bl_norm_type_names[] = {"none", "bn", "frozen_bn", "eval_bn", "gn", NULL};

static bl_status full_name(char out[192], const char *base, const char *leaf) {
    int n = snprintf(out, 192, "%s.%s", base, leaf);
    if (n < 0 || n >= 192) return bl_fail(BL_EINVAL, "layer name %.64s... is too long", base);
    return BL_OK;
}

static bl_status add_vector(bl_store *s, const char *base, const char *leaf, int64_t c,
                            const bl_param_spec *like, bl_tensor **t) {
    char name[192];
    BL_TRY(full_name(name, base, leaf));
    bl_param_spec p = *like;
    p.name = name;
    p.shape[0] = c;
    p.shape[1] = p.shape[2] = p.shape[3] = 1;
    p.ndim = 1;
    return bl_store_add(s, &p, t);
}

bl_status bl_norm_layer_declare(bl_store *s, const bl_norm_spec *d, bl_norm_layer *l) {
    if (d->type <= BL_NORMTYPE_NONE || d->type > BL_NORMTYPE_GN)
        return bl_fail(BL_EINVAL, "%s: unknown normalisation %d", d->name, (int)d->type);
    bool bn = d->type != BL_NORMTYPE_GN;
    bool train = d->trainable && d->type != BL_NORMTYPE_FROZEN_BN;
    bool stop = d->type == BL_NORMTYPE_BN && !d->trainable && !d->keep_statistics;
    *l = (bl_norm_layer){.type = stop ? BL_NORMTYPE_FROZEN_BN : d->type,
                         .act = d->act,
                         .slope = d->slope != 0 ? d->slope : 0.1f};
    l->norm = (bl_norm){.kind = bn ? BL_NORM_BATCH_EVAL : BL_NORM_GROUP,
                        .groups = d->groups,
                        .eps = d->eps != 0 ? d->eps : 1e-5f,
                        .momentum = d->momentum != 0 ? d->momentum : 0.1f,
                        .keep_input = d->keep_input};
    if (!bn && (d->groups < 1 || d->channels % d->groups != 0))
        return bl_fail(BL_EINVAL, "%s: %d channels do not divide into %d groups", d->name,
                       d->channels, d->groups);
    bl_param_spec p = {.init = d->zero_gamma && train ? BL_INIT_ZERO : BL_INIT_ONE,
                       .trainable = train,
                       .decay = d->decay};
    BL_TRY(add_vector(s, d->name, "weight", d->channels, &p, &l->norm.gamma));
    p.init = BL_INIT_ZERO;
    BL_TRY(add_vector(s, d->name, "bias", d->channels, &p, &l->norm.beta));
    if (!bn) return BL_OK;
    p = (bl_param_spec){.init = BL_INIT_ZERO, .buffer = true};
    BL_TRY(add_vector(s, d->name, "running_mean", d->channels, &p, &l->norm.running_mean));
    p.init = BL_INIT_ONE;
    return add_vector(s, d->name, "running_var", d->channels, &p, &l->norm.running_var);
}

bl_status bl_norm_layer_apply(bl_ctx *ctx, const bl_norm_layer *l, bool train, bl_tensor *x,
                              bl_tensor *skip, bl_tensor **y) {
    bl_norm norm = l->norm;
    if (l->type == BL_NORMTYPE_BN && train) norm.kind = BL_NORM_BATCH;
    return bl_norm_act(ctx, x, &norm, skip, l->act, l->slope, y);
}

bl_status bl_conv_layer_declare(bl_store *s, const bl_conv_spec *d, bl_conv_layer *l) {
    if (d->norm == BL_NORMTYPE_NONE && d->act == BL_ACT_LEAKY)
        return bl_fail(BL_EINVAL, "%s: a leaky activation needs a normalisation", d->conv_name);
    *l = (bl_conv_layer){
        .attr = {.stride = d->stride, .pad = d->pad, .dilation = d->dilation ? d->dilation : 1}};
    char name[192];
    BL_TRY(full_name(name, d->conv_name, "weight"));
    bl_param_spec p = {.name = name,
                       .shape = {d->out, d->in, d->kernel, d->kernel},
                       .ndim = 4,
                       .init = d->init,
                       .std = d->init_std,
                       .trainable = d->trainable,
                       .decay = true};
    BL_TRY(bl_store_add(s, &p, &l->w));
    p.init = BL_INIT_ZERO;
    if (d->bias) BL_TRY(add_vector(s, d->conv_name, "bias", d->out, &p, &l->b));
    if (d->norm == BL_NORMTYPE_NONE) {
        l->attr.act = d->act;
        return BL_OK;
    }
    bl_norm_spec norm = {.name = d->norm_name,
                         .channels = d->out,
                         .type = d->norm,
                         .groups = d->groups,
                         .eps = d->norm_eps,
                         .momentum = d->norm_momentum,
                         .act = d->act,
                         .slope = d->slope,
                         .trainable = d->trainable,
                         .keep_statistics = d->keep_statistics,
                         .zero_gamma = d->zero_gamma,
                         .decay = d->decay_norm};
    return bl_norm_layer_declare(s, &norm, &l->norm);
}

bl_status bl_conv_layer_apply(bl_ctx *ctx, const bl_conv_layer *l, bool train, bl_tensor *x,
                              bl_tensor *skip, bl_tensor **y) {
    if (l->norm.type == BL_NORMTYPE_NONE) {
        if (skip) return bl_fail(BL_EINVAL, "a skip connection needs a normalised layer");
        return bl_conv2d(ctx, x, l->w, l->b, &l->attr, y);
    }
    bl_tensor *t = NULL;
    BL_TRY(bl_conv2d(ctx, x, l->w, l->b, &l->attr, &t));
    BL_TRY(bl_norm_layer_apply(ctx, &l->norm, train, t, skip, y));
    bl_tensor_drop(ctx, t);
    return BL_OK;
}

bl_status bl_linear_layer_build(bl_store *s, const bl_linear_spec *d, bl_linear_layer *l) {
    *l = (bl_linear_layer){.act = d->act};
    char full[192];
    BL_TRY(full_name(full, d->name, "weight"));
    bl_param_spec p = {.name = full,
                       .shape = {d->out, d->in, 1, 1},
                       .ndim = 2,
                       .init = d->init,
                       .std = d->init_std,
                       .trainable = true,
                       .decay = true};
    BL_TRY(bl_store_add(s, &p, &l->w));
    if (d->no_bias) return BL_OK;
    p.init = d->bias_init;
    p.std = d->bias_std;
    p.decay = !d->no_bias_decay;
    return add_vector(s, d->name, "bias", d->out, &p, &l->b);
}

bl_status bl_linear_layer_declare(bl_store *s, const char *name, int64_t in, int64_t out,
                                  bl_act act, bl_init init, float std, bl_linear_layer *l) {
    bl_linear_spec d = {
        .name = name, .in = in, .out = out, .act = act, .init = init, .init_std = std};
    return bl_linear_layer_build(s, &d, l);
}

bl_status bl_linear_layer_apply(bl_ctx *ctx, const bl_linear_layer *l, bl_tensor *x,
                                bl_tensor **y) {
    return bl_linear(ctx, x, l->w, l->b, l->act, y);
}
