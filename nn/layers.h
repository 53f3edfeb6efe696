/* Layers with parameters: a convolution or linear map with optional normalisation and activation. A
 * layer is declared (its tensors added to a store) and later applied; it is a plain struct owned by
 * its model. */
#ifndef BALLAST_NN_LAYERS_H
#define BALLAST_NN_LAYERS_H

#include "kernels/ops.h"
#include "nn/store.h"

/* What a model's normalisation layers are. */
typedef enum bl_norm_type {
    BL_NORMTYPE_NONE,
    BL_NORMTYPE_BN,        /* batch statistics in training, running ones in evaluation */
    BL_NORMTYPE_FROZEN_BN, /* running statistics always, gamma/beta not trained (caffe style) */
    BL_NORMTYPE_EVAL_BN, /* running statistics always, gamma/beta trained (mmdetection norm_eval) */
    BL_NORMTYPE_GN
} bl_norm_type;
extern const char *const bl_norm_type_names[]; /* "none","bn","frozen_bn","eval_bn","gn",NULL */

/* A normalisation with its activation: of its own in pre-activation networks, else behind a
 * convolution. */
typedef struct bl_norm_layer {
    bl_norm_type type;
    bl_norm norm;
    bl_act act;
    float slope;
} bl_norm_layer;

typedef struct bl_norm_spec {
    const char *name; /* e.g. "backbone.bn1" */
    int32_t channels;
    bl_norm_type type; /* not NONE */
    int32_t groups;    /* GN */
    float eps;         /* 0 = 1e-5 */
    float momentum;    /* of the running statistics, the new batch's part; 0 = 0.1 */
    bl_act act;
    float slope;          /* LEAKY; 0 = 0.1 */
    bool trainable;       /* false: gamma and beta are frozen, */
    bool keep_statistics; /* and BN keeps its running statistics too unless this is set */
    bool zero_gamma;      /* init gamma = 0; ignored when gamma is frozen */
    bool decay;           /* weight decay on gamma and beta */
    bool keep_input;      /* the input is used again after the layer: never work in place */
} bl_norm_spec;

bl_status bl_norm_layer_declare(bl_store *s, const bl_norm_spec *spec, bl_norm_layer *layer);
/* train selects batch statistics for BN. skip: added before the activation, or NULL. */
bl_status bl_norm_layer_apply(bl_ctx *ctx, const bl_norm_layer *layer, bool train, bl_tensor *x,
                              bl_tensor *skip, bl_tensor **y);

typedef struct bl_conv_layer {
    bl_tensor *w, *b;
    bl_conv_attr attr; /* attr.act used only without normalisation */
    bl_norm_layer norm;
} bl_conv_layer;

typedef struct bl_conv_spec {
    const char *conv_name, *norm_name; /* e.g. "backbone.conv1", "backbone.bn1" */
    int32_t in, out, kernel, stride, pad, dilation;
    bool bias;
    bl_norm_type norm;
    int32_t groups; /* GN */
    bl_act act;
    bl_init init;
    float init_std;
    bool trainable;  /* false: the layer (and its norm's affine) is frozen */
    bool zero_gamma; /* init gamma = 0 (last norm of a residual branch); ignored when gamma is
                        frozen */
    float slope;     /* LEAKY; 0 = 0.1 */
    bool decay_norm; /* weight decay on gamma and beta too; weights and biases always decay */
    float norm_eps, norm_momentum; /* 0: as in bl_norm_spec */
    bool keep_statistics;          /* as in bl_norm_spec */
} bl_conv_spec;

bl_status bl_conv_layer_declare(bl_store *s, const bl_conv_spec *spec, bl_conv_layer *layer);
/* train selects batch statistics for BN. skip: added before the activation (needs a norm), or NULL.
 * Drops nothing. */
bl_status bl_conv_layer_apply(bl_ctx *ctx, const bl_conv_layer *layer, bool train, bl_tensor *x,
                              bl_tensor *skip, bl_tensor **y);

typedef struct bl_linear_layer {
    bl_tensor *w, *b;
    bl_act act;
} bl_linear_layer;

typedef struct bl_linear_spec {
    const char *name;
    int64_t in, out;
    bl_act act;
    bl_init init, bias_init;
    float init_std, bias_std; /* of NORMAL, UNIFORM and VALUE */
    bool no_bias, no_bias_decay;
} bl_linear_spec;
bl_status bl_linear_layer_build(bl_store *s, const bl_linear_spec *spec, bl_linear_layer *layer);
/* The common case: a bias that starts at zero and decays. */
bl_status bl_linear_layer_declare(bl_store *s, const char *name, int64_t in, int64_t out,
                                  bl_act act, bl_init init, float std, bl_linear_layer *layer);
bl_status bl_linear_layer_apply(bl_ctx *ctx, const bl_linear_layer *layer, bl_tensor *x,
                                bl_tensor **y);

#endif
