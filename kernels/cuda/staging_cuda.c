/* Staging on a CUDA device: each block is pinned host memory, device memory of the same size and a
 * stream of its own, which copies the one into the other while the threads' streams compute.
 * `copied` orders readers behind the copy, `used` the next copy behind the readers. */
#include <cuda_runtime.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/deferred.h"
#include "kernels/staging.h"

enum { ALIGN = 64 };

typedef struct block {
    bl_staging base; /* first */
    int index;       /* of the device */
    char *host, *memory;
    size_t capacity;
    cudaStream_t stream;
    cudaEvent_t copied, used;
} block;

#define CU_TRY(expr) BL_TRY(bl_cuda_status((int)(expr), "sending data ahead"))

/* The calling thread may be new to the device. */
static block *bind(bl_staging *s) {
    block *b = (block *)s;
    cudaSetDevice(b->index);
    return b;
}

static size_t rounded(size_t bytes) {
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static void free_memory(block *b) {
    bl_cuda_flush_quietly();
    bl_cuda_forget_graphs();
    if (b->memory) cudaFree(b->memory);
    if (b->host) cudaFreeHost(b->host);
    b->memory = b->host = NULL;
    b->capacity = 0;
}

static void cuda_close(bl_staging *s) {
    block *b = bind(s);
    if (b->stream) cudaStreamSynchronize(b->stream);
    free_memory(b);
    if (b->copied) cudaEventDestroy(b->copied);
    if (b->used) cudaEventDestroy(b->used);
    if (b->stream) cudaStreamDestroy(b->stream);
    free(b);
}

static bl_status open_block(block *b) {
    CU_TRY(cudaSetDevice(b->index));
    CU_TRY(cudaStreamCreateWithFlags(&b->stream, cudaStreamNonBlocking));
    CU_TRY(cudaEventCreateWithFlags(&b->copied, cudaEventDisableTiming));
    CU_TRY(cudaEventCreateWithFlags(&b->used, cudaEventDisableTiming));
    return BL_OK;
}

static bl_status cuda_open(bl_device *d, bl_staging **out) {
    *out = NULL;
    block *b = calloc(1, sizeof *b);
    if (!b) return bl_no_memory("to describe a staging block");
    b->base.ops = d->staging;
    b->index = bl_cuda_device_index(d);
    bl_status status = open_block(b);
    if (status != BL_OK) {
        cuda_close(&b->base);
        return status;
    }
    *out = &b->base;
    return BL_OK;
}

/* Batches of images differ in size: a quarter more than asked for, so that the first few settle it.
 * Freeing device memory waits for its readers. */
static bl_status reserve(block *b, size_t bytes) {
    if (bytes <= b->capacity) return BL_OK;
    void *host, *memory;
    free_memory(b);
    bytes = rounded(bytes + bytes / 4);
    CU_TRY(cudaHostAlloc(&host, bytes, cudaHostAllocDefault));
    b->host = host;
    CU_TRY(cudaMalloc(&memory, bytes));
    b->memory = memory;
    b->capacity = bytes;
    return BL_OK;
}

static bl_status cuda_load(bl_staging *s, bl_parcel *parcel, int n) {
    block *b = bind(s);
    size_t bytes = 0, at = 0;
    for (int i = 0; i < n; i++) bytes += rounded(parcel[i].bytes);
    CU_TRY(cudaEventSynchronize(b->copied)); /* the last copy has left the pinned memory */
    BL_TRY(reserve(b, bytes));
    for (int i = 0; i < n; at += rounded(parcel[i++].bytes)) {
        memcpy(b->host + at, parcel[i].src, parcel[i].bytes);
        parcel[i].data = b->memory + at;
    }
    CU_TRY(cudaStreamWaitEvent(b->stream, b->used, cudaEventWaitDefault));
    if (bytes) {
        CU_TRY(cudaMemcpyAsync(b->memory, b->host, bytes, cudaMemcpyHostToDevice, b->stream));
    }
    CU_TRY(cudaEventRecord(b->copied, b->stream));
    return BL_OK;
}

static bl_status cuda_await(bl_staging *s) {
    block *b = bind(s);
    BL_TRY(bl_cuda_flush()); /* needs not wait */
    CU_TRY(cudaStreamWaitEvent(cudaStreamPerThread, b->copied, cudaEventWaitDefault));
    return BL_OK;
}

static bl_status cuda_release(bl_staging *s) {
    block *b = bind(s);
    bl_cuda_flush_quietly(); /* readers come before the event; their errors are kept */
    CU_TRY(cudaEventRecord(b->used, cudaStreamPerThread));
    return BL_OK;
}

const bl_staging_ops bl_staging_cuda = {.open = cuda_open,
                                        .load = cuda_load,
                                        .await = cuda_await,
                                        .release = cuda_release,
                                        .close = cuda_close};
