/* Selection kernels: the slots `nms` and `topk` of kernels/kernels.h. */
#ifndef BALLAST_KERNELS_CUDA_SELECT_H
#define BALLAST_KERNELS_CUDA_SELECT_H

#include "kernels/cuda/cuda_internal.h"

bl_status bl_cuda_nms(const bl_box *box, const float *score, const int32_t *group, int64_t n,
                      float thr, int64_t max_out, int32_t *keep, int32_t *kept);

#endif
