#include "kernels/backend.h"

bl_status bl_device_open(const char *name, bl_device **out) {
    const bl_backend *backend;
    int index;
    *out = NULL;
    BL_TRY(bl_backend_choose(name, NULL, &backend, &index));
    return backend->open(index, out);
}

void bl_device_close(bl_device *d) {
    if (d) d->destroy(d);
}
