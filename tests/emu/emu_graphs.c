/* Stream capture and graphs on the emulated device: a graph is the list of calls that were kept,
 * and a launch makes them in order. */
#include <stdlib.h>

#include "tests/emu/cuda_runtime.h"

typedef struct kept {
    void (*run)(void *arg);
    void (*drop)(void *arg);
    void *arg;
} kept;

struct bl_emu_graph_made {
    kept *call;
    int n, cap;
    int references; /* a graph and what was instantiated from it are one */
    bool broken;
};

static _Thread_local cudaGraph_t capturing;

static struct {
    int64_t graphs, work;
    bool fail;
} count;

int64_t bl_emu_graphs(void) {
    return count.graphs;
}

int64_t bl_emu_graph_work(void) {
    return count.work;
}

void bl_emu_fail_capture(void) {
    count.fail = true;
}

bool bl_emu_capturing(void) {
    return capturing != NULL;
}

void bl_emu_keep(void (*run)(void *arg), void (*drop)(void *arg), void *arg) {
    cudaGraph_t g = capturing;
    if (g->n == g->cap) {
        g->cap = g->cap ? 2 * g->cap : 64;
        g->call = realloc(g->call, (size_t)g->cap * sizeof *g->call);
        if (!g->call) abort();
    }
    g->call[g->n++] = (kept){run, drop ? drop : free, arg};
}

int bl_emu_refuse(void) {
    if (!capturing) return cudaSuccess;
    capturing->broken = true;
    bl_emu_set_error(cudaErrorStreamCaptureUnsupported);
    return cudaErrorStreamCaptureUnsupported;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode) {
    if (capturing || s != cudaStreamPerThread) return cudaErrorInvalidValue;
    capturing = calloc(1, sizeof *capturing);
    if (!capturing) return cudaErrorMemoryAllocation;
    capturing->references = 1;
    capturing->broken = count.fail;
    count.fail = false;
    return cudaSuccess;
}

static void release(cudaGraph_t g) {
    if (--g->references > 0) return;
    for (int i = 0; i < g->n; i++) g->call[i].drop(g->call[i].arg);
    free(g->call);
    free(g);
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph) {
    cudaGraph_t g = capturing;
    *graph = NULL;
    capturing = NULL;
    if (!g) return cudaErrorInvalidValue;
    if (!g->broken) {
        *graph = g;
        return cudaSuccess;
    }
    release(g);
    bl_emu_set_error(cudaErrorStreamCaptureInvalidated);
    return cudaErrorStreamCaptureInvalidated;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                 unsigned long long flags) {
    if (bl_emu_refuse() != cudaSuccess) return cudaErrorStreamCaptureUnsupported;
    graph->references++;
    *exec = graph;
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s) {
    if (bl_emu_refuse() != cudaSuccess) return cudaErrorStreamCaptureUnsupported;
    for (int i = 0; i < exec->n; i++) exec->call[i].run(exec->call[i].arg);
    count.graphs++;
    count.work += exec->n;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    release(graph);
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    release(exec);
    return cudaSuccess;
}
