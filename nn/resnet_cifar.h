/* ResNets for 32x32 images (He et al., "Deep Residual Learning", CVPR 2016, section 4.2): 20, 32,
 * 44, 56, 110 layers with 16, 32, 64 channels and parameter-free shortcuts. */
#ifndef BALLAST_NN_RESNET_CIFAR_H
#define BALLAST_NN_RESNET_CIFAR_H

#include "nn/layers.h"

typedef struct bl_resnet_cifar_config {
    int32_t depth; /* 6n+2: 8, 14, 20, 32, ... */
    float bn_eps, bn_momentum;
    bool frozen;     /* no weights are trained; batch statistics stay in use */
    bool decay_norm; /* weight decay on gamma and beta too */
} bl_resnet_cifar_config;

typedef struct bl_resnet_cifar bl_resnet_cifar;
/* Names below `prefix`: conv1, bn1, layer{1,2,3}.{i}.{conv1,bn1,conv2,bn2}. Convolutions start as
 * Kaiming normal by fan-in (He et al., ICCV 2015). */
bl_status bl_resnet_cifar_create(const bl_resnet_cifar_config *cfg, bl_store *s, const char *prefix,
                                 bl_resnet_cifar **out);
void bl_resnet_cifar_destroy(bl_resnet_cifar *r);
/* x (N,3,H,W) cb 1 -> (N,64,H/4,W/4). Intermediate tensors are dropped. */
bl_status bl_resnet_cifar_forward(bl_ctx *ctx, const bl_resnet_cifar *r, bool train, bl_tensor *x,
                                  bl_tensor **y);
int32_t bl_resnet_cifar_channels(const bl_resnet_cifar *r);

#endif
