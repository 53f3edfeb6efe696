#include "nn/layers.h"

#include <stdio.h>

const char *const bl_norm_type_names[] = {"none", "bn", "frozen_bn", "eval_bn", "gn", NULL};

static bl_status full_name(char out[192], const char *base, const char *leaf) {
    int n = snprintf(out, 192, "%s.%s", base, leaf);
    if (n < 0 || n >= 192) return bl_fail(BL_EINVAL, "layer name %.64s... is too long", base);
    return BL_OK;
}

static bl_status add_vector(bl_store *s, const char *base, const char *leaf, int64_t c,
                            bl_init init, bool buffer, bool trainable, bool decay, bl_tensor **t) {
    char name[192];
    BL_TRY(full_name(name, base, leaf));
    bl_param_spec p = {.name = name,
                       .shape = {c, 1, 1, 1},
                       .ndim = 1,
                       .init = init,
                       .buffer = buffer,
                       .trainable = trainable,
                       .decay = decay};
    return bl_store_add(s, &p, t);
}

static bl_status declare_norm(bl_store *s, const bl_conv_spec *d, bl_conv_layer *l) {
    bool bn = d->norm != BL_NORMTYPE_GN;
    bool train = d->trainable && d->norm != BL_NORMTYPE_FROZEN_BN;
    /* A frozen batch-statistics layer also stops updating its running statistics. */
    l->norm_type = d->norm == BL_NORMTYPE_BN && !d->trainable ? BL_NORMTYPE_FROZEN_BN : d->norm;
    l->norm = (bl_norm){.kind = bn ? BL_NORM_BATCH_EVAL : BL_NORM_GROUP,
                        .groups = d->groups,
                        .eps = 1e-5f,
                        .momentum = 0.1f};
    if (!bn && (d->groups < 1 || d->out % d->groups != 0))
        return bl_fail(BL_EINVAL, "%s: %d channels do not divide into %d groups", d->norm_name,
                       d->out, d->groups);
    bl_init gamma = d->zero_gamma && train ? BL_INIT_ZERO : BL_INIT_ONE;
    BL_TRY(add_vector(s, d->norm_name, "weight", d->out, gamma, false, train, d->decay_norm,
                      &l->norm.gamma));
    BL_TRY(add_vector(s, d->norm_name, "bias", d->out, BL_INIT_ZERO, false, train, d->decay_norm,
                      &l->norm.beta));
    if (!bn) return BL_OK;
    BL_TRY(add_vector(s, d->norm_name, "running_mean", d->out, BL_INIT_ZERO, true, false, false,
                      &l->norm.running_mean));
    return add_vector(s, d->norm_name, "running_var", d->out, BL_INIT_ONE, true, false, false,
                      &l->norm.running_var);
}

bl_status bl_conv_layer_declare(bl_store *s, const bl_conv_spec *d, bl_conv_layer *l) {
    if (d->norm < BL_NORMTYPE_NONE || d->norm > BL_NORMTYPE_GN)
        return bl_fail(BL_EINVAL, "%s: unknown normalisation %d", d->conv_name, (int)d->norm);
    if (d->norm == BL_NORMTYPE_NONE && d->act == BL_ACT_LEAKY)
        return bl_fail(BL_EINVAL, "%s: a leaky activation needs a normalisation", d->conv_name);
    *l = (bl_conv_layer){
        .attr = {.stride = d->stride, .pad = d->pad, .dilation = d->dilation ? d->dilation : 1},
        .norm_type = d->norm,
        .act = d->act,
        .slope = d->slope != 0 ? d->slope : 0.1f};
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
    if (d->bias)
        BL_TRY(add_vector(s, d->conv_name, "bias", d->out, BL_INIT_ZERO, false, d->trainable, true,
                          &l->b));
    return d->norm == BL_NORMTYPE_NONE ? BL_OK : declare_norm(s, d, l);
}

bl_status bl_conv_layer_apply(bl_ctx *ctx, const bl_conv_layer *l, bool train, bl_tensor *x,
                              bl_tensor *skip, bl_tensor **y) {
    bl_conv_attr a = l->attr;
    if (l->norm_type == BL_NORMTYPE_NONE) {
        if (skip) return bl_fail(BL_EINVAL, "a skip connection needs a normalised layer");
        a.act = l->act;
        return bl_conv2d(ctx, x, l->w, l->b, &a, y);
    }
    a.act = BL_ACT_NONE;
    bl_tensor *t = NULL;
    BL_TRY(bl_conv2d(ctx, x, l->w, l->b, &a, &t));
    bl_norm norm = l->norm;
    if (l->norm_type == BL_NORMTYPE_BN && train) norm.kind = BL_NORM_BATCH;
    BL_TRY(bl_norm_act(ctx, t, &norm, skip, l->act, l->slope, y));
    bl_tensor_drop(ctx, t);
    return BL_OK;
}

bl_status bl_linear_layer_declare(bl_store *s, const char *name, int64_t in, int64_t out,
                                  bl_act act, bl_init init, float std, bl_linear_layer *l) {
    *l = (bl_linear_layer){.act = act};
    char full[192];
    BL_TRY(full_name(full, name, "weight"));
    bl_param_spec p = {.name = full,
                       .shape = {out, in, 1, 1},
                       .ndim = 2,
                       .init = init,
                       .std = std,
                       .trainable = true,
                       .decay = true};
    BL_TRY(bl_store_add(s, &p, &l->w));
    return add_vector(s, name, "bias", out, BL_INIT_ZERO, false, true, true, &l->b);
}

bl_status bl_linear_layer_apply(bl_ctx *ctx, const bl_linear_layer *l, bl_tensor *x,
                                bl_tensor **y) {
    return bl_linear(ctx, x, l->w, l->b, l->act, y);
}
