#include "kernels/cuda/conv_key.h"

#include <stdio.h>

static const char *const dir_name[] = {"fwd", "bwd_data", "bwd_weights"};
static const char *const math_name[] = {"fp32", "tf32", "bf16", "fp16"};

bl_conv_key bl_conv_key_of(const bl_conv_shape *s, bl_cuda_dir dir, int32_t fused,
                           bl_cuda_math math) {
    return (bl_conv_key){.n = s->n,
                         .ic = s->ic,
                         .ih = s->ih,
                         .iw = s->iw,
                         .oc = s->oc,
                         .oh = s->oh,
                         .ow = s->ow,
                         .kh = s->kh,
                         .kw = s->kw,
                         .stride = s->stride,
                         .pad = s->pad,
                         .dilation = s->dilation,
                         .dir = (int32_t)dir,
                         .fused = fused,
                         .math = (int32_t)math};
}

void bl_conv_key_text(const bl_conv_key *k, char *buf, size_t size) {
    snprintf(buf, size, "%s %dx%dx%dx%d -> %d %dx%d/%d p%d d%d%s%s %s", dir_name[k->dir], k->n,
             k->ic, k->ih, k->iw, k->oc, k->kh, k->kw, k->stride, k->pad, k->dilation,
             k->fused & BL_CUDA_BIAS ? " bias" : "", k->fused & BL_CUDA_RELU ? " relu" : "",
             math_name[k->math]);
}

double bl_conv_key_flop(const bl_conv_key *k) {
    return 2.0 * k->n * k->oc * k->oh * k->ow * k->ic * k->kh * k->kw;
}

bl_cuda_math bl_cuda_math_of(bl_precision precision) {
    return precision == BL_PRECISION_TF32 ? BL_CUDA_TF32 : BL_CUDA_FP32;
}

bl_cuda_math bl_cuda_math_for(bl_cuda_math fp32, bl_dtype dtype) {
    return dtype == BL_BF16 ? BL_CUDA_BF16 : dtype == BL_F16 ? BL_CUDA_FP16 : fp32;
}
