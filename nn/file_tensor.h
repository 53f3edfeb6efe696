/* A tensor of a weight file as what a model reads: fp32 of one shape. */
#ifndef BALLAST_NN_FILE_TENSOR_H
#define BALLAST_NN_FILE_TENSOR_H

#include "core/safetensors.h"
#include "nn/store.h"

/* BL_EFORMAT, naming the tensor, unless `t` has the shape of `spec` and one of the float types that
 * bl_file_tensor_floats reads. */
bl_status bl_file_tensor_check(const bl_st_tensor *t, const bl_param_spec *spec);

/* The values as floats: fp32 as they are, fp16 and bf16 exactly, fp64 rounded. `out` has room for
 * every element. */
void bl_file_tensor_floats(const bl_st_tensor *t, float *out);

#endif
