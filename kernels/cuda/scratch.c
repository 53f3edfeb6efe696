#include "kernels/cuda/scratch.h"

#include <cuda_runtime.h>
#include <stdint.h>

/* Blocks double, so this many are more than any device holds. */
enum { BLOCKS = 40, ALIGN = 256 };
#define LEAST ((size_t)1 << 20)

/* A stack: all slots of a thread use it in turn, each gives back all it took. Blocks that have
 * become too small stay, as graphs point to them. */
static _Thread_local struct {
    bool keep;
    char *block[BLOCKS];
    int blocks;
    size_t size, top; /* of the last block */
    int live;
} stack;

static void *push(size_t bytes) {
    size_t room = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (stack.top + room > stack.size) {
        size_t size = stack.size > 0 ? 2 * stack.size : LEAST;
        void *p = NULL;
        while (size < room) size *= 2;
        if (stack.blocks == BLOCKS || cudaMalloc(&p, size) != cudaSuccess) return NULL;
        stack.block[stack.blocks++] = p;
        stack.size = size;
        stack.top = 0;
    }
    stack.top += room;
    stack.live++;
    return stack.block[stack.blocks - 1] + stack.top - room;
}

void *bl_scratch(size_t bytes) {
    void *p = NULL;
    if (stack.keep) return push(bytes);
    return cudaMallocAsync(&p, bytes, cudaStreamPerThread) == cudaSuccess ? p : NULL;
}

void bl_scratch_free(void *p) {
    if (!p) return;
    if (!stack.keep) {
        cudaFreeAsync(p, cudaStreamPerThread);
    } else if (--stack.live == 0) {
        stack.top = 0;
    }
}

void bl_scratch_keep(bool keep) {
    for (int i = 0; i < stack.blocks; i++) cudaFree(stack.block[i]);
    stack.blocks = 0;
    stack.size = 0;
    stack.top = 0;
    stack.live = 0;
    stack.keep = keep;
}
