/* Feature pyramid network (Lin et al., CVPR 2017): lateral 1x1, top-down nearest upsampling, 3x3
 * output convolutions; P6 is P5 subsampled by 2 (max-pool of kernel 1). */
#ifndef BALLAST_NN_FPN_H
#define BALLAST_NN_FPN_H

#include "nn/layers.h"

typedef struct bl_fpn bl_fpn;
/* Names: <prefix>.lateral_convs.i.conv, <prefix>.fpn_convs.i.conv (mmdetection). norm NONE: bias.
 * Xavier uniform. */
bl_status bl_fpn_create(const int32_t in_channels[4], int32_t channels, bl_norm_type norm,
                        int32_t groups, bl_store *s, const char *prefix, bl_fpn **out);
void bl_fpn_destroy(bl_fpn *f);
/* c[0..3] -> p[0..4] (strides 4..64). Drops c. */
bl_status bl_fpn_forward(bl_ctx *ctx, const bl_fpn *f, bool train, bl_tensor *const c[4],
                         bl_tensor *p[5]);

#endif
