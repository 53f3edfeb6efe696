#include "tests/cuda/emulator/probes.h"

#include "kernels/cuda/launch.h"

static __global__ void index_kernel(int *out, int64_t n) {
    BL_EACH(i, n) out[i] = (int)i;
}

void probe_index(int *out, int64_t n, int blocks, int threads) {
    BL_LAUNCH(index_kernel, blocks, threads, 0, out, n);
}

static __global__ void sum_kernel(const float *x, int64_t n, float *out) {
    float sum = 0;
    BL_EACH(i, n) sum += x[i];
    float first = bl_block_sum(sum), largest = bl_block_max(sum);
    if (threadIdx.x == 1) out[blockIdx.x] = first + 0 * largest;
}

void probe_sum(const float *x, int64_t n, float *out, int blocks, int threads) {
    BL_LAUNCH(sum_kernel, blocks, threads, 0, x, n, out);
}

static __global__ void turn_kernel(const float *x, float *y, int n, bool with_barrier) {
    BL_DYNAMIC_SHARED(float, hold);
    int i = (int)threadIdx.x;
    hold[i] = x[i];
    if (with_barrier) __syncthreads();
    y[i] = hold[n - 1 - i];
}

void probe_turn(const float *x, float *y, int n, bool with_barrier) {
    BL_LAUNCH(turn_kernel, 1, n, n * sizeof(float), x, y, n, with_barrier);
}

static __global__ void warp_kernel(int *out) {
    const unsigned all = 0xffffffffu;
    int l = (int)threadIdx.x, *o = out + l * 8;
    o[0] = __shfl_sync(all, l * 3, 5);
    o[1] = __shfl_xor_sync(all, l, 9);
    o[2] = __shfl_down_sync(all, l, 4);
    o[3] = __shfl_up_sync(all, l, 3, 8);
    o[4] = (int)__ballot_sync(all, l % 3 == 0);
    o[5] = __any_sync(all, l == 31) + 2 * __all_sync(all, l < 31);
    o[6] = bl_warp_sum(l);
    /* Two halves with masks of their own, at different places. */
    if (l < 16) {
        o[7] = __shfl_sync(0x0000ffffu, l, 2);
    } else {
        o[7] = __shfl_sync(0xffff0000u, l, 18);
    }
}

void probe_warp(int *out) {
    BL_LAUNCH(warp_kernel, 1, 32, 0, out);
}

static __global__ void write_kernel(int *p, int64_t at) {
    p[at] = 1;
}

void probe_write(int *p, int64_t at) {
    BL_LAUNCH(write_kernel, 1, 1, 0, p, at);
}

static __global__ void deadlock_kernel(int *out) {
    if (threadIdx.x < 16) {
        __syncthreads();
    } else {
        __syncwarp(0xffffffffu);
    }
    out[threadIdx.x] = 1;
}

void probe_deadlock(int *out) {
    BL_LAUNCH(deadlock_kernel, 1, 32, 0, out);
}

static __global__ void bad_mask_kernel(int *out) {
    out[threadIdx.x] = __shfl_sync(0xffu, 1, 0);
}

void probe_bad_mask(int *out) {
    BL_LAUNCH(bad_mask_kernel, 1, 32, 0, out);
}

static __global__ void stale_kernel(float *out) {
    __shared__ float kept[4];
    out[blockIdx.x] = kept[0];
    kept[0] = 1;
}

void probe_stale_shared(float *out) {
    BL_LAUNCH(stale_kernel, 3, 1, 0, out);
}

typedef struct probe_arguments {
    int64_t n;
    const void *pointer;
} probe_arguments;

static __global__ void struct_kernel(probe_arguments a) {}

void probe_struct(const void *pointer) {
    probe_arguments a = {7, pointer};
    BL_LAUNCH(struct_kernel, 1, 1, 0, a);
}

void probe_configuration(int threads, int blocks) {
    probe_arguments a = {0, 0};
    BL_LAUNCH(struct_kernel, blocks, threads, 0, a);
}

static __global__ void dims_kernel(int *out) {
    int block = (int)(blockIdx.y * gridDim.x + blockIdx.x);
    int thread = (int)((threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x);
    out[block * 16 + thread] = block * 100 + thread;
}

void probe_two_dims(int *out) {
    BL_LAUNCH(dims_kernel, dim3(3, 2), dim3(4, 2, 2), 0, out);
}
