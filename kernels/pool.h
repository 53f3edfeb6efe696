/* Caching allocator of reference-counted device buffers.
 *
 * Freed buffers are kept by size class and handed out again; a training step reaches a steady state
 * without calling the device allocator. Statistics: live, peak and cached bytes. */
#ifndef BALLAST_KERNELS_POOL_H
#define BALLAST_KERNELS_POOL_H

#include <stddef.h>

#include "kernels/device.h"

typedef struct bl_pool bl_pool;
typedef struct bl_buf {
    void *data;
    size_t bytes; /* capacity */
    int refs;
    bl_pool *pool;
    struct bl_buf *next; /* free list */
} bl_buf;

bl_status bl_pool_create(bl_device *dev, bl_pool **out);
void bl_pool_destroy(bl_pool *p); /* all buffers must have been released */
bl_status bl_buf_new(bl_pool *p, size_t bytes, bl_buf **out); /* refs = 1; content undefined */
void bl_buf_retain(bl_buf *b);
void bl_buf_release(bl_buf *b); /* back to the pool at zero; NULL is fine */
/* Puts the free buffers of each size in the order of their addresses: what is taken and given back
 * in the same order from here on gets the same buffers every time, as graphs want it. */
void bl_pool_settle(bl_pool *p);
void bl_pool_trim(bl_pool *p); /* gives cached buffers back to the device */

typedef struct bl_pool_stats {
    size_t live, peak, cached;
} bl_pool_stats;
bl_pool_stats bl_pool_get_stats(const bl_pool *p);
void bl_pool_reset_peak(bl_pool *p);

#endif
