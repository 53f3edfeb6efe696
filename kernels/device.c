#include "kernels/device.h"

#include <string.h>

bl_status bl_device_open(const char *name, bl_device **out) {
    *out = NULL;
    if (!name || !strcmp(name, "auto") || !strcmp(name, "cpu")) return bl_device_cpu(out);
    if (!strncmp(name, "cuda", 4)) {
        return bl_fail(BL_EUNSUPPORTED,
                       "device \"%s\": this build has no CUDA backend; use \"cpu\" or \"auto\"",
                       name);
    }
    return bl_fail(BL_EINVAL, "unknown device \"%s\"; use \"cpu\" or \"auto\"", name);
}

void bl_device_close(bl_device *d) {
    if (d) d->destroy(d);
}
