#include "datasets/loading/prefetch.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum place_state { PLACE_FREE, PLACE_FILLING, PLACE_READY, PLACE_HELD } place_state;

typedef struct place {
    place_state state;
    int32_t taken, made; /* parts handed to threads; finished */
    bl_status status;    /* of the failed part with the lowest index, or of the plan */
    int32_t failed;
    char message[512]; /* for the caller's thread */
} place;

/* Everything below the lock is guarded by it. */
struct bl_prefetch {
    bl_prefetch_source source;
    void *owner;
    int64_t n_places, workers;
    pthread_t *threads;
    int n_threads; /* written by the caller's thread alone */

    pthread_mutex_t lock;
    pthread_cond_t work, ready; /* something to do for workers; something done */
    place *places;              /* a ring: batches [head, tail) are being made or ready */
    int64_t head, tail;
    int active;  /* threads that are making parts */
    int started; /* workers that know their number */
    bool paused, stop;
};

static place *place_at(bl_prefetch *p, int64_t batch) {
    return &p->places[batch % p->n_places];
}

static int64_t index_of(const bl_prefetch *p, const place *at) {
    return at - p->places;
}

static void note_failure(place *at, int32_t part, bl_status status) {
    at->status = status;
    at->failed = part;
    snprintf(at->message, sizeof at->message, "%s", bl_error());
}

static void plan_next(bl_prefetch *p) {
    place *at = place_at(p, p->tail++);
    *at = (place){.state = PLACE_FILLING};
    bl_status status = p->source.plan(p->owner, index_of(p, at));
    if (status == BL_OK) return;
    note_failure(at, 0, status);
    at->state = PLACE_READY;
    pthread_cond_broadcast(&p->ready);
}

/* The oldest batch with a part that nobody has taken; plans batches while there is room. NULL:
 * nothing to do. */
static place *find_work(bl_prefetch *p) {
    for (;;) {
        for (int64_t i = p->head; i < p->tail; i++) {
            place *at = place_at(p, i);
            if (at->state == PLACE_FILLING && at->taken < p->source.parts) return at;
        }
        if (p->tail - p->head >= p->n_places || place_at(p, p->tail)->state != PLACE_FREE)
            return NULL;
        plan_next(p);
    }
}

/* Makes some parts of a batch, releasing the lock meanwhile. After a failure the rest of the parts
 * are left out: their batch is lost. */
static void work_on(bl_prefetch *p, place *at, int thread) {
    int32_t part = at->taken, left = p->source.parts - part;
    int32_t n = left < p->source.chunk ? left : p->source.chunk, end = part + n;
    bl_status status = BL_OK;
    at->taken = end;
    p->active++;
    pthread_mutex_unlock(&p->lock);
    for (; part < end && status == BL_OK; part++)
        status = p->source.make(p->owner, index_of(p, at), part, thread);
    pthread_mutex_lock(&p->lock);
    if (status != BL_OK && (at->status == BL_OK || part <= at->failed))
        note_failure(at, part - 1, status);
    at->made += n;
    bool whole = at->made == p->source.parts;
    if (whole && at->status == BL_OK && p->source.finish) {
        pthread_mutex_unlock(&p->lock);
        status = p->source.finish(p->owner, index_of(p, at));
        pthread_mutex_lock(&p->lock);
        if (status != BL_OK) note_failure(at, p->source.parts, status);
    }
    p->active--;
    if (whole) at->state = PLACE_READY;
    if (at->state == PLACE_READY || p->active == 0) pthread_cond_broadcast(&p->ready);
}

static void *worker(void *arg) {
    bl_prefetch *p = arg;
    pthread_mutex_lock(&p->lock);
    int thread = ++p->started;
    while (!p->stop) {
        place *at = p->paused ? NULL : find_work(p);
        if (at)
            work_on(p, at, thread);
        else
            pthread_cond_wait(&p->work, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static bl_status start_threads(bl_prefetch *p) {
    if (p->n_threads > 0 || p->workers == 0) return BL_OK;
    sigset_t all, before;
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    sigfillset(&all); /* signals are for the main thread, but for what a thread does itself */
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (p->n_threads < p->workers &&
           pthread_create(&p->threads[p->n_threads], NULL, worker, p) == 0)
        p->n_threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (p->n_threads == 0)
        return bl_fail(BL_ENOMEM, "%s: cannot start a thread; set loader.workers = 0",
                       p->source.name);
    return BL_OK;
}

static void empty_place(bl_prefetch *p, place *at) {
    if (p->source.empty) p->source.empty(p->owner, index_of(p, at));
    at->state = PLACE_FREE;
}

bl_status bl_prefetch_create(const bl_prefetch_source *source, void *owner, int64_t workers,
                             int64_t ahead, bl_prefetch **out) {
    bl_prefetch *p = calloc(1, sizeof *p);
    if (!p) return bl_no_memory("for %s", source->name);
    p->source = *source;
    p->owner = owner;
    p->workers = workers;
    p->n_places = (ahead > 0 ? ahead : 1) + 1;
    p->places = calloc((size_t)p->n_places, sizeof *p->places);
    p->threads = calloc((size_t)workers + 1, sizeof *p->threads);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->ready, NULL);
    if (!p->places || !p->threads) {
        bl_prefetch_destroy(p);
        return bl_no_memory("for %s", source->name);
    }
    *out = p;
    return BL_OK;
}

void bl_prefetch_destroy(bl_prefetch *p) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_threads; i++) pthread_join(p->threads[i], NULL);
    for (int64_t i = 0; p->places && i < p->n_places; i++)
        if (p->places[i].state != PLACE_FREE) empty_place(p, &p->places[i]);
    free(p->places);
    free(p->threads);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->ready);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int64_t bl_prefetch_places(const bl_prefetch *p) {
    return p->n_places;
}

bl_status bl_prefetch_next(bl_prefetch *p, int64_t *out) {
    pthread_mutex_lock(&p->lock);
    bl_status status = start_threads(p);
    place *at = place_at(p, p->head);
    if (status == BL_OK && at->state == PLACE_HELD)
        status = bl_fail(BL_EINVAL, "%s: the batch of %lld calls ago is still held; release it",
                         p->source.name, (long long)p->n_places);
    while (status == BL_OK && at->state != PLACE_READY) {
        if (p->n_threads > 0)
            pthread_cond_wait(&p->ready, &p->lock);
        else if (at->state == PLACE_FREE)
            plan_next(p);
        else
            work_on(p, at, 0);
    }
    if (status == BL_OK && at->status != BL_OK) status = bl_fail(at->status, "%s", at->message);
    if (status == BL_OK) {
        at->state = PLACE_HELD;
        p->head++;
        *out = index_of(p, at);
        pthread_cond_broadcast(&p->work);
    }
    pthread_mutex_unlock(&p->lock);
    return status;
}

void bl_prefetch_release(bl_prefetch *p, int64_t index) {
    pthread_mutex_lock(&p->lock);
    if (p->places[index].state == PLACE_HELD) empty_place(p, &p->places[index]);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void bl_prefetch_pause(bl_prefetch *p) {
    pthread_mutex_lock(&p->lock);
    p->paused = true;
    while (p->active > 0) pthread_cond_wait(&p->ready, &p->lock);
}

void bl_prefetch_restart(bl_prefetch *p) {
    for (int64_t i = p->head; i < p->tail; i++) empty_place(p, place_at(p, i));
    p->tail = p->head;
    p->paused = false;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void bl_prefetch_lock(bl_prefetch *p) {
    pthread_mutex_lock(&p->lock);
}

void bl_prefetch_unlock(bl_prefetch *p) {
    pthread_mutex_unlock(&p->lock);
}
