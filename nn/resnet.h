/* ResNet backbones (He et al., CVPR 2016): 18, 34, 50, 101 and a small one for CPU work. */
#ifndef BALLAST_NN_RESNET_H
#define BALLAST_NN_RESNET_H

#include "nn/layers.h"

typedef enum bl_resnet_depth {
    BL_RESNET_SMALL,
    BL_RESNET_18,
    BL_RESNET_34,
    BL_RESNET_50,
    BL_RESNET_101
} bl_resnet_depth;
extern const char *const bl_resnet_depth_names[]; /* "small","r18","r34","r50","r101",NULL */

typedef struct bl_resnet_config {
    bl_resnet_depth depth;
    bl_norm_type norm;
    int32_t groups;        /* GN */
    int32_t frozen_stages; /* -1 none, 0 stem, 1 stem + layer1, ... */
    bool stride_in_1x1;    /* bottleneck stride on the first 1x1 (caffe style) instead of the 3x3 */
    int32_t width;         /* SMALL only: channels of the first stage (doubling each stage) */
    int32_t blocks;        /* SMALL only: basic blocks a stage */
    bool small_images;     /* 3x3 stride-1 stem without max-pool: strides 1, 2, 4, 8 */
    bool keep_statistics;  /* frozen BN layers still use and update batch statistics */
    bool no_norm_decay;    /* no weight decay on gamma and beta */
    float bn_eps, bn_momentum; /* 0: 1e-5, 0.1 */
} bl_resnet_config;

typedef struct bl_resnet bl_resnet;
/* Names below `prefix` ("backbone"): conv1, bn1, layer1.0.conv1, layer1.0.bn1, ..., downsample.0/.1
 * as in torchvision. SMALL: 3x3 stride-2 stem conv (width channels) without max-pool followed by
 * four stages of basic blocks with strides 2,2,2,2: like the others, stage i has stride 4*2^i. */
bl_status bl_resnet_create(const bl_resnet_config *cfg, bl_store *s, const char *prefix,
                           bl_resnet **out);
void bl_resnet_destroy(bl_resnet *r);
/* x (N,3,H,W) cb 1 -> stage outputs C2..C5 (strides 4, 8, 16, 32; small_images: 1, 2, 4, 8).
 * Intermediate tensors are dropped. */
bl_status bl_resnet_forward(bl_ctx *ctx, const bl_resnet *r, bool train, bl_tensor *x,
                            bl_tensor *c[4]);
void bl_resnet_channels(const bl_resnet *r, int32_t channels[4]);

#endif
