/* The device boundary: memory and queues. A backend (backend.h) opens one bl_device
 * and fills one bl_kernels table (kernels.h); no code above kernels/ knows which. */
#ifndef BALLAST_KERNELS_DEVICE_H
#define BALLAST_KERNELS_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

struct bl_staging_ops; /* staging.h */

typedef struct bl_device {
    const char *name; /* "cpu", "cuda:0" */
    bool host_memory; /* device pointers can be dereferenced by the host */
    bl_status (*alloc)(struct bl_device *, size_t bytes, void **ptr); /* 64-byte aligned */
    void (*free)(struct bl_device *, void *ptr);
    /* Ordered on the device's stream; `to_host` returns when the data has arrived. */
    bl_status (*to_device)(struct bl_device *, void *dst, const void *src, size_t bytes);
    bl_status (*to_host)(struct bl_device *, void *dst, const void *src, size_t bytes);
    bl_status (*copy)(struct bl_device *, void *dst, const void *src, size_t bytes);
    bl_status (*zero)(struct bl_device *, void *dst, size_t bytes);
    bl_status (*sync)(struct bl_device *);
    const struct bl_staging_ops *staging; /* uploads ahead of their use */
    void (*destroy)(struct bl_device *);
    void *impl;
} bl_device;

bl_status bl_device_cpu(bl_device **out);
/* "cpu", "cuda:N", "auto" (NULL); BL_EUNSUPPORTED with a message that says what is missing. */
bl_status bl_device_open(const char *name, bl_device **out);
void bl_device_close(bl_device *d);

#endif
