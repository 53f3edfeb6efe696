/* Uploads ahead of their use: memory blocks that any thread fills while the device is at work, on
 * their way beside it, for a later step to read. A block goes round through
 *
 *   load (any thread)  ->  await (the context's thread)  ->  work that reads
 *     ->  release (the same thread)  ->  load ...
 *
 * and a load may follow a load when what was loaded first is not wanted any more. On a device whose
 * memory is the host's nothing is copied: parcels stay where they are. */
#ifndef BALLAST_KERNELS_STAGING_H
#define BALLAST_KERNELS_STAGING_H

#include "kernels/device.h"

typedef struct bl_staging bl_staging;

typedef struct bl_parcel {
    const void *src; /* host memory; must stay as it is until the release */
    size_t bytes;
    const void *data; /* out: where it will stand on the device, 64-byte aligned in copies */
} bl_parcel;

/* What a device implements. */
typedef struct bl_staging_ops {
    bl_status (*open)(bl_device *, bl_staging **out);
    bl_status (*load)(bl_staging *, bl_parcel *parcel, int n);
    bl_status (*await)(bl_staging *);
    bl_status (*release)(bl_staging *);
    void (*close)(bl_staging *);
} bl_staging_ops;

/* First member of each device's own struct. */
struct bl_staging {
    const bl_staging_ops *ops;
};

static inline bl_status bl_staging_open(bl_device *d, bl_staging **out) {
    return d->staging->open(d, out);
}
/* Before its device is closed; s may be NULL. */
static inline void bl_staging_close(bl_staging *s) {
    if (s) s->ops->close(s);
}
/* Sends n parcels. Waits until the block's last copy has left the host and its last reader is done
 * as far as it must; does not wait for this copy. */
static inline bl_status bl_staging_load(bl_staging *s, bl_parcel *parcel, int n) {
    return s->ops->load(s, parcel, n);
}
/* What the calling thread gives the device from now on finds the parcels in place. */
static inline bl_status bl_staging_await(bl_staging *s) {
    return s->ops->await(s);
}
/* What the calling thread has given the device so far is the last that reads the parcels. */
static inline bl_status bl_staging_release(bl_staging *s) {
    return s->ops->release(s);
}

extern const bl_staging_ops bl_staging_cpu;

#endif
