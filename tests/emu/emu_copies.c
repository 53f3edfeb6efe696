/* Copies and fills on the threads' own streams of the emulated device, at once or kept for a graph,
 * and the list of pinned memory, which alone may be the host's side of a captured copy. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/emu/cuda_runtime.h"

/* ---- pinned memory ---- */

enum { PINNED_MAX = 256 };

static struct {
    pthread_mutex_t lock;
    struct {
        const char *at;
        size_t bytes;
    } range[PINNED_MAX];
} g = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The range that begins at `from` (NULL: a free one) becomes another one. */
static void set_range(const void *from, const void *to, size_t bytes) {
    pthread_mutex_lock(&g.lock);
    int i = 0;
    while (i < PINNED_MAX && g.range[i].at != from) i++;
    if (i < PINNED_MAX) {
        g.range[i].at = to;
        g.range[i].bytes = bytes;
    }
    pthread_mutex_unlock(&g.lock);
}

void bl_emu_pin(const void *p, size_t bytes) {
    set_range(NULL, p, bytes);
}

void bl_emu_unpin(const void *p) {
    if (p) set_range(p, NULL, 0);
}

static bool is_pinned(const void *p, size_t bytes) {
    bool found = false;
    const char *q = p;
    pthread_mutex_lock(&g.lock);
    for (int i = 0; i < PINNED_MAX && !found; i++) {
        const char *at = g.range[i].at;
        found = at && q >= at && q + bytes <= at + g.range[i].bytes;
    }
    pthread_mutex_unlock(&g.lock);
    return found;
}

/* ---- copies ---- */

typedef struct copy {
    void *dst;
    const void *src; /* NULL: dst is filled with `value` */
    size_t bytes;
    bool dst_host, src_host;
    int value;
} copy;

void bl_emu_check_side(const void *p, size_t bytes, bool device) {
    if (device) {
        bl_emu_need(p, bytes);
    } else if (bl_emu_owns(p)) {
        fprintf(stderr, "emulated GPU: a copy takes device memory for host memory (%p)\n", p);
        abort();
    }
}

static void perform(void *arg) {
    const copy *c = arg;
    bl_emu_begin(c->src ? "cudaMemcpyAsync" : "cudaMemsetAsync");
    bl_emu_check_side(c->dst, c->bytes, !c->dst_host);
    if (c->src) {
        bl_emu_check_side(c->src, c->bytes, !c->src_host);
        memcpy(c->dst, c->src, c->bytes);
    } else {
        memset(c->dst, c->value, c->bytes);
    }
    bl_emu_end();
}

static cudaError_t start(copy c) {
    if (c.bytes == 0) return cudaSuccess;
    if (!bl_emu_capturing()) {
        perform(&c);
        return cudaSuccess;
    }
    if (c.dst_host && !is_pinned(c.dst, c.bytes)) BL_EMU_REFUSE();
    if (c.src_host && !is_pinned(c.src, c.bytes)) BL_EMU_REFUSE();
    copy *kept = malloc(sizeof *kept);
    if (!kept) return cudaErrorMemoryAllocation;
    *kept = c;
    bl_emu_keep(perform, NULL, kept);
    return cudaSuccess;
}

static int64_t bytes_up;

int64_t bl_emu_bytes_up(void) {
    return bytes_up;
}

cudaError_t bl_emu_copy(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind) {
    if (kind == cudaMemcpyHostToDevice) bytes_up += (int64_t)bytes;
    return start((copy){.dst = dst,
                        .src = src,
                        .bytes = bytes,
                        .dst_host = kind == cudaMemcpyDeviceToHost,
                        .src_host = kind == cudaMemcpyHostToDevice});
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t s) {
    return start((copy){.dst = p, .bytes = bytes, .value = value});
}
