/* A CUDA device behind bl_device.
 *
 * Work of a host thread goes to that thread's own stream (cudaStreamPerThread), so contexts of
 * different threads do not wait for each other and kernels need no handle. Copies from the host go
 * through a ring of pinned slots: the caller's memory is free again when to_device returns, and the
 * copy itself is asynchronous. An error of earlier work is reported by the call that meets it
 * first, sync and to_host at the latest.
 *
 * With graphs on, copies and small uploads are commands of the thread's list (deferred.h); what
 * waits or cannot be deferred runs the list first. */
#include <cuda_runtime.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/deferred.h"

enum { SLOTS = 8, SLOT_BYTES = 1 << 20, SLOT_ALIGN = 256 };

typedef struct stage {
    char *memory; /* pinned */
    size_t used;
    pthread_t owner;  /* the thread whose copies it holds */
    cudaEvent_t done; /* the last copy out of it */
} stage;

typedef struct cuda_device {
    bl_device base; /* first: `impl` is not needed */
    char name[16];
    int index;
    pthread_mutex_t lock; /* of the ring */
    stage slot[SLOTS];
    int next;
    bl_cuda_list *list; /* with graphs on */
} cuda_device;

bl_status bl_cuda_status(int error, const char *what) {
    cudaError_t e = (cudaError_t)error;
    if (e == cudaSuccess) return BL_OK;
    return bl_fail(e == cudaErrorMemoryAllocation ? BL_ENOMEM : BL_EBACKEND, "CUDA, %s: %s (%s)",
                   what, cudaGetErrorString(e), cudaGetErrorName(e));
}

#define CU_TRY(expr, what) BL_TRY(bl_cuda_status((int)(expr), what))

/* The calling thread may be new to the device: binding is per thread and cheap. */
static cuda_device *bind(bl_device *d) {
    cuda_device *c = (cuda_device *)d;
    cudaSetDevice(c->index);
    return c;
}

static bl_status cuda_alloc(bl_device *d, size_t bytes, void **ptr) {
    cuda_device *c = bind(d);
    *ptr = NULL;
    cudaError_t e = cudaMalloc(ptr, bytes ? bytes : 1);
    if (e != cudaErrorMemoryAllocation) return bl_cuda_status((int)e, "allocating memory");
    cudaGetLastError(); /* the caller may go on with less */
    size_t available = 0, total = 0;
    cudaMemGetInfo(&available, &total);
    return bl_fail(BL_ENOMEM,
                   "out of memory on %s: cannot allocate %zu bytes (%zu of %zu MiB are free)",
                   c->name, bytes, available >> 20, total >> 20);
}

static void cuda_free(bl_device *d, void *ptr) {
    bind(d);
    bl_cuda_flush_quietly();
    bl_cuda_forget_graphs();
    cudaFree(ptr);
}

/* The slot that has room for so many bytes: the one in use, if its copies are this thread's, or the
 * next one, when its last copy has left it. Small copies share a slot: a step has a dozen of them, and
 * with a slot each the host would soon wait for the kernels that it is to be ahead of. */
static bl_status take_slot(cuda_device *c, size_t bytes, stage **out) {
    stage *s = &c->slot[c->next];
    bool ours = s->used == 0 || pthread_equal(s->owner, pthread_self());
    if (!ours || s->used + bytes > SLOT_BYTES) {
        c->next = (c->next + 1) % SLOTS;
        s = &c->slot[c->next];
        CU_TRY(cudaEventSynchronize(s->done), "an earlier copy to the device");
        s->used = 0;
    }
    s->owner = pthread_self();
    *out = s;
    return BL_OK;
}

/* At most one slot's worth. */
static bl_status stage_copy(cuda_device *c, void *dst, const void *src, size_t bytes) {
    stage *s;
    BL_TRY(take_slot(c, bytes, &s));
    char *at = s->memory + s->used;
    s->used += (bytes + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
    memcpy(at, src, bytes);
    CU_TRY(cudaMemcpyAsync(dst, at, bytes, cudaMemcpyHostToDevice, cudaStreamPerThread),
           "copying to the device");
    CU_TRY(cudaEventRecord(s->done, cudaStreamPerThread), "copying to the device");
    return BL_OK;
}

/* ---- what can be deferred ---- */

typedef struct copy_args {
    void *dst;
    const void *src;
    size_t bytes;
} copy_args;

static bl_status do_upload(const void *args) {
    const copy_args *a = args;
    return bl_cuda_status(
        (int)cudaMemcpyAsync(a->dst, a->src, a->bytes, cudaMemcpyHostToDevice, cudaStreamPerThread),
        "copying to the device");
}

static bl_status do_copy(const void *args) {
    const copy_args *a = args;
    return bl_cuda_status((int)cudaMemcpyAsync(a->dst, a->src, a->bytes, cudaMemcpyDeviceToDevice,
                                               cudaStreamPerThread),
                          "copying on the device");
}

static bl_status do_zero(const void *args) {
    const copy_args *a = args;
    return bl_cuda_status((int)cudaMemsetAsync(a->dst, 0, a->bytes, cudaStreamPerThread),
                          "zeroing memory");
}

static bl_status queue(bl_cuda_command run, void *dst, const void *src, size_t bytes) {
    const copy_args a = {dst, src, bytes};
    return bytes > 0 ? bl_cuda_queue(run, &a, sizeof a) : BL_OK;
}

static bl_status cuda_copy(bl_device *d, void *dst, const void *src, size_t bytes) {
    bind(d);
    return queue(do_copy, dst, src, bytes);
}

static bl_status cuda_zero(bl_device *d, void *dst, size_t bytes) {
    bind(d);
    return queue(do_zero, dst, NULL, bytes);
}

static bl_status cuda_to_device(bl_device *d, void *dst, const void *src, size_t bytes) {
    cuda_device *c = bind(d);
    bl_status status = BL_OK;
    void *room = bl_cuda_deferring() ? bl_cuda_upload_room(bytes) : NULL;
    if (room) {
        memcpy(room, src, bytes);
        return queue(do_upload, dst, room, bytes);
    }
    BL_TRY(bl_cuda_flush());
    pthread_mutex_lock(&c->lock);
    for (size_t at = 0; at < bytes && status == BL_OK; at += SLOT_BYTES) {
        size_t part = bytes - at < SLOT_BYTES ? bytes - at : SLOT_BYTES;
        status = stage_copy(c, (char *)dst + at, (const char *)src + at, part);
    }
    pthread_mutex_unlock(&c->lock);
    return status;
}

static bl_status cuda_sync(bl_device *d) {
    bind(d);
    bl_status deferred = bl_cuda_flush();
    cudaError_t waited = cudaStreamSynchronize(cudaStreamPerThread);
    cudaError_t earlier = cudaGetLastError(); /* reported once */
    bl_cuda_waited();
    BL_TRY(deferred);
    CU_TRY(waited, "waiting for the device");
    return bl_cuda_status((int)earlier, "an earlier kernel or call");
}

static bl_status cuda_to_host(bl_device *d, void *dst, const void *src, size_t bytes) {
    bind(d);
    BL_TRY(bl_cuda_flush());
    if (bytes) {
        CU_TRY(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToHost, cudaStreamPerThread),
               "copying to the host");
    }
    return cuda_sync(d);
}

static void cuda_destroy(bl_device *d) {
    cuda_device *c = bind(d);
    bl_cuda_list_end(c->list);
    cudaStreamSynchronize(cudaStreamPerThread);
    for (int i = 0; i < SLOTS; i++) {
        if (c->slot[i].done) cudaEventDestroy(c->slot[i].done);
        if (c->slot[i].memory) cudaFreeHost(c->slot[i].memory);
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
}

int bl_cuda_device_index(const bl_device *d) {
    return ((const cuda_device *)d)->index;
}

bl_status bl_cuda_defer_begin(bl_device *d, bl_kernels *k) {
    cuda_device *c = bind(d);
    BL_TRY(bl_cuda_list_begin(&c->list));
    bl_cuda_record_slots(k);
    return BL_OK;
}

bl_graph_stats bl_cuda_graph_stats(const bl_device *d) {
    const cuda_device *c = (const cuda_device *)d;
    return c->list ? bl_cuda_list_stats(c->list) : (bl_graph_stats){0};
}

int bl_cuda_device_count(const char **why) {
    int n = 0, driver = 0;
    cudaError_t e = cudaGetDeviceCount(&n);
    cudaGetLastError(); /* not an error of later work */
    *why = NULL;
    if (e == cudaSuccess && n > 0) return n;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
        *why = "no NVIDIA driver is installed";
    } else if (e == cudaErrorInsufficientDriver) {
        *why = "the NVIDIA driver is too old for the CUDA runtime of this build";
    } else if (e == cudaSuccess || e == cudaErrorNoDevice) {
        *why = "the driver sees no device";
    } else {
        *why = cudaGetErrorString(e);
    }
    return 0;
}

/* The pool of cudaMallocAsync gives everything back at each wait unless told to keep it, and each
 * step would map its scratch memory anew. */
static bl_status keep_scratch(cuda_device *c) {
    cudaMemPool_t pool;
    uint64_t all = UINT64_MAX;
    CU_TRY(cudaDeviceGetDefaultMemPool(&pool, c->index), "the pool of scratch memory");
    CU_TRY(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all),
           "the pool of scratch memory");
    return BL_OK;
}

static bl_status open_stages(cuda_device *c) {
    CU_TRY(cudaSetDevice(c->index), "choosing the device");
    BL_TRY(keep_scratch(c));
    for (int i = 0; i < SLOTS; i++) {
        CU_TRY(cudaHostAlloc((void **)&c->slot[i].memory, SLOT_BYTES, cudaHostAllocDefault),
               "allocating pinned memory");
        CU_TRY(cudaEventCreateWithFlags(&c->slot[i].done, cudaEventDisableTiming),
               "creating an event");
    }
    return BL_OK;
}

bl_status bl_cuda_device_open(int index, bl_device **out) {
    *out = NULL;
    cuda_device *c = calloc(1, sizeof *c);
    if (!c) return bl_no_memory("to open a CUDA device");
    snprintf(c->name, sizeof c->name, "cuda:%d", index);
    c->index = index;
    pthread_mutex_init(&c->lock, NULL);
    c->base = (bl_device){.name = c->name,
                          .alloc = cuda_alloc,
                          .free = cuda_free,
                          .to_device = cuda_to_device,
                          .to_host = cuda_to_host,
                          .copy = cuda_copy,
                          .zero = cuda_zero,
                          .sync = cuda_sync,
                          .staging = &bl_staging_cuda,
                          .destroy = cuda_destroy};
    bl_status status = open_stages(c);
    if (status != BL_OK) {
        cuda_destroy(&c->base);
        return bl_fail_context(status, "device \"cuda:%d\"", index);
    }
    *out = &c->base;
    return BL_OK;
}
