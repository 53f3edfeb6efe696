/* Hash map from 64-bit ids to indices, for the ids of annotation files. */
#ifndef BALLAST_CORE_IDMAP_H
#define BALLAST_CORE_IDMAP_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Zero-initialise; open addressing with linear probing, at most 3/4 full. */
typedef struct bl_idmap {
    struct bl_idmap_slot {
        int64_t id;
        int64_t value; /* -1: free */
    } * slots;
    size_t cap, n; /* cap: 0 or a power of two */
} bl_idmap;

/* The value of `id`, or -1. */
int64_t bl_idmap_get(const bl_idmap *m, int64_t id);
/* Stores value >= 0 unless the id is there already; *stored is the value found or put. */
bl_status bl_idmap_add(bl_idmap *m, int64_t id, int64_t value, int64_t *stored);
void bl_idmap_free(bl_idmap *m);

#endif
