/* The CUDA backend's plans object: the handles of cuDNN and cuBLAS, the convolution plans found so
 * far, and their scratch memory. One per context, for one device; everything is queued on the
 * calling thread's stream. */
#ifndef BALLAST_KERNELS_CUDA_PLANS_H
#define BALLAST_KERNELS_CUDA_PLANS_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include "kernels/cuda/conv_graph.h"
#include "kernels/plan_cache.h"
#include "kernels/tuning.h"

enum { BL_SLOT_X, BL_SLOT_W, BL_SLOT_Y, BL_SLOT_B, BL_SLOT_WORK, BL_SLOTS };

typedef struct bl_cuda_plan {
    bl_conv_key key;   /* what was asked for */
    bl_conv_key run;   /* what the engine does: the same, or without the fused part */
    int32_t after;     /* BL_CUDA_BIAS | BL_CUDA_RELU left to a kernel, as no engine fuses them */
    int64_t workspace; /* bytes */
    cudnnBackendDescriptor_t plan;
    char engine[160];
    double ms; /* of the timing it won; 0 when it was not timed */
    int64_t calls;
} bl_cuda_plan;

struct bl_plans {
    cudnnHandle_t cudnn;
    cublasHandle_t cublas;
    cudnnBackendDescriptor_t device;
    cudaEvent_t begin, end; /* for timing candidates */
    bl_cuda_math math;      /* with fp32 tensors */
    int64_t workspace;      /* bytes that an engine may take, see conv_choice.h */
    bool deterministic;
    bl_plan_cache *cache; /* bl_conv_key -> bl_cuda_plan */
    bl_tuning *tuning;    /* key text -> engine name; NULL without a file */
    /* Shared by all plans: a context runs one op at a time. Grows to the largest. */
    void *slot[BL_SLOTS];
    size_t slot_bytes[BL_SLOTS];
    void *cublas_memory; /* its workspace, with graphs on */
};

/* Makes scratch slot `i` hold at least `bytes`; its content is lost when it grows. */
bl_status bl_cuda_reserve(bl_plans *p, int i, size_t bytes);
/* Takes the first allowed engine or times them (see conv_choice.h) and builds the plan, trying
 * without fusion where none fuses. Timing runs on the pointers, whose output is overwritten. The
 * plan belongs to the cache. */
bl_status bl_cuda_plan_get(bl_plans *p, const bl_conv_key *key, const bl_conv_pointers *ptr,
                           bl_cuda_plan **out);
/* Queues it. */
bl_status bl_cuda_plan_run(bl_plans *p, const bl_cuda_plan *plan, const bl_conv_pointers *ptr);

#endif
