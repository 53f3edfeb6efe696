/* Copies, streams and events on the emulated device.
 *
 * The threads' own streams are one: it works at once, and stays ahead of everybody. A stream that
 * the program creates takes copies from the host only and does them as late as it may: when an
 * event that it recorded behind them is waited for, by the host or by another stream, or when the
 * host waits for the stream or the device. What such a copy will write is spoilt (NaN) as soon as
 * it is asked for, so whoever reads it without waiting reads NaN. The program ends when it is asked
 * to write memory that the threads' stream has touched without a wait for that, and when the host
 * memory of the copy before has been changed without the host having waited for that copy. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/emu/cuda_runtime.h"

enum { SPOILT = 0xff };

typedef struct job {
    void *dst; /* NULL: a record of `number` */
    const void *src;
    size_t bytes;
    uint64_t number;
} job;

struct bl_emu_stream {
    job *jobs; /* [0, n): not done yet */
    int n, cap;
    uint64_t recorded, done; /* numbers of records */
    uint64_t seen;           /* work of the threads' stream that it has waited for */
    /* Records that the threads' stream has waited for, and the host. */
    uint64_t awaited, known;
    struct {
        const void *src;
        size_t bytes;
        uint64_t sum, after; /* of its bytes; records before it */
    } last;                  /* copy */
    struct bl_emu_stream *next;
};

struct bl_emu_event {
    double at;
    struct bl_emu_stream *stream; /* of the last record; NULL: the threads' own */
    uint64_t number;              /* that of the record, or of the work before it */
};

static struct {
    pthread_mutex_t lock;
    struct bl_emu_stream *first;
    uint64_t seen; /* work of the threads' stream that the host has waited for */
} g = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void die(const char *what, const void *p) {
    fprintf(stderr, "emulated GPU: %s (%p)\n", what, p);
    abort();
}

static bool own(cudaStream_t s) {
    return s == cudaStreamPerThread || !s;
}

/* ---- the queue of a stream; under the lock ---- */

static void put(struct bl_emu_stream *s, job j) {
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->jobs = realloc(s->jobs, (size_t)s->cap * sizeof *s->jobs);
        if (!s->jobs) die("no memory for a stream's work", s);
    }
    s->jobs[s->n++] = j;
}

static void perform(struct bl_emu_stream *s, const job *j) {
    if (!j->dst) {
        s->done = j->number;
        return;
    }
    bl_emu_begin_aside("a copy on another stream");
    bl_emu_need(j->dst, j->bytes);
    memcpy(j->dst, j->src, j->bytes);
    bl_emu_end();
}

/* Until the record of that number is done. */
static void advance(struct bl_emu_stream *s, uint64_t number) {
    int i = 0;
    while (i < s->n && s->done < number) perform(s, &s->jobs[i++]);
    s->n -= i;
    if (i > 0) memmove(s->jobs, s->jobs + i, (size_t)s->n * sizeof *s->jobs);
}

static void finish(struct bl_emu_stream *s) {
    for (int i = 0; i < s->n; i++) perform(s, &s->jobs[i]);
    s->n = 0;
    s->known = s->done = ++s->recorded;
}

void bl_emu_finish_streams(void) {
    pthread_mutex_lock(&g.lock);
    for (struct bl_emu_stream *s = g.first; s; s = s->next) finish(s);
    pthread_mutex_unlock(&g.lock);
}

/* ---- copies ---- */

static uint64_t checksum(const void *p, size_t bytes) {
    const unsigned char *b = p;
    uint64_t h = bytes;
    for (size_t i = 0; i < bytes; i++) h = (h ^ b[i]) * 0x100000001b3ull;
    return h;
}

/* The memory of the copy before may be another's by now; only what is used again is looked at. */
static void check_last(struct bl_emu_stream *s, const void *src) {
    if (!s->last.src || s->last.src != src || s->known > s->last.after) return;
    if (checksum(s->last.src, s->last.bytes) != s->last.sum) {
        die("the host changed what the copy before may still read: no wait", src);
    }
}

static void copy_later(struct bl_emu_stream *s, void *dst, const void *src, size_t bytes) {
    uint64_t last = bl_emu_last_use(dst);
    pthread_mutex_lock(&g.lock);
    if (last > s->seen && last > g.seen) {
        die("a copy on another stream writes what this one may still use: no wait", dst);
    }
    check_last(s, src);
    bl_emu_begin_aside("cudaMemcpyAsync");
    bl_emu_check_side(dst, bytes, true);
    bl_emu_check_side(src, bytes, false);
    memset(dst, SPOILT, bytes);
    bl_emu_end();
    put(s, (job){dst, src, bytes, 0});
    s->last.src = src;
    s->last.bytes = bytes;
    s->last.after = s->recorded;
    s->last.sum = checksum(src, bytes);
    pthread_mutex_unlock(&g.lock);
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t s) {
    if (bytes == 0) return cudaSuccess;
    if (!own(s)) {
        if (kind != cudaMemcpyHostToDevice) die("a created stream copies from the host only", dst);
        copy_later(s, dst, src, bytes);
        return cudaSuccess;
    }
    return bl_emu_copy(dst, src, bytes, kind);
}

/* ---- streams ---- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags) {
    if (flags != cudaStreamNonBlocking) return cudaErrorInvalidValue;
    *s = calloc(1, sizeof **s);
    if (!*s) return cudaErrorMemoryAllocation;
    pthread_mutex_lock(&g.lock);
    (*s)->next = g.first;
    g.first = *s;
    pthread_mutex_unlock(&g.lock);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s) {
    pthread_mutex_lock(&g.lock);
    finish(s);
    struct bl_emu_stream **at = &g.first;
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    pthread_mutex_unlock(&g.lock);
    free(s->jobs);
    free(s);
    return cudaSuccess;
}

static void up_to(uint64_t *v, uint64_t to) {
    if (to > *v) *v = to;
}

/* The host knows that the threads' stream has done its work up to that number, and so what it
 * waited for. */
static void host_saw(uint64_t work) {
    up_to(&g.seen, work);
    for (struct bl_emu_stream *s = g.first; s; s = s->next) up_to(&s->known, s->awaited);
}

cudaError_t cudaStreamSynchronize(cudaStream_t s) {
    BL_EMU_REFUSE();
    uint64_t work = bl_emu_work();
    pthread_mutex_lock(&g.lock);
    if (own(s)) {
        host_saw(work);
    } else {
        finish(s);
    }
    pthread_mutex_unlock(&g.lock);
    cudaError_t e = bl_emu_waited();
    bl_emu_set_error(e);
    return e;
}

cudaError_t cudaDeviceSynchronize(void) {
    bl_emu_finish_streams();
    return cudaStreamSynchronize(NULL);
}

/* ---- events ---- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags) {
    *e = calloc(1, sizeof **e);
    return *e ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaEventDestroy(cudaEvent_t e) {
    free(e);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
    BL_EMU_REFUSE();
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    e->at = (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
    uint64_t work = bl_emu_work();
    pthread_mutex_lock(&g.lock);
    e->stream = own(s) ? NULL : s;
    e->number = own(s) ? work : ++s->recorded;
    if (!own(s)) put(s, (job){.number = e->number});
    pthread_mutex_unlock(&g.lock);
    return cudaSuccess;
}

/* Nothing that a stream of ours waits for ever waits for it: an event's work can be
 * done at once. */
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags) {
    BL_EMU_REFUSE();
    pthread_mutex_lock(&g.lock);
    if (e->stream) {
        advance(e->stream, e->number);
        if (own(s)) up_to(&e->stream->awaited, e->number);
    } else if (!own(s)) {
        up_to(&s->seen, e->number);
    }
    pthread_mutex_unlock(&g.lock);
    return cudaSuccess;
}

static int64_t event_waits;

int64_t bl_emu_event_waits(void) {
    return event_waits;
}

cudaError_t cudaEventSynchronize(cudaEvent_t e) {
    BL_EMU_REFUSE();
    pthread_mutex_lock(&g.lock);
    event_waits += e->number > 0;
    if (e->stream) {
        advance(e->stream, e->number);
        up_to(&e->stream->known, e->number);
    } else {
        host_saw(e->number);
    }
    pthread_mutex_unlock(&g.lock);
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t e) {
    BL_EMU_REFUSE();
    pthread_mutex_lock(&g.lock);
    bool done = !e->stream || e->stream->done >= e->number;
    pthread_mutex_unlock(&g.lock);
    return done ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to) {
    *ms = (float)(to->at - from->at);
    return cudaSuccess;
}
