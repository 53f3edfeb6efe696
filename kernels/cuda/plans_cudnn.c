/* Life of the plans object, and finding the plan of a convolution; see plans.h. */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/deferred.h"
#include "kernels/cuda/plans.h"

enum { PLANS_MAX = 2048, TIMED_RUNS = 3 };
/* What NVIDIA recommends for Hopper; smaller chips need less. */
#define CUBLAS_WORKSPACE ((size_t)32 << 20)

bl_status bl_cuda_reserve(bl_plans *p, int i, size_t bytes) {
    if (bytes <= p->slot_bytes[i]) return BL_OK;
    bl_cuda_forget_graphs();
    /* cudaFree waits for the work that still uses the old memory. */
    BL_TRY(bl_cuda_status(cudaFree(p->slot[i]), "cudaFree of convolution scratch"));
    p->slot[i] = NULL;
    p->slot_bytes[i] = 0;
    cudaError_t e = cudaMalloc(&p->slot[i], bytes);
    if (e != cudaSuccess) {
        (void)cudaGetLastError(); /* not an error of the work that follows */
        bl_status status = bl_cuda_status((int)e, "cudaMalloc");
        return bl_fail_context(status, "convolution scratch of %zu bytes", bytes);
    }
    p->slot_bytes[i] = bytes;
    return BL_OK;
}

/* ---- finding a plan ---- */

typedef struct search {
    bl_plans *p;
    bl_conv_graph *graph;
    const bl_conv_key *key;
    const bl_conv_pointers *ptr;
    cudnnBackendDescriptor_t plan[BL_CONV_CANDIDATES];
    int64_t workspace[BL_CONV_CANDIDATES];
} search;

static bl_status prepare(void *arg, int i, int64_t *workspace) {
    search *s = arg;
    BL_TRY(bl_conv_graph_plan(s->graph, s->p->device, i, &s->plan[i], workspace));
    s->workspace[i] = *workspace;
    return BL_OK;
}

static bl_status run_once(const search *s, int i) {
    return bl_conv_plan_run(s->p->cudnn, s->plan[i], s->key, s->ptr, s->p->slot[BL_SLOT_WORK]);
}

/* Best of several after a warm-up run. */
static bl_status time_runs(search *s, int i, double *best) {
    bl_plans *p = s->p;
    BL_TRY(bl_cuda_reserve(p, BL_SLOT_WORK, (size_t)s->workspace[i]));
    BL_TRY(run_once(s, i));
    *best = DBL_MAX;
    for (int r = 0; r < TIMED_RUNS; r++) {
        float ms;
        BL_TRY(bl_cuda_status(cudaEventRecord(p->begin, cudaStreamPerThread), "timing"));
        BL_TRY(run_once(s, i));
        BL_TRY(bl_cuda_status(cudaEventRecord(p->end, cudaStreamPerThread), "timing"));
        BL_TRY(bl_cuda_status(cudaEventSynchronize(p->end), "timing"));
        BL_TRY(bl_cuda_status(cudaEventElapsedTime(&ms, p->begin, p->end), "timing"));
        if (ms < *best) *best = ms;
    }
    return BL_OK;
}

static bl_status time_plan(void *arg, int i, double *best) {
    bl_status status = time_runs(arg, i, best);
    /* The candidate is passed over; the work that follows shall not trip over its error. */
    if (status != BL_OK) (void)cudaGetLastError();
    return status;
}

static bl_status pick_engine(search *s, bl_cuda_plan *out) {
    const bl_conv_candidate *list;
    int n;
    char text[160];
    bl_conv_verdict v;
    bl_conv_key_text(s->key, text, sizeof text);
    bl_conv_rule rule = {.math = (bl_cuda_math)s->key->math,
                         .deterministic = s->p->deterministic,
                         .tuned = bl_tuning_get(s->p->tuning, text),
                         .workspace = s->p->workspace};
    bl_conv_trial trial = {s, prepare, time_plan};
    BL_TRY(bl_conv_graph_create(s->key, &s->graph));
    BL_TRY(bl_conv_graph_engines(s->graph, s->p->device, &list, &n));
    BL_TRY(bl_conv_choose(list, n, &rule, &trial, &v));
    if (v.timed) bl_tuning_set(s->p->tuning, text, list[v.pick].name);
    out->run = *s->key;
    out->plan = s->plan[v.pick];
    out->workspace = v.workspace;
    out->ms = v.ms;
    snprintf(out->engine, sizeof out->engine, "%s", list[v.pick].name);
    s->plan[v.pick] = NULL;
    return BL_OK;
}

static bl_status find(bl_plans *p, const bl_conv_key *key, const bl_conv_pointers *ptr,
                      bl_cuda_plan *out) {
    search s = {.p = p, .key = key, .ptr = ptr};
    bl_status status = pick_engine(&s, out);
    for (int i = 0; i < BL_CONV_CANDIDATES; i++) {
        if (s.plan[i]) cudnnBackendDestroyDescriptor(s.plan[i]);
    }
    bl_conv_graph_destroy(s.graph);
    return status;
}

bl_status bl_cuda_plan_get(bl_plans *p, const bl_conv_key *key, const bl_conv_pointers *ptr,
                           bl_cuda_plan **out) {
    *out = bl_plan_cache_find(p->cache, key);
    if (*out) return BL_OK;
    bl_cuda_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return bl_no_memory("for the convolution plan");
    plan->key = *key;
    bl_status status = find(p, key, ptr, plan);
    if (status != BL_OK && key->fused) {
        bl_conv_key plain = *key;
        plain.fused = 0;
        plan->after = key->fused;
        status = find(p, &plain, ptr, plan);
    }
    if (status != BL_OK) {
        free(plan);
        return status;
    }
    BL_TRY(bl_plan_cache_insert(p->cache, key, plan));
    *out = plan;
    return BL_OK;
}

bl_status bl_cuda_plan_run(bl_plans *p, const bl_cuda_plan *plan, const bl_conv_pointers *ptr) {
    BL_TRY(bl_cuda_reserve(p, BL_SLOT_WORK, (size_t)plan->workspace));
    return bl_conv_plan_run(p->cudnn, plan->plan, &plan->run, ptr, p->slot[BL_SLOT_WORK]);
}

/* ---- life ---- */

static void drop_plan(void *arg) {
    bl_cuda_plan *plan = arg;
    bl_cuda_forget_graphs();
    cudnnBackendDestroyDescriptor(plan->plan);
    free(plan);
}

static bl_status open_cudnn(bl_plans *p) {
    size_t version = cudnnGetVersion();
    if (version < 90800) {
        return bl_fail(BL_EUNSUPPORTED, "cuDNN %zu.%zu is too old: 9.8 or newer is needed",
                       version / 10000, version / 100 % 100);
    }
    cudnnStatus_t s = cudnnCreate(&p->cudnn);
    if (s != CUDNN_STATUS_SUCCESS) return bl_cudnn_fail(s, "cudnnCreate");
    s = cudnnSetStream(p->cudnn, cudaStreamPerThread);
    if (s != CUDNN_STATUS_SUCCESS) return bl_cudnn_fail(s, "cudnnSetStream");
    return bl_cudnn_device(p->cudnn, &p->device);
}

static bl_status open_cublas(bl_plans *p, bool graphs) {
    cublasMath_t mode = p->math == BL_CUDA_TF32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH;
    /* Else the parts of a product with a 16-bit result may be added up in 16 bits. */
    mode = (cublasMath_t)(mode | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION);
    cublasStatus_t s = cublasCreate(&p->cublas);
    if (s == CUBLAS_STATUS_SUCCESS) s = cublasSetStream(p->cublas, cudaStreamPerThread);
    if (s == CUBLAS_STATUS_SUCCESS) s = cublasSetMathMode(p->cublas, mode);
    if (s == CUBLAS_STATUS_SUCCESS && graphs) { /* its own memory is no memory for graphs */
        BL_TRY(bl_cuda_status((int)cudaMalloc(&p->cublas_memory, CUBLAS_WORKSPACE),
                              "cuBLAS's workspace"));
        s = cublasSetWorkspace(p->cublas, p->cublas_memory, CUBLAS_WORKSPACE);
    }
    if (s == CUBLAS_STATUS_SUCCESS) return BL_OK;
    return bl_fail(BL_EBACKEND, "cuBLAS: cannot be opened: %s", cublasGetStatusString(s));
}

static bl_status ask_memory(bl_plans *p) {
    int device;
    struct cudaDeviceProp prop;
    BL_TRY(bl_cuda_status(cudaGetDevice(&device), "cudaGetDevice"));
    BL_TRY(bl_cuda_status(cudaGetDeviceProperties(&prop, device), "cudaGetDeviceProperties"));
    p->workspace = bl_conv_workspace(prop.totalGlobalMem);
    return BL_OK;
}

/* Timings hold for one kind of device and one version of the library. */
static bl_status open_tuning(bl_plans *p, const char *path) {
    int device;
    struct cudaDeviceProp prop;
    char version[32];
    size_t v = cudnnGetVersion();
    BL_TRY(bl_cuda_status(cudaGetDevice(&device), "cudaGetDevice"));
    BL_TRY(bl_cuda_status(cudaGetDeviceProperties(&prop, device), "cudaGetDeviceProperties"));
    snprintf(version, sizeof version, "%zu.%zu.%zu", v / 10000, v / 100 % 100, v % 100);
    bl_tuning_id ids[] = {{"device", prop.name}, {"cudnn", version}};
    return bl_tuning_open(path, ids, 2, &p->tuning);
}

bl_status bl_cuda_plans_create(const bl_ctx_options *opt, bl_plans **out) {
    *out = NULL;
    bl_plans *p = calloc(1, sizeof *p);
    if (!p) return bl_no_memory("for the plan cache");
    bl_status status;
    _Static_assert(sizeof(bl_conv_key) == 15 * sizeof(int32_t), "keys must have no padding");
    p->deterministic = opt->deterministic;
    p->math = bl_cuda_math_of(opt->precision);
    BL_TRY_DONE(bl_plan_cache_create(sizeof(bl_conv_key), PLANS_MAX, drop_plan, &p->cache));
    BL_TRY_DONE(ask_memory(p));
    BL_TRY_DONE(open_cudnn(p));
    BL_TRY_DONE(open_cublas(p, opt->graphs));
    BL_TRY_DONE(bl_cuda_status(cudaEventCreateWithFlags(&p->begin, cudaEventDefault), "timing"));
    BL_TRY_DONE(bl_cuda_status(cudaEventCreateWithFlags(&p->end, cudaEventDefault), "timing"));
    /* Choices in a tuning file come from timings, so a deterministic context does not read it. */
    if (opt->tuning_file && !p->deterministic) BL_TRY_DONE(open_tuning(p, opt->tuning_file));
    *out = p;
    return BL_OK;
done:
    bl_cuda_plans_destroy(p);
    return status;
}

void bl_cuda_plans_destroy(bl_plans *p) {
    if (!p) return;
    bl_cuda_flush_quietly(); /* what is deferred may still need them */
    bl_tuning_close(p->tuning);
    bl_plan_cache_destroy(p->cache);
    if (p->begin) cudaEventDestroy(p->begin);
    if (p->end) cudaEventDestroy(p->end);
    if (p->device) cudnnBackendDestroyDescriptor(p->device);
    if (p->cudnn) cudnnDestroy(p->cudnn);
    if (p->cublas) cublasDestroy(p->cublas);
    for (int i = 0; i < BL_SLOTS; i++) cudaFree(p->slot[i]);
    cudaFree(p->cublas_memory);
    free(p);
}

typedef struct describe_job {
    bl_line_fn line;
    void *arg;
} describe_job;

static void describe(void *arg, const void *item) {
    const describe_job *j = arg;
    const bl_cuda_plan *plan = item;
    char name[160], text[480], timing[64] = "";
    bl_conv_key_text(&plan->key, name, sizeof name);
    if (plan->ms > 0) {
        snprintf(timing, sizeof timing, ", %.3f ms (%.0f GFLOP/s)", plan->ms,
                 bl_conv_key_flop(&plan->run) / (plan->ms * 1e6));
    }
    snprintf(text, sizeof text, "conv %s: cuDNN engine %s%s%s, %.1f MiB of scratch, %lld calls",
             name, plan->engine, plan->after ? ", then a kernel" : "", timing,
             (double)plan->workspace / (1 << 20), (long long)plan->calls);
    j->line(j->arg, text);
}

void bl_cuda_plans_describe(const bl_plans *p, bl_line_fn line, void *arg) {
    describe_job j = {line, arg};
    bl_plan_cache_each(p->cache, describe, &j);
}
