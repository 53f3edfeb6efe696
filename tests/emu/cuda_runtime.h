/* The part of <cuda_runtime.h> that Ballast uses, for the emulator: what launch.h promises to
 * kernels, and the runtime functions of the device. Found in front of the toolkit's header. */
#ifndef BALLAST_TESTS_EMU_CUDA_RUNTIME_H
#define BALLAST_TESTS_EMU_CUDA_RUNTIME_H

#include "tests/emu/emulator.h"

#define BL_EMULATED 1

struct bl_emu_idx {
    unsigned x, y, z;
};

#ifdef __cplusplus
extern "C" {
#endif

extern struct bl_emu_idx threadIdx, blockIdx, blockDim, gridDim;

/* ---- runtime ---- */

typedef enum cudaError {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNotReady = 600,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorIllegalAddress = 700,
    cudaErrorLaunchFailure = 719,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901
} cudaError_t;
typedef struct bl_emu_stream *cudaStream_t;
typedef struct bl_emu_event *cudaEvent_t;
typedef struct bl_emu_graph_made *cudaGraph_t, *cudaGraphExec_t;
typedef enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 } cudaStreamCaptureMode;
#define cudaStreamPerThread ((cudaStream_t)2)
typedef enum cudaMemcpyKind {
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost = 2,
    cudaMemcpyDeviceToDevice = 3
} cudaMemcpyKind;
enum { cudaStreamDefault = 0, cudaStreamNonBlocking = 1, cudaEventWaitDefault = 0 };
enum { cudaHostAllocDefault = 0, cudaEventDefault = 0, cudaEventDisableTiming = 2 };
typedef enum cudaDeviceAttr {
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76
} cudaDeviceAttr;
typedef struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem;
    int major, minor, multiProcessorCount;
} cudaDeviceProp;

cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int *device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device);
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attr, int device);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaGetLastError(void);
cudaError_t cudaPeekAtLastError(void);
const char *cudaGetErrorName(cudaError_t e);
const char *cudaGetErrorString(cudaError_t e);
cudaError_t cudaMemGetInfo(size_t *available, size_t *total);
#ifndef __cplusplus
cudaError_t cudaMalloc(void **p, size_t bytes);
cudaError_t cudaMallocAsync(void **p, size_t bytes, cudaStream_t s);
#endif
typedef struct bl_emu_mem_pool *cudaMemPool_t;
typedef enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 } cudaMemPoolAttr;
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attr, void *value);
cudaError_t cudaFree(void *p);
cudaError_t cudaFreeAsync(void *p, cudaStream_t s);
cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t s);
cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t s);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaDeviceSynchronize(void);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t e);
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s);
cudaError_t cudaEventSynchronize(cudaEvent_t e);
cudaError_t cudaEventQuery(cudaEvent_t e);
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to);
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                 unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);

/* A copy on a thread's own stream. */
cudaError_t bl_emu_copy(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind);
/* Keeps a launch's error for cudaGetLastError. */
void bl_emu_set_error(cudaError_t e);
/* The host has waited for the device: counted; the error that bl_emu_fail asked for, once. */
cudaError_t bl_emu_waited(void);

#ifdef __cplusplus
}
#endif

/* ---- kernels ---- */

#ifdef __cplusplus
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

extern "C" {
cudaError_t bl_emu_malloc(void **p, size_t bytes);
}
template <typename T> static inline cudaError_t cudaMalloc(T **p, size_t bytes) {
    return bl_emu_malloc((void **)p, bytes);
}
template <typename T>
static inline cudaError_t cudaMallocAsync(T **p, size_t bytes, cudaStream_t s) {
    return bl_emu_malloc((void **)p, bytes);
}

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("bl_emu_static")))

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

static inline void __syncthreads() {
    bl_emu_barrier();
}
static inline void __syncwarp(unsigned mask = 0xffffffffu) {
    bl_emu_warp(BL_EMU_BALLOT, mask, 0, 0);
}

template <typename T> static inline T bl_emu_shuffle(unsigned mask, T v, int from) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
    uint64_t word = 0;
    memcpy(&word, &v, sizeof v);
    word = bl_emu_warp(BL_EMU_SHUFFLE, mask, word, from);
    memcpy(&v, &word, sizeof v);
    return v;
}
template <typename T> static inline T __shfl_sync(unsigned mask, T v, int lane, int width = 32) {
    return bl_emu_shuffle(mask, v, (bl_emu_lane() & ~(width - 1)) | (lane & (width - 1)));
}
template <typename T>
static inline T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32) {
    int self = bl_emu_lane(), from = self ^ bits;
    return bl_emu_shuffle(mask, v, (from & ~(width - 1)) <= self ? from : self);
}
template <typename T>
static inline T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32) {
    int self = bl_emu_lane(), from = self + (int)delta;
    return bl_emu_shuffle(mask, v, (self & (width - 1)) + (int)delta < width ? from : self);
}
template <typename T>
static inline T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32) {
    int self = bl_emu_lane(), from = self - (int)delta;
    return bl_emu_shuffle(mask, v, (self & (width - 1)) >= (int)delta ? from : self);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate) {
    return (unsigned)bl_emu_warp(BL_EMU_BALLOT, mask, predicate != 0, 0);
}
static inline int __any_sync(unsigned mask, int predicate) {
    return __ballot_sync(mask, predicate) != 0;
}
static inline int __all_sync(unsigned mask, int predicate) {
    return __ballot_sync(mask, !predicate) == 0;
}

/* Integers only: sums of floats in an order of chance are not wanted anywhere. */
template <typename T> struct bl_emu_atomic {
    static_assert(std::is_same<T, int>::value || std::is_same<T, unsigned>::value ||
                      std::is_same<T, unsigned long long>::value,
                  "atomics work on int, unsigned and unsigned long long");
};
template <typename T> static inline T atomicAdd(T *p, T v) {
    bl_emu_atomic<T> check;
    (void)check;
    T old = *p;
    *p = old + v;
    return old;
}
template <typename T> static inline T atomicMax(T *p, T v) {
    bl_emu_atomic<T> check;
    (void)check;
    T old = *p;
    *p = old > v ? old : v;
    return old;
}
template <typename T> static inline T atomicMin(T *p, T v) {
    bl_emu_atomic<T> check;
    (void)check;
    T old = *p;
    *p = old < v ? old : v;
    return old;
}
template <typename T> static inline T atomicOr(T *p, T v) {
    bl_emu_atomic<T> check;
    (void)check;
    T old = *p;
    *p = old | v;
    return old;
}
template <typename T> static inline T atomicCAS(T *p, T compare, T v) {
    bl_emu_atomic<T> check;
    (void)check;
    T old = *p;
    if (old == compare) *p = v;
    return old;
}

template <typename T> static inline T __ldg(const T *p) {
    return *p;
}
static inline int __popc(unsigned v) {
    return __builtin_popcount(v);
}
static inline int __popcll(unsigned long long v) {
    return __builtin_popcountll(v);
}
static inline int __ffs(int v) {
    return __builtin_ffs(v);
}
static inline int __ffsll(long long v) {
    return __builtin_ffsll(v);
}
static inline int __clz(int v) {
    return v ? __builtin_clz((unsigned)v) : 32;
}
static inline int __clzll(long long v) {
    return v ? __builtin_clzll((unsigned long long)v) : 64;
}
static inline unsigned __float_as_uint(float v) {
    unsigned u;
    memcpy(&u, &v, sizeof u);
    return u;
}
static inline int __float_as_int(float v) {
    return (int)__float_as_uint(v);
}
static inline float __uint_as_float(unsigned u) {
    float v;
    memcpy(&v, &u, sizeof v);
    return v;
}
static inline float __int_as_float(int i) {
    return __uint_as_float((unsigned)i);
}
static inline float rsqrtf(float v) {
    return 1.0f / sqrtf(v);
}
template <typename T> static inline T min(T a, T b) {
    return b < a ? b : a;
}
template <typename T> static inline T max(T a, T b) {
    return a < b ? b : a;
}

template <typename... P> struct bl_emu_call {
    void (*kernel)(P...);
    std::tuple<typename std::decay<P>::type...> args;
    bl_emu_launch launch;
    static void thread(void *self) {
        bl_emu_call *c = (bl_emu_call *)self;
        std::apply(c->kernel, c->args);
    }
    static void start(void *self) {
        bl_emu_call *c = (bl_emu_call *)self;
        c->launch.arg = c;
        bl_emu_set_error((cudaError_t)bl_emu_run(&c->launch));
    }
};
template <typename T>
static inline void bl_emu_check_argument(const char *name, int i, const T &v) {
    bl_emu_argument(name, i, &v, sizeof v, std::is_pointer<T>::value);
}
template <typename... P, typename... A>
static inline void bl_emu_start(const char *name, dim3 grid, dim3 block, size_t shared,
                                void (*kernel)(P...), A &&...args) {
    bl_emu_call<P...> call = {kernel,
                              {std::forward<A>(args)...},
                              {name,
                               {grid.x, grid.y, grid.z},
                               {block.x, block.y, block.z},
                               shared,
                               bl_emu_call<P...>::thread,
                               NULL}};
    int i = 0;
    std::apply([&](auto &...a) { (bl_emu_check_argument(name, i++, a), ...); }, call.args);
    if (!bl_emu_capturing()) return bl_emu_call<P...>::start(&call);
    void *kept = malloc(sizeof call);
    if (kept) bl_emu_keep(bl_emu_call<P...>::start, NULL, new (kept) bl_emu_call<P...>(call));
}
#endif

#endif
