/* 8-bit images as a network's input: a thread makes elements in storage order, so that writes join
 * whatever the layout. */
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/maps.h"
#include "kernels/shared/pixels.h"

static __global__ void make_inputs(const bl_device_image *image, bl_input_attr attr,
                                   bl_cuda_map out, int64_t total) {
    int64_t step = (int64_t)gridDim.x * blockDim.x, pixels = out.h * out.w;
    float *to = (float *)out.data;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < total; i += step) {
        int64_t lane = i % out.cb, pixel = i / out.cb % pixels, block = i / out.cb / pixels;
        int64_t n = block / out.blocks, c = block % out.blocks * out.cb + lane;
        to[i] = c < out.c ? bl_px_input(&image[n], &attr, (int)(pixel % out.w),
                                        (int)(pixel / out.w), (int)c)
                          : 0;
    }
}

static void inputs(const bl_device_image *image, const bl_input_attr *attr, bl_tensor *out) {
    int64_t total = bl_storage(out);
    if (total == 0) return;
    BL_LAUNCH(make_inputs, bl_grid(total), BL_THREADS, 0, image, *attr, bl_cuda_map_of(out), total);
}

void bl_cuda_inputs_slots(bl_kernels *k) {
    k->inputs = inputs;
}
