/* Masks at rest: compressed strings packed into an arena, about a byte and a half a run, decoded
 * when they are needed. */
#ifndef BALLAST_DATASETS_ANNOTATIONS_MASK_STORE_H
#define BALLAST_DATASETS_ANNOTATIONS_MASK_STORE_H

#include <stdio.h>

#include "core/strpool.h"
#include "datasets/annotations/mask_rle.h"

typedef struct bl_mask {
    const char *text; /* compressed string of a whole mask; NULL: no mask */
    uint32_t length;  /* of text */
    uint32_t area;    /* pixels */
    int32_t h, w;
} bl_mask;

/* Keeps a copy of `r` in the pool. */
bl_status bl_mask_keep(bl_strpool *pool, const bl_rle *r, bl_mask *out);
/* A copy of a kept mask in another pool; of no mask, no mask. */
bl_status bl_mask_copy(bl_strpool *pool, const bl_mask *m, bl_mask *out);
/* The runs of a kept mask, into r's memory. BL_EINVAL when there is no mask. */
bl_status bl_mask_runs(const bl_mask *m, bl_rle *r);
/* Writes the mask as a COCO "segmentation" value with a compressed string. */
void bl_mask_put_json(FILE *f, const bl_mask *m);

#endif
