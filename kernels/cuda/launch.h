/* What .cu files are written with: launches, index loops, sums over warps and blocks, scratch.
 *
 * This is the only file that knows whether nvcc compiles or the emulator of tests/emu, which runs
 * the same kernels on the CPU. A kernel may use threadIdx, blockIdx, blockDim, gridDim, __shared__
 * arrays, BL_DYNAMIC_SHARED, __syncthreads, __syncwarp, __shfl_*_sync, __ballot/any/all_sync,
 * integer atomics and bit counts, and the helpers below: nothing more exotic.
 *
 * Every launch goes to the calling thread's own stream. A launch that fails, and a kernel that
 * does, are reported by the device's next sync or to_host; slots return nothing. */
#ifndef BALLAST_KERNELS_CUDA_LAUNCH_H
#define BALLAST_KERNELS_CUDA_LAUNCH_H

#include <cuda_runtime.h>
#include <stdint.h>

#include "kernels/cuda/scratch.h"
#include "kernels/shared/half.h"

/* BL_LAUNCH(kernel, blocks, threads, shared bytes, arguments...): blocks and threads are numbers or
 * dim3; neither may be 0. */
#ifdef BL_EMULATED
#define BL_LAUNCH(kernel, blocks, threads, shared, ...)                                            \
    bl_emu_start(#kernel, blocks, threads, shared, kernel, __VA_ARGS__)
#define BL_DYNAMIC_SHARED(type, name) type *name = (type *)bl_emu_shared()
#define BL_UNROLL
#else
#define BL_UNROLL _Pragma("unroll") /* before a loop of a constant count */
#define BL_LAUNCH(kernel, blocks, threads, shared, ...)                                            \
    kernel<<<(blocks), (threads), (shared), cudaStreamPerThread>>>(__VA_ARGS__)
/* The block's dynamic shared memory as an array `name` of `type`. */
#define BL_DYNAMIC_SHARED(type, name)                                                              \
    extern __shared__ __align__(16) unsigned char bl_dynamic_shared[];                             \
    type *name = (type *)bl_dynamic_shared
#endif

enum {
    BL_WARP = 32,
    BL_THREADS = 256,  /* of a block, unless a kernel has a reason */
    BL_GRID_MAX = 4096 /* blocks of a grid-stride launch: several waves of any chip */
};

/* Blocks for n > 0 elements in a grid-stride loop. */
static inline unsigned bl_grid(int64_t n) {
    int64_t blocks = (n + BL_THREADS - 1) / BL_THREADS;
    return blocks < BL_GRID_MAX ? (unsigned)blocks : (unsigned)BL_GRID_MAX;
}

/* for (i in this thread's share of [0,n)): a grid-stride loop. */
#define BL_EACH(i, n)                                                                              \
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n);                      \
         i += (int64_t)gridDim.x * blockDim.x)

/* A launch of BL_THREADS over n elements; nothing when n is 0. */
#define BL_LAUNCH_EACH(kernel, n, ...)                                                             \
    do {                                                                                           \
        if ((n) > 0) BL_LAUNCH(kernel, bl_grid(n), BL_THREADS, 0, __VA_ARGS__);                    \
    } while (0)

/* ---- 16-bit floats: shared/half.h, and the instructions that give the same bits ---- */

#ifdef BL_EMULATED
#define bl_cuda_bf16_of bl_bf16_of
#define bl_cuda_f16_of bl_f16_of
#define bl_cuda_f16_value bl_f16_value
#else
static __device__ __forceinline__ uint16_t bl_cuda_bf16_of(float v) {
    uint16_t h;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(v));
    return h;
}
static __device__ __forceinline__ uint16_t bl_cuda_f16_of(float v) {
    uint16_t h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(v));
    return h;
}
static __device__ __forceinline__ float bl_cuda_f16_value(uint16_t h) {
    float v;
    asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(h));
    return v;
}
#endif

/* ---- reductions: the order of the additions depends on the block's shape alone ---- */

#define BL_DEFINE_REDUCTIONS(type)                                                                 \
    /* Over the 32 lanes of a full warp; every lane gets the result. */                            \
    static __device__ __forceinline__ type bl_warp_sum(type v) {                                   \
        for (int bit = BL_WARP / 2; bit > 0; bit /= 2) v += __shfl_xor_sync(0xffffffffu, v, bit);  \
        return v;                                                                                  \
    }                                                                                              \
    static __device__ __forceinline__ type bl_warp_max(type v) {                                   \
        for (int bit = BL_WARP / 2; bit > 0; bit /= 2) {                                           \
            type other = __shfl_xor_sync(0xffffffffu, v, bit);                                     \
            v = other > v ? other : v;                                                             \
        }                                                                                          \
        return v;                                                                                  \
    }                                                                                              \
    /* Over a one-dimensional block of whole warps; all threads must call, and get the result. */  \
    /* May be called again at once. */                                                             \
    static __device__ __forceinline__ type bl_block_sum(type v) {                                  \
        __shared__ type part[BL_WARP];                                                             \
        int lane = (int)threadIdx.x % BL_WARP, warp = (int)threadIdx.x / BL_WARP;                  \
        v = bl_warp_sum(v);                                                                        \
        if (lane == 0) part[warp] = v;                                                             \
        __syncthreads();                                                                           \
        v = lane < (int)blockDim.x / BL_WARP ? part[lane] : (type)0;                               \
        __syncthreads();                                                                           \
        return bl_warp_sum(v);                                                                     \
    }                                                                                              \
    static __device__ __forceinline__ type bl_block_max(type v) {                                  \
        __shared__ type part[BL_WARP];                                                             \
        int lane = (int)threadIdx.x % BL_WARP, warp = (int)threadIdx.x / BL_WARP;                  \
        v = bl_warp_max(v);                                                                        \
        if (lane == 0) part[warp] = v;                                                             \
        __syncthreads();                                                                           \
        v = part[lane < (int)blockDim.x / BL_WARP ? lane : 0];                                     \
        __syncthreads();                                                                           \
        return bl_warp_max(v);                                                                     \
    }

BL_DEFINE_REDUCTIONS(float)
BL_DEFINE_REDUCTIONS(double)
BL_DEFINE_REDUCTIONS(int)
BL_DEFINE_REDUCTIONS(unsigned long long)

/* ---- host side ---- */

/* Copies device memory to the host and waits for it: false (and an error that the device reports)
 * when the work before it failed. */
static inline bool bl_fetch(void *host, const void *device, size_t bytes) {
    return cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, cudaStreamPerThread) ==
               cudaSuccess &&
           cudaStreamSynchronize(cudaStreamPerThread) == cudaSuccess;
}

#endif
