/* Tensors, and the maps of a feature pyramid, as kernel arguments: what kernels need of a
 * bl_tensor, which itself holds host pointers. */
#ifndef BALLAST_KERNELS_CUDA_MAPS_H
#define BALLAST_KERNELS_CUDA_MAPS_H

#include <string.h>

#include "kernels/cuda/cuda_internal.h"
#include "kernels/shared/hd.h"

typedef struct bl_cuda_map {
    void *data; /* NULL: there is none */
    int64_t n, c, h, w, cb, blocks;
} bl_cuda_map;

static inline bl_cuda_map bl_cuda_map_of(const bl_tensor *t) {
    bl_cuda_map m = {t->data, t->n, t->c, t->h, t->w, t->cb, bl_blocks(t)};
    return m;
}

/* Where element (n, c, y, x) stands, as bl_index(). */
static inline BL_HD int64_t bl_cuda_at(const bl_cuda_map *m, int64_t n, int64_t c, int64_t y,
                                       int64_t x) {
    return ((n * m->blocks + c / m->cb) * m->h * m->w + y * m->w + x) * m->cb + c % m->cb;
}

enum { BL_CUDA_MAPS = 8 }; /* as ops.h bounds the levels of an op */

typedef struct bl_cuda_maps {
    bl_cuda_map m[BL_CUDA_MAPS]; /* all zero where there is none */
} bl_cuda_maps;

/* maps[i] may be NULL: a map without gradient. */
static inline bl_cuda_maps bl_cuda_maps_of(const bl_tensor *const *maps, int n) {
    bl_cuda_maps all;
    memset(&all, 0, sizeof all);
    for (int i = 0; i < n && i < BL_CUDA_MAPS; i++) {
        if (maps[i]) all.m[i] = bl_cuda_map_of(maps[i]);
    }
    return all;
}

#endif
