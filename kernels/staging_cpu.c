/* Staging where the device's memory is the host's: parcels stay where they are. */
#include <stdlib.h>

#include "kernels/staging.h"

static bl_status cpu_open(bl_device *d, bl_staging **out) {
    *out = malloc(sizeof **out);
    if (!*out) return bl_no_memory("to describe a staging block");
    (*out)->ops = d->staging;
    return BL_OK;
}

static bl_status cpu_load(bl_staging *s, bl_parcel *parcel, int n) {
    for (int i = 0; i < n; i++) parcel[i].data = parcel[i].src;
    return BL_OK;
}

static bl_status cpu_nothing(bl_staging *s) {
    return BL_OK;
}

static void cpu_close(bl_staging *s) {
    free(s);
}

const bl_staging_ops bl_staging_cpu = {.open = cpu_open,
                                       .load = cpu_load,
                                       .await = cpu_nothing,
                                       .release = cpu_nothing,
                                       .close = cpu_close};
