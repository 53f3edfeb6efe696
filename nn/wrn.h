/* Wide residual networks for small images (Zagoruyko and Komodakis, BMVC 2016): WRN-d-k with
 * pre-activation blocks and leaky ReLU, the backbone of semi-supervised benchmarks. */
#ifndef BALLAST_NN_WRN_H
#define BALLAST_NN_WRN_H

#include "nn/layers.h"

/* How the three stage-opening blocks start. With a = act(bn(x)):
 *   stage 1, all variants: branch and shortcut from a.
 *   stages 2, 3:  A: branch from a, shortcut from x (the original FixMatch code);
 *                 B: both from x; the block's first norm exists but is not used (common PyTorch
 *                    ports), so it is not computed and its statistics stay at their start;
 *                 C: both from a. */
typedef enum bl_wrn_variant { BL_WRN_A, BL_WRN_B, BL_WRN_C } bl_wrn_variant;
extern const char *const bl_wrn_variant_names[]; /* "a","b","c",NULL */

typedef struct bl_wrn_config {
    int32_t depth; /* 6n+4: 10, 16, 22, 28, ... */
    int32_t width; /* k: stages of 16k, 32k, 64k channels */
    bl_wrn_variant variant;
    float slope;               /* of the leaky ReLU */
    float bn_eps, bn_momentum; /* momentum: the new batch's part */
    bool frozen;               /* no weights are trained; batch statistics stay in use */
    bool decay_norm;           /* weight decay on gamma and beta too */
} bl_wrn_config;

typedef struct bl_wrn bl_wrn;
/* Names below `prefix`: conv1, layer{1,2,3}.{i}.{bn1,conv1,bn2,conv2,shortcut}, bn1. No biases;
 * convolutions start as N(0, 2/(9 C_out)). */
bl_status bl_wrn_create(const bl_wrn_config *cfg, bl_store *s, const char *prefix, bl_wrn **out);
void bl_wrn_destroy(bl_wrn *w);
/* x (N,3,H,W) cb 1 -> the last map (N,64k,H/4,W/4), after norm and activation. Intermediate tensors
 * are dropped. */
bl_status bl_wrn_forward(bl_ctx *ctx, const bl_wrn *w, bool train, bl_tensor *x, bl_tensor **y);
int32_t bl_wrn_channels(const bl_wrn *w);

#endif
