/* A ring of batches that worker threads make ahead, handed out in order.
 *
 * The ring knows places and threads; what a batch is, its owner knows. A batch is planned (which
 * images: in order, by one thread at a time), its parts are made (pixels: by any thread, in any
 * order), and it goes to the caller of bl_prefetch_next when all of them are done. So batches
 * depend on the plan alone, whatever the number of workers. The owner keeps a batch's contents and
 * the position behind it in an array of its own, indexed by place. */
#ifndef BALLAST_DATASETS_LOADING_PREFETCH_H
#define BALLAST_DATASETS_LOADING_PREFETCH_H

#include <stdint.h>

#include "core/status.h"

/* What the ring asks of the owner of the batches. `place` is 0..bl_prefetch_places() - 1. */
typedef struct bl_prefetch_source {
    const char *name; /* of the loader, in messages */
    int32_t parts;    /* of a batch, >= 1 */
    int32_t chunk;    /* parts a thread makes at a time, >= 1 */

    /* Decides what the next batch is. Batch after batch, with the ring locked. After a failure the
     * batch has no parts, and bl_prefetch_next reports the failure when it comes to it. */
    bl_status (*plan)(void *owner, int64_t place);
    /* Makes one part, without the lock. `thread`: 0 = the caller of bl_prefetch_next, from 1 the
     * workers; for scratch memory. Of several failures the one of the lowest part is reported;
     * later parts of its batch may be left out. */
    bl_status (*make)(void *owner, int64_t place, int32_t part, int thread);
    /* All parts are made: what is left to do with the whole, without the lock, by the thread that
     * made the last one. Not called for a batch that failed. NULL: nothing. */
    bl_status (*finish)(void *owner, int64_t place);
    /* The batch is released or dropped, also half made: frees what its parts hold. Locked. NULL:
     * nothing to do. */
    void (*empty)(void *owner, int64_t place);
} bl_prefetch_source;

typedef struct bl_prefetch bl_prefetch;

/* Room for `ahead` batches (at least 1) beside the one in use. workers = 0: the caller of
 * bl_prefetch_next makes every batch when it is due. `source` is copied. No thread starts before
 * the first bl_prefetch_next. */
bl_status bl_prefetch_create(const bl_prefetch_source *source, void *owner, int64_t workers,
                             int64_t ahead, bl_prefetch **out);
/* Joins the workers and empties every place that holds something. p may be NULL. */
void bl_prefetch_destroy(bl_prefetch *p);

int64_t bl_prefetch_places(const bl_prefetch *p);

/* Waits for the next batch; its contents are the caller's until the release. Failures of its plan
 * or its parts surface here, and again until a restart. Places are used in turn: BL_EINVAL while
 * the one whose turn it is is still held. */
bl_status bl_prefetch_next(bl_prefetch *p, int64_t *place);
/* Nothing happens to a place that is not held. */
void bl_prefetch_release(bl_prefetch *p, int64_t place);

/* Another course: between the two calls no worker runs and the caller may change what `plan` uses.
 * The restart drops what was made ahead, so the next plan is that of the batch that
 * bl_prefetch_next returns next. The ring is locked from one to the other. */
void bl_prefetch_pause(bl_prefetch *p);
void bl_prefetch_restart(bl_prefetch *p);

/* Keeps `plan` and `empty` out, for parts that need what those change. */
void bl_prefetch_lock(bl_prefetch *p);
void bl_prefetch_unlock(bl_prefetch *p);

#endif
