/* The CUDA runtime on the emulated device: devices, errors, memory. The threads' own streams are
 * one and work at once, in order; emu_streams.c has the rest. */
#include <stdlib.h>
#include <string.h>

#include "tests/emu/cuda_runtime.h"

enum { VERSION = 13000 };
#define MEMORY ((size_t)4 << 30)

static struct {
    int devices, current;
    cudaError_t last, pending;
    int64_t waits;
} r = {.devices = 1};

void bl_emu_devices(int n) {
    r.devices = n;
}

void bl_emu_fail(int error) {
    r.pending = (cudaError_t)error;
}

int64_t bl_emu_waits(void) {
    return r.waits;
}

cudaError_t bl_emu_waited(void) {
    cudaError_t e = r.pending;
    r.waits++;
    r.pending = cudaSuccess;
    return e;
}

void bl_emu_set_error(cudaError_t e) {
    if (e != cudaSuccess) r.last = e;
}

static cudaError_t result(cudaError_t e) {
    bl_emu_set_error(e);
    return e;
}

/* ---- devices ---- */

cudaError_t cudaGetDeviceCount(int *n) {
    *n = r.devices;
    return result(r.devices > 0 ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int device) {
    if (device < 0 || device >= r.devices) return result(cudaErrorInvalidDevice);
    r.current = device;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device) {
    *device = r.current;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device) {
    if (device < 0 || device >= r.devices) return result(cudaErrorInvalidDevice);
    *p = (cudaDeviceProp){.name = "emulated", .totalGlobalMem = MEMORY, .major = 9};
    p->multiProcessorCount = 1;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attr, int device) {
    if (device < 0 || device >= r.devices) return result(cudaErrorInvalidDevice);
    *value = attr == cudaDevAttrComputeCapabilityMajor   ? 9
             : attr == cudaDevAttrComputeCapabilityMinor ? 0
                                                         : 1;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version) {
    *version = VERSION;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetLastError(void) {
    cudaError_t e = r.last;
    r.last = cudaSuccess;
    return e;
}

cudaError_t cudaPeekAtLastError(void) {
    return r.last;
}

const char *cudaGetErrorName(cudaError_t e) {
    switch (e) {
    case cudaSuccess:
        return "cudaSuccess";
    case cudaErrorInvalidValue:
        return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
        return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
        return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver:
        return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
        return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
        return "cudaErrorInvalidDevice";
    case cudaErrorIllegalAddress:
        return "cudaErrorIllegalAddress";
    case cudaErrorNotReady:
        return "cudaErrorNotReady";
    case cudaErrorLaunchFailure:
        return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported:
        return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
        return "cudaErrorStreamCaptureInvalidated";
    }
    return "cudaErrorUnknown";
}

const char *cudaGetErrorString(cudaError_t e) {
    return cudaGetErrorName(e);
}

/* ---- memory ---- */

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
    *available = *total = MEMORY;
    return cudaSuccess;
}

cudaError_t bl_emu_malloc(void **p, size_t bytes);
cudaError_t bl_emu_malloc(void **p, size_t bytes) {
    BL_EMU_REFUSE();
    *p = bl_emu_alloc(bytes);
    return result(*p ? cudaSuccess : cudaErrorMemoryAllocation);
}

static uint64_t pool_keeps;

uint64_t bl_emu_pool_keeps(void) {
    return pool_keeps;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device) {
    *pool = NULL;
    return result(device >= 0 && device < r.devices ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attr, void *value) {
    if (attr != cudaMemPoolAttrReleaseThreshold) return result(cudaErrorInvalidValue);
    memcpy(&pool_keeps, value, sizeof pool_keeps);
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **p, size_t bytes) {
    return bl_emu_malloc(p, bytes);
}

cudaError_t cudaMallocAsync(void **p, size_t bytes, cudaStream_t s) {
    return bl_emu_malloc(p, bytes);
}

cudaError_t cudaFree(void *p) {
    BL_EMU_REFUSE();
    bl_emu_finish_streams(); /* the real one waits for the device */
    bl_emu_release(p);
    return cudaSuccess;
}

cudaError_t cudaFreeAsync(void *p, cudaStream_t s) {
    BL_EMU_REFUSE();
    bl_emu_release(p);
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned flags) {
    BL_EMU_REFUSE();
    *p = malloc(bytes ? bytes : 1);
    bl_emu_pin(*p, bytes);
    return result(*p ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void *p) {
    BL_EMU_REFUSE();
    bl_emu_finish_streams();
    bl_emu_unpin(p);
    free(p);
    return cudaSuccess;
}
