#include "kernels/cuda/deferred.h"

#include <cuda_runtime.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "kernels/cuda/scratch.h"
#include "kernels/plan_cache.h"

/* A list is cut after LIST_COMMANDS: the device starts while the host goes on, and an argument that
 * changes from step to step keeps no more than its neighbours from being replayed. */
enum { LIST_COMMANDS = 96, LIST_BYTES = 128 << 10, LISTS = 1024 };
/* Uploads: the most that one and all of them take between two waits. */
enum { UPLOAD_LEAST = 256, UPLOAD_MOST = 256 << 10, UPLOAD_ROOM = 4 << 20 };

typedef struct command {
    bl_cuda_command run;
    size_t size; /* of the command with its arguments */
} command;

/* What a list is known by, and what is known of it. */
typedef struct list_key {
    uint64_t hash, size;
} list_key;
typedef struct known_list {
    int64_t *graphs;       /* how many there are */
    cudaGraphExec_t graph; /* NULL: seen once, or refused */
    bool refused;          /* it cannot be captured */
    char bytes[];
} known_list;

struct bl_cuda_list {
    char bytes[LIST_BYTES];
    size_t used;
    int commands;
    bool running;         /* commands are being done: slots they call are meant directly */
    unsigned age;         /* `freed` when its graphs were made: others must not be launched */
    bl_plan_cache *cache; /* list_key -> known_list */
    char *upload;         /* pinned */
    size_t uploaded;
    bl_status failed; /* of an earlier flush, not reported yet; then commands are dropped */
    char why[512];
    bl_graph_stats stats;
};

static _Thread_local bl_cuda_list *mine;
/* How often memory or code went that graphs of any thread may point to: a loader's thread frees
 * what the trainer's graphs read. */
static atomic_uint freed;

/* ---- life ---- */

static void drop_known(void *arg) {
    known_list *k = arg;
    if (k->graph) { /* one that runs is freed when it has ended */
        cudaGraphExecDestroy(k->graph);
        --*k->graphs;
    }
    free(k);
}

static bl_status new_cache(bl_cuda_list *l) {
    bl_plan_cache_destroy(l->cache);
    l->cache = NULL;
    return bl_plan_cache_create(sizeof(list_key), LISTS, drop_known, &l->cache);
}

bl_status bl_cuda_list_begin(bl_cuda_list **out) {
    *out = NULL;
    if (mine) {
        return bl_fail(BL_EINVAL, "run.graphs: this thread has a context with graphs already");
    }
    bl_status status;
    bl_cuda_list *l = calloc(1, sizeof *l);
    if (!l) return bl_no_memory("to defer CUDA commands");
    BL_TRY_DONE(new_cache(l));
    BL_TRY_DONE(
        bl_cuda_status((int)cudaHostAlloc((void **)&l->upload, UPLOAD_ROOM, cudaHostAllocDefault),
                       "allocating pinned memory"));
    bl_scratch_keep(true);
    *out = mine = l;
    return BL_OK;
done:
    bl_cuda_list_end(l);
    return status;
}

void bl_cuda_list_end(bl_cuda_list *l) {
    if (!l) return;
    if (l == mine) {
        (void)bl_cuda_flush();
        cudaStreamSynchronize(cudaStreamPerThread);
        bl_scratch_keep(false);
        mine = NULL;
    }
    bl_plan_cache_destroy(l->cache);
    if (l->upload) cudaFreeHost(l->upload);
    free(l);
}

bl_graph_stats bl_cuda_list_stats(const bl_cuda_list *l) {
    return l->stats;
}

/* The first error is kept for bl_cuda_flush(). */
static void fail_later(bl_cuda_list *l, bl_status status) {
    if (status == BL_OK || l->failed != BL_OK) return;
    l->failed = status;
    snprintf(l->why, sizeof l->why, "%s", bl_error());
}

/* ---- writing ---- */

bool bl_cuda_deferring(void) {
    return mine && !mine->running;
}

void *bl_cuda_defer(bl_cuda_command run, size_t bytes) {
    bl_cuda_list *l = mine;
    size_t size = sizeof(command) + (bytes + 7) / 8 * 8;
    if (l->commands == LIST_COMMANDS || l->used + size > LIST_BYTES) bl_cuda_flush_quietly();
    command *c = (command *)(l->bytes + l->used);
    memset(c, 0, size);
    *c = (command){run, size};
    l->used += size;
    l->commands++;
    return c + 1;
}

bl_status bl_cuda_queue(bl_cuda_command run, const void *args, size_t bytes) {
    if (!bl_cuda_deferring()) return run(args);
    memcpy(bl_cuda_defer(run, bytes), args, bytes);
    return BL_OK;
}

/* Places are powers of two, so that a list that is a little longer in one step than in the next
 * does not move those behind it. */
void *bl_cuda_upload_room(size_t bytes) {
    bl_cuda_list *l = mine;
    size_t room = UPLOAD_LEAST;
    if (bytes > UPLOAD_MOST) return NULL;
    while (room < bytes) room *= 2;
    if (l->uploaded + room > UPLOAD_ROOM) { /* rare: a step uploads more between two waits */
        bl_cuda_flush_quietly();
        fail_later(l, bl_cuda_status((int)cudaStreamSynchronize(cudaStreamPerThread),
                                     "waiting for the device"));
        l->uploaded = 0;
    }
    l->uploaded += room;
    return l->upload + l->uploaded - room;
}

void bl_cuda_waited(void) {
    if (mine) mine->uploaded = 0;
}

void bl_cuda_forget_graphs(void) {
    atomic_fetch_add(&freed, 1);
}

/* ---- running ---- */

static bl_status run_each(bl_cuda_list *l) {
    bl_status status = BL_OK;
    l->running = true;
    for (size_t at = 0; status == BL_OK && at < l->used;) {
        const command *c = (const command *)(l->bytes + at);
        status = c->run(c + 1);
        at += c->size;
    }
    l->running = false;
    return status;
}

/* The list as a graph; NULL when something in it cannot be captured. */
static cudaGraphExec_t capture(bl_cuda_list *l) {
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec = NULL;
    cudaError_t e = cudaStreamBeginCapture(cudaStreamPerThread, cudaStreamCaptureModeThreadLocal);
    if (e == cudaSuccess) {
        bl_status status = run_each(l);
        e = cudaStreamEndCapture(cudaStreamPerThread, &graph);
        if (status != BL_OK) e = cudaErrorStreamCaptureInvalidated;
    }
    if (e == cudaSuccess) e = cudaGraphInstantiate(&exec, graph, 0);
    if (graph) cudaGraphDestroy(graph);
    if (e == cudaSuccess) return exec;
    cudaError_t last = cudaGetLastError(); /* no error of the work: that is done again, directly */
    BL_WARN("CUDA graphs: %d commands cannot be captured (%s) and are run one by one", l->commands,
            cudaGetErrorName(last != cudaSuccess ? last : e));
    return NULL;
}

/* Words of 8 bytes, as lists are made of. */
static uint64_t hash_of(const char *bytes, size_t size) {
    uint64_t h = size, word;
    for (size_t i = 0; i < size; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return h;
}

static void remember(bl_cuda_list *l, const list_key *key) {
    known_list *k = malloc(sizeof *k + l->used);
    if (!k) return;
    *k = (known_list){.graphs = &l->stats.graphs};
    memcpy(k->bytes, l->bytes, l->used);
    (void)bl_plan_cache_insert(l->cache, key, k);
}

static bl_status run_list(bl_cuda_list *l) {
    unsigned age = atomic_load(&freed);
    if (l->age != age) BL_TRY(new_cache(l));
    l->age = age;
    list_key key = {hash_of(l->bytes, l->used), l->used};
    known_list *k = bl_plan_cache_find(l->cache, &key);
    bool equal = k && memcmp(k->bytes, l->bytes, l->used) == 0;
    /* An error that is already there is the work's: the capture must not swallow it. */
    if (equal && !k->graph && !k->refused && cudaPeekAtLastError() == cudaSuccess) {
        k->graph = capture(l);
        k->refused = !k->graph;
        l->stats.graphs += k->graph != NULL;
    }
    if (equal && k->graph) {
        l->stats.replayed++;
        l->stats.replayed_commands += l->commands;
        return bl_cuda_status((int)cudaGraphLaunch(k->graph, cudaStreamPerThread),
                              "launching a graph");
    }
    l->stats.direct++;
    l->stats.direct_commands += l->commands;
    bl_status status = run_each(l);
    if (!k && status == BL_OK) remember(l, &key);
    return status;
}

void bl_cuda_flush_quietly(void) {
    bl_cuda_list *l = mine;
    if (!l || l->running) return;
    if (l->commands > 0 && l->failed == BL_OK) fail_later(l, run_list(l));
    l->used = 0;
    l->commands = 0;
}

bl_status bl_cuda_flush(void) {
    bl_cuda_flush_quietly();
    if (!mine || mine->running || mine->failed == BL_OK) return BL_OK;
    bl_status status = mine->failed;
    mine->failed = BL_OK;
    return bl_fail(status, "%s (a deferred command; run.graphs=false shows where it came from)",
                   mine->why);
}
