/* The CPU as a device: host memory, every operation completes before it returns. */
#include <stdlib.h>
#include <string.h>

#include "kernels/staging.h"

enum { ALIGNMENT = 64 }; /* a cache line and an AVX-512 register */

static bl_status cpu_alloc(bl_device *d, size_t bytes, void **ptr) {
    size_t rounded = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    *ptr = rounded < bytes ? NULL : aligned_alloc(ALIGNMENT, rounded ? rounded : ALIGNMENT);
    if (!*ptr) return bl_no_memory("to allocate %zu bytes", bytes);
    return BL_OK;
}

static void cpu_free(bl_device *d, void *ptr) {
    free(ptr);
}

static bl_status cpu_move(bl_device *d, void *dst, const void *src, size_t bytes) {
    if (bytes) memcpy(dst, src, bytes);
    return BL_OK;
}

static bl_status cpu_zero(bl_device *d, void *dst, size_t bytes) {
    if (bytes) memset(dst, 0, bytes);
    return BL_OK;
}

static bl_status cpu_sync(bl_device *d) {
    return BL_OK;
}

static void cpu_destroy(bl_device *d) {
    free(d);
}

bl_status bl_device_cpu(bl_device **out) {
    bl_device *d = *out = malloc(sizeof *d);
    if (!d) return bl_no_memory("to open the CPU device");
    *d = (bl_device){.name = "cpu",
                     .host_memory = true,
                     .alloc = cpu_alloc,
                     .free = cpu_free,
                     .to_device = cpu_move,
                     .to_host = cpu_move,
                     .copy = cpu_move,
                     .zero = cpu_zero,
                     .sync = cpu_sync,
                     .staging = &bl_staging_cpu,
                     .destroy = cpu_destroy};
    return BL_OK;
}
