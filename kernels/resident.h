/* Tensors that stay on the device from step to step: training images, queues of features. They
 * belong to whoever created them, carry no gradient, and take part in ops as inputs. */
#ifndef BALLAST_KERNELS_RESIDENT_H
#define BALLAST_KERNELS_RESIDENT_H

#include "kernels/ctx.h"

typedef struct bl_resident bl_resident;

/* (n,c,h,w) in channel blocks of cb >= 1, uninitialised; memory straight from the device, without
 * the pool's slack. */
bl_status bl_resident_create(bl_ctx *ctx, int64_t n, int64_t c, int64_t h, int64_t w, int32_t cb,
                             bl_dtype dtype, bl_resident **out);
void bl_resident_destroy(bl_resident *r); /* before its context; r may be NULL */

/* Valid as long as r; dropping it has no effect. */
bl_tensor *bl_resident_tensor(bl_resident *r);

/* Entries [first, first + count) along N from and to host memory, as they stand in storage. Ordered
 * with the context's work; the host memory is free on return. BL_EINVAL beyond the end. */
bl_status bl_resident_write(bl_resident *r, int64_t first, int64_t count, const void *src);
bl_status bl_resident_read(const bl_resident *r, int64_t first, int64_t count, void *dst);
/* Entries from `first` on become those of `t`, of the same type, layout and (c,h,w): a copy on the
 * device. */
bl_status bl_resident_put(bl_resident *r, int64_t first, const bl_tensor *t);

#endif
