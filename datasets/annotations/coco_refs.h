/* Ids that records of a COCO file refer to. The arrays may come in any order, so an id can be used
 * before it is defined: ids are numbered at first sight, and resolved to table indices when the
 * whole file has been read. Internal to the COCO reader. */
#ifndef BALLAST_DATASETS_ANNOTATIONS_COCO_REFS_H
#define BALLAST_DATASETS_ANNOTATIONS_COCO_REFS_H

#include "core/ids.h"

typedef struct coco_ref {
    bl_id id;          /* the text lives in the pool */
    int64_t index;     /* in the table of definitions; -1: not defined (yet) */
    int64_t first_use; /* annotation that used it first; -1: none */
} coco_ref;

/* Zero-initialise. */
typedef struct coco_refs {
    bl_id_index map;
    coco_ref *v;
    int64_t n, cap;
} coco_refs;

/* The number of `id` in refs->v, with a new entry when it has none. */
bl_status bl_coco_ref(coco_refs *t, bl_id id, bl_strpool *pool, int64_t *number);
/* Gives defined ids that are texts a number each: behind the largest that is one, in the order of
 * the texts. BL_EFORMAT when none are left; `name` stands for the file. */
bl_status bl_coco_refs_number_texts(coco_refs *t, const char *name);
void bl_coco_refs_free(coco_refs *t);

#endif
